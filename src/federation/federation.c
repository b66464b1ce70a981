/* One federation: created alone, as a fleet of one, or read as part of a fleet. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "federation/config.h"
#include "federation/internal.h"
#include "federation/scheme.h"
#include "io/safetensors.h"

cgsv_status cgsv_federation_plan(cgsv_memory_plan *plan, cgsv_device *device, const cgsv_config *config,
                                 const cgsv_dataset *data)
{
    return cgsv_fleet_plan(plan, device, config, 1, data);
}

cgsv_status cgsv_config_check(const cgsv_config *config, const cgsv_dataset *data)
{
    struct model model;
    struct partition partition;
    TRY(config_check(config));
    TRY(model_create(&model, config->model, data->channels, data->height, data->width, data->classes));
    TRY(partition_create(&partition, config, data->train.y, data->train.samples, data->classes));
    partition_free(&partition);
    return CGSV_OK;
}

cgsv_status cgsv_federation_create(cgsv_federation **out, cgsv_device *device, const cgsv_config *config,
                                   const cgsv_dataset *dataset)
{
    cgsv_fleet *fleet;
    *out = NULL;
    TRY(cgsv_fleet_create(&fleet, device, config, 1, dataset));
    fleet->federation->owns_fleet = true;
    *out = fleet->federation;
    return CGSV_OK;
}

void cgsv_federation_free(cgsv_federation *m)
{
    if (m && m->owns_fleet) cgsv_fleet_free(m->fleet);
}

cgsv_status federation_check_alone(const cgsv_federation *m, const char *function, const char *instead)
{
    if (m->owns_fleet) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "%s: the federation is part of a fleet; call %s", function, instead);
}

cgsv_status cgsv_federation_run(cgsv_federation *m, int rounds)
{
    TRY(federation_check_alone(m, "cgsv_federation_run", "cgsv_fleet_run"));
    return cgsv_fleet_run(m->fleet, rounds);
}

cgsv_status cgsv_federation_evaluate(cgsv_federation *m)
{
    TRY(federation_check_alone(m, "cgsv_federation_evaluate", "cgsv_fleet_evaluate"));
    return cgsv_fleet_evaluate(m->fleet);
}

static cgsv_status check_evaluated(const cgsv_fleet *f)
{
    return f->evaluated_round >= 0 ? CGSV_OK : error_set(CGSV_ERROR_ARGUMENT, "nothing has been evaluated yet");
}

static cgsv_evaluation mean_of(struct loss_sums sums)
{
    return (cgsv_evaluation){sums.loss / sums.samples, sums.correct / sums.samples};
}

cgsv_status cgsv_federation_evaluation(cgsv_federation *m, cgsv_evaluation *agents, cgsv_evaluation *standalone,
                                       cgsv_evaluation *server)
{
    const cgsv_fleet *f = m->fleet;
    const ptrdiff_t N = f->agents;
    const struct loss_sums *models = f->test_sums + m->number * (N + 1);
    const struct loss_sums *twins = f->test_sums + fleet_models(f) + m->twins * N;
    TRY(check_evaluated(f));
    struct loss_sums *sums = calloc((size_t)(2 * N + 1), sizeof *sums);
    if (!sums) return error_set(CGSV_ERROR_MEMORY, "no memory for %td results", 2 * N + 1);
    cgsv_status status = f->device->backend->download(f->device, sums, models, (size_t)(N + 1) * sizeof *sums);
    if (status == CGSV_OK && m->twins >= 0)
        status = f->device->backend->download(f->device, sums + N + 1, twins, (size_t)N * sizeof *sums);
    if (status == CGSV_OK) {
        if (server) *server = mean_of(sums[N]);
        for (int i = 0; agents && i < N; i++) agents[i] = mean_of(sums[i]);
        for (int i = 0; standalone && i < N; i++)
            standalone[i] = m->twins >= 0 ? mean_of(sums[N + 1 + i]) : (cgsv_evaluation){NAN, NAN};
    }
    free(sums);
    return status;
}

cgsv_status cgsv_federation_local_evaluation(cgsv_federation *m, cgsv_evaluation *agents)
{
    const cgsv_fleet *f = m->fleet;
    const int N = f->agents;
    const bool measured = f->trained_round > 0 && f->trained_round == f->evaluated_round &&
                          scheme_may_end_alike(&m->config.scheme);
    TRY(check_evaluated(f));
    struct loss_sums *sums = calloc((size_t)N, sizeof *sums);
    if (!sums) return error_set(CGSV_ERROR_MEMORY, "no memory for %d results", N);
    const struct loss_sums *trained = f->test_sums + fleet_models(f) + fleet_twins(f) + (ptrdiff_t)m->number * N;
    cgsv_status status = f->device->backend->download(f->device, sums, trained, (size_t)N * sizeof *sums);
    for (int i = 0; status == CGSV_OK && i < N; i++)
        agents[i] = measured ? mean_of(sums[i]) : (cgsv_evaluation){NAN, NAN};
    free(sums);
    return status;
}

int cgsv_federation_rounds_done(const cgsv_federation *m) { return m->fleet->rounds_done; }

cgsv_status cgsv_federation_round(cgsv_federation *m, int round, cgsv_round_record *records)
{
    const cgsv_fleet *f = m->fleet;
    if (round < 0 || round >= f->rounds_done)
        return error_set(CGSV_ERROR_ARGUMENT, "round %d is not done; %d rounds are", round, f->rounds_done);
    return f->device->backend->download(f->device, records,
                                        f->server.record + ((int64_t)round * f->federations + m->number) * f->agents,
                                        (size_t)f->agents * sizeof *records);
}

int64_t cgsv_federation_samples(const cgsv_federation *m, int agent, int64_t *counts)
{
    const cgsv_fleet *f = m->fleet;
    const struct partition *p = &f->split[m->split].partition;
    const int holder = adversary_holds(&m->config.adversaries, agent);
    const int64_t begin = p->first[holder], end = p->first[holder + 1];
    if (counts) {
        memset(counts, 0, (size_t)f->classes * sizeof *counts);
        for (int64_t i = begin; i < end; i++) counts[f->train_labels[p->index[i]]]++;
    }
    return end - begin;
}

int64_t cgsv_federation_parameters(const cgsv_federation *m) { return m->fleet->model.parameters; }

int cgsv_federation_tensors(const cgsv_federation *m, const cgsv_tensor **tensors)
{
    *tensors = m->fleet->model.tensor;
    return m->fleet->model.tensors;
}

static cgsv_status check_agent(const cgsv_federation *m, int agent)
{
    const int N = m->fleet->agents;
    if (agent >= 0 && agent < N) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "agent %d does not exist; there are %d, from 0", agent, N);
}

/* Row of W. */
static cgsv_status locate_model(const cgsv_federation *m, cgsv_who who, int agent, const float **w)
{
    const cgsv_fleet *f = m->fleet;
    int row = m->number * (f->agents + 1) + (who == CGSV_SERVER ? f->agents : agent);
    if (who != CGSV_SERVER) TRY(check_agent(m, agent));
    if (who == CGSV_STANDALONE) {
        if (m->twins < 0) return error_set(CGSV_ERROR_ARGUMENT, "this federation trains no standalone models");
        row = fleet_models(f) + m->twins * f->agents + agent;
    }
    *w = f->models + row * f->model.row_stride;
    return CGSV_OK;
}

cgsv_status cgsv_federation_model(cgsv_federation *m, cgsv_who who, int agent, float *w)
{
    const cgsv_fleet *f = m->fleet;
    const float *from = NULL;
    TRY(locate_model(m, who, agent, &from));
    return f->device->backend->download(f->device, w, from, (size_t)f->model.parameters * sizeof *w);
}

/* bfloat16 numbers in the first half of update[n], last ones first: none is written over before it is read. */
static void widen_in_place(float *update, size_t n)
{
    const unsigned char *stored = (const unsigned char *)update;
    for (size_t i = n; i-- > 0;) {
        uint16_t half;
        memcpy(&half, stored + i * sizeof half, sizeof half);
        const uint32_t bits = (uint32_t)half << 16;
        memcpy(&update[i], &bits, sizeof bits);
    }
}

cgsv_status cgsv_federation_update(cgsv_federation *m, int agent, float *update)
{
    const cgsv_fleet *f = m->fleet;
    TRY(check_agent(m, agent));
    if (f->rounds_loaded > 0 && f->rounds_done == f->rounds_loaded)
        return error_set(CGSV_ERROR_ARGUMENT, "a checkpoint does not hold updates; run a round first");
    const size_t entries = (size_t)f->model.parameters, size = update_size(m->config.update_storage);
    const size_t first = (size_t)((m->number * f->agents + agent) * f->model.row_stride);
    TRY(f->device->backend->download(f->device, update, (const char *)f->updates + first * size, entries * size));
    if (m->config.update_storage == CGSV_STORAGE_BF16) widen_in_place(update, entries);
    return CGSV_OK;
}

cgsv_status cgsv_federation_seconds(cgsv_federation *m, cgsv_seconds *seconds)
{
    return cgsv_fleet_seconds(m->fleet, seconds);
}

cgsv_status cgsv_federation_save_model(cgsv_federation *m, cgsv_who who, int agent, const char *path)
{
    const struct model *model = &m->fleet->model;
    struct safetensors_tensor tensors[MAX_TENSORS];
    float *w = malloc((size_t)model->parameters * sizeof *w);
    if (!w)
        return error_set(CGSV_ERROR_MEMORY, "no memory for a model of %lld parameters", (long long)model->parameters);
    cgsv_status status = cgsv_federation_model(m, who, agent, w);
    for (int t = 0; t < model->tensors; t++) {
        const cgsv_tensor *from = &model->tensor[t];
        tensors[t] = (struct safetensors_tensor){.name = from->name, .type = SAFETENSORS_F32,
                                                 .dimensions = from->dimensions, .data = w + from->offset};
        memcpy(tensors[t].shape, from->shape, sizeof from->shape);
    }
    const struct safetensors_metadata metadata[] = {{"format", "pt"}, {"model", cgsv_model_name(m->config.model)}};
    if (status == CGSV_OK) status = safetensors_write(path, tensors, model->tensors, metadata, 2);
    free(w);
    return status;
}
