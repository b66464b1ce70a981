/* One round: local training of all rows, then the server step. It is only enqueued; what
 * changes from round to round (the round's number, learning rates) lives on the device,
 * so that a GPU records the round once and replays it. */
#include "federation/internal.h"

/* Of `rows` rows from `first` on, those that still have a batch at this step of an epoch: a prefix,
 * as rows are sorted. */
static int active_rows(const cgsv_federation *f, int first, int rows, int step)
{
    while (rows > 0 && f->steps[first + rows - 1] <= step) rows--;
    return rows;
}

/* Samples of a row that an epoch's steps before this one have not used. */
static int samples_left(const cgsv_federation *f, int row, int step)
{
    return f->row[row].samples - step * f->config.batch;
}

static float *row_of(float *matrix, int64_t row, int64_t ld) { return matrix ? matrix + row * ld : NULL; }

/* One step of `rows` rows from `first` on. */
static cgsv_status training_step(cgsv_federation *f, int first, int rows, int epoch, int step)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    void *stream = device->stream;
    struct workspace trimmed = f->training, *ws = &trimmed;
    const struct model *model = &f->model;
    const struct row *row = f->device_row + first;
    struct loss_sums *sums = f->train_sums + first;
    /* An epoch's last batch may need fewer blocks; no row has more samples left than the first. */
    const int left = samples_left(f, first, step), needed = (left + ws->slots - 1) / ws->slots;
    if (needed < ws->blocks) ws->blocks = needed;
    const int64_t ld = model->row_stride, slots = (int64_t)ws->blocks * ws->slots, input_stride = model->features * slots;
    float *work = row_of(f->work, first, ld);

    LAUNCHED(device, k->batch_draw(stream, (struct batch_draw){.sample = ws->sample, .count = ws->count,
                                                               .row = row, .index = f->index,
                                                               .round = f->round, .rows = rows, .slots = (int)slots,
                                                               .batch = f->config.batch,
                                                               .local_epochs = f->config.local_epochs,
                                                               .epoch = epoch, .step = step}));
    LAUNCHED(device, k->batch_gather(stream, ws->input, ws->label, f->train_x, f->train_y, ws->sample,
                                     model->features, rows * ws->blocks, ws->slots));
    TRY(model_forward(model, device, ws, work, ld, input_stride, rows));
    LAUNCHED(device, k->loss(stream, ws->delta[0], sums, ws->out[model->layers - 1], ws->label, ws->count, 0,
                             model->classes, rows, ws->blocks, ws->slots));
    TRY(model_backward(model, device, ws, f->gradient, work, ld, input_stride, rows));
    LAUNCHED(device, k->optimize(stream, (struct optimizer_step){.work = work, .update = f->updates,
                                                                 .model = f->models, .gradient = f->gradient,
                                                                 .moment1 = row_of(f->moment1, first, ld),
                                                                 .moment2 = row_of(f->moment2, first, ld), .row = row,
                                                                 .lr = f->lr + first, .round = f->round,
                                                                 .dimension = model->parameters, .ld = ld,
                                                                 .rows = rows, .momentum = f->config.momentum,
                                                                 .batch = f->config.batch,
                                                                 .local_epochs = f->config.local_epochs,
                                                                 .epoch = epoch, .step = step,
                                                                 .norm_partial = f->server.norm_partial}));
    return CGSV_OK;
}

static cgsv_status local_training(cgsv_federation *f)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    const cgsv_config *c = &f->config;
    LAUNCHED(device, k->round_begin(device->stream, f->work, f->updates, f->models, f->train_sums, f->device_row,
                                    f->rows, f->model.parameters, f->model.row_stride));
    const int together = rows_at_once(device, f->rows);
    for (int first = 0; first < f->rows; first += together) {
        const int rows = f->rows - first < together ? f->rows - first : together;
        for (int epoch = 0; epoch < c->local_epochs; epoch++) {
            LAUNCHED(device, k->epoch_begin(device->stream, f->lr + first, f->device_row + first, f->round, rows,
                                            c->lr_decay, c->decay_per == CGSV_DECAY_EPOCH, c->local_epochs, epoch));
            for (int step = 0; step < f->steps[first]; step++)
                TRY(training_step(f, first, active_rows(f, first, rows, step), epoch, step));
        }
    }
    LAUNCHED(device, k->round_loss(device->stream, f->train_loss, f->train_sums, f->device_row, f->rows));
    return CGSV_OK;
}

static cgsv_status server_half(cgsv_federation *f) { return server_step_run(f->device, &f->server, f->device->stream); }

/* Enqueues one half of a round. Where the device has graphs, the first round runs as it
 * is (which loads every kernel), the second is recorded, and later ones are replayed. */
static cgsv_status half_enqueue(cgsv_federation *f, enum device_phase phase, device_graph **graph,
                                cgsv_status (*half)(cgsv_federation *))
{
    const struct device_backend *backend = f->device->backend;
    if (backend->has_graphs && f->rounds_done > 0 && !*graph) {
        TRY(backend->graph_begin(f->device));
        cgsv_status status = half(f), ended = backend->graph_end(f->device, graph);
        TRY(status);
        TRY(ended);
    }
    TRY(backend->phase(f->device, phase));
    return *graph ? backend->graph_launch(f->device, *graph) : half(f);
}

cgsv_status round_enqueue(cgsv_federation *f)
{
    TRY(half_enqueue(f, PHASE_TRAINING, &f->training_graph, local_training));
    TRY(half_enqueue(f, PHASE_SERVER, &f->server_graph, server_half));
    return f->device->backend->phase(f->device, PHASE_IDLE);
}
