/* Adversaries: agents that do not upload what honest training on their samples gives.
 *
 * They are the first agents, so that with the partition `powerlaw` the poorest are the
 * adversaries and the richest stay honest. Attacks on a federation of this kind were
 * studied by Xu and Lyu, "A Reputation Mechanism Is All You Need: Collaborative Fairness
 * and Adversarial Robustness in Federated Learning" (2021); "RFFL" below is its published
 * code. All train like honest agents, and have standalone twins that train on the same
 * data; what differs is said here. Where a scheme keeps an agent's own update, an adversary
 * keeps the one that it uploads. */
#ifndef CGSV_ADVERSARY_H
#define CGSV_ADVERSARY_H

#include <stddef.h>

#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cgsv_adversary {
    CGSV_HONEST,
    CGSV_LABEL_FLIP,    /* trains on labels C − 1 − y, its twin too (Karimireddy, He, Jaggi, "Learning from History
                           for Byzantine Robust Optimization", 2021; RFFL turns label 1 into 7 alone) */
    CGSV_RANDOM_UPDATE, /* a free rider: Δw's entries are uniform in (−1, 1), others each round (RFFL) */
    CGSV_ZERO_UPDATE,   /* a free rider: Δw = 0, which is valued 0 and has weight 0 */
    CGSV_SIGN_FLIP,     /* −Δw (RFFL draws the sign of every entry) */
    CGSV_RESCALED,      /* Δw times `factor` (RFFL: times a number from −100 to 100); of no effect where updates
                           are scaled to one length */
    CGSV_REPLICATED     /* holds the samples of the first honest agent, in shuffles of its own */
} cgsv_adversary;

enum { CGSV_ADVERSARY_KINDS = 6 }; /* CGSV_HONEST not counted */

/* A zeroed one has none. */
typedef struct cgsv_adversaries {
    int groups; /* of one kind each; agents from 0 on take their kinds from these in turn */
    struct {
        cgsv_adversary kind;
        int count; /* >= 1 */
    } group[CGSV_ADVERSARY_KINDS];
    double factor; /* > 0, of CGSV_RESCALED */
} cgsv_adversaries;

/* "label-flip" …, "honest". */
CGSV_API const char *cgsv_adversary_name(cgsv_adversary kind);

/* Reads "kind:count[,kind:count…]", or "none", and leaves the factor. Errors:
 * CGSV_ERROR_ARGUMENT: an unknown kind (the nearest known one is named), a kind that
 * stands twice, a count that is no whole number of at least 1. */
CGSV_API cgsv_status cgsv_adversaries_parse(cgsv_adversaries *adversaries, const char *text);

/* Writes that text, "none" when there are none; cut off where `size` is too small. */
CGSV_API void cgsv_adversaries_text(char *text, size_t size, const cgsv_adversaries *adversaries);

/* What agent number `agent` is. */
CGSV_API cgsv_adversary cgsv_adversary_of(const cgsv_adversaries *adversaries, int agent);

#ifdef __cplusplus
}
#endif
#endif
