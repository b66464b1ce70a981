/* What the stages of a round have to do at least, in bytes and operations: all formulas of a profile.
 *
 * Bytes: every array that a stage works on is read or written once, however often the kernels come
 * back to it. Operations: products and sums in float32, a multiply-add counted as two; what takes
 * few per entry of a picture (bias, activation, pooling) is left out beside them. Samples are those
 * that the batches hold, not their empty slots. */
#ifndef MODEL_WORK_H
#define MODEL_WORK_H

#include "model/model.h"

/* What a pass goes through. */
struct work_size {
    int rows;        /* R models */
    int64_t samples; /* of all of them together */
    int words;       /* different words that a row's batch has at most; 0: pictures */
};

/* Samples, or words' places, from the data set to the batches. */
struct work work_gather(const struct model *model, int64_t samples);

/* Layer i, with bias, pooling and activation. */
struct work work_forward(const struct model *model, int i, struct work_size size);

/* The gradients of layer i's parameters and, for all but the first layer, of its input. Behind a pooling,
 * one output of four has a gradient: only that one's products count. */
struct work work_backward(const struct model *model, int i, struct work_size size);

struct work work_loss(const struct model *model, int64_t samples);

/* A round begins: R models are copied, the updates of `agents` of them cleared. */
struct work work_begin(const struct model *model, int rows, int agents);

/* `agents` of the rows have an update; `moments` are 0 (SGD), 1 (with momentum) or 2 (Adam). */
struct work work_optimizer(const struct model *model, struct work_size size, int agents, int moments);

/* Of F federations with N agents and D parameters. */
struct work work_norms(int federations, int agents, int64_t dimension);
struct work work_aggregate(int federations, int agents, int64_t dimension);
struct work work_contribution(int federations, int agents, int64_t dimension);
struct work work_select(int federations, int64_t dimension);
struct work work_download(int federations, int agents, int64_t dimension);

#endif
