/* What schemes that look at losses need: accuracies on the validation split, which the partition
 * keeps aside from the training samples, and losses on the agents' own shards. Test samples are
 * never among them. Nothing here waits for the device or allocates after validation_create. */
#ifndef FEDERATION_VALIDATION_H
#define FEDERATION_VALIDATION_H

#include "data/partition.h"
#include "model/model.h"

/* Samples of a split, all on the device. */
struct sample_set {
    const float *x;       /* [split][features] */
    const int32_t *y;     /* [split] */
    const int32_t *index; /* [samples] numbers of samples in the split; NULL: the split's first */
    int64_t samples;
};

/* sums[rows] over a set, of the models w + r · stride, r < rows; at most as many rows as the
 * workspace, whose input is shared by all, was made for. */
cgsv_status evaluate_rows(cgsv_device *device, const struct model *model, struct workspace *workspace,
                          struct loss_sums *sums, const float *w, int64_t stride, int rows, struct sample_set set);

/* A federation's validation split, and its agents' rows in training; all on the device. */
struct validation {
    int32_t *index;         /* [samples] of the training split */
    int64_t samples;        /* 0: none are kept aside */
    struct row *agent;      /* [N] rows in training that are agents, in their order */
    int agents, every;      /* N; in `work`, agent[k] is row k · every */
    struct loss_sums *sums; /* [N + 1] */
};

/* row[rows]: the host's, every `every`-th an agent. */
cgsv_status validation_create(struct validation *validation, cgsv_device *device, const struct partition *partition,
                              const struct row *row, int every);
void validation_free(struct validation *validation, cgsv_device *device);

/* Bytes that this will take, for a training split of so many samples. */
size_t validation_bytes(const cgsv_config *config, int64_t samples);

/* CGSV_ERROR_ARGUMENT, with what to do, where no validation samples are kept aside. */
cgsv_status validation_check(int64_t samples);

struct cgsv_federation;
struct sample_set validation_set(const struct cgsv_federation *federation);

/* accuracy[rows] and mean loss[rows] (device; either may be NULL) on the validation split of the
 * models w + r · stride, r < rows <= N + 1. */
cgsv_status validation_accuracy(struct cgsv_federation *federation, double *accuracy, double *loss, const float *w,
                                int64_t stride, int rows);

/* accuracy[N] and mean loss[N] (device, by agent; either may be NULL) on the validation split of
 * the agents' models in training: after local training, those that `rank` orders. */
cgsv_status trained_accuracy(struct cgsv_federation *federation, double *accuracy, double *loss);

/* Mean loss[N] (device, by agent) of each agent's model in training on its own shard; once a round
 * has begun and before its first step, that is F_k(w_k^t) of q-FFL (Li et al., ICLR 2020). It takes
 * the batches of training, so an epoch's forward passes. */
cgsv_status local_losses(struct cgsv_federation *federation, double *loss);

#endif
