/* The server's half of a round, as a sequence of kernels. */
#ifndef FEDERATION_SERVER_STEP_H
#define FEDERATION_SERVER_STEP_H

#include "cgsv/server.h"
#include "device/device.h"

/* Sizes that the arrays of a server step follow from. */
struct server_sizes {
    int federations, agents, rounds;
    int64_t dimension, ld;
    int tensors;
    const int64_t *tensor_begin; /* [tensors + 1], on the host */
    enum cgsv_reward reward;
    unsigned needs; /* enum scheme_need of all federations' schemes */
};

/* Bytes that server_step_create will take. */
size_t server_step_bytes(const struct kernels *kernels, const struct server_sizes *sizes);

/* Cuts each of `parts` stretches begin[t] .. begin[t + 1] − 1 into pieces of `columns`.
 * piece, and first[parts + 1] (a stretch's first piece), may be NULL. Returns the number
 * of pieces. */
int server_cut(struct chunk *piece, int32_t *first, const int64_t *begin, int parts, int64_t columns);

/* Allocates all arrays but update, model, server_model, round, train_loss, score and local_loss, which
 * the caller sets with their strides, and fills the tables. mechanism[F] and data_share[F N]
 * are the host's. */
cgsv_status server_step_create(struct server_step *step, cgsv_device *device, const struct server_sizes *sizes,
                               const struct mechanism *mechanism, const double *data_share);
void server_step_free(struct server_step *step, cgsv_device *device);

/* Enqueues one server step on `stream`: norms, aggregate, contributions, rewards, record. */
cgsv_status server_step_run(cgsv_device *device, const struct server_step *step, void *stream);

/* The same in two parts, between which `step` is a copy that knows the uploads and, where scores are
 * asked for, their norms. */
cgsv_status server_step_begin(cgsv_device *device, struct server_step *step, void *stream);
cgsv_status server_step_finish(cgsv_device *device, const struct server_step *step, void *stream);

/* The part of it that finds, in step->aggregate, the entries that each agent keeps: step->rank
 * from keep_ratio and order. */
cgsv_status server_step_select(cgsv_device *device, const struct server_step *step, void *stream);

/* From now on a server takes its updates' norms from its latest step, for measurements of a step as in a
 * round, where training leaves them. Expects the same updates again. */
void server_keep_norms(cgsv_server *server);

#endif
