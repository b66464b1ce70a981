/* SGD and Adam. The optimizer accumulates an agent's update Δw itself and writes the
 * model in training as w_before + Δw, so Δw stays exact however small it is beside w. */
#include "kernels/norms.h"
#include "kernels/server.h"

static const double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;

/* Block: CHUNK_COLUMNS entries, a row. A round starts at the row's model in W. update may be NULL. */
KERNEL(round_begin, float *work, float *update, const float *model, struct loss_sums *sums, const struct row *rows,
       int64_t dimension, int64_t ld)
{
    const struct row row = rows[BLOCK_Z];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(dimension, BLOCK_X);
    float *w = work + BLOCK_Z * ld + begin;
    const float *m = model + row.model * ld + begin;
    SIMD BLOCK_FOR(i, width) { w[i] = m[i]; }
    if (row.agent >= 0 && update) {
        float *u = update + row.agent * ld + begin;
        SIMD BLOCK_FOR(i, width) { u[i] = 0.0f; }
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

/* Writes one entry's step: onto the update and the model, or a model that goes on by itself. */
#define APPLY_STEP(change)                       \
    if (onto_update) {                           \
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

/* Each thread changes the entries that it will read. */
DEVICE void add_weight_decay(BLOCK_PARAM float *g, const float *w, double weight_decay, int64_t width)
{
    if (weight_decay == 0) return;
    SIMD BLOCK_FOR(i, width) { g[i] += (float)weight_decay * w[i]; }
}

/* Of an agent that trains alone: its update, from the model that has gone on by itself. */
DEVICE void follow_model(BLOCK_PARAM float *u, const float *w, const float *before, int64_t width)
{
    SIMD BLOCK_FOR(i, width) { u[i] = w[i] - before[i]; }
}

/* A run of a row's columns. */
struct span {
    float *w, *u;        /* u NULL: a twin, which has no update */
    const float *before; /* the model that the round began with */
    const float *m;      /* the same; NULL: the model goes on by itself */
    float *first;        /* velocity or first moment; NULL: plain SGD */
    float *second;       /* NULL: SGD */
};

DEVICE struct span span_of(struct optimizer_step o, int64_t r, struct row row, int64_t column)
{
    const int64_t at = r * o.ld + column;
    const float *before = o.model + row.model * o.ld + column;
    float *u = row.agent >= 0 ? o.update + (o.update_by_row ? r : row.agent) * o.ld + column : NULL;
    const struct span x = {o.work + at, u, before, row.alone ? NULL : before, o.moment1 ? o.moment1 + at : NULL,
                           o.moment2 ? o.moment2 + at : NULL};
    return x;
}

/* What a step's change depends on beside gradient and moments: Adam's bias corrections, or
 * SGD's learning rate. */
struct rates {
    float rate, scale;
};

/* Batches of the row in an epoch. */
DEVICE int steps_of(struct optimizer_step o, struct row row) { return (row.samples + o.batch - 1) / o.batch; }

DEVICE struct rates rates_of(struct optimizer_step o, int64_t r, struct row row)
{
    struct rates rates = {(float)o.lr[r], 0.0f};
    if (!o.moment2) return rates;
    const double t = ((double)*o.round * o.local_epochs + o.epoch) * steps_of(o, row) + o.step + 1;
    rates.rate = (float)(o.lr[r] / (1 - pow(adam_beta1, t)));
    rates.scale = (float)(1 / sqrt(1 - pow(adam_beta2, t)));
    return rates;
}

/* Where a step's gradient comes from: from memory; it is zero; or what add_proximal makes of
 * zero. A constant of each loop, as is whether it steps onto the update, so that it vectorises. */
enum gradient_kind { GRADIENT_GIVEN, GRADIENT_ZERO, GRADIENT_PROXIMAL };
#define GRADIENT(i) (kind == GRADIENT_GIVEN ? g[i] : kind == GRADIENT_ZERO ? 0.0f : mu * u[i])

/* One step over n columns. */
template <int kind, bool onto_update>
DEVICE void sgd_span(BLOCK_PARAM struct span x, const float *g, int64_t n, float lr, float momentum, float mu)
{
    float *w = x.w, *u = x.u, *velocity = x.first;
    const float *m = x.m;
    if (velocity) {
        SIMD BLOCK_FOR(i, n)
        {
            velocity[i] = momentum * velocity[i] + GRADIENT(i);
            APPLY_STEP(-lr * velocity[i])
        }
    } else {
        SIMD BLOCK_FOR(i, n) { APPLY_STEP(-lr * GRADIENT(i)) }
    }
}

/* Adam (Kingma and Ba, 2015, algorithm 1), as PyTorch's: the moments persist over rounds. */
template <int kind, bool onto_update>
DEVICE void adam_span(BLOCK_PARAM struct span x, const float *g, int64_t n, struct rates rates, float mu)
{
    float *w = x.w, *u = x.u, *first = x.first, *second = x.second;
    const float *m = x.m;
    const float b2 = (float)adam_beta2, epsilon = (float)adam_epsilon, rate = rates.rate, scale = rates.scale;
    SIMD BLOCK_FOR(i, n)
    {
        const float gradient = GRADIENT(i);
        first[i] += (float)(1 - adam_beta1) * (gradient - first[i]);
        second[i] = b2 * second[i] + (float)(1 - adam_beta2) * gradient * gradient;
        APPLY_STEP(-rate * first[i] / (sqrtf(second[i]) * scale + epsilon))
    }
}

template <int kind, bool onto_update>
DEVICE void either_span(BLOCK_PARAM struct optimizer_step o, struct row row, struct span x, const float *g, int64_t n,
                        struct rates rates)
{
    if (x.second)
        adam_span<kind, onto_update>(BLOCK_PASS x, g, n, rates, (float)row.mu);
    else
        sgd_span<kind, onto_update>(BLOCK_PASS x, g, n, rates.rate, (float)o.momentum, (float)row.mu);
}

template <int kind>
DEVICE void kind_span(BLOCK_PARAM struct optimizer_step o, struct row row, struct span x, const float *g, int64_t n,
                      struct rates rates)
{
    if (x.m)
        either_span<kind, true>(BLOCK_PASS o, row, x, g, n, rates);
    else
        either_span<kind, false>(BLOCK_PASS o, row, x, g, n, rates);
}

/* g NULL: the gradient is zero. */
DEVICE void step_span(BLOCK_PARAM struct optimizer_step o, struct row row, struct span x, float *g, int64_t n,
                      struct rates rates)
{
    if (g) {
        add_weight_decay(BLOCK_PASS g, x.w, o.weight_decay, n);
        add_proximal(BLOCK_PASS g, x.u, row.mu, n);
        kind_span<GRADIENT_GIVEN>(BLOCK_PASS o, row, x, g, n, rates);
    } else if (x.u && row.mu != 0) {
        kind_span<GRADIENT_PROXIMAL>(BLOCK_PASS o, row, x, g, n, rates);
    } else {
        kind_span<GRADIENT_ZERO>(BLOCK_PASS o, row, x, g, n, rates);
    }
    if (x.u && row.alone) follow_model(BLOCK_PASS x.u, x.w, x.before, n);
}

/* ---- words' vectors ---- */

/* Steps of this round that a row has made before this one. */
DEVICE int steps_before(struct optimizer_step o, struct row row) { return o.epoch * steps_of(o, row) + o.step; }

/* n columns of a word's vector go through the steps up to `until` that it was left out of,
 * whose gradients are zero. So every entry meets the same operations in the same order as if
 * each step had touched it. */
DEVICE void make_up(BLOCK_PARAM struct optimizer_step o, int64_t r, struct row row, int64_t word, int64_t column,
                    int64_t n, int until)
{
    const int done = o.words.done[r * o.words.batch.vocabulary + word];
    const struct span x = span_of(o, r, row, column);
    if (done < 0) return; /* its moments and its update are zero: it stays where it is */
    if (!x.first && (!x.u || row.mu == 0)) return;
    for (int s = done; s < until; s++) {
        const struct rates rates = {o.words.rate[r * o.words.most + s], o.words.scale[r * o.words.most + s]};
        step_span(BLOCK_PASS o, row, x, NULL, n, rates);
    }
}

enum { WORD_PARTS = 64 }; /* blocks that share a batch's words */

/* Block: every WORD_PARTS-th of the batch's words, a row. Before the forward pass. */
KERNEL_BY(3, words_make_up, struct optimizer_step o)
{
    const struct text_batch t = o.words.batch;
    const struct row row = o.row[BLOCK_Z];
    for (int64_t i = BLOCK_X; i < t.words[BLOCK_Z]; i += WORD_PARTS) {
        const int64_t word = t.word[BLOCK_Z * t.most_words + i];
        make_up(BLOCK_PASS o, BLOCK_Z, row, word, word * o.words.values, o.words.values, steps_before(o, row));
    }
}

static const char *launch_words_make_up(void *stream, struct optimizer_step step)
{
    return LAUNCH(stream, grid_of(WORD_PARTS, 1, step.rows), words_make_up, step);
}

/* Block: likewise. The batch's words take the step; the step's rates are kept for the others. */
KERNEL(words_step, struct optimizer_step o)
{
    const struct text_batch t = o.words.batch;
    const struct row row = o.row[BLOCK_Z];
    const struct rates rates = rates_of(o, BLOCK_Z, row);
    const int before = steps_before(o, row);
    for (int64_t i = BLOCK_X; i < t.words[BLOCK_Z]; i += WORD_PARTS) {
        const int64_t word = t.word[BLOCK_Z * t.most_words + i], column = word * o.words.values;
        step_span(BLOCK_PASS o, row, span_of(o, BLOCK_Z, row, column), o.gradient + BLOCK_Z * o.ld + column,
                  o.words.values, rates);
        if (THREAD_INDEX == 0) o.words.done[BLOCK_Z * t.vocabulary + word] = before + 1;
    }
    if (BLOCK_X == 0 && THREAD_INDEX == 0) {
        o.words.rate[BLOCK_Z * o.words.most + before] = rates.rate;
        o.words.scale[BLOCK_Z * o.words.most + before] = rates.scale;
    }
}

/* A new round counts its steps from 0. */
KERNEL(words_begin, int32_t *done, int64_t n)
{
    GRID_FOR(i, n)
    {
        if (done[i] > 0) done[i] = 0;
    }
}

static const char *launch_words_begin(void *stream, int32_t *done, int64_t n)
{
    return LAUNCH(stream, grid_for(n), words_begin, done, n);
}

/* Columns begin .. end - 1, all of words' vectors, after a row's last step of the round. */
DEVICE void make_up_columns(BLOCK_PARAM struct optimizer_step o, struct row row, int64_t begin, int64_t end)
{
    while (begin < end) {
        const int64_t word = begin / o.words.values, stop = smaller((word + 1) * o.words.values, end);
        make_up(BLOCK_PASS o, BLOCK_Z, row, word, begin, stop - begin, steps_before(o, row) + 1);
        begin = stop;
    }
}

/* ---- all columns ---- */

DEVICE int is_last_step(struct optimizer_step o, struct row row)
{
    return o.epoch == o.local_epochs - 1 && o.step == steps_of(o, row) - 1;
}

/* After a row's last step of the round, while its columns are in cache: the sums that the
 * server takes norms from. */
DEVICE void leave_norms(BLOCK_PARAM struct optimizer_step o, struct row row, const float *u, const float *w,
                        const float *m, int64_t width)
{
    if (!o.norm_partial || !u || !is_last_step(o, row)) return;
    write_norm_sums(BLOCK_PASS o.norm_partial + (row.agent * GRID_X + BLOCK_X) * NORM_SUMS, u, w, m, width);
}

/* Block: CHUNK_COLUMNS entries, a row. Words' vectors come only at the end of a round. */
KERNEL_BY(2, optimize, struct optimizer_step o)
{
    const struct row row = o.row[BLOCK_Z];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(o.dimension, BLOCK_X);
    const struct span x = span_of(o, BLOCK_Z, row, begin);
    int64_t words = 0;
    if (o.words.done) {
        words = smaller((int64_t)o.words.batch.vocabulary * o.words.values - begin, width);
        words = words < 0 ? 0 : words;
        if (is_last_step(o, row)) make_up_columns(BLOCK_PASS o, row, begin, begin + words);
    }
    step_span(BLOCK_PASS o, row, span_of(o, BLOCK_Z, row, begin + words),
              o.gradient + BLOCK_Z * o.ld + begin + words, width - words, rates_of(o, BLOCK_Z, row));
    if (words > 0) block_sync(); /* threads wrote other entries than they will read */
    leave_norms(BLOCK_PASS o, row, x.u, x.w, x.before, width);
}

static const char *launch_optimize(void *stream, struct optimizer_step step)
{
    const char *error = NULL;
    if (step.words.done) error = LAUNCH(stream, grid_of(WORD_PARTS, 1, step.rows), words_step, step);
    return error ? error : LAUNCH(stream, grid_of(column_pieces(step.dimension), 1, step.rows), optimize, step);
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
