/* Convolution with pooling, and its gradients. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "reference.h"

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
        const int64_t weights = (s.rows - 1) * c.w_stride + s.filters * c.taps;
        for (int64_t i = 0; i < weights; i++) c.weight[i] = (float)(below(3) - 1);
        for (int64_t i = 0; i < (s.rows - 1) * c.w_stride + s.filters; i++) c.bias[i] = (float)(below(5) - 2);
    }
    return c;
}

static struct conv_list list_make(int64_t count)
{
    return (struct conv_list){TAKE(float, count), TAKE(int32_t, count)};
}

static struct conv_scratch scratch_make(struct conv_case c)
{
    const struct conv_shape s = c.s;
    return (struct conv_scratch){.samples = TAKE(float, c.parts * s.slots * CONV_SAMPLE(s) + SLOT_MULTIPLE),
                                 .taps = TAKE(float, (int64_t)s.rows * s.filters * s.kernel * CONV_RUN(s)),
                                 .filter = list_make((int64_t)s.rows * s.filters * s.slots * CONV_LIST(s)),
                                 .count = TAKE(int32_t, (int64_t)s.rows * s.filters * s.slots),
                                 .window = list_make(c.parts * c.pooled + CONV_AHEAD),
                                 .end = TAKE(int32_t, 4 * c.parts * (c.pooled / s.filters))};
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
               s.filters, s.kernel, s.blocks, s.slots, activation_name[s.activation], shared_x ? " one x" : "",
               integers ? " integers" : "");
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
        if (row < s.rows - 1)
            untouched("weight gradient", weight_gradient + row * c.w_stride + weights, c.w_stride - weights);
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

void conv_cases(void)
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

uint64_t conv_digest(uint64_t hash)
{
    case_begin("digest of convolutions");
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
    case_end();
    return hash;
}
