/* The gradients of a whole network against finite differences of its loss, in float64. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "model/model.h"
#include "model/residual.h"
#include "reference.h"
#include "reference_residual.h"
#include "test_device.h"

/* The second row has a sample less than the first. */
enum { ROWS = 2, BATCH = 3, SLOTS = 32, CLASSES = 4, HEIGHT = 14, WIDTH = 12 };
static const double STEP = 1e-5;
/* Gradients are float32 sums of a few hundred terms at most; the differences' own error,
 * of order STEP², is far smaller. */
static const double BOUND = 2e-5;

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

/* On the CPU, device memory is host memory, so tests read and write it directly. */
static void *memory(cgsv_device *device, size_t bytes)
{
    void *taken;
    check(device->backend->allocate(device, &taken, bytes));
    return taken;
}

static void finish(struct model *model) { model->row_stride = (model->parameters + 63) / 64 * 64; }

static void add_dense(struct model *model, const char *name, int inputs, int units, enum activation activation)
{
    model_add_layer(model, (struct layer){.kind = LAYER_DENSE, .name = name, .activation = activation,
                                          .channels = inputs, .height = 1, .width = 1, .units = units});
}

/* 14×12 → 12×10, pooled to 6×5 → 4×3, pooled to 2×1: the odd column is left out. */
static void tiny_model(struct model *model, int channels)
{
    *model = (struct model){.features = (int64_t)channels * HEIGHT * WIDTH, .classes = CLASSES};
    model_add_layer(model, (struct layer){.kind = LAYER_CONV_POOL, .name = "conv1", .activation = ACTIVATION_TANH,
                                          .channels = channels, .height = HEIGHT, .width = WIDTH, .units = 3,
                                          .kernel = 3});
    model_add_layer(model, (struct layer){.kind = LAYER_CONV_POOL, .name = "conv2", .activation = ACTIVATION_RELU,
                                          .channels = 3, .height = 6, .width = 5, .units = 5, .kernel = 3});
    add_dense(model, "fc1", 10, 6, ACTIVATION_TANH);
    add_dense(model, "fc2", 6, CLASSES, ACTIVATION_NONE);
    finish(model);
}

/* 7×5 with 2 filters → 4×3 with 4 → 2×2 with 8. */
static void tiny_residual(struct model *model, int channels)
{
    *model = (struct model){.features = (int64_t)channels * 7 * 5, .channels = channels, .height = 7, .width = 5,
                            .classes = CLASSES};
    residual_layers(model, 2, 2, 2);
    add_dense(model, "fc", 8, CLASSES, ACTIVATION_NONE);
    finish(model);
}

/* One filter at one place. */
static double convolve(const struct layer *layer, const double *w, const double *x, int f, int y, int column)
{
    const int K = layer->kernel;
    double sum = w[layer->bias + f];
    for (int c = 0; c < layer->channels; c++)
        for (int ky = 0; ky < K; ky++)
            for (int kx = 0; kx < K; kx++)
                sum += w[layer->weight + ((f * layer->channels + c) * K + ky) * K + kx] *
                       x[(c * layer->height + y + ky) * layer->width + column + kx];
    return sum;
}

/* `margin`: the smallest distance from a place where the loss has a kink, that is another
 * winner of a window, or a ReLU that opens or closes. */
static void conv_pool(double *out, const struct layer *layer, const double *w, const double *x, double *margin)
{
    const int PH = (layer->height - layer->kernel + 1) / 2, PW = (layer->width - layer->kernel + 1) / 2;
    for (int f = 0; f < layer->units; f++)
        for (int py = 0; py < PH; py++)
            for (int px = 0; px < PW; px++) {
                double first = -INFINITY, second = -INFINITY;
                for (int p = 0; p < 4; p++) {
                    const double value = convolve(layer, w, x, f, 2 * py + p / 2, 2 * px + p % 2);
                    second = fmax(second, fmin(first, value));
                    first = fmax(first, value);
                }
                *margin = fmin(*margin, first - second);
                if (layer->activation == ACTIVATION_RELU) *margin = fmin(*margin, fabs(first));
                out[(f * PH + py) * PW + px] = reference_activate(first, layer->activation);
            }
}

static void dense(double *out, const struct layer *layer, const double *w, const double *x)
{
    for (int u = 0; u < layer->units; u++) {
        double sum = w[layer->bias + u];
        for (int c = 0; c < layer->channels; c++) sum += w[layer->weight + u * layer->channels + c] * x[c];
        out[u] = reference_activate(sum, layer->activation);
    }
}

static void conv3(double *out, const struct layer *layer, const double *w, const double *x)
{
    double size[256];
    reference_conv3(out, size, x, w + layer->weight,
                    (struct conv3_shape){.channels = layer->channels, .height = layer->height, .width = layer->width,
                                         .filters = layer->units, .stride = layer->stride});
}

/* values: of all layers. */
static void norm(double *out, const struct model *model, const struct layer *layer, const double *w, const double *x,
                 double values[][256], double *margin)
{
    double normal[256], inverse[256];
    reference_normalise(normal, inverse, x, layer->channels, layer->groups, layer->pixels);
    for (int i = 0; i < layer->channels * layer->pixels; i++) {
        const int c = i / layer->pixels, y = i % layer->pixels / layer->width, column = i % layer->width;
        const struct layer *from = layer->shortcut >= 0 ? &model->layer[layer->shortcut] : NULL;
        double value = w[layer->weight + c] * normal[i] + w[layer->bias + c];
        if (from)
            value += reference_shortcut(values[layer->shortcut], from->units, from->height, from->width, 2, c, y,
                                        column);
        *margin = fmin(*margin, fabs(value));
        out[i] = reference_activate(value, layer->activation);
    }
}

static void average(double *out, const struct layer *layer, const double *x)
{
    const int pixels = layer->height * layer->width;
    for (int c = 0; c < layer->channels; c++) {
        out[c] = 0;
        for (int p = 0; p < pixels; p++) out[c] += x[c * pixels + p] / pixels;
    }
}

/* Mean loss of `samples` samples, x[samples][features]. */
static double loss_of(const struct model *model, const double *w, const double *x, const int *y, int samples,
                      double *margin)
{
    double total = 0, values[MAX_LAYERS][256], unused[CLASSES];
    for (int n = 0; n < samples; n++) {
        const double *in = x + n * model->features;
        for (int i = 0; i < model->layers; i++) {
            const struct layer *layer = &model->layer[i];
            switch (layer->kind) {
            case LAYER_CONV_POOL: conv_pool(values[i], layer, w, in, margin); break;
            case LAYER_CONV3: conv3(values[i], layer, w, in); break;
            case LAYER_NORM: norm(values[i], model, layer, w, in, values, margin); break;
            case LAYER_AVERAGE: average(values[i], layer, in); break;
            case LAYER_DENSE: dense(values[i], layer, w, in); break;
            case LAYER_TEXT: cr_assert_fail("sentences have tests of their own"); break;
            }
            in = values[i];
        }
        total += reference_nll(unused, in, CLASSES, y[n]);
    }
    return total / samples;
}

static void check_row(const struct model *model, double *w, const double *x, const int *y, int samples,
                      const float *gradient)
{
    double margin = INFINITY, ignored = INFINITY;
    loss_of(model, w, x, y, samples, &margin);
    cr_assert(margin > 10 * STEP, "a kink lies %g from the inputs: take another seed", margin);
    for (int t = 0; t < model->tensors; t++) {
        const cgsv_tensor *tensor = &model->tensor[t];
        double expected[1024], most = 0, worst = 0;
        cr_assert_leq(tensor->size, 1024);
        for (int64_t i = 0; i < tensor->size; i++) {
            double *entry = &w[tensor->offset + i];
            const double before = *entry;
            *entry = before + STEP;
            const double above = loss_of(model, w, x, y, samples, &ignored);
            *entry = before - STEP;
            const double below = loss_of(model, w, x, y, samples, &ignored);
            *entry = before;
            expected[i] = (above - below) / (2 * STEP);
            most = fmax(most, fabs(expected[i]));
        }
        cr_assert(most > 1e-4, "%s has no gradient: the test says nothing about it", tensor->name);
        for (int64_t i = 0; i < tensor->size; i++) {
            const double error = fabs(gradient[tensor->offset + i] - expected[i]);
            worst = fmax(worst, error / most);
            cr_assert(error <= BOUND * most, "%s[%lld]: %g, expected %g; the largest is %g", tensor->name, (long long)i,
                      (double)gradient[tensor->offset + i], expected[i], most);
        }
        cr_log_info("%s: worst error %.1e of the largest gradient, %g", tensor->name, worst, most);
    }
}

static void check_network(void (*make)(struct model *, int), int channels, uint64_t seed)
{
    cgsv_device *device;
    struct workspace ws;
    struct model model;
    make(&model, channels);
    const int64_t features = model.features, ld = model.row_stride;
    check(cgsv_device_open(&device, test_device(), 2));
    check(workspace_create(&ws, device, &model, ROWS, ROWS, SLOTS, true));
    float *w = memory(device, (size_t)(ROWS * ld) * sizeof *w);
    float *gradient = memory(device, (size_t)(ROWS * ld) * sizeof *gradient);
    struct loss_sums *sums = memory(device, ROWS * sizeof *sums);
    struct random_stream stream;
    random_start(&stream, seed, RANDOM_SYNTHETIC, 0);
    for (int r = 0; r < ROWS; r++) {
        model_initialise(&model, w + r * ld, seed + (uint64_t)r);
        ws.count[r] = BATCH - r;
        for (int slot = 0; slot < BATCH - r; slot++)
            ws.label[r * SLOTS + slot] = (int32_t)(random_bits(&stream) % CLASSES);
    }
    /* Slots past the batch hold numbers too: they must not count. */
    for (int64_t i = 0; i < ROWS * features * SLOTS; i++) ws.input[i] = 4 * random_uniform(&stream) - 2;

    check(model_forward(&model, device, &ws, w, ld, features * SLOTS, ROWS));
    check(device_launched(device, device->kernels->loss(device->stream, ws.delta[0], sums, ws.out[model.layers - 1],
                                                        ws.label, ws.count, 0, CLASSES, ROWS, 1, SLOTS)));
    check(model_backward(&model, device, &ws, gradient, w, ld, features * SLOTS, ROWS));

    double *precise_w = calloc((size_t)ld, sizeof *precise_w), *x = calloc((size_t)(BATCH * features), sizeof *x);
    for (int r = 0; r < ROWS; r++) {
        int y[BATCH];
        double margin = INFINITY;
        for (int64_t d = 0; d < model.parameters; d++) precise_w[d] = w[r * ld + d];
        for (int slot = 0; slot < ws.count[r]; slot++) {
            y[slot] = ws.label[r * SLOTS + slot];
            for (int64_t i = 0; i < features; i++)
                x[slot * features + i] = ws.input[(r * features + i) * SLOTS + slot];
        }
        const double expected = loss_of(&model, precise_w, x, y, ws.count[r], &margin);
        cr_assert_float_eq(sums[r].loss / ws.count[r], expected, 1e-5, "row %d's loss: %g, expected %g", r,
                           sums[r].loss / ws.count[r], expected);
        check_row(&model, precise_w, x, y, ws.count[r], gradient + r * ld);
    }
    free(precise_w);
    free(x);
    void *all[] = {w, gradient, sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, all[i]);
    workspace_free(&ws, device);
    cgsv_device_close(device);
}

Test(gradient, one_channel) { check_network(tiny_model, 1, 1); }
Test(gradient, two_channels) { check_network(tiny_model, 2, 1); }
Test(gradient, residual) { check_network(tiny_residual, 1, 1); }
Test(gradient, residual_three_channels) { check_network(tiny_residual, 3, 2); }

/* PyTorch's: uniform in ±1/√fan_in; norms 1 and 0. */
Test(gradient, residual_start)
{
    struct model model;
    check(model_create(&model, CGSV_MODEL_CIFAR_RESNET, 3, 32, 32, 10));
    float *w = calloc((size_t)model.parameters, sizeof *w);
    model_initialise(&model, w, 1);
    cr_assert_eq(model.parameters, 1166506);
    for (int t = 0; t < model.tensors; t++) {
        const cgsv_tensor *tensor = &model.tensor[t];
        const double fan_in = tensor->dimensions == 4 ? (double)tensor->shape[1] * 9 : 256;
        double least = INFINITY, most = -INFINITY;
        for (int64_t i = 0; i < tensor->size; i++) {
            least = fmin(least, w[tensor->offset + i]);
            most = fmax(most, w[tensor->offset + i]);
        }
        if (strstr(tensor->name, "norm")) {
            cr_assert_eq(least, strstr(tensor->name, "weight") ? 1 : 0);
            cr_assert_eq(most, least);
            continue;
        }
        cr_assert(most <= 1 / sqrt(fan_in) && least >= -1 / sqrt(fan_in), "%s: %g … %g", tensor->name, least, most);
        if (tensor->size > 100) cr_assert(most - least > 1.9 / sqrt(fan_in), "%s: %g … %g", tensor->name, least, most);
    }
    free(w);
}
