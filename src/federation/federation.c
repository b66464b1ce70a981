/* Creating a federation: partition, rows, memory, start models. */
#include <stdlib.h>
#include <string.h>

#include "federation/config.h"
#include "federation/internal.h"

static int row_count(const cgsv_config *c) { return c->agents * (c->standalone ? 2 : 1); }

int rows_at_once(const cgsv_device *device, int rows)
{
    return device->rows_at_once && device->rows_at_once < rows ? device->rows_at_once : rows;
}

static struct server_sizes server_sizes_of(const cgsv_config *c, const struct model *model, int64_t *tensor_begin)
{
    for (int t = 0; t < model->tensors; t++) tensor_begin[t] = model->tensor[t].offset;
    tensor_begin[model->tensors] = model->parameters;
    return (struct server_sizes){.federations = 1, .agents = c->agents, .rounds = c->rounds,
                                 .dimension = model->parameters, .ld = model->row_stride, .tensors = model->tensors,
                                 .tensor_begin = tensor_begin, .reward = c->reward};
}

static int moments_of(const cgsv_config *c) { return c->optimizer == CGSV_OPTIMIZER_ADAM ? 2 : c->momentum > 0; }

static void plan_for(cgsv_memory_plan *plan, const cgsv_device *device, const cgsv_config *c,
                     const struct model *model, const cgsv_dataset *data)
{
    const size_t row = (size_t)model->row_stride * sizeof(float), N = (size_t)c->agents, R = (size_t)row_count(c);
    const int together = rows_at_once(device, (int)R);
    const size_t sample = (size_t)model->features * sizeof(float) + sizeof(int32_t);
    int64_t tensor_begin[MAX_TENSORS + 1];
    const struct server_sizes sizes = server_sizes_of(c, model, tensor_begin);
    memset(plan, 0, sizeof *plan);
    plan->parameters = model->parameters;
    plan->row_stride = model->row_stride;
    plan->rows = (int)R;
    plan->models = (N + 1) * row;
    plan->updates = N * row;
    plan->training = (R + (size_t)together) * row;
    plan->optimizer = (size_t)moments_of(c) * R * row;
    plan->activations = workspace_bytes(device, model, together, together, c->batch, true) +
                        workspace_bytes(device, model, (int)(N + 1), 1, EVALUATION_BATCH, false);
    plan->data = (size_t)(data->train.samples + data->test.samples) * sample;
    plan->server = server_step_bytes(device->kernels, &sizes);
    plan->total = plan->models + plan->updates + plan->training + plan->optimizer + plan->activations + plan->data +
                  plan->server;
}

cgsv_status cgsv_federation_plan(cgsv_memory_plan *plan, cgsv_device *device, const cgsv_config *config,
                                 const cgsv_dataset *data)
{
    struct model model;
    TRY(config_check(config));
    TRY(model_create(&model, config->model, data->channels, data->height, data->width, data->classes));
    plan_for(plan, device, config, &model, data);
    plan->available = device->backend->memory_free(device);
    return CGSV_OK;
}

/* Agents and their twins side by side, most samples first; among equals by number. */
static cgsv_status make_rows(cgsv_federation *f)
{
    const cgsv_config *c = &f->config;
    const int per_agent = c->standalone ? 2 : 1;
    f->rows = row_count(c);
    f->row = calloc((size_t)f->rows, sizeof *f->row);
    f->steps = calloc((size_t)f->rows, sizeof *f->steps);
    if (!f->row || !f->steps) return error_set(CGSV_ERROR_MEMORY, "no memory for %d rows", f->rows);
    const int64_t *first = f->partition.first;
    for (int i = 0; i < c->agents; i++) {
        const int64_t samples = first[i + 1] - first[i];
        int place = 0;
        for (int j = 0; j < c->agents; j++) {
            const int64_t others = first[j + 1] - first[j];
            place += others > samples || (others == samples && j < i);
        }
        for (int twin = 0; twin < per_agent; twin++) {
            const int r = place * per_agent + twin;
            f->row[r] = (struct row){.agent = twin ? -1 : i, .model = twin ? -1 : i, .samples = (int32_t)samples,
                                     .stream = i, .first = first[i], .seed = c->seed,
                                     .lr = twin && c->standalone_lr > 0 ? c->standalone_lr : c->lr};
            f->steps[r] = (int)((samples + c->batch - 1) / c->batch);
        }
    }
    return CGSV_OK;
}

static cgsv_status allocate_and_fill(cgsv_federation *f, void **memory, const void *from, size_t bytes)
{
    TRY(f->device->backend->allocate(f->device, memory, bytes));
    return from ? f->device->backend->upload(f->device, *memory, from, bytes) : CGSV_OK;
}

static cgsv_status allocate(cgsv_federation *f, const cgsv_dataset *data)
{
    const size_t N = (size_t)f->config.agents, R = (size_t)f->rows;
    const size_t row = (size_t)f->model.row_stride * sizeof(float), picture = (size_t)f->model.features * sizeof(float);
    const size_t train = (size_t)data->train.samples, test = (size_t)data->test.samples;
    const int moments = moments_of(&f->config), together = rows_at_once(f->device, f->rows);
    const struct {
        void **memory;
        const void *from;
        size_t bytes;
    } arrays[] = {
        {(void **)&f->device_row, f->row, R * sizeof *f->row},
        {(void **)&f->models, NULL, (N + 1) * row},
        {(void **)&f->updates, NULL, N * row},
        {(void **)&f->work, NULL, R * row},
        {(void **)&f->gradient, NULL, (size_t)together * row},
        {(void **)&f->moment1, NULL, moments > 0 ? R * row : 0},
        {(void **)&f->moment2, NULL, moments > 1 ? R * row : 0},
        {(void **)&f->lr, NULL, R * sizeof *f->lr},
        {(void **)&f->train_loss, NULL, N * sizeof *f->train_loss},
        {(void **)&f->round, NULL, sizeof *f->round},
        {(void **)&f->train_sums, NULL, R * sizeof *f->train_sums},
        {(void **)&f->test_sums, NULL, (R + N + 1) * sizeof *f->test_sums},
        {(void **)&f->train_x, data->train.x, train * picture},
        {(void **)&f->train_y, data->train.y, train * sizeof *f->train_y},
        {(void **)&f->test_x, data->test.x, test * picture},
        {(void **)&f->test_y, data->test.y, test * sizeof *f->test_y},
        {(void **)&f->index, f->partition.index, (size_t)f->partition.first[N] * sizeof *f->index},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i].bytes) TRY(allocate_and_fill(f, arrays[i].memory, arrays[i].from, arrays[i].bytes));
    TRY(workspace_create(&f->training, f->device, &f->model, together, together, f->config.batch, true));
    return workspace_create(&f->evaluation, f->device, &f->model, (int)N + 1, 1, EVALUATION_BATCH, false);
}

static cgsv_status make_server(cgsv_federation *f)
{
    const cgsv_config *c = &f->config;
    const struct mechanism mechanism = {c->gamma, c->alpha, c->beta};
    int64_t tensor_begin[MAX_TENSORS + 1];
    const struct server_sizes sizes = server_sizes_of(c, &f->model, tensor_begin);
    double *share = calloc((size_t)c->agents, sizeof *share);
    if (!share) return error_set(CGSV_ERROR_MEMORY, "no memory for %d agents", c->agents);
    for (int i = 0; i < c->agents; i++)
        share[i] = (double)(f->partition.first[i + 1] - f->partition.first[i]) / (double)f->partition.first[c->agents];
    cgsv_status status = server_step_create(&f->server, f->device, &sizes, &mechanism, share);
    free(share);
    f->server.norms_given = 1;
    f->server.update = f->updates;
    f->server.update_stride = f->server.model_stride = f->model.row_stride;
    f->server.model = f->models;
    f->server.model_block = (c->agents + 1) * f->model.row_stride;
    f->server.server_model = f->models + c->agents * f->model.row_stride;
    f->server.round = f->round;
    f->server.train_loss = f->train_loss;
    return status;
}

/* The same start for the server, every agent and every twin. */
static cgsv_status start_models(cgsv_federation *f)
{
    const size_t bytes = (size_t)f->model.parameters * sizeof(float);
    float *w = malloc(bytes);
    if (!w) return error_set(CGSV_ERROR_MEMORY, "no memory for a model of %zu bytes", bytes);
    model_initialise(&f->model, w, f->config.seed);
    cgsv_status status = CGSV_OK;
    for (int i = 0; i <= f->config.agents && status == CGSV_OK; i++)
        status = f->device->backend->upload(f->device, f->models + i * f->model.row_stride, w, bytes);
    for (int i = 0; i < f->rows && status == CGSV_OK; i++)
        status = f->device->backend->upload(f->device, f->work + i * f->model.row_stride, w, bytes);
    free(w);
    return status;
}

static cgsv_status build(cgsv_federation *f, const cgsv_dataset *data)
{
    const cgsv_config *c = &f->config;
    cgsv_memory_plan plan;
    TRY(config_check(c));
    TRY(model_create(&f->model, c->model, data->channels, data->height, data->width, data->classes));
    plan_for(&plan, f->device, c, &f->model, data);
    const size_t available = f->device->backend->memory_free(f->device);
    if (available && plan.total > available)
        return error_set(CGSV_ERROR_MEMORY,
                         "%s: the run needs %zu bytes (%.1f GiB) of memory and %zu (%.1f GiB) are free; "
                         "take fewer agents, a smaller batch, or no standalone twins",
                         f->device->info.name, plan.total, (double)plan.total / (1 << 30), available,
                         (double)available / (1 << 30));
    f->classes = data->classes;
    f->test_samples = data->test.samples;
    TRY(partition_create(&f->partition, c, data->train.y, data->train.samples, data->classes));
    const size_t labels = (size_t)data->train.samples * sizeof *f->train_labels;
    f->train_labels = malloc(labels);
    if (!f->train_labels) return error_set(CGSV_ERROR_MEMORY, "no memory for %zu bytes of labels", labels);
    memcpy(f->train_labels, data->train.y, labels);
    TRY(make_rows(f));
    TRY(allocate(f, data));
    TRY(make_server(f));
    TRY(start_models(f));
    return f->device->backend->phase(f->device, PHASE_IDLE);
}

cgsv_status cgsv_federation_create(cgsv_federation **out, cgsv_device *device, const cgsv_config *config,
                                   const cgsv_dataset *dataset)
{
    *out = NULL;
    cgsv_federation *f = calloc(1, sizeof *f);
    if (!f) return error_set(CGSV_ERROR_MEMORY, "no memory for a federation");
    f->device = device;
    f->config = *config;
    memset(device->seconds, 0, sizeof device->seconds);
    cgsv_status status = build(f, dataset);
    if (status != CGSV_OK) {
        cgsv_federation_free(f);
        return status;
    }
    *out = f;
    return CGSV_OK;
}

void cgsv_federation_free(cgsv_federation *f)
{
    if (!f) return;
    const struct device_backend *backend = f->device->backend;
    backend->sync(f->device);
    void *all[] = {f->device_row, f->models, f->updates,    f->work,      f->gradient, f->moment1,
                   f->moment2,    f->lr,     f->train_loss, f->round,     f->train_sums, f->test_sums,
                   f->train_x,    f->test_x, f->train_y,    f->test_y,    f->index};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) backend->release(f->device, all[i]);
    workspace_free(&f->training, f->device);
    workspace_free(&f->evaluation, f->device);
    server_step_free(&f->server, f->device);
    if (f->training_graph) backend->graph_free(f->training_graph);
    if (f->server_graph) backend->graph_free(f->server_graph);
    partition_free(&f->partition);
    free(f->row);
    free(f->steps);
    free(f->train_labels);
    free(f);
}
