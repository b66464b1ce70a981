#include "federation/validation.h"

#include <stdlib.h>

#include "federation/internal.h"

cgsv_status evaluate_rows(cgsv_device *device, const struct model *model, struct workspace *ws, struct loss_sums *sums,
                          const float *w, int64_t stride, int rows, struct sample_set set)
{
    const struct kernels *k = device->kernels;
    const int batch = ws->blocks * ws->slots;
    TRY(device->backend->clear(device, sums, (size_t)rows * sizeof *sums));
    for (int64_t first = 0; first < set.samples; first += batch) {
        const int n = (int)(set.samples - first < batch ? set.samples - first : batch);
        LAUNCHED(device, k->batch_range(device->stream, ws->sample, set.index, (int32_t)first, n, batch));
        LAUNCHED(device, k->batch_gather(device->stream, ws->input, ws->label, set.x, set.y, ws->sample,
                                         model->features, ws->blocks, ws->slots));
        TRY(model_forward(model, device, ws, w, stride, 0, rows));
        LAUNCHED(device, k->loss(device->stream, NULL, sums, ws->out[model->layers - 1], ws->label, NULL, n,
                                 model->classes, rows, ws->blocks, ws->slots));
    }
    return CGSV_OK;
}

static size_t bytes_of(int64_t samples, int agents)
{
    const size_t N = (size_t)agents;
    return (size_t)samples * sizeof(int32_t) + N * sizeof(struct row) + (N + 1) * sizeof(struct loss_sums);
}

size_t validation_bytes(const cgsv_config *config, int64_t samples)
{
    return bytes_of(partition_validation_size(config, samples), config->agents);
}

cgsv_status validation_create(struct validation *v, cgsv_device *device, const struct partition *partition,
                              const struct row *row, int every)
{
    const struct device_backend *backend = device->backend;
    const size_t N = (size_t)partition->agents;
    *v = (struct validation){.samples = partition->validation_samples, .agents = partition->agents, .every = every};
    struct row *agent = calloc(N, sizeof *agent);
    if (!agent) return error_set(CGSV_ERROR_MEMORY, "no memory for %d rows", v->agents);
    for (size_t i = 0; i < N; i++) agent[i] = row[i * (size_t)every];
    const size_t indices = (size_t)v->samples * sizeof *v->index, rows = N * sizeof *agent;
    cgsv_status status = indices ? backend->allocate(device, (void **)&v->index, indices) : CGSV_OK;
    if (status == CGSV_OK) status = backend->allocate(device, (void **)&v->agent, rows);
    if (status == CGSV_OK) status = backend->allocate(device, (void **)&v->sums, (N + 1) * sizeof *v->sums);
    if (status == CGSV_OK && indices) status = backend->upload(device, v->index, partition->validation, indices);
    if (status == CGSV_OK) status = backend->upload(device, v->agent, agent, rows);
    free(agent);
    return status;
}

void validation_free(struct validation *v, cgsv_device *device)
{
    void *all[] = {v->index, v->agent, v->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, all[i]);
    *v = (struct validation){0};
}

cgsv_status validation_check(int64_t samples)
{
    if (samples > 0) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT,
                     "no validation samples are kept aside; set validation-fraction to more than 0, say 0.1");
}

struct sample_set validation_set(const struct cgsv_federation *f)
{
    return (struct sample_set){f->train_x, f->train_y, f->validation.index, f->validation.samples};
}

static cgsv_status validate(struct cgsv_federation *f, double *accuracy, double *loss, const float *w, int64_t stride,
                            int rows, const struct row *row)
{
    TRY(validation_check(f->validation.samples));
    TRY(evaluate_rows(f->device, &f->model, &f->evaluation, f->validation.sums, w, stride, rows, validation_set(f)));
    const struct kernels *k = f->device->kernels;
    LAUNCHED(f->device, k->loss_means(f->device->stream, accuracy, loss, f->validation.sums, row, rows));
    return CGSV_OK;
}

cgsv_status validation_accuracy(struct cgsv_federation *f, double *accuracy, double *loss, const float *w,
                                int64_t stride, int rows)
{
    return validate(f, accuracy, loss, w, stride, rows, NULL);
}

cgsv_status trained_accuracy(struct cgsv_federation *f, double *accuracy, double *loss)
{
    const struct validation *v = &f->validation;
    return validate(f, accuracy, loss, f->work, v->every * f->model.row_stride, v->agents, v->agent);
}

/* The batches of an epoch hold every sample once; their order does not matter here. */
cgsv_status local_losses(struct cgsv_federation *f, double *loss)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    const struct validation *v = &f->validation;
    const struct model *model = &f->model;
    struct workspace *ws = &f->training;
    const int slots = ws->blocks * ws->slots;
    TRY(device->backend->clear(device, v->sums, (size_t)v->agents * sizeof *v->sums));
    int rows = v->agents; /* that have a batch left, a prefix as batches fall */
    for (int step = 0; step < f->steps[0]; step++) {
        while (f->steps[(rows - 1) * v->every] <= step) rows--;
        LAUNCHED(device, k->batch_draw(device->stream, (struct batch_draw){.sample = ws->sample, .count = ws->count,
                                                                           .row = v->agent, .index = f->index,
                                                                           .round = f->round, .rows = rows,
                                                                           .slots = slots, .batch = f->config.batch,
                                                                           .local_epochs = f->config.local_epochs,
                                                                           .step = step}));
        LAUNCHED(device, k->batch_gather(device->stream, ws->input, ws->label, f->train_x, f->train_y, ws->sample,
                                         model->features, rows * ws->blocks, ws->slots));
        TRY(model_forward(model, device, ws, f->work, v->every * model->row_stride, model->features * slots, rows));
        LAUNCHED(device, k->loss(device->stream, NULL, v->sums, ws->out[model->layers - 1], ws->label, ws->count, 0,
                                 model->classes, rows, ws->blocks, ws->slots));
    }
    LAUNCHED(device, k->loss_means(device->stream, NULL, loss, v->sums, v->agent, v->agents));
    return CGSV_OK;
}
