#include "small_federation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test_device.h"

enum { HIDDEN = 64 };

void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

void refused(cgsv_status status, const char *part)
{
    cr_assert_eq(status, CGSV_ERROR_ARGUMENT, "accepted: %s", part);
    cr_assert_not_null(strstr(cgsv_last_error(), part), "'%s' lacks '%s'", cgsv_last_error(), part);
}

void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    cr_assert_not_null(memory);
    return memory;
}

cgsv_config small_config(void)
{
    cgsv_config config;
    cgsv_config_defaults(&config, "synthetic");
    config.model = CGSV_MODEL_MLP;
    config.agents = N;
    config.samples_per_agent = 45;
    config.rounds = ROUNDS;
    config.local_epochs = 2;
    config.validation_samples = 70;
    return config;
}

struct fixture start(const cgsv_config *config, int threads)
{
    struct fixture x = {0};
    check(cgsv_dataset_load(&x.data, "synthetic", NULL));
    check(cgsv_device_open(&x.device, test_device(), threads));
    check(cgsv_federation_create(&x.f, x.device, config, x.data));
    const struct device_backend *backend = x.device->backend;
    x.D = cgsv_federation_parameters(x.f);
    x.start = take((size_t)x.D, sizeof *x.start);
    check(backend->allocate(x.device, (void **)&x.device_start, (size_t)x.D * sizeof *x.start));
    check(backend->allocate(x.device, (void **)&x.score, (N + 1) * sizeof *x.score));
    check(backend->allocate(x.device, (void **)&x.round, sizeof *x.round));
    for (int i = 0; i < N; i++) x.size[i] = (double)cgsv_federation_samples(x.f, i, NULL);
    return x;
}

void stop(struct fixture *x)
{
    const struct device_backend *backend = x->device->backend;
    backend->release(x->device, x->device_start);
    backend->release(x->device, x->score);
    backend->release(x->device, x->round);
    cgsv_federation_free(x->f);
    cgsv_device_close(x->device);
    cgsv_dataset_free(x->data);
    free(x->start);
}

const struct partition *partition_of(const struct fixture *x) { return &x->f->fleet->split[x->f->split].partition; }

/* Logits of the mlp: fc1 (64, tanh), fc2. */
static void naive_logits(double *z, const double *w, const float *picture, int64_t features, int classes)
{
    const double *w1 = w, *b1 = w1 + HIDDEN * features, *w2 = b1 + HIDDEN, *b2 = w2 + classes * HIDDEN;
    double hidden[HIDDEN];
    for (int h = 0; h < HIDDEN; h++) {
        hidden[h] = b1[h];
        for (int64_t i = 0; i < features; i++) hidden[h] += w1[h * features + i] * picture[i];
        hidden[h] = tanh(hidden[h]);
    }
    for (int c = 0; c < classes; c++) {
        z[c] = b2[c];
        for (int h = 0; h < HIDDEN; h++) z[c] += w2[c * HIDDEN + h] * hidden[h];
    }
}

struct naive naive_evaluation(const struct fixture *x, const double *w, const int32_t *index, int64_t samples)
{
    const cgsv_dataset *data = x->data;
    const int64_t features = (int64_t)data->channels * data->height * data->width;
    const int classes = data->classes;
    struct naive sum = {0};
    double *z = take((size_t)classes, sizeof *z);
    for (int64_t s = 0; s < samples; s++) {
        const int y = data->train.y[index[s]];
        double total = 0, rival = -INFINITY;
        naive_logits(z, w, data->train.x + index[s] * features, features, classes);
        for (int c = 0; c < classes; c++) {
            total += exp(z[c] - z[y]);
            if (c != y) rival = fmax(rival, z[c]);
        }
        sum.correct += z[y] > rival;
        sum.ambiguous += fabs(z[y] - rival) < 1e-5;
        sum.loss += log(total) / (double)samples;
    }
    free(z);
    return sum;
}
