/* Biases with activations, their gradients, and the loss. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "reference.h"

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
                near("delta", i, delta[i], want,
                     activation == ACTIVATION_TANH ? 4 * FLT_EPSILON * fabs((double)old[i]) : 0);
                sum += want;
                size += fabs(want) + FLT_EPSILON * fabs((double)old[i]);
            }
            near("bias gradient", unit, gradient[row * w_stride + unit], sum, float_bound(blocks * each, size));
        }
        if (row < rows - 1) untouched("bias gradient", gradient + row * w_stride + units, w_stride - units);
    }
    case_end();
}

void dense_cases(void)
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
    case_begin("loss R%d classes %d B%d S%d n%d scale %g%s", rows, classes, blocks, slots, samples, scale,
               counts ? " counts" : "");
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
    error_free(k->loss(stream, gradient, sums, logits, y, counts ? count : NULL, samples, classes, rows, blocks,
                       slots));
    error_free(k->loss(stream, NULL, sums2, logits, y, counts ? count : NULL, samples, classes, rows, blocks, slots));
    double *z = TAKE(double, classes), *want = TAKE(double, classes);
    for (int row = 0; row < rows; row++) {
        const int used = counts ? count[row] : samples;
        double loss = 1000.5, correct = 7, bound = 1e-12;
        for (int64_t slot = 0; slot < all; slot++) {
            const int64_t first = (row * all / slots + slot / slots) * classes * slots + slot % slots;
            if (slot >= used) {
                for (int c = 0; c < classes; c++)
                    same("gradient of an empty slot", c, gradient[first + (int64_t)c * slots], 0);
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

void loss_cases(void)
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
