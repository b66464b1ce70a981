/* Evaluating a fleet's models on the test split. */
#include "federation/internal.h"

/* Adds to sums[rows] over the whole split, for at most evaluation_rows models w + r · ld. */
static cgsv_status evaluate_group(cgsv_fleet *f, struct loss_sums *sums, const float *w, int rows)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    struct workspace *ws = &f->evaluation;
    for (int64_t first = 0; first < f->test_samples; first += EVALUATION_BATCH) {
        const int n = (int)(f->test_samples - first < EVALUATION_BATCH ? f->test_samples - first : EVALUATION_BATCH);
        LAUNCHED(device, k->batch_range(device->stream, ws->sample, (int32_t)first, n, ws->blocks * ws->slots));
        LAUNCHED(device, k->batch_gather(device->stream, ws->input, ws->label, f->test_x, f->test_y, ws->sample,
                                         f->model.features, ws->blocks, ws->slots));
        TRY(model_forward(&f->model, device, ws, w, f->model.row_stride, 0, rows));
        LAUNCHED(device, k->loss(device->stream, NULL, sums, ws->out[f->model.layers - 1], ws->label, NULL, n,
                                 f->model.classes, rows, ws->blocks, ws->slots));
    }
    return CGSV_OK;
}

static cgsv_status evaluate_rows(cgsv_fleet *f, struct loss_sums *sums, const float *w, int rows)
{
    TRY(f->device->backend->clear(f->device, sums, (size_t)rows * sizeof *sums));
    for (int first = 0; first < rows; first += f->evaluation_rows) {
        const int left = rows - first;
        TRY(evaluate_group(f, sums + first, w + first * f->model.row_stride,
                           left < f->evaluation_rows ? left : f->evaluation_rows));
    }
    return CGSV_OK;
}

/* Agents and twins lie scattered among the rows in training; the gradients' memory is free
 * between rounds and takes them side by side. */
static cgsv_status gather(cgsv_fleet *f, int place, int row)
{
    const int64_t ld = f->model.row_stride;
    return f->device->backend->copy(f->device, f->gradient + place * ld, f->work + row * ld,
                                    (size_t)ld * sizeof *f->work);
}

static cgsv_status gather_twins(cgsv_fleet *f)
{
    for (int t = 0; t < f->twin_sets; t++)
        for (int i = 0; i < f->agents; i++) TRY(gather(f, t * f->agents + i, f->twins[t].row[i]));
    return CGSV_OK;
}

/* The agents' models as the latest round's local training has left them, before the download. */
static cgsv_status gather_agents(cgsv_fleet *f)
{
    for (int r = 0; r < f->rows; r++)
        if (f->row[r].agent >= 0) TRY(gather(f, f->row[r].agent, r));
    return CGSV_OK;
}

cgsv_status cgsv_fleet_evaluate(cgsv_fleet *f)
{
    const struct device_backend *backend = f->device->backend;
    TRY(backend->phase(f->device, PHASE_EVALUATION));
    TRY(evaluate_rows(f, f->test_sums, f->models, fleet_models(f)));
    TRY(gather_twins(f));
    TRY(evaluate_rows(f, f->test_sums + fleet_models(f), f->gradient, fleet_twins(f)));
    TRY(gather_agents(f));
    TRY(evaluate_rows(f, f->test_sums + fleet_models(f) + fleet_twins(f), f->gradient, fleet_agents(f)));
    f->evaluated = true;
    return backend->phase(f->device, PHASE_IDLE);
}
