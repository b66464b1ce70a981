#include "op_cases.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_frame.h"
#include "op_server.h"
#include "reference.h"

/* ---- convolution ---- */

static const char *const activation_name[] = {"none", "tanh", "relu"};

struct conv_case {
    struct conv_shape s;
    int64_t parts;         /* blocks of samples of all rows */
    int64_t x_part, pooled; /* floats of a part's input and output */
    int64_t x_stride, w_stride, taps;
    float *x, *weight, *bias;
};

static struct conv_case conv_make(struct conv_shape s, int shared_x, int integers)
{
    struct conv_case c = {.s = s};
    c.parts = (int64_t)s.rows * s.blocks;
    c.x_part = (int64_t)s.channels * s.height * s.width * s.slots;
    c.x_stride = shared_x ? 0 : s.blocks * c.x_part + 48;
    c.taps = (int64_t)s.channels * s.kernel * s.kernel;
    c.w_stride = s.filters * c.taps + 19;
    c.pooled = (int64_t)s.filters * ((s.height - s.kernel + 1) / 2) * ((s.width - s.kernel + 1) / 2) * s.slots;
    c.x = take_random((s.rows - 1) * c.x_stride + s.blocks * c.x_part, 1);
    c.weight = take_random((s.rows - 1) * c.w_stride + s.filters * c.taps, 0.5);
    c.bias = take_random((s.rows - 1) * c.w_stride + s.filters, 0.5);
    if (integers) { /* exact in float32, with many ties inside the windows */
        for (int64_t i = 0; i < (s.rows - 1) * c.x_stride + s.blocks * c.x_part; i++) c.x[i] = (float)(below(3) - 1);
        for (int64_t i = 0; i < (s.rows - 1) * c.w_stride + s.filters * c.taps; i++) c.weight[i] = (float)(below(3) - 1);
        for (int64_t i = 0; i < (s.rows - 1) * c.w_stride + s.filters; i++) c.bias[i] = (float)(below(5) - 2);
    }
    return c;
}

static struct conv_scratch scratch_make(struct conv_case c)
{
    const struct conv_shape s = c.s;
    return (struct conv_scratch){.samples = TAKE(float, c.parts * s.slots * CONV_SAMPLE(s) + SLOT_MULTIPLE),
                                 .taps = TAKE(float, (int64_t)s.rows * s.filters * s.kernel * CONV_RUN(s)),
                                 .value = TAKE(float, (int64_t)s.rows * s.filters * s.slots * CONV_LIST(s)),
                                 .patch = TAKE(int32_t, (int64_t)s.rows * s.filters * s.slots * CONV_LIST(s)),
                                 .count = TAKE(int32_t, (int64_t)s.rows * s.filters * s.slots),
                                 .term = TAKE(struct conv_term, c.parts * c.pooled),
                                 .terms = TAKE(int32_t, 4 * c.parts * (c.pooled / s.filters))};
}

static void conv_gradients(float *weight_gradient, float *x_gradient, const float *delta, const uint8_t *winner,
                           struct conv_case c)
{
    const struct conv_gradients g = {weight_gradient, x_gradient, delta,      winner,     c.x,
                                     c.weight,        c.x_stride, c.w_stride, scratch_make(c)};
    error_free(k->conv_gradients(stream, g, c.s));
}

static const float *conv_input(struct conv_case c, int64_t part)
{
    return c.x + part / c.s.blocks * c.x_stride + part % c.s.blocks * c.x_part;
}

static void conv_case(struct conv_shape s, int shared_x, int integers)
{
    case_begin("conv_pool_forward R%d C%d %dx%d F%d K%d B%d S%d %s%s%s", s.rows, s.channels, s.height, s.width,
               s.filters, s.kernel, s.blocks, s.slots, activation_name[s.activation], shared_x ? " one x" : "", integers ? " integers" : "");
    struct conv_case c = conv_make(s, shared_x, integers);
    float *out = TAKE(float, c.parts * c.pooled), *out2 = TAKE(float, c.parts * c.pooled);
    uint8_t *winner = TAKE(uint8_t, c.parts * c.pooled);
    error_free(k->conv_pool_forward(stream, out, winner, c.x, c.x_stride, c.weight, c.bias, c.w_stride, s));
    error_free(k->conv_pool_forward(stream, out2, NULL, c.x, c.x_stride, c.weight, c.bias, c.w_stride, s));
    if (memcmp(out, out2, (size_t)(c.parts * c.pooled) * sizeof *out)) fail("differs without winners");
    double *want = TAKE(double, c.pooled), *sum = TAKE(double, 4 * c.pooled), *size = TAKE(double, 4 * c.pooled);
    uint8_t *first = TAKE(uint8_t, c.pooled);
    const int64_t plane = c.pooled / s.filters;
    for (int64_t part = 0; part < c.parts; part++) {
        const int64_t row = part / s.blocks;
        const float *bias = c.bias + row * c.w_stride;
        reference_conv_pool(want, first, sum, size, conv_input(c, part), c.weight + row * c.w_stride, bias, s);
        for (int64_t i = 0; i < c.pooled; i++) {
            const int won = winner[part * c.pooled + i];
            double bound = 0;
            for (int p = 0; p < 4; p++) bound = fmax(bound, float_bound(c.taps, size[4 * i + p]));
            if (won > 3)
                fail("winner[%lld] is %d", (long long)i, won);
            else if (integers)
                same("winner", i, won, first[i]);
            else if (sum[4 * i + won] < sum[4 * i + first[i]] - 2 * bound)
                fail("winner[%lld] is %d, not %d", (long long)i, won, first[i]);
            if (integers && s.activation != ACTIVATION_TANH)
                same("out", i, out[part * c.pooled + i], want[i]);
            else
                near("out", i, out[part * c.pooled + i], want[i],
                     bound + float_bound(4, fabs(want[i]) + fabs(bias[i / plane])));
        }
    }
    case_end();

    case_begin("conv gradients R%d C%d %dx%d F%d K%d B%d S%d%s%s", s.rows, s.channels, s.height, s.width, s.filters,
               s.kernel, s.blocks, s.slots, shared_x ? " one x" : "", integers ? " integers" : "");
    c = conv_make(s, shared_x, integers);
    float *delta = take_random(c.parts * c.pooled, 1);
    for (int64_t i = 0; i < c.parts * c.pooled; i++)
        delta[i] = integers ? (float)(below(7) - 3) : below(3) ? delta[i] : 0;
    winner = TAKE(uint8_t, c.parts * c.pooled);
    for (int64_t i = 0; i < c.parts * c.pooled; i++) winner[i] = (uint8_t)below(4);
    const int64_t weights = s.filters * c.taps, last = (s.rows - 1) * c.w_stride;
    float *weight_gradient = TAKE(float, last + weights), *x_gradient = TAKE(float, c.parts * c.x_part);
    double *grad = TAKE(double, c.x_part > weights ? c.x_part : weights);
    size = TAKE(double, c.x_part > weights ? c.x_part : weights);
    conv_gradients(weight_gradient, x_gradient, delta, winner, c);
    for (int row = 0; row < s.rows; row++) {
        for (int64_t i = 0; i < weights; i++) grad[i] = size[i] = 0;
        for (int64_t part = row * s.blocks; part < (row + 1) * s.blocks; part++)
            reference_conv_weight_gradient(grad, size, delta + part * c.pooled, winner + part * c.pooled,
                                           conv_input(c, part), s);
        for (int64_t i = 0; i < weights; i++)
            near("weight gradient", i, weight_gradient[row * c.w_stride + i], grad[i],
                 integers ? 0 : float_bound(s.blocks * c.pooled / s.filters, size[i]));
        if (row < s.rows - 1) untouched("weight gradient", weight_gradient + row * c.w_stride + weights, c.w_stride - weights);
    }
    for (int64_t part = 0; part < c.parts; part++) {
        reference_conv_input_gradient(grad, size, delta + part * c.pooled, winner + part * c.pooled,
                                      c.weight + part / s.blocks * c.w_stride, s);
        for (int64_t i = 0; i < c.x_part; i++)
            near("input gradient", i, x_gradient[part * c.x_part + i], grad[i],
                 integers ? 0 : float_bound(s.filters * s.kernel * s.kernel, size[i]));
    }
    case_end();
}

/* A NaN pixel must show in every output that it reaches, and in no other slot. */
static void conv_nan_case(enum activation activation)
{
    const struct conv_shape s = {1, 1, 6, 6, 2, 3, 1, SLOT_MULTIPLE, activation};
    case_begin("conv_pool_forward does not hide a NaN, %s", activation_name[activation]);
    struct conv_case c = conv_make(s, 0, 0);
    float *out = TAKE(float, c.pooled);
    uint8_t *winner = TAKE(uint8_t, c.pooled);
    c.x[(2 * 6 + 2) * s.slots + 7] = NAN; /* in the middle: part of every window */
    error_free(k->conv_pool_forward(stream, out, winner, c.x, c.x_stride, c.weight, c.bias, c.w_stride, s));
    for (int64_t i = 0; i < c.pooled; i++)
        if ((isnan(out[i]) != 0) != (i % s.slots == 7)) fail("out[%lld] = %g", (long long)i, out[i]);
    case_end();
}

static void conv_cases(void)
{
    static const struct conv_shape shapes[] = {
        /* R, C, H, W, F, K, B, S */
        {1, 1, 2, 2, 1, 1, 1, 32, ACTIVATION_NONE},   {1, 1, 4, 4, 1, 3, 1, 32, ACTIVATION_TANH},
        {2, 3, 7, 7, 5, 3, 3, 32, ACTIVATION_RELU},   {3, 2, 8, 11, 4, 5, 1, 64, ACTIVATION_TANH},
        {2, 9, 6, 5, 3, 2, 1, 96, ACTIVATION_RELU},   {1, 8, 10, 10, 8, 5, 2, 32, ACTIVATION_NONE},
        {2, 13, 9, 6, 7, 4, 2, 32, ACTIVATION_TANH},  {1, 17, 5, 5, 31, 4, 1, 32, ACTIVATION_RELU},
        {1, 1, 32, 32, 6, 5, 2, 32, ACTIVATION_TANH}, {2, 33, 6, 6, 16, 5, 1, 64, ACTIVATION_RELU},
    };
    const int count = (int)(sizeof shapes / sizeof *shapes) - (op_cases_small ? 3 : 0);
    for (int i = 0; i < count; i++)
        for (int integers = 0; integers < 2; integers++) conv_case(shapes[i], (i + integers) % 3 == 1, integers);
    for (int activation = 0; activation < 3; activation++) conv_nan_case((enum activation)activation);
}

/* ---- dense ---- */

static void dense_case(int rows, int units, int pixels, int blocks, int slots, enum activation activation)
{
    case_begin("bias_activation R%d units %d B%d S%d %s", rows, units, blocks, slots, activation_name[activation]);
    const int64_t w_stride = units + 3, n = (int64_t)rows * blocks * units * slots;
    float *bias = take_random((rows - 1) * w_stride + units, 1), *out = take_random(n, 10), *before = TAKE(float, n);
    if (activation == ACTIVATION_TANH)
        for (int64_t i = 0; i < n; i += 3) out[i] *= 1e-3f;
    out[0] = 100, out[1] = -100, out[2] = -bias[0];
    memcpy(before, out, (size_t)n * sizeof *out);
    error_free(k->bias_activation(stream, out, bias, w_stride, activation, units, rows, blocks, slots));
    for (int64_t i = 0; i < n; i++) {
        const float sum = before[i] + bias[i / (blocks * units * slots) * w_stride + i / slots % units];
        const double want = reference_activate(sum, activation);
        near("out", i, out[i], want, activation == ACTIVATION_TANH ? 8 * FLT_EPSILON * fabs(want) : 0);
    }
    case_end();

    case_begin("activation_backward R%d units %d pixels %d B%d S%d %s", rows, units, pixels, blocks, slots,
               activation_name[activation]);
    const int64_t each = (int64_t)pixels * slots, all = rows * blocks * units * each;
    float *value = take_random(all, 1), *delta = take_random(all, 1), *old = TAKE(float, all);
    float *gradient = TAKE(float, (rows - 1) * w_stride + units);
    for (int64_t i = 0; i < all; i += 5) value[i] = 0;
    memcpy(old, delta, (size_t)all * sizeof *old);
    error_free(k->activation_backward(stream, delta, gradient, w_stride, value, activation, units, pixels, rows, blocks,
                                      slots));
    for (int row = 0; row < rows; row++) {
        for (int unit = 0; unit < units; unit++) {
            double sum = 0, size = 0;
            for (int64_t j = 0; j < blocks * each; j++) {
                const int64_t i = ((row * blocks + j / each) * units + unit) * each + j % each;
                const double want = old[i] * reference_slope(value[i], activation);
                near("delta", i, delta[i], want, activation == ACTIVATION_TANH ? 4 * FLT_EPSILON * fabs((double)old[i]) : 0);
                sum += want;
                size += fabs(want) + FLT_EPSILON * fabs((double)old[i]);
            }
            near("bias gradient", unit, gradient[row * w_stride + unit], sum, float_bound(blocks * each, size));
        }
        if (row < rows - 1) untouched("bias gradient", gradient + row * w_stride + units, w_stride - units);
    }
    case_end();
}

static void dense_cases(void)
{
    for (int activation = 0; activation < 3; activation++) {
        dense_case(1, 1, 1, 1, 32, (enum activation)activation);
        dense_case(2, 31, 1, 1, 64, (enum activation)activation);
        dense_case(3, 33, 7, 3, 32, (enum activation)activation);
        dense_case(1, 10, 196, 1, 32, (enum activation)activation);
    }
}

/* ---- loss ---- */

/* counts: samples per row, as in training; otherwise `samples` everywhere, as in evaluation. */
static void loss_case(int rows, int classes, int blocks, int slots, int samples, int counts, double scale)
{
    case_begin("loss R%d classes %d B%d S%d n%d scale %g%s", rows, classes, blocks, slots, samples, scale, counts ? " counts" : "");
    const int64_t all = (int64_t)blocks * slots, n = rows * classes * all;
    float *logits = take_random(n, scale), *gradient = TAKE(float, n);
    int32_t *y = TAKE(int32_t, counts ? rows * all : all), *count = TAKE(int32_t, rows);
    struct loss_sums *sums = TAKE(struct loss_sums, rows), *sums2 = TAKE(struct loss_sums, rows);
    for (int i = 0; i < (counts ? rows * all : all); i++) y[i] = below(classes);
    for (int row = 0; row < rows; row++) {
        count[row] = row == 0 ? samples : row == 1 ? 0 : 1 + below(samples);
        sums[row] = sums2[row] = (struct loss_sums){1000.5, 7, 11}; /* they are added to */
    }
    for (int row = 0; row < rows; row++)
        for (int64_t slot = 0; slot < all; slot++) {
            float *z = logits + (row * all / slots + slot / slots) * classes * slots + slot % slots;
            if (slot >= (counts ? count[row] : samples))
                for (int c = 0; c < classes; c++) z[(int64_t)c * slots] = NAN;
            else if (slot % 4 == 3 && classes > 1) /* two equal classes: the first is the answer */
                z[(int64_t)(classes - 1) * slots] = z[0];
        }
    error_free(k->loss(stream, gradient, sums, logits, y, counts ? count : NULL, samples, classes, rows, blocks, slots));
    error_free(k->loss(stream, NULL, sums2, logits, y, counts ? count : NULL, samples, classes, rows, blocks, slots));
    double *z = TAKE(double, classes), *want = TAKE(double, classes);
    for (int row = 0; row < rows; row++) {
        const int used = counts ? count[row] : samples;
        double loss = 1000.5, correct = 7, bound = 1e-12;
        for (int64_t slot = 0; slot < all; slot++) {
            const int64_t first = (row * all / slots + slot / slots) * classes * slots + slot % slots;
            if (slot >= used) {
                for (int c = 0; c < classes; c++) same("gradient of an empty slot", c, gradient[first + (int64_t)c * slots], 0);
                continue;
            }
            const int label = y[counts ? row * all + slot : slot];
            int best = 0;
            for (int c = 0; c < classes; c++) {
                z[c] = logits[first + (int64_t)c * slots];
                if (z[c] > z[best]) best = c;
            }
            loss += reference_nll(want, z, classes, label);
            correct += best == label;
            bound += float_bound(classes, 1 + 4 * scale);
            for (int c = 0; c < classes; c++)
                near("gradient", first + (int64_t)c * slots, gradient[first + (int64_t)c * slots], want[c] / used,
                     float_bound(classes, (1 + 2 * scale) / used));
        }
        near("loss", row, sums[row].loss, loss, bound);
        same("correct", row, sums[row].correct, correct);
        same("samples", row, sums[row].samples, 11 + used);
        if (memcmp(&sums[row], &sums2[row], sizeof *sums)) fail("sums differ without a gradient");
    }
    case_end();
}

static void loss_cases(void)
{
    loss_case(1, 1, 1, 32, 1, 0, 1);
    loss_case(1, 2, 1, 32, 31, 0, 5);
    loss_case(4, 10, 2, 32, 33, 1, 3);
    loss_case(3, 10, 1, 32, 32, 0, 3);
    loss_case(5, 31, 1, 96, 96, 1, 80); /* far beyond where exp overflows without care */
    loss_case(2, 7, 3, 32, 20, 1, 300);

    case_begin("loss_means");
    struct row rows[5] = {{.agent = 2}, {.agent = -1}, {.agent = 0}, {.agent = 4}, {.agent = 1}};
    struct loss_sums sums[5] = {{3, 1, 4}, {1, 0, 1}, {7, 2, 3}, {9, 5, 5}, {1, 7, 8}};
    double *loss = TAKE(double, 5), *accuracy = TAKE(double, 5);
    error_free(k->loss_means(stream, NULL, loss, sums, rows, 5));
    for (int i = 0; i < 5; i++)
        if (rows[i].agent >= 0) same("loss", i, loss[rows[i].agent], sums[i].loss / sums[i].samples);
    untouched("loss", loss + 3, 2);
    error_free(k->loss_means(stream, accuracy, NULL, sums, NULL, 5));
    for (int i = 0; i < 5; i++) same("accuracy", i, accuracy[i], sums[i].correct / sums[i].samples);
    case_end();
}

/* ---- optimizers ---- */

enum optimizer_kind { PLAIN, MOMENTUM, ADAM };

/* One agent's sums for its norm: left by the last step of a round, and by no other. */
static void check_norms(double *partial, const float *update, const float *model, int64_t dimension, int last)
{
    for (int64_t begin = 0; begin < dimension; begin += CHUNK_COLUMNS, partial += NORM_SUMS) {
        const int64_t n = dimension - begin < CHUNK_COLUMNS ? dimension - begin : CHUNK_COLUMNS;
        double want[NORM_SUMS], size[NORM_SUMS];
        reference_norm_sums(want, size, update + begin, model + begin, n);
        for (int i = 0; i < NORM_SUMS && last; i++) near("norm sums", i, partial[i], want[i], 1e-12 * size[i]);
        if (!last) untouched("norm sums", partial, 2 * NORM_SUMS);
    }
}

/* `active` of `all` rows take `steps` steps; each is compared from the state before it. */
static void optimizer_case(enum optimizer_kind kind, int all, int active, int64_t dimension, double scale,
                           double decay)
{
    static const char *const names[] = {"SGD", "SGD with momentum", "Adam"};
    case_begin("%s rows %d of %d D%lld scale %g decay %g", names[kind], active, all, (long long)dimension, scale,
               decay);
    const int64_t ld = dimension + 5, agents = all, models = all + 1;
    struct row *row = TAKE(struct row, all);
    for (int r = 0; r < all; r++) {
        const int agent = all - 1 - r;
        row[r] = (struct row){.agent = agent, .model = agent + 1, .samples = 100 - 30 * r, .lr = 0.1 / (r + 1)};
        if (row[r].samples < 1) row[r].samples = 1;
        if (r % 3 == 0 && all > 1) row[r].mu = 0.3;
        if (r % 3 == 1) row[r].agent = -1; /* a twin */
        row[r].alone = r % 3 > 0;          /* as a twin, or is one */
    }
    float *work = TAKE(float, all * ld), *update = TAKE(float, agents * ld), *model = take_random(models * ld, 1);
    struct loss_sums *sums = TAKE(struct loss_sums, all);
    float *gradient = take_random(all * ld, scale);
    float *moment1 = TAKE(float, all * ld), *moment2 = TAKE(float, all * ld);
    double *lr = TAKE(double, all);
    int *round = TAKE(int, 1);

    error_free(k->round_begin(stream, work, update, model, sums, row, all, dimension, ld));
    for (int r = 0; r < all; r++) {
        if (sums[r].loss != 0 || sums[r].correct != 0 || sums[r].samples != 0) fail("sums[%d] not zero", r);
        for (int64_t d = 0; d < dimension; d++) {
            same("model in training", d, work[r * ld + d], model[row[r].model * ld + d]);
            if (row[r].agent >= 0) same("update", d, update[row[r].agent * ld + d], 0);
        }
        untouched("work", work + r * ld + dimension, ld - dimension);
    }
    for (int64_t d = 0; d < all * ld; d++) moment1[d] = moment2[d] = 0;

    float *w_old = TAKE(float, all * ld), *u_old = TAKE(float, agents * ld), *v_old = TAKE(float, all * ld),
          *s_old = TAKE(float, all * ld), *g_old = TAKE(float, all * ld);
    const int batch = 32, epochs = 3;
    const int64_t pieces = (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    double *norm_partial = TAKE(double, agents * pieces * NORM_SUMS);
    const double momentum = kind == PLAIN ? 0 : 0.9;
    for (int step = 0; step < 5; step++) {
        /* The last two are the last of a round for rows of four and of two batches. */
        static const int epoch_of[] = {0, 0, 1, 2, 2}, number_of[] = {0, 1, 0, 3, 1};
        *round = step >= 2 ? 4 : 0;
        const int epoch = epoch_of[step], number = number_of[step];
        memset(norm_partial, 0xff, (size_t)(agents * pieces * NORM_SUMS) * sizeof *norm_partial);
        error_free(k->epoch_begin(stream, lr, row, round, all, 0.97, step >= 2, epochs, epoch));
        for (int r = 0; r < all; r++) {
            const double want = row[r].lr * pow(0.97, step >= 2 ? *round * epochs + epoch : *round);
            near("lr", r, lr[r], want, 1e-14 * want);
        }
        memcpy(w_old, work, (size_t)(all * ld) * sizeof *work);
        memcpy(u_old, update, (size_t)(agents * ld) * sizeof *work);
        memcpy(v_old, moment1, (size_t)(all * ld) * sizeof *work);
        memcpy(s_old, moment2, (size_t)(all * ld) * sizeof *work);
        memcpy(g_old, gradient, (size_t)(all * ld) * sizeof *work);
        struct optimizer_step o = {work, update, model, gradient, kind == PLAIN ? NULL : moment1,
                                   kind == ADAM ? moment2 : NULL, row, lr, round, dimension, ld, active, momentum,
                                   batch, epochs, epoch, number, norm_partial, decay, {0}};
        error_free(k->optimize(stream, o));
        for (int r = 0; r < all; r++) {
            const int agent = row[r].agent;
            if (r >= active) { /* not launched: as before */
                if (memcmp(work + r * ld, w_old + r * ld, (size_t)ld * sizeof *work)) fail("row %d changed", r);
                if (agent >= 0 && memcmp(update + agent * ld, u_old + agent * ld, (size_t)ld * sizeof *work))
                    fail("update of row %d changed", r);
                if (memcmp(moment1 + r * ld, v_old + r * ld, (size_t)ld * sizeof *work)) fail("moment of row %d", r);
                continue;
            }
            const double per_epoch = ceil(row[r].samples / (double)batch);
            const double t = (*round * epochs + epoch) * per_epoch + number + 1;
            for (int64_t d = 0; d < dimension; d++) {
                const int64_t i = r * ld + d;
                const double pull = agent >= 0 ? row[r].mu * u_old[agent * ld + d] : 0;
                double first = v_old[i], second = s_old[i], g = g_old[i] + pull + decay * w_old[i];
                const double g_size = fabs((double)g_old[i]) + fabs(pull) + fabs(decay * w_old[i]);
                if (pull == 0 && decay == 0) same("gradient", i, gradient[i], g_old[i]);
                const double change = kind == ADAM ? reference_adam(&first, &second, g, lr[r], t)
                                                   : reference_sgd(&first, g, lr[r], momentum);
                /* What the float32 moments may be off by moves the change as much. */
                const double first_bound = 4 * FLT_EPSILON * (fabs((double)v_old[i]) + g_size);
                const double size = fabs(change) + fabs(change) * first_bound / (fabs(first) + 1e-300);
                double change_bound = 8 * FLT_EPSILON * size;
                change_bound += fabs(change) * first_bound / (fabs(first) + 1e-300) + 1e-37;
                if (kind != PLAIN) near("moment1", i, moment1[i], first, first_bound);
                if (kind == ADAM)
                    near("moment2", i, moment2[i], second,
                         4 * FLT_EPSILON * second + FLT_EPSILON * fabs(g) * g_size + 1e-44);
                if (agent >= 0 && row[r].alone)
                    same("update of who trains alone", i, update[agent * ld + d],
                         work[i] - model[row[r].model * ld + d]);
                if (agent >= 0 && !row[r].alone) {
                    const double u = u_old[agent * ld + d] + change;
                    near("update", i, update[agent * ld + d], u, change_bound + FLT_EPSILON * fabs(u));
                    same("model", i, work[i], model[row[r].model * ld + d] + update[agent * ld + d]);
                } else
                    near("twin", i, work[i], w_old[i] + change, change_bound + FLT_EPSILON * fabs(w_old[i] + change));
            }
            if (memcmp(work + r * ld + dimension, w_old + r * ld + dimension, (size_t)(ld - dimension) * sizeof *work))
                fail("row %d: written past D", r);
            if (agent >= 0 && !row[r].alone) /* whose update float32 may have rounded */
                check_norms(norm_partial + agent * pieces * NORM_SUMS, update + agent * ld,
                            model + row[r].model * ld, dimension, epoch == epochs - 1 && number == per_epoch - 1);
        }
    }
    for (int a = 0; a < agents; a++) untouched("update", update + a * ld + dimension, ld - dimension);

    float *before = TAKE(float, models * ld);
    memcpy(before, model, (size_t)(models * ld) * sizeof *model);
    error_free(k->keep_alone(stream, model, work, row, all, dimension, ld));
    for (int r = 0; r < all; r++)
        for (int64_t d = 0, at = row[r].model * ld; d < dimension; d++, at++)
            same("kept model", at, model[at], row[r].alone ? work[r * ld + d] : before[at]);
    case_end();
}

static void optimizer_cases(void)
{
    for (int kind = 0; kind < 3; kind++) {
        optimizer_case((enum optimizer_kind)kind, 1, 1, 1, 1, 0);
        optimizer_case((enum optimizer_kind)kind, 3, 2, 33, 1e-3, 0.01);
        optimizer_case((enum optimizer_kind)kind, 4, 3, 4095, 1, 0);
        optimizer_case((enum optimizer_kind)kind, 2, 1, 4097, 1e-6, 0);
        if (!op_cases_small) optimizer_case((enum optimizer_kind)kind, 5, 5, 12289, 1, 0.5);
    }
}

/* ---- minibatches ---- */

/* One epoch's order of every row, order[row][samples of that row], offset by row.first. */
static void draw_epoch(int32_t *order, const struct row *row, int rows, const int32_t *index, int batch, int round,
                       int epochs, int epoch)
{
    const int slots = (batch + SLOT_MULTIPLE - 1) / SLOT_MULTIPLE * SLOT_MULTIPLE;
    int32_t *sample = TAKE(int32_t, rows * slots), *count = TAKE(int32_t, rows);
    int *round_cell = TAKE(int, 1);
    *round_cell = round;
    for (int step = 0, left = 1; left; step++) {
        left = 0;
        int active = 0; /* a prefix, as in training; one step past the last launches all */
        while (active < rows && row[active].samples > step * batch) active++;
        if (active == 0) active = rows;
        memset(sample, 0x77, (size_t)(rows * slots) * sizeof *sample);
        struct batch_draw d = {sample, count, row, index, round_cell, active, slots, batch, epochs, epoch, step, 0};
        error_free(k->batch_draw(stream, d));
        for (int r = 0; r < rows; r++) {
            const int rest = row[r].samples - step * batch, want = rest < 0 ? 0 : rest < batch ? rest : batch;
            if (r < active) same("count", r, count[r], want);
            left |= want > 0;
            for (int s = 0; s < slots; s++) {
                const int32_t got = sample[r * slots + s];
                if (r >= active)
                    same("row beyond the prefix", r, got, 0x77777777);
                else if (s >= want)
                    same("empty slot", s, got, -1);
                else
                    order[row[r].first + step * batch + s] = got;
            }
        }
    }
}

static void batch_cases(void)
{
    static const int sizes[] = {4099, 1024, 257, 97, 33, 32, 31, 5, 4, 2, 1};
    enum { ROWS = sizeof sizes / sizeof *sizes };
    static const int batches[] = {1024, 33, 32, 20};
    int64_t total = 0;
    struct row row[ROWS];
    for (int r = 0; r < ROWS; r++) {
        row[r] = (struct row){.agent = r % 2 ? -1 : r, .samples = sizes[r], .stream = r, .first = total, .seed = 77};
        total += sizes[r];
    }
    for (int b = 0; b < 4; b++) {
        case_begin("batch_draw batch %d", batches[b]);
        int32_t *index = TAKE(int32_t, total), *order = TAKE(int32_t, total), *again = TAKE(int32_t, total),
                *next = TAKE(int32_t, total), *other = TAKE(int32_t, total);
        uint8_t *seen = TAKE(uint8_t, total);
        for (int64_t i = 0; i < total; i++) index[i] = (int32_t)((i * 7919 + 13) % total); /* a permutation itself */
        draw_epoch(order, row, ROWS, index, batches[b], 2, 3, 1);
        draw_epoch(again, row, ROWS, index, batches[b], 2, 3, 1);
        draw_epoch(next, row, ROWS, index, batches[b], 2, 3, 2);
        struct row changed[ROWS];
        for (int r = 0; r < ROWS; r++) {
            changed[r] = row[r];
            if (r % 2)
                changed[r].seed ^= UINT64_C(1) << 40; /* the high half matters too */
            else
                changed[r].stream += 100;
        }
        draw_epoch(other, changed, ROWS, index, batches[b], 2, 3, 1);
        for (int r = 0; r < ROWS; r++) {
            const int64_t first = row[r].first, n = row[r].samples;
            memset(seen, 0, (size_t)total);
            for (int64_t i = first; i < first + n; i++)
                if (order[i] < 0 || order[i] >= total || seen[order[i]]++) fail("row %d: %d drawn twice", r, order[i]);
            for (int64_t i = first; i < first + n; i++)
                if (seen[index[i]] != 1) fail("row %d: sample %d not drawn", r, index[i]);
            const size_t bytes = (size_t)n * sizeof *order;
            if (memcmp(order + first, again + first, bytes)) fail("row %d: differs the second time", r);
            if (n < 31) continue;
            if (!memcmp(order + first, next + first, bytes)) fail("row %d: the same in the next epoch", r);
            if (!memcmp(order + first, other + first, bytes)) fail("row %d: the same with another key", r);
            if (!memcmp(order + first, index + first, bytes)) fail("row %d: not shuffled", r);
            /* Far from any order: about one sample stays in place. */
            int fixed = 0;
            for (int64_t i = first; i < first + n; i++) fixed += order[i] == index[i];
            if (fixed > 9) fail("row %d: %d samples stayed in place", r, fixed);
        }
        case_end();
    }

    static const int features[] = {1, 63, 64, 65, 784};
    for (int f = 0; f < 5; f++) {
        const int rows = 3, slots = 64, samples = 29, n = features[f];
        case_begin("batch_gather features %d", n);
        float *data = take_random((int64_t)samples * n, 1), *x = TAKE(float, rows * n * slots);
        int32_t *label = TAKE(int32_t, samples), *sample = TAKE(int32_t, rows * slots), *y = TAKE(int32_t, rows * slots);
        for (int i = 0; i < samples; i++) label[i] = below(10);
        for (int i = 0; i < rows * slots; i++) sample[i] = i % slots < 20 * (i / slots + 1) ? below(samples) : -1;
        error_free(k->batch_gather(stream, x, y, data, label, sample, n, rows, slots));
        for (int i = 0; i < rows * slots; i++) {
            const int from = sample[i];
            same("label", i, y[i], from < 0 ? 0 : label[from]);
            for (int j = 0; j < n; j++)
                same("x", i, x[((int64_t)(i / slots) * n + j) * slots + i % slots], from < 0 ? 0 : data[(int64_t)from * n + j]);
        }
        case_end();
    }
}

/* ---- server ---- */

/* Pieces of `columns` of each stretch begin[t] .. begin[t + 1] − 1, and every stretch's first. */
static int cut(struct chunk **piece, int32_t *first, const int64_t *begin, int parts, int64_t columns)
{
    int count = 0;
    for (int t = 0; t < parts; t++) count += (int)((begin[t + 1] - begin[t] + columns - 1) / columns);
    *piece = TAKE(struct chunk, count);
    count = 0;
    for (int t = 0; t < parts; t++) {
        if (first) first[t] = count;
        for (int64_t at = begin[t]; at < begin[t + 1]; at += columns)
            (*piece)[count++] = (struct chunk){at, at + columns < begin[t + 1] ? at + columns : begin[t + 1], t};
    }
    if (first) first[parts] = count;
    return count;
}

float *model_of(const struct server_step *s, int64_t f, int64_t i)
{
    return s->model + f * s->model_block + i * s->model_stride;
}

struct server server_make(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward)
{
    struct server v = {0};
    int64_t D = 0;
    for (int t = 0; t < tensors; t++) {
        v.tensor_begin[t] = D;
        D += tensor[t];
    }
    v.tensor_begin[tensors] = D;
    const int64_t F = federations, N = agents, ld = (D + 31) / 32 * 32 + 32, update_stride = ld + 3;
    const int64_t G = reward == CGSV_REWARD_LAYER ? tensors : 1, model_stride = ld + 1;
    const int64_t Q = (D + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS, model_block = (N + 1) * model_stride;
    int64_t *segment_begin = TAKE(int64_t, G + 1);
    memcpy(segment_begin, v.tensor_begin, (size_t)(G + 1) * sizeof *segment_begin);
    segment_begin[G] = D;
    struct chunk *chunk, *span;
    int32_t *segment_span = TAKE(int32_t, G + 1);
    const int P = cut(&chunk, NULL, v.tensor_begin, tensors, CHUNK_COLUMNS);
    const int S = cut(&span, segment_span, segment_begin, (int)G, k->span_columns(D));
    const int64_t K = (k->span_columns(D) + TIE_COLUMNS - 1) / TIE_COLUMNS;
    v.update = TAKE(float, F * N * update_stride);
    v.data_share = TAKE(double, F * N);
    v.mechanism = TAKE(struct mechanism, F);
    v.loss = TAKE(double, F * N);
    float *model = TAKE(float, F * model_block);
    v.s = (struct server_step){
        .federations = federations, .agents = agents, .rounds = RECORD_ROUNDS, .dimension = D, .tensors = tensors,
        .chunks = P, .pieces = (int)Q, .spans = S, .segments = (int)G, .span_parts = (int)K, .reward = reward,
        .chunk = chunk, .span = span, .segment_span = segment_span, .segment_begin = segment_begin,
        .mechanism = v.mechanism, .data_share = v.data_share, .update = v.update, .update_stride = update_stride,
        .model = model, .model_stride = model_stride, .model_block = model_block, .server_model = model + N * model_stride,
        .aggregate = TAKE(float, F * ld), .ld = ld, .round = TAKE(int, 1), .importance = TAKE(double, F * N),
        .norm = TAKE(double, F * N), .coefficient = TAKE(double, F * N), .contribution = TAKE(double, F * N),
        .removed = TAKE(int32_t, F * N), .own_share = TAKE(double, F * N), .keep_ratio = TAKE(double, F * N),
        .order = TAKE(int32_t, F * N), .rank = TAKE(struct rank_state, F * G * N), .groups = TAKE(int32_t, F * G),
        .group_prefix = TAKE(uint32_t, F * G * N), .histogram = TAKE(int, F * G * N * SELECT_BINS),
        .met = TAKE(uint8_t, F * S * K * TIE_RUNS), .ties = TAKE(int, F * N * S * K),
        .norm_partial = TAKE(double, F * N * Q * NORM_SUMS), .dot_partial = TAKE(double, F * P * (N + 1)),
        .download_partial = TAKE(double, F * P * (N + 1) * DOWNLOAD_SUMS), .train_loss = v.loss,
        .record = TAKE(struct cgsv_round_record, RECORD_ROUNDS * F * N)};
    v.s.key = v.s.aggregate;
    *v.s.round = 0;
    memset(v.s.histogram, 0, (size_t)(F * G * N * SELECT_BINS) * sizeof(int));
    for (int64_t f = 0; f < F; f++) {
        v.mechanism[f] = (struct mechanism){.gamma = f % 2 ? 0.15 : 0.5, .alpha = f % 2 ? 0.5 : 0.95,
                                              .beta = f % 2 ? 1.0 : 1.5};
        double total = 0;
        for (int64_t i = 0; i < N; i++) total += v.data_share[f * N + i] = 1 + below(50);
        for (int64_t i = 0; i < N; i++) {
            v.data_share[f * N + i] /= total;
            v.loss[f * N + i] = uniform();
        }
        for (int64_t i = 0; i <= N; i++)
            for (int64_t d = 0; d < D; d++) model_of(&v.s, f, i)[d] = (float)(2 * uniform() - 1);
    }
    return v;
}

void server_select(struct server_step s)
{
    for (int pass = 0; pass < SELECT_PASSES; pass++) {
        error_free(k->select_count(stream, s, pass));
        error_free(k->select_narrow(stream, s, pass));
    }
    error_free(k->select_count_ties(stream, s));
    error_free(k->select_end_ties(stream, s));
}

static void server_run(struct server_step s)
{
    if (!s.norms_given) error_free(k->server_norms(stream, s));
    error_free(k->server_weigh(stream, s));
    error_free(k->server_aggregate_and_dot(stream, s));
    error_free(k->server_contribution(stream, s));
    server_select(s);
    error_free(k->server_download(stream, s));
    error_free(k->server_record(stream, s));
}

/* The download, given g and q of the kernels, of federation f: models, and what the
 * record says about them when `record` is given. */
static void check_download(const struct server *v, int f, const float *model_before,
                           const struct cgsv_round_record *record)
{
    const struct server_step s = v->s;
    const int64_t D = s.dimension, N = s.agents;
    const float *g = s.aggregate + f * s.ld, *server = model_of(&s, f, N);
    const float *before = model_before + f * s.model_block;
    const int64_t last_begin = s.tensors >= 2 ? v->tensor_begin[s.tensors - 2] : 0;
    uint8_t *kept = malloc((size_t)D);
    int64_t *order = malloc((size_t)D * sizeof *order);
    for (int segment = 0; segment < s.segments; segment++) {
        const int64_t begin = s.segment_begin[segment];
        reference_order(order + begin, g + begin, s.segment_begin[segment + 1] - begin);
    }
    double g_square = 0, server_square = 0;
    for (int64_t d = 0; d < D; d++) {
        g_square += (double)g[d] * g[d];
        server_square += (double)server[d] * server[d];
        same("server's model", d, server[d], before[N * s.model_stride + d] + g[d]);
    }
    for (int64_t i = 0; i < N; i++) {
        const float *w = model_of(&s, f, i);
        double count = 0, kept_square = 0, distance = 0, last = 0;
        memset(kept, 0, (size_t)D);
        for (int segment = 0; segment < s.segments; segment++) {
            const int64_t begin = s.segment_begin[segment], n = s.segment_begin[segment + 1] - begin;
            const int64_t keep = reference_keep_count(s.keep_ratio[f * N + i], n, s.reward);
            for (int64_t j = 0; j < keep; j++) kept[begin + order[begin + j]] = 1;
            count += (double)keep;
        }
        for (int64_t d = 0; d < D; d++) {
            const float want = before[i * s.model_stride + d] + (kept[d] ? g[d] : 0);
            if (w[d] != want)
                fail("agent %d q %.17g: w[%lld] %.9g, not %.9g (%s, g %.9g)", (int)i, s.keep_ratio[f * N + i],
                     (long long)d, w[d], want, kept[d] ? "kept" : "not kept", g[d]);
            if (kept[d]) kept_square += (double)g[d] * g[d];
            const double apart = (double)w[d] - server[d];
            distance += apart * apart;
            if (d >= last_begin) last += apart * apart;
        }
        if (!record) continue;
        const struct cgsv_round_record *r = record + i;
        same("kept", i, r->kept, count);
        near("reward_cos", i, r->reward_cos, kept_square > 0 ? sqrt(kept_square / g_square) : 0, 1e-9);
        near("reward_error²", i, r->reward_error * r->reward_error, g_square - kept_square, 1e-12 * g_square);
        if (count == (double)D) near("reward_error of all", i, r->reward_error, 0, 1e-6 * sqrt(g_square));
        near("distance", i, r->distance, sqrt(distance), 1e-10 * sqrt(distance));
        near("last layer's distance", i, r->distance_last_layer, sqrt(last), 1e-10 * sqrt(last));
        near("server norm", i, r->server_norm, sqrt(server_square), 1e-10 * sqrt(server_square));
        if (s.train_loss)
            same("train loss", i, r->train_loss, s.train_loss[f * N + i]);
        else if (!isnan(r->train_loss))
            fail("train loss of agent %d: %g, not NaN", (int)i, r->train_loss);
    }
    free(kept);
    free(order);
    for (int64_t i = 0; i <= N; i++) untouched("model", model_of(&s, f, i) + D, s.model_stride - D);
    const int64_t bins = (int64_t)s.segments * N * SELECT_BINS;
    for (int64_t i = 0; i < bins; i++)
        if (s.histogram[f * bins + i]) fail("histogram[%lld] not zero after the passes", (long long)i);
}

void fill_updates(struct server *v, int round, enum updates kind)
{
    const struct server_step s = v->s;
    for (int f = 0; f < s.federations; f++) {
        float *common = malloc((size_t)s.dimension * sizeof *common);
        for (int64_t d = 0; d < s.dimension; d++)
            common[d] = kind == QUANTISED ? (float)(below(7) - 3) / 8 : (float)(2 * uniform() - 1);
        for (int i = 0; i < s.agents; i++) {
            float *u = v->update + ((int64_t)f * s.agents + i) * s.update_stride;
            for (int64_t d = 0; d < s.dimension; d++)
                u[d] = kind == QUANTISED ? (d % 2 && i % 2 ? -common[d] : common[d])
                                         : (float)(0.01 * (i + 1) * (common[d] + (double)i / 4 * (2 * uniform() - 1)));
            if (kind == FAULTY || kind == ALL_FAULTY) {
                const int what = kind == ALL_FAULTY ? (i + round) % 3 : (i + round) % 6;
                const int64_t at = (int64_t)(random_bits() % (uint64_t)s.dimension);
                if (what == 0)
                    for (int64_t d = 0; d < s.dimension; d++) u[d] = d % 2 ? -0.0f : 0.0f;
                if (what == 1) u[at] = NAN;
                if (what == 2) u[at] = at % 2 ? INFINITY : -INFINITY;
                if (what == 3) /* vanishes beside the model, yet counts */
                    for (int64_t d = 0; d < s.dimension; d++) u[d] *= 1e-9f;
                if (what == 4) /* below ψ's limit even when normalised */
                    for (int64_t d = 0; d < s.dimension; d++) u[d] *= 1e-18f;
            }
        }
        free(common);
    }
}

/* What the optimizer would have left. */
static void give_norms(const struct server_step *s)
{
    for (int f = 0; f < s->federations; f++)
        for (int i = 0; i < s->agents; i++)
            for (int piece = 0; piece < s->pieces; piece++) {
                const int64_t at = ((int64_t)f * s->agents + i), begin = (int64_t)piece * CHUNK_COLUMNS;
                const int64_t left = s->dimension - begin, n = left < CHUNK_COLUMNS ? left : CHUNK_COLUMNS;
                double size[NORM_SUMS];
                reference_norm_sums(s->norm_partial + (at * s->pieces + piece) * NORM_SUMS, size,
                                    s->update + at * s->update_stride + begin, model_of(s, f, i) + begin, n);
            }
}

/* With a loss, the optimizer's norms come along as well. */
static void server_case(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward,
                        enum updates kind, int with_loss)
{
    static const char *const names[] = {"", " faulty", " all faulty", " quantised"};
    case_begin("server F%d N%d tensors %d of %lld… %s%s", federations, agents, tensors, (long long)tensor[0],
               reward == CGSV_REWARD_LAYER ? "layer" : "global", names[kind]);
    struct server v = server_make(federations, agents, tensor, tensors, reward);
    if (!with_loss) v.s.train_loss = NULL;
    v.s.norms_given = with_loss;
    const struct server_step s = v.s;
    const int64_t N = agents, D = s.dimension, models = federations * s.model_block;
    float *before = TAKE(float, models);
    double *old = TAKE(double, federations * N);
    struct reference_round r = {.agents = agents, .dimension = D,
                                .update_stride = s.update_stride, .model_stride = s.model_stride,
                                .norm = TAKE(double, N), .psi = TAKE(double, N), .importance = TAKE(double, N),
                                .keep_ratio = TAKE(double, N), .fault = TAKE(int, N), .g = TAKE(double, D),
                                .g_size = TAKE(double, D)};
    for (int round = 0; round < 3; round++) {
        fill_updates(&v, round, kind);
        memcpy(before, s.model, (size_t)models * sizeof *before);
        memcpy(old, s.importance, (size_t)(federations * N) * sizeof *old);
        if (s.norms_given) give_norms(&s);
        server_run(s);
        same("rounds done", round, *s.round, round + 1);
        for (int f = 0; f < federations; f++) {
            r.gamma = s.mechanism[f].gamma, r.alpha = s.mechanism[f].alpha, r.beta = s.mechanism[f].beta;
            r.round = round;
            r.data_share = s.data_share + f * N, r.importance_before = old + f * N;
            r.update = s.update + f * N * s.update_stride;
            r.model = s.norms_given ? before + f * s.model_block : NULL;
            r.aggregate = s.aggregate + f * s.ld;
            reference_server_round(&r);
            const struct cgsv_round_record *record = s.record + ((int64_t)round * federations + f) * N;
            for (int64_t d = 0; d < D; d++)
                near("aggregate", d, r.aggregate[d], r.g[d],
                     FLT_EPSILON * fabs(r.g[d]) + 1e-12 * r.g_size[d] + 1e-45);
            untouched("aggregate", r.aggregate + D, s.ld - D);
            for (int64_t i = 0; i < N; i++) {
                same("fault", i, record[i].fault, r.fault[i]);
                if (r.fault[i] != CGSV_FAULT_NOT_FINITE) near("norm", i, record[i].update_norm, r.norm[i], 1e-12 * r.norm[i]);
                near("psi", i, record[i].psi, r.psi[i], 1e-10);
                near("importance", i, record[i].importance, r.importance[i], 1e-10);
                near("keep ratio", i, record[i].keep_ratio, r.keep_ratio[i], 1e-9);
                same("importance kept", i, s.importance[f * N + i], record[i].importance);
                same("keep ratio kept", i, s.keep_ratio[f * N + i], record[i].keep_ratio);
            }
            for (int64_t i = 0; i < N; i++) {
                const int a = s.order[f * N + i], b = i + 1 < N ? s.order[f * N + i + 1] : -1;
                const double *q = s.keep_ratio + f * N;
                if (a < 0 || a >= N || (i == 0 && q[a] != 1)) fail("order[%d] = %d", (int)i, a);
                else if (b >= 0 && b < N && (q[a] < q[b] || (q[a] == q[b] && a > b))) fail("order: %d before %d", a, b);
            }
            check_download(&v, f, before, record);
        }
    }
    untouched("records of later rounds", s.record + 3 * federations * N, 2 * (int64_t)(sizeof *s.record / 8) * federations * N);
    case_end();
}

/* Given g and q directly. */
enum pattern { RANDOM_G, HEAVY_TIES, FEW_TIES, ONE_VALUE, ZEROS, ALL_ZERO, SHARED_21_BITS, SHARED_11_BITS, WIDE, TINY };

static void select_case(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward,
                        enum pattern pattern, int few)
{
    static const char *const names[] = {"random",   "heavy ties",     "few ties",       "one value", "mostly zeros",
                                        "all zero", "shared 21 bits", "shared 11 bits", "wide",      "denormal"};
    case_begin("select F%d N%d tensors %d of %lld… %s, %s%s", federations, agents, tensors, (long long)tensor[0],
               reward == CGSV_REWARD_LAYER ? "layer" : "global", names[pattern], few ? ", few" : "");
    struct server v = server_make(federations, agents, tensor, tensors, reward);
    const struct server_step s = v.s;
    const int64_t N = agents, D = s.dimension, models = federations * s.model_block;
    for (int64_t f = 0; f < federations; f++) {
        for (int64_t d = 0; d < D; d++) {
            double g = 0;
            switch (pattern) {
            case RANDOM_G: g = uniform(); break;
            case HEAVY_TIES: g = (below(4)) / 4.0; break;
            case FEW_TIES: g = 1 + below((int)(D / 3 + 1)) * 0x1p-18; break;
            case ONE_VALUE: g = 0.37; break;
            case ZEROS: g = below(10) ? 0 : uniform(); break;
            case ALL_ZERO: break;
            case SHARED_21_BITS: g = 1 + below(1024) * 0x1p-23; break;
            case SHARED_11_BITS: g = 1 + below(1 << 20) * 0x1p-23; break;
            case WIDE: g = ldexp(1 + uniform(), below(200) - 100); break;
            case TINY: g = below(3000) * 0x1p-149; break;
            }
            s.aggregate[f * s.ld + d] = (float)(random_bits() & 1 ? -g : g);
        }
        for (int64_t i = 0; i < N; i++) {
            const double q = few ? (double)(i + 1) / (double)(N * (D + 1)) : (double)(i + 1) / (double)N;
            s.keep_ratio[f * N + i] = i && i % 5 == 0 ? s.keep_ratio[f * N + i - 1] : q;
        }
        /* Agents in a random order of q. */
        for (int64_t i = N - 1; i > 0; i--) {
            const int64_t j = below((int)i + 1);
            const double q = s.keep_ratio[f * N + i];
            s.keep_ratio[f * N + i] = s.keep_ratio[f * N + j];
            s.keep_ratio[f * N + j] = q;
        }
        for (int64_t i = 0; i < N; i++) {
            int place = 0;
            const double *q = s.keep_ratio + f * N;
            for (int64_t j = 0; j < N; j++) place += q[j] > q[i] || (q[j] == q[i] && j < i);
            s.order[f * N + place] = (int32_t)i;
        }
    }
    float *before = TAKE(float, models);
    if (pattern == TINY || pattern == WIDE) /* entries must show in the model */
        for (int64_t i = 0; i < federations * (N + 1); i++)
            for (int64_t d = 0; d < D; d++) s.model[i * s.model_stride + d] = 0;
    for (int again = 0; again < 2; again++) { /* the histogram is left clean */
        memcpy(before, s.model, (size_t)models * sizeof *before);
        server_select(s);
        error_free(k->server_download(stream, s));
        for (int f = 0; f < federations; f++) check_download(&v, f, before, NULL);
    }
    case_end();
}

static void server_cases(void)
{
    static const int64_t small[] = {1, 31, 33, 7, 2, 97, 10}, edges[] = {4095, 1, 4096, 4097, 31, 8193, 64, 10},
                         single[] = {1}, large[] = {60013, 211, 4096, 83}, spans[] = {150001, 66000, 5};
    for (int reward = 0; reward < 2; reward++) {
        const enum cgsv_reward rule = (enum cgsv_reward)reward;
        server_case(1, 1, single, 1, rule, HONEST, 1);
        server_case(1, 3, small + 1, 1, rule, HONEST, 0);
        server_case(3, 5, small, 7, rule, HONEST, 1);
        server_case(2, 7, small, 7, rule, FAULTY, 1);
        server_case(2, 4, small, 6, rule, ALL_FAULTY, 1);
        server_case(2, 6, small, 7, rule, QUANTISED, 0);
        server_case(2, 5, edges, 8, rule, HONEST, 1);
        if (!op_cases_small) {
            server_case(2, 12, edges, 8, rule, FAULTY, 0);
            server_case(1, 33, edges, 8, rule, HONEST, 0);
            server_case(1, 5, large, 4, rule, QUANTISED, 0);
            server_case(1, 100, edges, 8, rule, FAULTY, 1);
            /* Several spans to a segment, and more groups than a block counts at a time. */
            select_case(1, 100, spans, 3, rule, SHARED_11_BITS, 0);
            select_case(1, 100, spans, 3, rule, RANDOM_G, 0);
            select_case(1, 7, spans, 3, rule, HEAVY_TIES, 0);
            /* Ends among ties: all of them in every span and part, or many in the first part. */
            for (int few = 0; few < 2; few++) {
                select_case(1, 24, spans, 3, rule, FEW_TIES, few);
                select_case(1, 24, spans, 3, rule, HEAVY_TIES, few);
                select_case(1, 24, spans, 3, rule, ONE_VALUE, few);
            }
        }
        for (int pattern = RANDOM_G; pattern <= TINY; pattern++)
            for (int few = 0; few < 2; few++) {
                const enum pattern p = (enum pattern)pattern;
                select_case(2, 40, small, 7, rule, p, few);
                if (few) continue;
                select_case(1, 1, edges, 3, rule, p, few);
                select_case(1, op_cases_small ? 9 : 40, edges, 8, rule, p, few);
                if (!op_cases_small) select_case(1, 37, large, 4, rule, p, few);
            }
    }
}

/* ---- all ---- */

int op_cases_run(const struct kernels *kernels, void *on, void (*to)(const char *name, int ok, const char *detail))
{
    frame_begin(kernels, on, to);
    printf("kernels %s, seed %d\n", k->name, OP_SEED);
    conv_cases();
    dense_cases();
    loss_cases();
    optimizer_cases();
    batch_cases();
    text_cases();
    adversary_cases();
    server_cases();
    residual_cases();
    valuation_cases();
    coalition_cases();
    scheme_cases();
    return op_failures;
}

static void ignore(const char *name, int ok, const char *detail) { (void)name, (void)ok, (void)detail; }

uint64_t op_cases_digest(const struct kernels *kernels, void *on)
{
    frame_begin(kernels, on, ignore);
    uint64_t hash = 0xCBF29CE484222325u;

    case_begin("digest");
    const struct conv_shape shape = {3, 9, 12, 12, 13, 5, 2, 32, ACTIVATION_TANH};
    struct conv_case c = conv_make(shape, 0, 0);
    float *out = TAKE(float, c.parts * c.pooled);
    uint8_t *winner = TAKE(uint8_t, c.parts * c.pooled);
    float *gradient = TAKE(float, shape.rows * c.w_stride), *x_gradient = TAKE(float, c.parts * c.x_part);
    error_free(k->conv_pool_forward(stream, out, winner, c.x, c.x_stride, c.weight, c.bias, c.w_stride, shape));
    conv_gradients(gradient, x_gradient, out, winner, c);
    hash = hashed(hash, out, (size_t)(c.parts * c.pooled) * sizeof *out);
    hash = hashed(hash, winner, (size_t)(c.parts * c.pooled));
    hash = hashed(hash, gradient, (size_t)(shape.rows * c.w_stride) * sizeof *gradient);
    hash = hashed(hash, x_gradient, (size_t)(c.parts * c.x_part) * sizeof *x_gradient);

    static const int64_t tensor[] = {20011, 33, 4097, 10};
    struct server v = server_make(2, 7, tensor, 4, CGSV_REWARD_GLOBAL);
    for (int round = 0; round < 2; round++) {
        fill_updates(&v, round, round ? QUANTISED : HONEST);
        server_run(v.s);
    }
    hash = hashed(hash, v.s.model, (size_t)(2 * v.s.model_block) * sizeof(float));
    hash = hashed(hash, v.s.record, (size_t)(2 * 2 * 7) * sizeof *v.s.record);
    case_end();
    return valuation_digest(text_digest(residual_digest(hash)));
}
