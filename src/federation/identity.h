/* Whose a checkpoint is: all that must be the same for a fleet to go on to the same bits, as texts under the names
 * that the command line gives them. */
#ifndef FEDERATION_IDENTITY_H
#define FEDERATION_IDENTITY_H

#include "federation/internal.h"
#include "federation/settings.h"
#include "io/checkpoint_file.h"

enum { MOST_FACTS = CONFIG_SETTINGS + 8 };

struct identity {
    struct fact {
        const char *name;
        char *value; /* of a setting in which federations differ all of theirs, "0.5;1;2" */
    } fact[MOST_FACTS];
    int count, federations;
};

/* Of the fleet, its data set and its device, which comes last; piece[piece_bytes] is scratch, through which the data
 * come once. Errors leave it to be freed. */
cgsv_status identity_make(struct identity *identity, cgsv_fleet *fleet, char *piece, size_t piece_bytes);
void identity_free(struct identity *identity);

/* CGSV_ERROR_ARGUMENT with both values where the file is another's. `flags`: CGSV_CHECKPOINT_OTHER_DEVICE. */
cgsv_status identity_check(const struct identity *identity, const struct checkpoint_file *file, unsigned flags);

#endif
