/* Models and server rounds against reference values computed in float64. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "federation/server_step.h"
#include "golden.h"
#include "model/model.h"
#include "test_device.h"

enum { BATCH = 8, SLOTS = 32, STEPS = 3, WORDS = 19 };

/* Adam's step is about lr whatever the gradient's size, so where a gradient nearly cancels to
 * zero, float32's error of it shows in the step: in units of lr. */
static const double ADAM_SLACK = 0.01;

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

/* On the CPU, device memory is host memory, so tests read and write it directly. */
static void *memory(cgsv_device *device, size_t bytes)
{
    void *taken;
    check(device->backend->allocate(device, &taken, bytes));
    return taken;
}

/* Every entry of one parameter tensor within bound · max|expected| + bound · |entry|: an
 * entry is a sum of products as large as the tensor's largest, over `terms` terms. */
static void compare_within(const float *got, const struct safetensors_tensor *expected, double terms, double extra)
{
    double most = 0;
    for (int64_t i = 0; i < expected->elements; i++) most = fmax(most, fabs(golden_at(expected, i)));
    const double bound = 4 * FLT_EPSILON * sqrt(terms) * most + extra;
    for (int64_t i = 0; i < expected->elements; i++) {
        const double error = fabs(got[i] - golden_at(expected, i));
        cr_assert(error <= bound, "%s[%lld]: %g, expected %g, off by %g, bound %g", expected->name, (long long)i,
                  (double)got[i], golden_at(expected, i), error, bound);
    }
}

static void compare(const float *got, const struct safetensors_tensor *expected, double terms)
{
    compare_within(got, expected, terms, 0);
}

/* Sentences of 19 words each. */
static void load_sentences(cgsv_device *device, struct workspace *ws, const struct safetensors *file,
                           const struct model *model, int batch)
{
    const struct safetensors_tensor *x = golden_get(file, "x"), *y = golden_get(file, "y");
    int32_t token[STEPS * BATCH * WORDS], length[STEPS * BATCH], label[STEPS * BATCH];
    cr_assert_eq(x->elements, STEPS * BATCH * WORDS);
    for (int64_t i = 0; i < x->elements; i++) token[i] = (int32_t)golden_at(x, i);
    for (int i = 0; i < STEPS * BATCH; i++) {
        length[i] = WORDS;
        label[i] = (int32_t)golden_at(y, i);
    }
    for (int slot = 0; slot < SLOTS; slot++) ws->sample[slot] = slot < BATCH ? batch * BATCH + slot : -1;
    check(workspace_gather(model, device, ws, (struct samples){.token = token, .length = length, .label = label}, 1));
    ws->count[0] = BATCH;
}

static void load_batch(cgsv_device *device, struct workspace *ws, const struct safetensors *file,
                       const struct model *model, int batch)
{
    if (model->text.vocabulary > 0) {
        load_sentences(device, ws, file, model, batch);
        return;
    }
    const struct safetensors_tensor *x = golden_get(file, "x"), *y = golden_get(file, "y");
    for (int slot = 0; slot < BATCH; slot++) {
        const int64_t sample = (int64_t)batch * BATCH + slot;
        for (int64_t i = 0; i < model->features; i++)
            ws->input[i * SLOTS + slot] = (float)golden_at(x, sample * model->features + i);
        ws->label[slot] = (int32_t)golden_at(y, sample);
    }
    ws->count[0] = BATCH;
}

/* Log-probabilities of the batch against logits [classes][SLOTS]. */
static void check_forward(const float *logits, const struct safetensors_tensor *expected, int classes)
{
    for (int slot = 0; slot < BATCH; slot++) {
        double sum = 0;
        for (int c = 0; c < classes; c++) sum += exp((double)logits[c * SLOTS + slot]);
        for (int c = 0; c < classes; c++) {
            const double got = logits[c * SLOTS + slot] - log(sum), want = golden_at(expected, slot * classes + c);
            cr_assert(fabs(got - want) <= 1e-5 * fmax(1, fabs(want)),
                      "log-probability %d of sample %d: %g, expected %g", c, slot, got, want);
        }
    }
}

static void check_model(struct model model, const char *name)
{
    struct safetensors *file = golden_open(name);
    cgsv_device *device;
    struct workspace ws;
    check(cgsv_device_open(&device, test_device(), 0));
    check(workspace_create(&ws, device, &model, 1, 1, SLOTS, true));
    const bool adam = model.text.vocabulary > 0;
    const size_t bytes = (size_t)model.row_stride * sizeof(float);
    float *w0 = memory(device, bytes), *w = memory(device, bytes), *u = memory(device, bytes),
          *gradient = memory(device, bytes), *moment1 = memory(device, bytes), *moment2 = memory(device, bytes);
    struct loss_sums *sums = memory(device, sizeof *sums);
    double *lr = memory(device, sizeof *lr);
    int *round = memory(device, sizeof *round);
    struct row row = {.agent = 0, .model = 0, .samples = STEPS * BATCH};
    *lr = atof(safetensors_metadata_value(file, "lr"));
    for (int t = 0; t < model.tensors; t++) {
        const struct safetensors_tensor *from = golden_get(file, "w0.%s", model.tensor[t].name);
        cr_assert_eq(from->elements, model.tensor[t].size);
        memcpy(w0 + model.tensor[t].offset, from->data, (size_t)from->elements * sizeof(float));
    }
    memcpy(w, w0, bytes);

    for (int step = 0; step < STEPS; step++) {
        load_batch(device, &ws, file, &model, step);
        memset(sums, 0, sizeof *sums);
        check(model_forward(&model, device, &ws, w, model.row_stride, 0, 1));
        check(device_launched(device, device->kernels->loss(device->stream, ws.delta[0], sums,
                                                            ws.out[model.layers - 1], ws.label, ws.count, 0,
                                                            model.classes, 1, 1, SLOTS)));
        if (step == 0) check_forward(ws.out[model.layers - 1], golden_get(file, "logprob"), model.classes);
        const double expected_loss = golden_at(golden_get(file, "losses"), step);
        cr_assert(fabs(sums->loss / BATCH - expected_loss) <= 1e-5 * expected_loss, "loss of step %d: %g, expected %g",
                  step, sums->loss / BATCH, expected_loss);
        check(model_backward(&model, device, &ws, gradient, w, model.row_stride, 0, 1));
        for (int t = 0; step == 0 && t < model.tensors; t++)
            compare(gradient + model.tensor[t].offset,
                    golden_get(file, "grad.%s", model.tensor[t].name), 4096);
        check(device_launched(
            device, device->kernels->optimize(
                        device->stream, (struct optimizer_step){.work = w, .update = u, .model = w0,
                                                                .gradient = gradient,
                                                                .moment1 = adam ? moment1 : NULL,
                                                                .moment2 = adam ? moment2 : NULL, .step = step,
                                                                .row = &row, .lr = lr, .round = round,
                                                                .dimension = model.parameters, .ld = model.row_stride,
                                                                .rows = 1, .batch = BATCH, .local_epochs = 1})));
        memset(gradient, 0, bytes); /* of words that the next batch has not */
    }
    for (int t = 0; t < model.tensors; t++)
        compare_within(w + model.tensor[t].offset, golden_get(file, "w3.%s", model.tensor[t].name), 16,
                       adam ? ADAM_SLACK * *lr : 0);

    void *all[] = {w0, w, u, gradient, moment1, moment2, sums, lr, round};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, all[i]);
    workspace_free(&ws, device);
    cgsv_device_close(device);
    safetensors_close(file);
}

static void check_pictures(cgsv_model kind, int channels, const char *name)
{
    struct model model;
    check(model_create(&model, kind, channels, 32, 32, 10));
    check_model(model, name);
}

Test(golden, mnist_cnn) { check_pictures(CGSV_MODEL_MNIST_CNN, 1, "mnist_cnn.safetensors"); }
Test(golden, cifar_cnn) { check_pictures(CGSV_MODEL_CIFAR_CNN, 3, "cifar_cnn.safetensors"); }

Test(golden, text_cnn)
{
    struct model model;
    check(model_create_text(&model, 200, WORDS, (const int[2]){200, 200}, 5));
    check_model(model, "text_cnn.safetensors");
}

static void check_server(const char *name, enum cgsv_reward reward)
{
    struct safetensors *file = golden_open(name);
    cgsv_device *device;
    check(cgsv_device_open(&device, test_device(), 0));
    const struct safetensors_tensor *layer_sizes = golden_get(file, "layer_sizes"), *w0 = golden_get(file, "w0");
    const struct safetensors_tensor *sizes_tensor = golden_get(file, "sizes");
    const int N = atoi(safetensors_metadata_value(file, "N"));
    const int rounds = atoi(safetensors_metadata_value(file, "rounds"));
    const int tensors = (int)layer_sizes->elements;
    const int64_t D = w0->elements, ld = (D + 63) / 64 * 64;
    int64_t begin[16] = {0};
    double share[16], total = 0;
    for (int t = 0; t < tensors; t++) begin[t + 1] = begin[t] + (int64_t)golden_at(layer_sizes, t);
    for (int i = 0; i < N; i++) total += golden_at(sizes_tensor, i);
    for (int i = 0; i < N; i++) share[i] = golden_at(sizes_tensor, i) / total;
    const struct mechanism mechanism = {.gamma = atof(safetensors_metadata_value(file, "Gamma")),
                                        .alpha = atof(safetensors_metadata_value(file, "alpha")),
                                        .beta = atof(safetensors_metadata_value(file, "beta"))};
    const struct server_sizes sizes = {.federations = 1, .agents = N, .rounds = rounds, .dimension = D, .ld = ld,
                                       .tensors = tensors, .tensor_begin = begin, .reward = reward};
    struct server_step step;
    check(server_step_create(&step, device, &sizes, &mechanism, share));
    float *update = memory(device, (size_t)(N * ld) * sizeof *update);
    float *model = memory(device, (size_t)((N + 1) * ld) * sizeof *model);
    int *round = memory(device, sizeof *round);
    step.update = update;
    step.model = model;
    step.round = round;
    step.update_stride = step.model_stride = ld;
    step.server_model = model + N * ld;
    for (int i = 0; i <= N; i++) memcpy(model + i * ld, w0->data, (size_t)D * sizeof *model);

    for (int r = 0; r < rounds; r++) {
        const struct safetensors_tensor *from = golden_get(file, "r%d.update", r);
        for (int i = 0; i < N; i++)
            memcpy(update + i * ld, (const float *)from->data + i * D, (size_t)D * sizeof *update);
        check(server_step_run(device, &step, device->stream));
        compare(step.aggregate, golden_get(file, "r%d.aggregate", r), N);
        for (int i = 0; i < N; i++) {
            const struct cgsv_round_record *record = &step.record[r * N + i];
            cr_assert_float_eq(record->psi, golden_at(golden_get(file, "r%d.psi", r), i), 1e-6);
            cr_assert_float_eq(record->importance, golden_at(golden_get(file, "r%d.importance", r), i), 1e-6);
            cr_assert_float_eq(record->keep_ratio, golden_at(golden_get(file, "r%d.q_ratio", r), i), 1e-6);
            double kept = 0;
            if (reward == CGSV_REWARD_GLOBAL) kept = golden_at(golden_get(file, "r%d.kept_global", r), i);
            for (int t = 0; reward == CGSV_REWARD_LAYER && t < tensors; t++)
                kept += golden_at(golden_get(file, "r%d.kept_per_layer", r), (int64_t)i * tensors + t);
            cr_assert_eq(record->kept, kept, "round %d agent %d keeps %g, expected %g", r, i, record->kept, kept);
        }
    }
    const struct safetensors_tensor *final =
        golden_get(file, "r%d.model_%s", rounds - 1, reward == CGSV_REWARD_LAYER ? "layerwise" : "global");
    double step_size = 0;
    for (int64_t d = 0; d < D; d++) step_size = fmax(step_size, fabs((double)step.aggregate[d]));
    for (int i = 0; i < N; i++)
        for (int64_t d = 0; d < D; d++) {
            const double expected = golden_at(final, i * D + d), error = fabs(model[i * ld + d] - expected);
            const double bound = 4.0 * FLT_EPSILON * rounds * (fabs(expected) + step_size);
            cr_assert(error <= bound, "model of agent %d, entry %lld: off by %g", i, (long long)d, error);
        }

    server_step_free(&step, device);
    device->backend->release(device, update);
    device->backend->release(device, model);
    device->backend->release(device, round);
    cgsv_device_close(device);
    safetensors_close(file);
}

Test(golden, server_small_layer) { check_server("server_small.safetensors", CGSV_REWARD_LAYER); }
Test(golden, server_small_global) { check_server("server_small.safetensors", CGSV_REWARD_GLOBAL); }
Test(golden, server_mid_layer) { check_server("server_mid.safetensors", CGSV_REWARD_LAYER); }
Test(golden, server_mid_global) { check_server("server_mid.safetensors", CGSV_REWARD_GLOBAL); }
