/* SGD and Adam. The optimizer accumulates an agent's update Δw itself and writes the
 * model in training as w_before + Δw, so Δw stays exact however small it is beside w. */
#include "kernels/norms.h"
#include "kernels/server.h"

static const double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;

/* Block: CHUNK_COLUMNS entries, a row. A round starts at the agent's model in W; a
 * twin goes on from where it is. */
KERNEL(round_begin, float *work, float *update, const float *model, struct loss_sums *sums, const struct row *rows,
       int64_t dimension, int64_t ld)
{
    const struct row row = rows[BLOCK_Z];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(dimension, BLOCK_X);
    if (row.agent >= 0) {
        float *w = work + BLOCK_Z * ld + begin, *u = update + row.agent * ld + begin;
        const float *m = model + row.model * ld + begin;
        SIMD BLOCK_FOR(i, width)
        {
            w[i] = m[i];
            u[i] = 0.0f;
        }
    }
    if (BLOCK_X == 0 && THREAD_INDEX == 0) sums[BLOCK_Z].loss = sums[BLOCK_Z].correct = sums[BLOCK_Z].samples = 0;
}

static const char *launch_round_begin(void *stream, float *work, float *update, const float *model,
                                      struct loss_sums *sums, const struct row *row, int rows, int64_t dimension,
                                      int64_t ld)
{
    return LAUNCH(stream, grid_of(column_pieces(dimension), 1, rows), round_begin, work, update, model, sums, row,
                  dimension, ld);
}

/* lr_t = lr · decay^t, t counting rounds or local epochs. */
KERNEL(epoch_begin, double *lr, const struct row *row, const int *round, int rows, double lr_decay,
       int decay_per_epoch, int local_epochs, int epoch)
{
    GRID_FOR(i, rows)
    {
        lr[i] = row[i].lr * pow(lr_decay, decay_per_epoch ? (double)*round * local_epochs + epoch : (double)*round);
    }
}

static const char *launch_epoch_begin(void *stream, double *lr, const struct row *row, const int *round, int rows,
                                      double lr_decay, int decay_per_epoch, int local_epochs, int epoch)
{
    return LAUNCH(stream, grid_for(rows), epoch_begin, lr, row, round, rows, lr_decay, decay_per_epoch, local_epochs,
                  epoch);
}

/* Writes one entry's step: onto the update and the model, or a twin's model alone. */
#define APPLY_STEP(change)                       \
    if (m) {                                     \
        u[i] += (change);                        \
        w[i] = m[i] + u[i];                      \
    } else {                                     \
        w[i] += (change);                        \
    }

/* FedProx (Li et al., 2020): the gradient of (μ/2) ‖w − w_before‖², where u = w − w_before. */
DEVICE void add_proximal(BLOCK_PARAM float *g, const float *u, double mu, int64_t width)
{
    if (!u || mu == 0) return;
    SIMD BLOCK_FOR(i, width) { g[i] += (float)mu * u[i]; }
}

/* Of an agent that trains alone: its update, from the model that has gone on by itself. */
DEVICE void follow_model(BLOCK_PARAM float *u, const float *w, const float *before, int64_t width)
{
    SIMD BLOCK_FOR(i, width) { u[i] = w[i] - before[i]; }
}

/* Batches of the row in an epoch. */
DEVICE int steps_of(struct optimizer_step o, struct row row) { return (row.samples + o.batch - 1) / o.batch; }

/* After a row's last step of the round, while its columns are in cache: the sums that the
 * server takes norms from. */
DEVICE void leave_norms(BLOCK_PARAM struct optimizer_step o, struct row row, const float *u, const float *w,
                        const float *m, int64_t width)
{
    if (!o.norm_partial || !u || o.epoch != o.local_epochs - 1 || o.step != steps_of(o, row) - 1) return;
    write_norm_sums(BLOCK_PASS o.norm_partial + (row.agent * GRID_X + BLOCK_X) * NORM_SUMS, u, w, m, width);
}

KERNEL(sgd, struct optimizer_step o)
{
    const struct row row = o.row[BLOCK_Z];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, at = BLOCK_Z * o.ld + begin;
    const int64_t width = piece_width(o.dimension, BLOCK_X);
    const float lr = (float)o.lr[BLOCK_Z], momentum = (float)o.momentum;
    float *w = o.work + at, *velocity = o.moment1 ? o.moment1 + at : NULL;
    float *u = row.agent >= 0 ? o.update + row.agent * o.ld + begin : NULL;
    const float *before = row.agent >= 0 ? o.model + row.model * o.ld + begin : NULL, *m = row.alone ? NULL : before;
    float *g = o.gradient + at;
    add_proximal(BLOCK_PASS g, u, row.mu, width);
    if (velocity) {
        SIMD BLOCK_FOR(i, width)
        {
            velocity[i] = momentum * velocity[i] + g[i];
            APPLY_STEP(-lr * velocity[i])
        }
    } else {
        SIMD BLOCK_FOR(i, width) { APPLY_STEP(-lr * g[i]) }
    }
    if (row.alone) follow_model(BLOCK_PASS u, w, before, width);
    leave_norms(BLOCK_PASS o, row, u, w, before, width);
}

/* Adam (Kingma and Ba, 2015, algorithm 1), as PyTorch's: the moments persist over rounds. */
KERNEL(adam, struct optimizer_step o)
{
    const struct row row = o.row[BLOCK_Z];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, at = BLOCK_Z * o.ld + begin;
    const int64_t width = piece_width(o.dimension, BLOCK_X);
    float *w = o.work + at, *first = o.moment1 + at, *second = o.moment2 + at;
    float *u = row.agent >= 0 ? o.update + row.agent * o.ld + begin : NULL;
    const float *before = row.agent >= 0 ? o.model + row.model * o.ld + begin : NULL, *m = row.alone ? NULL : before;
    float *g = o.gradient + at;
    add_proximal(BLOCK_PASS g, u, row.mu, width);
    const double t = ((double)*o.round * o.local_epochs + o.epoch) * steps_of(o, row) + o.step + 1;
    const float rate = (float)(o.lr[BLOCK_Z] / (1 - pow(adam_beta1, t)));
    const float scale = (float)(1 / sqrt(1 - pow(adam_beta2, t)));
    const float b2 = (float)adam_beta2, epsilon = (float)adam_epsilon;
    SIMD BLOCK_FOR(i, width)
    {
        first[i] += (float)(1 - adam_beta1) * (g[i] - first[i]);
        second[i] = b2 * second[i] + (float)(1 - adam_beta2) * g[i] * g[i];
        APPLY_STEP(-rate * first[i] / (sqrtf(second[i]) * scale + epsilon))
    }
    if (row.alone) follow_model(BLOCK_PASS u, w, before, width);
    leave_norms(BLOCK_PASS o, row, u, w, before, width);
}

/* Block: CHUNK_COLUMNS entries, a row. */
KERNEL(keep_alone, float *model, const float *work, const struct row *rows, int64_t dimension, int64_t ld)
{
    const struct row row = rows[BLOCK_Z];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(dimension, BLOCK_X);
    if (!row.alone) return; /* all threads alike */
    float *m = model + row.model * ld + begin;
    const float *w = work + BLOCK_Z * ld + begin;
    SIMD BLOCK_FOR(i, width) { m[i] = w[i]; }
}

static const char *launch_keep_alone(void *stream, float *model, const float *work, const struct row *row, int rows,
                                     int64_t dimension, int64_t ld)
{
    return LAUNCH(stream, grid_of(column_pieces(dimension), 1, rows), keep_alone, model, work, row, dimension, ld);
}

static const char *launch_optimize(void *stream, struct optimizer_step step)
{
    const struct grid grid = grid_of(column_pieces(step.dimension), 1, step.rows);
    if (step.moment2) return LAUNCH(stream, grid, adam, step);
    return LAUNCH(stream, grid, sgd, step);
}
