/* What schemes that look at losses need: accuracies on the validation split, which the partition
 * keeps aside from the training samples, and losses on the agents' own shards. Test samples are
 * never among them. Nothing here waits for the device or allocates after validation_create. */
#ifndef FEDERATION_VALIDATION_H
#define FEDERATION_VALIDATION_H

#include "data/partition.h"
#include "model/model.h"

/* Samples of a split, all on the device. */
struct sample_set {
    struct samples split;
    const int32_t *index; /* [samples] numbers of samples in the split; NULL: the split's first */
    int64_t samples;
};

/* sums[rows] over a set, of the models w + r · stride, r < rows; at most as many rows as the
 * workspace, whose input is shared by all, was made for. */
cgsv_status evaluate_rows(cgsv_device *device, const struct model *model, struct workspace *workspace,
                          struct loss_sums *sums, const float *w, int64_t stride, int rows, struct sample_set set);

struct cgsv_fleet;

/* The same for any number of a fleet's models, row_stride apart. */
cgsv_status evaluate_models(struct cgsv_fleet *fleet, struct loss_sums *sums, const float *w, int rows,
                            struct sample_set set);

/* The same of models moved by updates, of which from, update, their strides and rows are given; some at a time, in
 * the memory of training. */
cgsv_status evaluate_moved(struct cgsv_fleet *fleet, struct loss_sums *sums, struct moved_models models,
                           struct sample_set set);

/* A fleet's validation splits; all on the device. */
struct validation {
    struct samples own;     /* the data set's own validation split of sentences, taken where none is kept aside */
    int64_t own_samples;    /* 0: it has none */
    int32_t *index;         /* samples of the training split, of all splits, one after the other */
    struct loss_sums *sums; /* [max(R, N + 1)] */
};

/* Once the data is split. */
cgsv_status validation_create(struct cgsv_fleet *fleet);
void validation_free(struct cgsv_fleet *fleet);

/* Bytes that this will take, for a training split of so many samples. */
size_t validation_bytes(const struct cgsv_fleet *fleet, int64_t samples);

/* CGSV_ERROR_ARGUMENT, with what to do, where no validation samples are kept aside. */
cgsv_status validation_check(int64_t samples);

struct cgsv_federation;
struct sample_set validation_set(const struct cgsv_federation *federation);

/* accuracy[rows] and mean loss[rows] (device; either may be NULL) on the validation split of the
 * models w + r · row_stride, r < rows <= N + 1. */
cgsv_status validation_accuracy(struct cgsv_federation *federation, double *accuracy, double *loss, const float *w,
                                int rows);

/* The same of at most N + 1 models moved by updates. */
cgsv_status moved_accuracy(struct cgsv_federation *federation, double *accuracy, double *loss,
                           struct moved_models models);

/* accuracy[N] and mean loss[N] (device; either may be NULL) on the validation split of the agents'
 * models between a round's halves, as local training has left them: those that `rank` orders. */
cgsv_status trained_accuracy(struct cgsv_federation *federation, double *accuracy, double *loss);

/* Mean loss[F N] (device) of each agent's model on its own shard; before a round's training that is
 * F_k(w_k^t) of q-FFL (Li et al., ICLR 2020). It takes the batches of training, so an epoch's forward
 * passes; twins go along. Updates are zero afterwards. */
cgsv_status local_losses(struct cgsv_fleet *fleet, double *loss);

#endif
