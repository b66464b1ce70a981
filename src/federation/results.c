/* Running rounds, evaluating, and reading what came out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "federation/internal.h"
#include "io/safetensors.h"

cgsv_status cgsv_federation_run(cgsv_federation *f, int rounds)
{
    if (rounds < 0 || rounds > f->config.rounds - f->rounds_done)
        return error_set(CGSV_ERROR_ARGUMENT, "%d more rounds asked for; %d of %d are left", rounds,
                         f->config.rounds - f->rounds_done, f->config.rounds);
    for (int i = 0; i < rounds; i++) {
        TRY(round_enqueue(f));
        f->rounds_done++;
    }
    return CGSV_OK;
}

/* Adds to sums[rows] over the whole test split, for models w + r · stride. */
static cgsv_status evaluate_rows(cgsv_federation *f, struct loss_sums *sums, const float *w, int64_t stride, int rows)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    struct workspace *ws = &f->evaluation;
    TRY(device->backend->clear(device, sums, (size_t)rows * sizeof *sums));
    for (int64_t first = 0; first < f->test_samples; first += EVALUATION_BATCH) {
        const int n = (int)(f->test_samples - first < EVALUATION_BATCH ? f->test_samples - first : EVALUATION_BATCH);
        LAUNCHED(device, k->batch_range(device->stream, ws->sample, (int32_t)first, n, ws->blocks * ws->slots));
        LAUNCHED(device, k->batch_gather(device->stream, ws->input, ws->label, f->test_x, f->test_y, ws->sample,
                                         f->model.features, ws->blocks, ws->slots));
        TRY(model_forward(&f->model, device, ws, w, stride, 0, rows));
        LAUNCHED(device, k->loss(device->stream, NULL, sums, ws->out[f->model.layers - 1], ws->label, NULL, n,
                                 f->model.classes, rows, ws->blocks, ws->slots));
    }
    return CGSV_OK;
}

cgsv_status cgsv_federation_evaluate(cgsv_federation *f)
{
    const struct device_backend *backend = f->device->backend;
    const int64_t ld = f->model.row_stride;
    const int N = f->config.agents;
    TRY(backend->phase(f->device, PHASE_EVALUATION));
    TRY(evaluate_rows(f, f->test_sums, f->models, ld, N + 1));
    /* Twins are every second row in training. */
    if (f->config.standalone) TRY(evaluate_rows(f, f->test_sums + N + 1, f->work + ld, 2 * ld, N));
    f->evaluated = true;
    return backend->phase(f->device, PHASE_IDLE);
}

static cgsv_evaluation mean_of(struct loss_sums sums)
{
    return (cgsv_evaluation){sums.loss / sums.samples, sums.correct / sums.samples};
}

cgsv_status cgsv_federation_evaluation(cgsv_federation *f, cgsv_evaluation *agents, cgsv_evaluation *standalone,
                                       cgsv_evaluation *server)
{
    const int N = f->config.agents, count = N + 1 + (f->config.standalone ? N : 0);
    if (!f->evaluated) return error_set(CGSV_ERROR_ARGUMENT, "nothing has been evaluated yet");
    struct loss_sums *sums = calloc((size_t)count, sizeof *sums);
    if (!sums) return error_set(CGSV_ERROR_MEMORY, "no memory for %d results", count);
    cgsv_status status = f->device->backend->download(f->device, sums, f->test_sums, (size_t)count * sizeof *sums);
    if (status == CGSV_OK) {
        for (int i = 0; agents && i < N; i++) agents[i] = mean_of(sums[i]);
        if (server) *server = mean_of(sums[N]);
        for (int i = 0; standalone && i < N; i++) standalone[i] = (cgsv_evaluation){NAN, NAN};
        for (int r = 1; standalone && f->config.standalone && r < f->rows; r += 2)
            standalone[f->row[r].stream] = mean_of(sums[N + 1 + r / 2]);
    }
    free(sums);
    return status;
}

int cgsv_federation_rounds_done(const cgsv_federation *f) { return f->rounds_done; }

cgsv_status cgsv_federation_round(cgsv_federation *f, int round, cgsv_round_record *records)
{
    const int N = f->config.agents;
    if (round < 0 || round >= f->rounds_done)
        return error_set(CGSV_ERROR_ARGUMENT, "round %d is not done; %d rounds are", round, f->rounds_done);
    return f->device->backend->download(f->device, records, f->server.record + (int64_t)round * N,
                                        (size_t)N * sizeof *records);
}

int64_t cgsv_federation_samples(const cgsv_federation *f, int agent, int64_t *counts)
{
    const int64_t begin = f->partition.first[agent], end = f->partition.first[agent + 1];
    if (counts) {
        memset(counts, 0, (size_t)f->classes * sizeof *counts);
        for (int64_t i = begin; i < end; i++) counts[f->train_labels[f->partition.index[i]]]++;
    }
    return end - begin;
}

int64_t cgsv_federation_parameters(const cgsv_federation *f) { return f->model.parameters; }

int cgsv_federation_tensors(const cgsv_federation *f, const cgsv_tensor **tensors)
{
    *tensors = f->model.tensor;
    return f->model.tensors;
}

static cgsv_status check_agent(const cgsv_federation *f, int agent)
{
    if (agent >= 0 && agent < f->config.agents) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "agent %d does not exist; there are %d, from 0", agent, f->config.agents);
}

/* Row of W, or of the models in training for a twin. */
static cgsv_status locate_model(const cgsv_federation *f, cgsv_who who, int agent, const float **w)
{
    if (who != CGSV_SERVER) TRY(check_agent(f, agent));
    if (who == CGSV_STANDALONE) {
        for (int r = 1; f->config.standalone && r < f->rows; r += 2)
            if (f->row[r].stream == agent) {
                *w = f->work + r * f->model.row_stride;
                return CGSV_OK;
            }
        return error_set(CGSV_ERROR_ARGUMENT, "this federation trains no standalone models");
    }
    *w = f->models + (who == CGSV_SERVER ? f->config.agents : agent) * f->model.row_stride;
    return CGSV_OK;
}

cgsv_status cgsv_federation_model(cgsv_federation *f, cgsv_who who, int agent, float *w)
{
    const float *from = NULL;
    TRY(locate_model(f, who, agent, &from));
    return f->device->backend->download(f->device, w, from, (size_t)f->model.parameters * sizeof *w);
}

cgsv_status cgsv_federation_update(cgsv_federation *f, int agent, float *update)
{
    TRY(check_agent(f, agent));
    return f->device->backend->download(f->device, update, f->updates + agent * f->model.row_stride,
                                        (size_t)f->model.parameters * sizeof *update);
}

cgsv_status cgsv_federation_seconds(cgsv_federation *f, cgsv_seconds *seconds)
{
    TRY(f->device->backend->sync(f->device));
    const double *s = f->device->seconds;
    *seconds = (cgsv_seconds){s[PHASE_TRAINING], s[PHASE_SERVER], s[PHASE_EVALUATION]};
    return CGSV_OK;
}

cgsv_status cgsv_federation_save_model(cgsv_federation *f, cgsv_who who, int agent, const char *path)
{
    struct safetensors_tensor tensors[MAX_TENSORS];
    float *w = malloc((size_t)f->model.parameters * sizeof *w);
    if (!w) return error_set(CGSV_ERROR_MEMORY, "no memory for a model of %lld parameters", (long long)f->model.parameters);
    cgsv_status status = cgsv_federation_model(f, who, agent, w);
    for (int t = 0; t < f->model.tensors; t++) {
        const cgsv_tensor *from = &f->model.tensor[t];
        tensors[t] = (struct safetensors_tensor){.name = from->name, .type = SAFETENSORS_F32,
                                                 .dimensions = from->dimensions, .data = w + from->offset};
        memcpy(tensors[t].shape, from->shape, sizeof from->shape);
    }
    const struct safetensors_metadata metadata[] = {{"format", "pt"}, {"model", cgsv_model_name(f->config.model)}};
    if (status == CGSV_OK) status = safetensors_write(path, tensors, f->model.tensors, metadata, 2);
    free(w);
    return status;
}
