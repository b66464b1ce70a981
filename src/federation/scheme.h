/* What the server step asks of a scheme. */
#ifndef FEDERATION_SCHEME_H
#define FEDERATION_SCHEME_H

#include <stdbool.h>

#include "cgsv/federation.h"
#include "kernels/kernels.h"

/* Work that only some schemes make the server step do, and memory that this takes. */
enum scheme_need {
    NEEDS_EXACT = 1,  /* Shapley values */
    NEEDS_UPLOAD = 2, /* uploads that are not the raw updates */
    NEEDS_OWN = 4,    /* agents' own updates added to their models */
    NEEDS_KEYS = 8,   /* a random order of the entries */
    NEEDS_SCORES = 16, /* contributions measured on validation samples */
    NEEDS_LOSSES = 32  /* agents' losses before training */
};
unsigned scheme_needs(const cgsv_scheme *scheme);

/* The same with updates so stored: what measures uploads reads them as floats, so that others are uploads of their
 * own. */
unsigned needs_with_storage(unsigned needs, cgsv_storage storage);

/* Contributions come from samples that are kept aside. */
bool scheme_takes_scores(const cgsv_scheme *scheme);

/* Agents keep their own updates and download nothing. */
bool scheme_trains_alone(const cgsv_scheme *scheme);

/* All agents may end with the same model, so that fairness has to be measured before the download. */
bool scheme_may_end_alike(const cgsv_scheme *scheme);

/* What the kernels need to know of a federation's settings. */
struct mechanism mechanism_of(const cgsv_config *config);

#endif
