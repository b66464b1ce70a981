#include "federation/validation.h"

#include "federation/internal.h"
#include "model/work.h"

cgsv_status evaluate_rows(cgsv_device *device, const struct model *model, struct workspace *ws, struct loss_sums *sums,
                          const float *w, int64_t stride, int rows, struct sample_set set)
{
    const struct kernels *k = device->kernels;
    const int batch = ws->blocks * ws->slots;
    TRY(device->backend->clear(device, sums, (size_t)rows * sizeof *sums));
    for (int64_t first = 0; first < set.samples; first += batch) {
        const int n = (int)(set.samples - first < batch ? set.samples - first : batch);
        ws->filled = (int64_t)rows * n;
        PROFILE(device, STAGE_GATHER, work_gather(model, n));
        LAUNCHED(device, k->batch_range(device->stream, ws->sample, set.index, (int32_t)first, n, batch));
        TRY(workspace_gather(model, device, ws, set.split, 1));
        TRY(model_forward(model, device, ws, w, stride, 0, rows));
        PROFILE(device, STAGE_LOSS, work_loss(model, ws->filled));
        LAUNCHED(device, k->loss(device->stream, NULL, sums, ws->out[model->layers - 1], ws->label, NULL, n,
                                 model->classes, rows, ws->blocks, ws->slots));
    }
    return CGSV_OK;
}

cgsv_status evaluate_models(cgsv_fleet *f, struct loss_sums *sums, const float *w, int rows, struct sample_set set)
{
    const int64_t ld = f->model.row_stride;
    for (int first = 0; first < rows; first += f->evaluation_rows) {
        const int left = rows - first;
        TRY(evaluate_rows(f->device, &f->model, &f->evaluation, sums + first, w + first * ld, ld,
                          left < f->evaluation_rows ? left : f->evaluation_rows, set));
    }
    return CGSV_OK;
}

cgsv_status evaluate_moved(cgsv_fleet *f, struct loss_sums *sums, struct moved_models models, struct sample_set set)
{
    const int scratch = 2 * groups_rows(f), most = scratch < f->evaluation_rows ? scratch : f->evaluation_rows;
    if (!models.update) return evaluate_models(f, sums, models.from, models.rows, set);
    for (int first = 0; first < models.rows; first += most) {
        struct moved_models some = models;
        some.to = f->scratch;
        some.from += first * models.from_stride;
        some.update = (const char *)models.update +
                      (size_t)(first * models.update_stride) * update_size(models.storage);
        some.dimension = f->model.parameters;
        some.ld = f->model.row_stride;
        some.rows = models.rows - first < most ? models.rows - first : most;
        LAUNCHED(f->device, f->device->kernels->move_models(f->device->stream, some));
        TRY(evaluate_models(f, sums + first, some.to, some.rows, set));
    }
    return CGSV_OK;
}

static size_t sums_bytes(const cgsv_fleet *f)
{
    const int rows = fleet_rows(f), models = f->agents + 1;
    return (size_t)(rows > models ? rows : models) * sizeof(struct loss_sums);
}

size_t validation_bytes(const cgsv_fleet *f, int64_t samples)
{
    int64_t kept = 0;
    for (int s = 0; s < f->splits; s++)
        kept += partition_validation_size(&f->federation[f->split[s].member].config, samples);
    return (size_t)kept * sizeof(int32_t) + sums_bytes(f);
}

cgsv_status validation_create(cgsv_fleet *f)
{
    const struct device_backend *backend = f->device->backend;
    int64_t kept = 0;
    for (int s = 0; s < f->splits; s++) {
        f->split[s].validation_first = kept;
        kept += f->split[s].partition.validation_samples;
    }
    TRY(backend->allocate(f->device, (void **)&f->validation.sums, sums_bytes(f)));
    if (kept == 0) return CGSV_OK;
    TRY(backend->allocate(f->device, (void **)&f->validation.index, (size_t)kept * sizeof *f->validation.index));
    for (int s = 0; s < f->splits; s++) {
        const struct partition *p = &f->split[s].partition;
        const size_t bytes = (size_t)p->validation_samples * sizeof *p->validation;
        if (bytes == 0) continue;
        TRY(backend->upload(f->device, f->validation.index + f->split[s].validation_first, p->validation, bytes));
    }
    return CGSV_OK;
}

void validation_free(cgsv_fleet *f)
{
    void *own[] = {(void *)f->validation.own.token, (void *)f->validation.own.length, (void *)f->validation.own.label};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) f->device->backend->release(f->device, own[i]);
    f->validation.own = (struct samples){0};
    f->device->backend->release(f->device, f->validation.index);
    f->device->backend->release(f->device, f->validation.sums);
}

cgsv_status validation_check(int64_t samples)
{
    if (samples > 0) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT,
                     "no validation samples are kept aside; set validation-fraction to more than 0, say 0.1");
}

struct sample_set validation_set(const cgsv_federation *m)
{
    const cgsv_fleet *f = m->fleet;
    const struct split *split = &f->split[m->split];
    if (split->partition.validation_samples == 0 && f->validation.own_samples > 0)
        return (struct sample_set){f->validation.own, NULL, f->validation.own_samples};
    return (struct sample_set){train_samples(f),
                               f->validation.index ? f->validation.index + split->validation_first : NULL,
                               split->partition.validation_samples};
}

cgsv_status moved_accuracy(cgsv_federation *m, double *accuracy, double *loss, struct moved_models models)
{
    cgsv_fleet *f = m->fleet;
    const struct sample_set set = validation_set(m);
    TRY(validation_check(set.samples));
    TRY(evaluate_moved(f, f->validation.sums, models, set));
    LAUNCHED(f->device, f->device->kernels->loss_means(f->device->stream, accuracy, loss, f->validation.sums, NULL,
                                                       models.rows));
    return CGSV_OK;
}

cgsv_status validation_accuracy(cgsv_federation *m, double *accuracy, double *loss, const float *w, int rows)
{
    return moved_accuracy(m, accuracy, loss, (struct moved_models){.from = w, .rows = rows});
}

cgsv_status trained_accuracy(cgsv_federation *m, double *accuracy, double *loss)
{
    return moved_accuracy(m, accuracy, loss, trained_models(m));
}

/* The batches of an epoch hold every sample once; their order does not matter here. */
static cgsv_status group_losses(cgsv_fleet *f, const struct group *g)
{
    const struct model *model = &f->model;
    TRY(group_begin(f, g));
    for (int step = 0; step < f->steps[g->first]; step++) {
        struct workspace trimmed = group_workspace(f, g, step), *ws = &trimmed;
        const int rows = group_active(f, g, step);
        TRY(group_batches(f, g, ws, 0, step, rows));
        TRY(model_forward(model, g->device, ws, g->work, model->row_stride,
                          model->features * ws->blocks * ws->slots, rows));
        PROFILE(g->device, STAGE_LOSS, work_loss(model, ws->filled));
        LAUNCHED(g->device, g->device->kernels->loss(g->device->stream, NULL, f->validation.sums + g->first,
                                                     ws->out[model->layers - 1], ws->label, ws->count, 0,
                                                     model->classes, rows, ws->blocks, ws->slots));
    }
    return CGSV_OK;
}

cgsv_status local_losses(cgsv_fleet *f, double *loss)
{
    cgsv_device *device = f->device;
    struct loss_sums *sums = f->validation.sums;
    TRY(device->backend->clear(device, sums, (size_t)f->rows * sizeof *sums));
    TRY(groups_run(f, group_losses));
    LAUNCHED(device, device->kernels->loss_means(device->stream, NULL, loss, sums, f->device_row, f->rows));
    return CGSV_OK;
}
