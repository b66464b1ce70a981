/* The model of sentences: gradients of a small one against finite differences in float64, and
 * federations on sentences. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "core/random.h"
#include "model/model.h"
#include "reference.h"
#include "test_device.h"
#include "text_files.h"

TestSuite(text_model, .timeout = 120);

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

/* On the CPU, device memory is host memory, so tests read and write it directly. */
static void *memory(cgsv_device *device, size_t bytes)
{
    void *taken;
    check(device->backend->allocate(device, &taken, bytes));
    return taken;
}

/* ---- finite differences ---- */

enum { V = 13, E = 5, FILTERS = 32, CLASSES = 3, BATCH = 4, SLOTS = 32, WORDS = 7, ROWS = 2 };
static const double STEP = 1e-5, BOUND = 3e-5;

static void add_tensor(struct model *model, int64_t size)
{
    model->tensor[model->tensors++] = (cgsv_tensor){.offset = model->parameters, .size = size};
    model->parameters += size;
}

static void tiny_model(struct model *model)
{
    *model = (struct model){.classes = CLASSES,
                            .text = {.vocabulary = V, .row_words = WORDS, .most_words = {V, V}, .dropout = 0.5}};
    struct layer *conv = &model->layer[0], *dense = &model->layer[1];
    model->layers = 2;
    *conv = (struct layer){.kind = LAYER_TEXT, .activation = ACTIVATION_RELU, .channels = E, .units = FILTERS,
                           .kernel = TEXT_KERNEL, .pixels = 1};
    *dense = (struct layer){.kind = LAYER_DENSE, .channels = FILTERS, .height = 1, .width = 1, .units = CLASSES,
                            .pixels = 1};
    add_tensor(model, V * E);
    conv->weight = model->parameters;
    add_tensor(model, FILTERS * TEXT_KERNEL * E);
    conv->bias = model->parameters;
    add_tensor(model, FILTERS);
    dense->weight = model->parameters;
    add_tensor(model, CLASSES * FILTERS);
    dense->bias = model->parameters;
    add_tensor(model, CLASSES);
    model->row_stride = (model->parameters + 63) / 64 * 64;
}

struct sentences {
    int32_t token[ROWS * BATCH * WORDS], length[ROWS * BATCH], label[ROWS * BATCH];
};

/* Mean loss of the samples first .. first + n − 1. mask[sample][FILTERS]: of the dropout.
 * `margin`: the smallest distance from another window that wins, or a ReLU that opens. */
static double loss_of(const struct model *model, const double *w, const struct sentences *s, int first, int n,
                      const float *mask, double *margin)
{
    const double *weight = w + model->layer[0].weight, *bias = w + model->layer[0].bias;
    int width = TEXT_KERNEL;
    double total = 0;
    for (int i = first; i < first + n; i++) width = s->length[i] > width ? s->length[i] : width;
    for (int i = first; i < first + n; i++) {
        double hidden[FILTERS], logits[CLASSES], unused[CLASSES];
        for (int f = 0; f < FILTERS; f++) {
            double best = -INFINITY, second = -INFINITY;
            for (int p = 0; p + TEXT_KERNEL <= width; p++) {
                double sum = bias[f];
                for (int k = 0; k < TEXT_KERNEL; k++) {
                    const int word = p + k < s->length[i] ? s->token[i * WORDS + p + k] : CGSV_WORD_PADDING;
                    for (int e = 0; e < E; e++) sum += weight[(f * TEXT_KERNEL + k) * E + e] * w[word * E + e];
                }
                if (sum == best) continue; /* windows of padding alone are the same everywhere */
                second = fmax(second, fmin(best, sum));
                best = fmax(best, sum);
            }
            if (mask[(i - first) * FILTERS + f] > 0)
                *margin = fmin(*margin, fmin(fabs(best), best > 0 ? best - second : INFINITY));
            hidden[f] = fmax(best, 0) * mask[(i - first) * FILTERS + f];
        }
        for (int c = 0; c < CLASSES; c++) {
            logits[c] = w[model->layer[1].bias + c];
            for (int f = 0; f < FILTERS; f++) logits[c] += w[model->layer[1].weight + c * FILTERS + f] * hidden[f];
        }
        total += reference_nll(unused, logits, CLASSES, s->label[i]);
    }
    return total / n;
}

static void check_row(const struct model *model, const float *w32, const struct sentences *s, int first, int n,
                      const float *mask, const float *gradient, double got_loss)
{
    double w[1024], margin = INFINITY, unused = INFINITY;
    cr_assert_leq(model->parameters, 1024);
    for (int64_t d = 0; d < model->parameters; d++) w[d] = w32[d];
    const double loss = loss_of(model, w, s, first, n, mask, &margin);
    cr_assert_float_eq(got_loss, loss, 1e-5, "loss %g, expected %g", got_loss, loss);
    cr_assert(margin > 10 * STEP, "a kink lies %g from the inputs: take another seed", margin);
    for (int t = 0; t < model->tensors; t++) {
        const cgsv_tensor *tensor = &model->tensor[t];
        double expected[512], most = 0;
        cr_assert_leq(tensor->size, 512);
        for (int64_t i = 0; i < tensor->size; i++) {
            double *entry = &w[tensor->offset + i];
            const double before = *entry;
            *entry = before + STEP;
            const double above = loss_of(model, w, s, first, n, mask, &unused);
            *entry = before - STEP;
            expected[i] = (above - loss_of(model, w, s, first, n, mask, &unused)) / (2 * STEP);
            *entry = before;
            most = fmax(most, fabs(expected[i]));
        }
        cr_assert(most > 1e-4, "tensor %d has no gradient: the test says nothing about it", t);
        for (int64_t i = 0; i < tensor->size; i++)
            cr_assert(fabs(gradient[tensor->offset + i] - expected[i]) <= BOUND * most,
                      "tensor %d, entry %lld: %g, expected %g; the largest is %g", t, (long long)i,
                      (double)gradient[tensor->offset + i], expected[i], most);
    }
}

/* What dropout multiplies each sample's outputs by, from the kernel itself, on ones. */
static void read_mask(cgsv_device *device, const struct workspace *ws, float *mask, bool dropout)
{
    float *ones = memory(device, ROWS * FILTERS * SLOTS * sizeof *ones);
    for (int i = 0; i < ROWS * FILTERS * SLOTS; i++) ones[i] = 1;
    if (dropout)
        check(device_launched(device, device->kernels->dropout(device->stream, ones, ws->dropout, FILTERS, ROWS, 1,
                                                               SLOTS)));
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < BATCH; i++)
            for (int f = 0; f < FILTERS; f++)
                mask[(r * BATCH + i) * FILTERS + f] = ones[(r * FILTERS + f) * SLOTS + i];
    device->backend->release(device, ones);
}

static void check_gradients(bool dropout)
{
    cgsv_device *device;
    struct workspace ws;
    struct model model;
    struct sentences s;
    struct random_stream stream;
    static float mask[ROWS * BATCH * FILTERS];
    tiny_model(&model);
    const int64_t ld = model.row_stride;
    check(cgsv_device_open(&device, test_device(), 2));
    check(workspace_create(&ws, device, &model, ROWS, ROWS, SLOTS, true));
    float *w = memory(device, (size_t)(ROWS * ld) * sizeof *w);
    float *gradient = memory(device, (size_t)(ROWS * ld) * sizeof *w);
    struct loss_sums *sums = memory(device, ROWS * sizeof *sums);
    struct row row[ROWS] = {{.samples = 40, .stream = 0, .seed = 3}, {.samples = 40, .stream = 1, .seed = 3}};
    int round = 2;
    random_start(&stream, 8, RANDOM_SYNTHETIC, 0);
    for (int64_t i = 0; i < ROWS * ld; i++) w[i] = 2 * random_uniform(&stream) - 1;
    for (int i = 0; i < ROWS * BATCH; i++) {
        s.length[i] = i % BATCH == 0 ? 1 : 1 + (int)random_below(&stream, i < BATCH ? WORDS : WORDS - 3);
        s.label[i] = (int)(random_bits(&stream) % CLASSES);
        for (int p = 0; p < WORDS; p++) s.token[i * WORDS + p] = (int)(random_bits(&stream) % V);
    }
    for (int i = 0; i < ROWS * SLOTS; i++) /* the second row has a sample less */
        ws.sample[i] = i % SLOTS < BATCH - i / SLOTS ? i / SLOTS * BATCH + i % SLOTS : -1;
    for (int r = 0; r < ROWS; r++) ws.count[r] = BATCH - r;
    const struct dropout_step step = {.row = row, .round = &round, .rate = 0.5, .batch = BATCH, .local_epochs = 1};
    if (dropout) ws.dropout = step;
    read_mask(device, &ws, mask, dropout);

    check(workspace_gather(&model, device, &ws, (struct samples){NULL, s.token, s.length, s.label}, ROWS));
    check(model_forward(&model, device, &ws, w, ld, 0, ROWS));
    check(device_launched(device, device->kernels->loss(device->stream, ws.delta[0], sums, ws.out[1], ws.label,
                                                        ws.count, 0, CLASSES, ROWS, 1, SLOTS)));
    check(model_backward(&model, device, &ws, gradient, w, ld, 0, ROWS));
    for (int r = 0; r < ROWS; r++)
        check_row(&model, w + r * ld, &s, r * BATCH, ws.count[r], mask + r * BATCH * FILTERS, gradient + r * ld,
                  sums[r].loss / ws.count[r]);
    void *all[] = {w, gradient, sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, all[i]);
    workspace_free(&ws, device);
    cgsv_device_close(device);
}

Test(text_model, gradients) { check_gradients(false); }
Test(text_model, gradients_with_dropout) { check_gradients(true); }

/* ---- federations ---- */

/* So many sentences of each class. */
static cgsv_dataset *load_reviews(int sentences)
{
    cgsv_dataset *data;
    temporary_make();
    text_put_reviews(sentences);
    check(cgsv_dataset_load(&data, "mr", temporary_folder()));
    temporary_remove();
    return data;
}

static cgsv_config text_config(void)
{
    cgsv_config config;
    cgsv_config_defaults(&config, "mr");
    config.agents = 3;
    config.rounds = 2;
    config.local_epochs = 2;
    config.batch = 16;
    config.lr = 1e-3;
    return config;
}

/* The models of agent 2, of its twin and of the server. */
static float *models_after(const cgsv_config *config, const cgsv_dataset *data, int threads, size_t *count)
{
    cgsv_device *device;
    cgsv_federation *federation;
    check(cgsv_device_open(&device, test_device(), threads));
    check(cgsv_federation_create(&federation, device, config, data));
    check(cgsv_federation_run(federation, config->rounds));
    const size_t D = (size_t)cgsv_federation_parameters(federation);
    cr_assert_eq(D, (size_t)data->vocabulary * 300 + 345984 + 385 * 2);
    *count = 3 * D;
    float *w = malloc(*count * sizeof *w);
    cr_assert_not_null(w);
    for (int who = CGSV_AGENT; who <= CGSV_SERVER; who++)
        check(cgsv_federation_model(federation, (cgsv_who)who, 2, w + D * (size_t)who));
    cgsv_federation_free(federation);
    cgsv_device_close(device);
    return w;
}

Test(text_model, same_seed_same_bits)
{
    cgsv_dataset *data = load_reviews(50);
    cgsv_config config = text_config();
    for (int optimizer = 0; optimizer < 3; optimizer++) {
        size_t count;
        config.optimizer = optimizer == 0 ? CGSV_OPTIMIZER_ADAM : CGSV_OPTIMIZER_SGD;
        config.momentum = optimizer == 2 ? 0.9 : 0;
        float *one = models_after(&config, data, 1, &count), *two = models_after(&config, data, 2, &count);
        cr_assert_eq(memcmp(one, two, count * sizeof *one), 0, "1 and 2 threads differ");
        for (size_t i = 0; i < count; i++) cr_assert(isfinite(one[i]));
        free(one);
        free(two);
    }
    cgsv_dataset_free(data);
}

/* One word decides the class: a few epochs find it. */
Test(text_model, learns)
{
    cgsv_dataset *data = load_reviews(100);
    cgsv_config config = text_config();
    cgsv_device *device;
    cgsv_federation *federation;
    cgsv_evaluation alone, server;
    config.agents = 1;
    config.rounds = 4;
    check(cgsv_device_open(&device, test_device(), 0));
    check(cgsv_federation_create(&federation, device, &config, data));
    check(cgsv_federation_run(federation, config.rounds));
    check(cgsv_federation_evaluate(federation));
    check(cgsv_federation_evaluation(federation, NULL, &alone, &server));
    cr_assert_geq(alone.accuracy, 0.9, "accuracy %g", alone.accuracy);
    cgsv_federation_free(federation);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

/* Schemes that look at losses take the set's own validation split, or samples kept aside; the
 * same bits with 1 and 2 threads. */
Test(text_model, schemes)
{
    static const char *const names[] = {"cffl", "qffl", "fedprox", "standalone"};
    cgsv_dataset *data = load_reviews(60);
    cgsv_config config = text_config();
    for (int i = 0; i < 4; i++) {
        size_t count;
        check(cgsv_config_set_scheme(&config, names[i]));
        config.validation_fraction = i == 1 ? 0.1 : 0;
        float *one = models_after(&config, data, 1, &count), *two = models_after(&config, data, 2, &count);
        cr_assert_eq(memcmp(one, two, count * sizeof *one), 0, "%s: 1 and 2 threads differ", names[i]);
        for (size_t d = 0; d < count; d++) cr_assert(isfinite(one[d]), "%s", names[i]);
        free(one);
        free(two);
    }
    cgsv_dataset_free(data);
}

/* Word vectors are where the models begin; other words have their random start. */
Test(text_model, begins_with_vectors)
{
    cgsv_dataset *data = load_reviews(100);
    struct model model;
    check(model_create_for(&model, CGSV_MODEL_TEXT_CNN, data, 32, 32));
    float *without = malloc((size_t)model.parameters * sizeof *without);
    float *with = malloc((size_t)model.parameters * sizeof *with);
    cr_assert(without && with);
    model_initialise(&model, without, 1);
    model_initialise(&model, with, 1);
    data->word_vector = calloc((size_t)data->vocabulary * CGSV_WORD_VALUES, sizeof *data->word_vector);
    data->has_vector = calloc((size_t)data->vocabulary, 1);
    cr_assert(data->word_vector && data->has_vector);
    data->has_vector[3] = 1;
    for (int e = 0; e < CGSV_WORD_VALUES; e++) data->word_vector[3 * CGSV_WORD_VALUES + e] = (float)e;
    model_set_vectors(&model, with, data);
    double sum = 0, square = 0;
    for (int64_t i = 0; i < model.parameters; i++) {
        const int64_t word = i / CGSV_WORD_VALUES;
        cr_assert_eq(with[i], word == 3 ? (float)(i % CGSV_WORD_VALUES) : without[i]);
        if (word >= data->vocabulary) continue;
        sum += without[i];
        square += (double)without[i] * without[i];
    }
    const double n = (double)data->vocabulary * CGSV_WORD_VALUES; /* N(0, 1) */
    cr_assert_float_eq(sum / n, 0, 5 / sqrt(n));
    cr_assert_float_eq(square / n, 1, 5 * sqrt(2 / n));
    free(without);
    free(with);
    cgsv_dataset_free(data);
}

Test(text_model, pictures_and_sentences_do_not_mix)
{
    cgsv_dataset *sentences = load_reviews(100), *pictures;
    cgsv_device *device;
    cgsv_federation *federation;
    cgsv_config config = text_config();
    check(cgsv_device_open(&device, test_device(), 1));
    check(cgsv_dataset_load(&pictures, "synthetic", NULL));
    cr_assert_eq(cgsv_federation_create(&federation, device, &config, pictures), CGSV_ERROR_ARGUMENT);
    cr_assert(strstr(cgsv_last_error(), "text_cnn takes sentences; the data set synthetic has pictures"), "%s",
              cgsv_last_error());
    config.model = CGSV_MODEL_MLP;
    cr_assert_eq(cgsv_federation_create(&federation, device, &config, sentences), CGSV_ERROR_ARGUMENT);
    cr_assert(strstr(cgsv_last_error(), "mlp takes pictures; the data set mr has sentences. Take text_cnn"), "%s",
              cgsv_last_error());
    cgsv_dataset_free(sentences);
    cgsv_dataset_free(pictures);
    cgsv_device_close(device);
}
