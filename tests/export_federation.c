/* export_federation FILE [KEY=NUMBER or NAME]...: runs a federation on the built-in set and writes all
 * that another implementation needs to repeat it, and what came of it, for torch_federation.py and
 * drift.py. Compiled once as it is and once in float64 (double.h). With from=EXPORT, samples and start
 * model are those of another export, in float32: what was drawn in float64 would not quite be the same.
 *
 * FILE is a safetensors file; N agents, T rounds, E epochs, M samples of all agents together:
 *   settings (metadata)  JSON
 *   shapes               [tensors][4]   I64 of the model's parameter tensors, 0 where there are fewer dimensions
 *   first                [N + 1]        I64 agent i has samples first[i] .. first[i + 1] - 1
 *   x, y                 [M][features], [M]  of those samples
 *   test_x, test_y
 *   order                [T][E][M]      I64 for each agent in turn: its samples in the order of its batches
 *   start                [D]            the model that all begin with
 *   models_first, _last  [2 N + 1][D]   agents, twins, server after the first and the last round
 *   records              [T][N][fields] F64 struct cgsv_round_record
 *   evaluations          [evaluated rounds][2 N + 1][2]  F64 loss, accuracy of agents, twins, server */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/internal.h"
#include "io/safetensors.h"

#if !defined(CGSV_DOUBLE)
typedef float float32;
#endif
enum { RECORD_FIELDS = sizeof(cgsv_round_record) / sizeof(double) };
static const enum safetensors_type real_type = sizeof(float) == 8 ? SAFETENSORS_F64 : SAFETENSORS_F32;

struct export {
    cgsv_config config;
    const char *from; /* NULL: the federation's own samples and start */
    int64_t test_samples;
    cgsv_dataset *data;
    cgsv_federation *federation;
    int64_t D, M, features;
    int evaluations, tensors;
    int64_t *shapes, *first, *y, *test_y, *order;
    float *x, *start, *models_first, *models_last;
    double *records, *evaluation;
};

static void *take(int64_t count, size_t size)
{
    void *memory = calloc((size_t)count, size);
    if (!memory) abort();
    return memory;
}

static cgsv_status set(struct export *e, const char *argument)
{
    cgsv_config *c = &e->config;
    const char *equals = strchr(argument, '=');
    const size_t length = equals ? (size_t)(equals - argument) : 0;
    int test = (int)e->test_samples, seed = 1;
    const struct {
        const char *key;
        int *number;
    } numbers[] = {{"agents", &c->agents}, {"rounds", &c->rounds}, {"samples", &c->samples_per_agent},
                   {"epochs", &c->local_epochs}, {"batch", &c->batch}, {"every", &c->eval_every},
                   {"test", &test}, {"seed", &seed}};
    if (length && !strncmp(argument, "from", length)) {
        e->from = equals + 1;
        return CGSV_OK;
    }
    if (length && !strncmp(argument, "model", length)) return cgsv_model_parse(&c->model, equals + 1);
    if (length && !strncmp(argument, "reward", length)) return cgsv_reward_parse(&c->scheme.reward, equals + 1);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (length == strlen(numbers[i].key) && !strncmp(argument, numbers[i].key, length)) {
            *numbers[i].number = atoi(equals + 1);
            e->test_samples = test;
            c->seed = (uint64_t)seed;
            return CGSV_OK;
        }
    return error_set(CGSV_ERROR_ARGUMENT, "unknown setting '%s'", argument);
}

static void widen(float *to, const float32 *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = from[i];
}

/* The CPU's memory is the host's, so that what the federation holds can be replaced. */
static cgsv_status take_over(const struct export *e)
{
    const cgsv_fleet *f = e->federation->fleet;
    const int32_t *index = f->split[0].partition.index;
    struct safetensors *file;
    TRY(safetensors_open(&file, e->from));
    const struct safetensors_tensor *x = safetensors_find(file, "x"), *test_x = safetensors_find(file, "test_x");
    const struct safetensors_tensor *start = safetensors_find(file, "start");
    if (!x || !test_x || !start || x->type != SAFETENSORS_F32 || x->elements != e->M * e->features ||
        test_x->elements != f->test_samples * e->features || start->elements != e->D)
        return error_set(CGSV_ERROR_DATA, "'%s' is no float32 export of this federation", e->from);
    for (int64_t i = 0; i < e->M; i++)
        widen(f->train_x + index[i] * e->features, (const float32 *)x->data + i * e->features, e->features);
    widen(f->test_x, test_x->data, test_x->elements);
    for (int m = 0; m < fleet_models(f) + fleet_twins(f); m++)
        widen(f->models + m * f->model.row_stride, start->data, e->D);
    safetensors_close(file);
    return CGSV_OK;
}

static void export_samples(struct export *e)
{
    const struct partition *p = &e->federation->fleet->split[0].partition;
    const cgsv_split *train = &e->data->train, *test = &e->data->test;
    const float *from = e->federation->fleet->train_x;
    e->first = take(p->agents + 1, sizeof *e->first);
    e->x = take(e->M * e->features, sizeof *e->x);
    e->y = take(e->M, sizeof *e->y);
    e->test_y = take(test->samples, sizeof *e->test_y);
    memcpy(e->first, p->first, (size_t)(p->agents + 1) * sizeof *e->first);
    for (int64_t i = 0; i < e->M; i++) {
        memcpy(e->x + i * e->features, from + p->index[i] * e->features, (size_t)e->features * sizeof *e->x);
        e->y[i] = train->y[p->index[i]];
    }
    for (int64_t i = 0; i < test->samples; i++) e->test_y[i] = test->y[i];
}

/* One epoch's samples of all agents, as the kernel that training uses draws them. */
static cgsv_status draw_epoch(struct export *e, int round, int epoch, int64_t *order)
{
    const cgsv_fleet *f = e->federation->fleet;
    int32_t *identity = take(e->M, sizeof *identity), *sample = take(e->config.batch, sizeof *sample), count;
    for (int64_t i = 0; i < e->M; i++) identity[i] = (int32_t)i;
    for (int r = 0; r < f->rows; r++) {
        if (f->row[r].agent < 0) continue;
        int64_t *to = order + e->first[f->row[r].agent];
        for (int step = 0; step < f->steps[r]; step++, to += count) {
            const struct batch_draw draw = {.sample = sample, .count = &count, .row = &f->row[r], .index = identity,
                                            .round = &round, .rows = 1, .slots = e->config.batch,
                                            .batch = e->config.batch, .local_epochs = e->config.local_epochs,
                                            .epoch = epoch, .step = step};
            LAUNCHED(f->device, f->device->kernels->batch_draw(f->device->stream, draw));
            for (int i = 0; i < count; i++) to[i] = sample[i];
        }
    }
    free(identity);
    free(sample);
    return CGSV_OK;
}

static cgsv_status export_models(const struct export *e, float *to)
{
    const int N = e->config.agents;
    for (int m = 0; m <= 2 * N; m++)
        TRY(cgsv_federation_model(e->federation, m < N ? CGSV_AGENT : m < 2 * N ? CGSV_STANDALONE : CGSV_SERVER, m % N,
                                  to + m * e->D));
    return CGSV_OK;
}

static bool is_evaluated(const cgsv_config *c, int done) { return done % c->eval_every == 0 || done == c->rounds; }

static cgsv_status run_rounds(struct export *e)
{
    const cgsv_config *c = &e->config;
    const int N = c->agents;
    for (int round = 0; round < c->rounds; round++) {
        for (int epoch = 0; epoch < c->local_epochs; epoch++)
            TRY(draw_epoch(e, round, epoch, e->order + (round * c->local_epochs + epoch) * e->M));
        TRY(cgsv_federation_run(e->federation, 1));
        TRY(cgsv_federation_round(e->federation, round,
                                  (cgsv_round_record *)(e->records + (int64_t)round * N * RECORD_FIELDS)));
        if (round == 0) TRY(export_models(e, e->models_first));
        if (!is_evaluated(c, round + 1)) continue;
        cgsv_evaluation *to = (cgsv_evaluation *)e->evaluation + e->evaluations++ * (2 * N + 1);
        TRY(cgsv_federation_evaluate(e->federation));
        TRY(cgsv_federation_evaluation(e->federation, to, to + N, to + 2 * N));
    }
    return export_models(e, e->models_last);
}

static cgsv_status run(struct export *e)
{
    cgsv_device *device;
    const cgsv_tensor *tensor;
    const cgsv_config *c = &e->config;
    TRY(cgsv_dataset_load(&e->data, "synthetic", NULL));
    if (e->test_samples < e->data->test.samples) e->data->test.samples = e->test_samples;
    TRY(cgsv_device_open(&device, "cpu", 0));
    TRY(cgsv_federation_create(&e->federation, device, c, e->data));
    const int64_t models = 2 * c->agents + 1;
    e->D = cgsv_federation_parameters(e->federation);
    e->M = e->federation->fleet->split[0].partition.first[c->agents];
    e->features = (int64_t)e->data->channels * e->data->height * e->data->width;
    if (e->from) TRY(take_over(e));
    export_samples(e);
    e->tensors = cgsv_federation_tensors(e->federation, &tensor);
    e->shapes = take(4 * e->tensors, sizeof *e->shapes);
    for (int t = 0; t < e->tensors; t++) memcpy(e->shapes + 4 * t, tensor[t].shape, sizeof tensor[t].shape);
    e->order = take(c->rounds * c->local_epochs * e->M, sizeof *e->order);
    e->start = take(e->D, sizeof *e->start);
    e->models_first = take(models * e->D, sizeof *e->models_first);
    e->models_last = take(models * e->D, sizeof *e->models_last);
    e->records = take((int64_t)c->rounds * c->agents * RECORD_FIELDS, sizeof *e->records);
    e->evaluation = take(c->rounds * models * 2, sizeof *e->evaluation);
    TRY(cgsv_federation_model(e->federation, CGSV_SERVER, 0, e->start));
    return run_rounds(e);
}

static cgsv_status write_file(const struct export *e, const char *path)
{
    const cgsv_config *c = &e->config;
    const int64_t N = c->agents, models = 2 * N + 1, test = e->data->test.samples;
    const struct safetensors_tensor tensors[] = {
        {.name = "shapes", .type = SAFETENSORS_I64, .dimensions = 2, .shape = {e->tensors, 4}, .data = e->shapes},
        {.name = "first", .type = SAFETENSORS_I64, .dimensions = 1, .shape = {N + 1}, .data = e->first},
        {.name = "x", .type = real_type, .dimensions = 2, .shape = {e->M, e->features}, .data = e->x},
        {.name = "y", .type = SAFETENSORS_I64, .dimensions = 1, .shape = {e->M}, .data = e->y},
        {.name = "test_x", .type = real_type, .dimensions = 2, .shape = {test, e->features},
         .data = e->federation->fleet->test_x},
        {.name = "test_y", .type = SAFETENSORS_I64, .dimensions = 1, .shape = {test}, .data = e->test_y},
        {.name = "order", .type = SAFETENSORS_I64, .dimensions = 3, .shape = {c->rounds, c->local_epochs, e->M},
         .data = e->order},
        {.name = "start", .type = real_type, .dimensions = 1, .shape = {e->D}, .data = e->start},
        {.name = "models_first", .type = real_type, .dimensions = 2, .shape = {models, e->D}, .data = e->models_first},
        {.name = "models_last", .type = real_type, .dimensions = 2, .shape = {models, e->D}, .data = e->models_last},
        {.name = "records", .type = SAFETENSORS_F64, .dimensions = 3, .shape = {c->rounds, N, RECORD_FIELDS},
         .data = e->records},
        {.name = "evaluations", .type = SAFETENSORS_F64, .dimensions = 3, .shape = {e->evaluations, models, 2},
         .data = e->evaluation},
    };
    char settings[512];
    snprintf(settings, sizeof settings,
             "{\"model\": \"%s\", \"reward\": \"%s\", \"agents\": %d, \"rounds\": %d, \"epochs\": %d, \"batch\": %d, "
             "\"every\": %d, \"lr\": %.17g, \"lr_decay\": %.17g, \"gamma\": %.17g, \"alpha\": %.17g, \"beta\": %.17g}",
             cgsv_model_name(c->model), cgsv_reward_name(c->scheme.reward), c->agents, c->rounds, c->local_epochs,
             c->batch, c->eval_every, c->lr, c->lr_decay, c->gamma, c->alpha, c->beta);
    const struct safetensors_metadata metadata = {"settings", settings};
    return safetensors_write(path, tensors, sizeof tensors / sizeof *tensors, &metadata, 1);
}

int main(int argc, char **argv)
{
    struct export e = {.test_samples = INT32_MAX};
    cgsv_status status = CGSV_OK;
    if (argc < 2) return 2;
    cgsv_config_defaults(&e.config, "synthetic");
    for (int i = 2; i < argc && status == CGSV_OK; i++) status = set(&e, argv[i]);
    if (status == CGSV_OK) status = run(&e);
    if (status == CGSV_OK) status = write_file(&e, argv[1]);
    if (status != CGSV_OK) fprintf(stderr, "export_federation: %s\n", cgsv_last_error());
    return status == CGSV_OK ? 0 : 1; /* what it held goes with the process */
}
