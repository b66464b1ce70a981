/* Scores of schemes whose contributions are measured on validation samples, and the losses that
 * weigh agents in q-FFL. */
#ifndef FEDERATION_SCORES_H
#define FEDERATION_SCORES_H

#include "federation/coalition.h"
#include "federation/server_step.h"

enum { INDEX_KINDS = COALITION_INDEX_LEAVE_ONE_OUT + 1 };

struct scores {
    double *score, *local_loss;          /* [F][N] on the device, where a scheme needs them */
    struct coalition index[INDEX_KINDS]; /* of the kinds that some scheme needs */
    bool made[INDEX_KINDS];
};

struct cgsv_fleet;

/* CGSV_ERROR_ARGUMENT, with what to do, for a scheme that lacks samples or takes too many evaluations. */
cgsv_status scores_check(const cgsv_config *config, bool own_validation);

/* Bytes that scores_create will take. */
size_t scores_bytes(const struct cgsv_fleet *fleet);

/* Once the server step is there, which is told where scores and losses will be. */
cgsv_status scores_create(struct cgsv_fleet *fleet);
void scores_free(struct cgsv_fleet *fleet);

/* Enqueue what the schemes ask for: before the round's first step, between the round's halves, and within the
 * server step once norms are known. */
cgsv_status scores_losses(struct cgsv_fleet *fleet);
cgsv_status scores_trained(struct cgsv_fleet *fleet);
cgsv_status scores_run(struct cgsv_fleet *fleet, const struct server_step *step);

#endif
