/* The kernels of residual networks, and the augmentation, against tests/reference_residual.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "reference.h"
#include "reference_residual.h"

/* Sample `slot` of part `part` of a[part][size][S], and the way back. */
static void pick(double *to, const float *a, int64_t part, int64_t size, int slots, int slot)
{
    for (int64_t i = 0; i < size; i++) to[i] = a[(part * size + i) * slots + slot];
}

static void round_all(double *a, int64_t n, cgsv_precision precision)
{
    for (int64_t i = 0; i < n; i++) a[i] = reference_rounded(a[i], precision);
}

static void widen(double *to, const float *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = a[i];
}

static const char *const precision_name[] = {"float32", "tf32", "bf16"};

static int out_size(int size, int stride) { return (size + stride - 1) / stride; }

/* ---- convolution ---- */

static void conv3_case(struct conv3_shape s, int shared_x, int with_shortcut)
{
    case_begin("conv3 %s R%d C%d %dx%d F%d stride %d B%d S%d%s%s", precision_name[s.precision], s.rows, s.channels,
               s.height, s.width, s.filters, s.stride, s.blocks, s.slots, shared_x ? " one x" : "",
               with_shortcut ? " shortcut" : "");
    const int OH = out_size(s.height, s.stride), OW = out_size(s.width, s.stride), parts = s.rows * s.blocks;
    const int64_t in = (int64_t)s.channels * s.height * s.width, out = (int64_t)s.filters * OH * OW;
    const int64_t weights = (int64_t)s.filters * s.channels * 9, w_stride = weights + 19;
    const int64_t x_stride = shared_x ? 0 : s.blocks * in * s.slots;
    float *x = take_random(s.blocks * in * s.slots * (shared_x ? 1 : s.rows), 1);
    float *weight = take_random((s.rows - 1) * w_stride + weights, 0.5);
    float *y = TAKE(float, parts * out * s.slots), *x_gradient = TAKE(float, parts * in * s.slots);
    float *delta = take_random(parts * out * s.slots, 1), *shortcut = take_random(parts * out * s.slots, 1);
    float *weight_gradient = TAKE(float, (s.rows - 1) * w_stride + weights);
    error_free(k->conv3_forward(stream, y, x, x_stride, weight, w_stride, s));
    const struct conv3_gradients g = {weight_gradient, x_gradient, delta, x, weight, with_shortcut ? shortcut : NULL,
                                      x_stride, w_stride};
    error_free(k->conv3_gradients(stream, g, s));

    double *wx = TAKE(double, in), *ww = TAKE(double, weights), *wd = TAKE(double, out), *ws = TAKE(double, out);
    double *want = TAKE(double, in + out), *size = TAKE(double, in + out);
    double *grad = TAKE(double, weights), *grad_size = TAKE(double, weights);
    for (int row = 0; row < s.rows; row++) {
        widen(ww, weight + row * w_stride, weights);
        round_all(ww, weights, s.precision);
        for (int64_t i = 0; i < weights; i++) grad[i] = grad_size[i] = 0;
        for (int n = 0; n < s.blocks * s.slots; n++) {
            const int64_t part = row * s.blocks + n / s.slots;
            const int slot = n % s.slots;
            pick(wx, x, shared_x ? n / s.slots : part, in, s.slots, slot);
            pick(wd, delta, part, out, s.slots, slot);
            pick(ws, shortcut, part, out, s.slots, slot);
            round_all(wx, in, s.precision);
            round_all(wd, out, s.precision);
            reference_conv3(want, size, wx, ww, s);
            for (int64_t i = 0; i < out; i++)
                near("out", i, y[(part * out + i) * s.slots + slot], want[i], float_bound(9 * s.channels, size[i]));
            reference_conv3_weight_gradient(grad, grad_size, wd, wx, s);
            for (int64_t i = 0; i < in; i++) want[i] = size[i] = 0;
            if (with_shortcut)
                for (int c = 0; c < s.channels; c++)
                    for (int64_t i = 0; i < OH * OW; i++) {
                        const int64_t to = (c * s.height + i / OW * s.stride) * s.width + i % OW * s.stride;
                        want[to] = ws[c * OH * OW + i];
                        size[to] = fabs(want[to]);
                    }
            reference_conv3_input_gradient(want, size, wd, ww, s);
            for (int64_t i = 0; i < in; i++)
                near("input gradient", i, x_gradient[(part * in + i) * s.slots + slot], want[i],
                     float_bound(9 * s.filters + 1, size[i]));
        }
        for (int64_t i = 0; i < weights; i++)
            near("weight gradient", i, weight_gradient[row * w_stride + i], grad[i],
                 float_bound(s.blocks * s.slots * OH * OW, grad_size[i]));
        if (row < s.rows - 1) untouched("weight gradient", weight_gradient + row * w_stride + weights, 19);
    }
    case_end();
}

static void conv3_cases(void)
{
    static const struct conv3_shape shapes[] = {
        /* R, C, H, W, F, stride, B, S, any precision */
        {1, 1, 1, 1, 1, 1, 1, 32, 0}, {1, 1, 1, 1, 1, 2, 1, 32, 0}, {2, 3, 2, 2, 5, 2, 1, 32, 0},
        {2, 3, 5, 7, 6, 2, 2, 32, 0}, {1, 5, 4, 4, 9, 1, 1, 64, 0}, {2, 2, 6, 5, 3, 1, 1, 32, 0},
        {1, 4, 1, 9, 5, 2, 1, 32, 0}, {1, 3, 9, 1, 4, 1, 1, 32, 0}, {1, 6, 8, 8, 7, 2, 1, 32, 0},
        {1, 17, 3, 3, 33, 1, 1, 32, 0}, {1, 2, 17, 16, 3, 1, 1, 32, 0}, {1, 2, 16, 19, 4, 2, 1, 32, 0},
    };
    const int count = (int)(sizeof shapes / sizeof *shapes) - (op_cases_small ? 3 : 0);
    for (int i = 0; i < count; i++)
        for (int precision = CGSV_PRECISION_FLOAT32; precision <= CGSV_PRECISION_BF16; precision++) {
            struct conv3_shape s = shapes[i];
            s.precision = (cgsv_precision)precision;
            conv3_case(s, i % 3 == 2, i % 2 && s.filters >= s.channels);
        }
}

/* One term: what comes out is the rounded input. Half of the numbers are ties. */
static void rounding_case(cgsv_precision precision)
{
    static const float special[] = {0.0f, -0.0f, 1.0f, FLT_MIN, -FLT_MIN, INFINITY, -INFINITY, 3.3e38f};
    enum { SLOTS = 1024, SPECIAL = sizeof special / sizeof *special };
    case_begin("rounding to %s", precision_name[precision]);
    const struct conv3_shape s = {.rows = 1, .channels = 1, .height = 1, .width = 1, .filters = 1, .stride = 1,
                                  .blocks = 1, .slots = SLOTS, .precision = precision};
    float *x = TAKE(float, SLOTS), *weight = TAKE(float, 9), *out = TAKE(float, SLOTS);
    for (int i = 0; i < 9; i++) weight[i] = i == 4;
    for (int i = 0; i < SLOTS; i++) {
        const int bits = precision == CGSV_PRECISION_TF32 ? 11 : 8;
        const double places = (1 << (bits - 1)) + below(1 << (bits - 1)) + (i % 2 ? 0.5 : uniform());
        x[i] = (float)ldexp(below(2) ? places : -places, below(200) - 100);
        if (i < SPECIAL) x[i] = special[i];
    }
    error_free(k->conv3_forward(stream, out, x, 0, weight, 9, s));
    for (int i = 0; i < SLOTS; i++) same("rounded", i, out[i], reference_rounded(x[i], precision));
    case_end();
}

/* ---- normalisation ---- */

/* shortcut: 0 for none, or its stride; `narrower`: channels that its origin has less. `offset` is
 * added to all of x: the variance must not suffer. */
static void norm_case(struct norm_shape s, int shortcut, int narrower, double offset)
{
    case_begin("norm R%d C%d %dx%d groups %d B%d S%d shortcut %d offset %g", s.rows, s.channels, s.height, s.width,
               s.groups, s.blocks, s.slots, shortcut, offset);
    const int pixels = s.height * s.width, parts = s.rows * s.blocks, S = s.slots, C = s.channels;
    const int from_channels = C - narrower;
    /* An odd size where the stride is 2. */
    const int from_height = shortcut == 2 ? 2 * s.height - 1 : s.height;
    const int from_width = shortcut == 2 ? 2 * s.width : s.width;
    const int64_t size = (int64_t)C * pixels, from_size = (int64_t)from_channels * from_height * from_width;
    const int64_t w_stride = C + 5, all = parts * size * S;
    float *x = take_random(all, 2), *delta = take_random(all, 1), *origin = take_random(parts * from_size * S, 1);
    float *weight = take_random((s.rows - 1) * w_stride + C, 1), *bias = take_random((s.rows - 1) * w_stride + C, 1);
    float *out = TAKE(float, all), *statistic = TAKE(float, 2 * parts * s.groups * S);
    float *x_gradient = TAKE(float, all), *sums = TAKE(float, 2 * parts * C * S), *before = TAKE(float, all);
    float *weight_gradient = TAKE(float, (s.rows - 1) * w_stride + C);
    float *bias_gradient = TAKE(float, (s.rows - 1) * w_stride + C);
    for (int64_t i = 0; i < all; i++) x[i] += (float)offset;
    memcpy(before, delta, (size_t)all * sizeof *delta);
    const struct norm n = {out, statistic, x, weight, bias, w_stride, shortcut ? origin : NULL, from_channels,
                           from_height, from_width, shortcut};
    error_free(k->norm_forward(stream, n, s));
    const struct norm_gradients gradients = {weight_gradient, bias_gradient, x_gradient, delta, sums};
    error_free(k->norm_backward(stream, n, gradients, s));

    double *wx = TAKE(double, size), *normal = TAKE(double, size), *inverse = TAKE(double, s.groups);
    double *from = TAKE(double, from_size), *e = TAKE(double, size), *grad = TAKE(double, size), *ww = TAKE(double, C);
    double *want_weight = TAKE(double, C), *want_bias = TAKE(double, C), *weight_size = TAKE(double, C);
    const double terms = (double)C / s.groups * pixels, rough = FLT_EPSILON * (terms + 8) * (1 + fabs(offset));
    for (int row = 0; row < s.rows; row++) {
        widen(ww, weight + row * w_stride, C);
        for (int c = 0; c < C; c++) want_weight[c] = want_bias[c] = weight_size[c] = 0;
        for (int sample = 0; sample < s.blocks * S; sample++) {
            const int64_t part = row * s.blocks + sample / S;
            const int slot = sample % S;
            double steepest = 0;
            pick(wx, x, part, size, S, slot);
            pick(from, origin, part, from_size, S, slot);
            reference_normalise(normal, inverse, wx, C, s.groups, pixels);
            for (int g = 0; g < s.groups; g++) steepest = fmax(steepest, inverse[g]);
            for (int64_t i = 0; i < size; i++) {
                const int c = (int)(i / pixels), y = (int)(i % pixels) / s.width, column = (int)(i % s.width);
                const int64_t at = (part * size + i) * S + slot;
                double want = ww[c] * normal[i] + bias[row * w_stride + c];
                if (shortcut)
                    want += reference_shortcut(from, from_channels, from_height, from_width, shortcut, c, y, column);
                near("out", i, out[at], reference_activate(want, s.activation),
                     rough * (1 + steepest) * (1 + fabs(normal[i])) + 4 * FLT_EPSILON * fabs(want));
                e[i] = before[at] * reference_slope(out[at], s.activation);
                same("gradient before the activation", i, delta[at], e[i]);
                want_weight[c] += e[i] * normal[i];
                want_bias[c] += e[i];
                weight_size[c] += (1 + steepest) * (1 + fabs(normal[i]));
            }
            reference_norm_gradient(grad, e, normal, inverse, ww, C, s.groups, pixels);
            for (int64_t i = 0; i < size; i++)
                near("input gradient", i, x_gradient[(part * size + i) * S + slot], grad[i],
                     rough * (1 + steepest) * (1 + steepest) * (2 + fabs(normal[i])) * 2);
        }
        for (int c = 0; c < C; c++) {
            near("weight gradient", c, weight_gradient[row * w_stride + c], want_weight[c], rough * weight_size[c]);
            near("bias gradient", c, bias_gradient[row * w_stride + c], want_bias[c],
                 float_bound(s.blocks * S * pixels, weight_size[c]));
        }
        if (row < s.rows - 1) untouched("weight gradient", weight_gradient + row * w_stride + C, 5);
    }
    case_end();
}

static void norm_cases(void)
{
    norm_case((struct norm_shape){1, 1, 2, 1, 1, 1, 32, ACTIVATION_NONE}, 0, 0, 0);
    norm_case((struct norm_shape){2, 6, 3, 5, 2, 2, 32, ACTIVATION_RELU}, 0, 0, 0);
    norm_case((struct norm_shape){2, 9, 1, 3, 9, 1, 64, ACTIVATION_RELU}, 1, 0, 0);
    norm_case((struct norm_shape){1, 10, 4, 4, 5, 1, 32, ACTIVATION_RELU}, 2, 5, 0);
    norm_case((struct norm_shape){1, 20, 2, 3, 10, 1, 32, ACTIVATION_NONE}, 2, 0, 3);
    norm_case((struct norm_shape){1, 4, 5, 5, 1, 1, 32, ACTIVATION_RELU}, 1, 1, 100);
}

/* ---- average ---- */

static void average_case(int channels, int pixels, int rows, int blocks, int slots)
{
    case_begin("average_pool C%d pixels %d R%d B%d S%d", channels, pixels, rows, blocks, slots);
    const int64_t planes = (int64_t)rows * blocks * channels;
    float *x = take_random(planes * pixels * slots, 1), *out = TAKE(float, planes * slots);
    float *delta = take_random(planes * slots, 1), *x_gradient = TAKE(float, planes * pixels * slots);
    error_free(k->average_pool(stream, out, x, pixels, channels, rows, blocks, slots));
    error_free(k->average_pool_backward(stream, x_gradient, delta, pixels, channels, rows, blocks, slots));
    for (int64_t i = 0; i < planes * slots; i++) {
        double sum = 0, size = 0;
        for (int p = 0; p < pixels; p++) {
            const int64_t at = (i / slots * pixels + p) * slots + i % slots;
            sum += x[at];
            size += fabs((double)x[at]);
            near("gradient", at, x_gradient[at], (double)delta[i] / pixels, FLT_EPSILON * fabs((double)delta[i]));
        }
        near("mean", i, out[i], sum / pixels, float_bound(pixels, size / pixels));
    }
    case_end();
}

/* ---- augmentation ---- */

enum { PICTURES = 7, MARGIN = 4 };

/* Which change was made to a picture whose pixels all differ: 0 … 161, or −1 if none fits. */
static int change_found(const float *x, int64_t stride, const float *picture, int channels, int height, int width)
{
    for (int change = 0; change < 2 * 81; change++) {
        const int down = change / 2 / 9 - MARGIN, right = change / 2 % 9 - MARGIN, flip = change % 2;
        int fits = 1;
        for (int i = 0; i < channels * height * width && fits; i++) {
            const int c = i / (height * width), y = i / width % height, column = i % width;
            const int from_y = y + down, from_x = (flip ? width - 1 - column : column) + right;
            const int inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
            fits = x[i * stride] == (inside ? picture[(c * height + from_y) * width + from_x] : 0.0f);
        }
        if (fits) return change;
    }
    return -1;
}

static void augment_case(int channels, int height, int width, int blocks, int slots)
{
    case_begin("gather_augmented C%d %dx%d B%d S%d", channels, height, width, blocks, slots);
    enum { ROWS = 4 };
    const int features = channels * height * width, all = blocks * slots;
    float *data = TAKE(float, PICTURES * features), *x = TAKE(float, ROWS * features * all);
    int32_t *label = TAKE(int32_t, PICTURES), *sample = TAKE(int32_t, ROWS * all), *y = TAKE(int32_t, ROWS * all);
    int *round = TAKE(int, 1), seen[2 * 81] = {0}, changes = 0, before[PICTURES] = {0};
    for (int i = 0; i < PICTURES * features; i++) data[i] = (float)(i + 1);
    for (int i = 0; i < PICTURES; i++) label[i] = i + 10;
    /* Row 1 is row 0's twin; row 2 is another agent's, row 3 of another seed. */
    const struct row row[ROWS] = {{.stream = 3, .seed = 9}, {.stream = 3, .seed = 9, .agent = -1},
                                  {.stream = 4, .seed = 9}, {.stream = 3, .seed = UINT64_C(9) << 32}};
    for (int epoch = 0; epoch < (op_cases_small ? 3 : 30); epoch++) {
        int differ = 0, other_sample = 0, other_epoch = 0;
        *round = epoch / 3;
        for (int i = 0; i < ROWS * all; i++) sample[i] = i % all < PICTURES ? (i + i / all + epoch) % PICTURES : -1;
        error_free(k->gather_augmented(stream, x, y, data, label, sample,
                                       (struct augmentation){row, round, 3, epoch % 3, channels, height, width}, ROWS,
                                       blocks, slots));
        int found[ROWS][PICTURES];
        for (int i = 0; i < ROWS * all; i++) {
            const float *at = x + (int64_t)(i / slots) * features * slots + i % slots;
            same("label", i, y[i], sample[i] < 0 ? 0 : label[sample[i]]);
            for (int j = 0; j < features && sample[i] < 0; j++) same("empty slot", j, at[j * slots], 0);
            if (sample[i] < 0) continue;
            const int change = change_found(at, slots, data + sample[i] * features, channels, height, width);
            if (change < 0) fail("sample %d: no crop or flip of its picture", i);
            else seen[found[i / all][sample[i]] = change]++;
        }
        for (int i = 0; i < PICTURES; i++) {
            if (found[0][i] != found[1][i]) fail("the twin sees another picture");
            differ += (found[0][i] != found[2][i]) + (found[0][i] != found[3][i]);
            other_sample += found[0][i] != found[0][(i + 1) % PICTURES];
            other_epoch += epoch > 0 && found[0][i] != before[i];
        }
        if (differ < PICTURES) fail("agents or seeds change alike");
        if (other_sample < PICTURES / 2) fail("samples change alike");
        if (epoch > 0 && other_epoch < PICTURES / 2) fail("epochs change alike");
        memcpy(before, found[0], sizeof before);
    }
    for (int i = 0; i < 2 * 81; i++) changes += seen[i] > 0;
    if (!op_cases_small && changes < 140) fail("%d of 162 changes happen", changes);
    case_end();
}

void residual_cases(void)
{
    conv3_cases();
    rounding_case(CGSV_PRECISION_TF32);
    rounding_case(CGSV_PRECISION_BF16);
    norm_cases();
    average_case(1, 1, 1, 1, 32);
    average_case(33, 16, 2, 2, 32);
    average_case(7, 6, 1, 1, 96);
    augment_case(1, 9, 10, 1, 32);
    augment_case(3, 11, 11, 2, 32);
}

uint64_t residual_digest(uint64_t hash)
{
    case_begin("digest of residual layers");
    const struct conv3_shape s = {2, 9, 9, 9, 13, 2, 2, 32, CGSV_PRECISION_FLOAT32};
    const struct norm_shape n = {2, 13, 5, 5, 1, 2, 32, ACTIVATION_RELU};
    const int64_t in = 9 * 81 * 128, out = 13 * 25 * 128, weights = 13 * 9 * 9;
    float *x = take_random(in, 1), *w = take_random(2 * weights, 1), *y = TAKE(float, out), *normal = TAKE(float, out);
    float *statistic = TAKE(float, 2 * 128), *gradient = TAKE(float, 2 * weights), *x_gradient = TAKE(float, in);
    float *y_gradient = TAKE(float, out), *sums = TAKE(float, 2 * 13 * 128), *delta = take_random(out, 1);
    float *norm_gradient = TAKE(float, 4 * 13);
    const struct norm norm = {.out = normal, .statistic = statistic, .x = y, .weight = w, .bias = w + 13,
                              .w_stride = 26};
    error_free(k->conv3_forward(stream, y, x, in / 2, w, weights, s));
    error_free(k->norm_forward(stream, norm, n));
    const struct norm_gradients norms = {norm_gradient, norm_gradient + 13, y_gradient, delta, sums};
    error_free(k->norm_backward(stream, norm, norms, n));
    error_free(k->conv3_gradients(stream, (struct conv3_gradients){gradient, x_gradient, y_gradient, x, w, NULL, in / 2,
                                                                   weights}, s));
    hash = hashed(hash, normal, (size_t)out * sizeof *normal);
    hash = hashed(hash, norm_gradient, 4 * 13 * sizeof *norm_gradient);
    hash = hashed(hash, gradient, (size_t)(2 * weights) * sizeof *gradient);
    hash = hashed(hash, x_gradient, (size_t)in * sizeof *x_gradient);
    case_end();
    return hash;
}
