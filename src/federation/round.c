/* One round of a fleet: local training of all rows, then the server step. It is only enqueued; what
 * changes from round to round (the round's number, learning rates) lives on the device,
 * so that a GPU records the round once and replays it. */
#include "federation/internal.h"
#include "federation/scheme.h"
#include "federation/sentences.h"

/* Rows that still have a batch at this step of an epoch: a prefix, as rows are sorted. */
static int active_rows(const cgsv_fleet *f, int step)
{
    int rows = f->rows;
    while (rows > 0 && f->steps[rows - 1] <= step) rows--;
    return rows;
}

static cgsv_status training_step(cgsv_fleet *f, int epoch, int step)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    void *stream = device->stream;
    struct workspace *ws = &f->training;
    const struct model *model = &f->model;
    const int rows = active_rows(f, step), bucket = model->text.vocabulary > 0 ? SENTENCE_BUCKET : 0;
    const int64_t ld = model->row_stride, slots = (int64_t)ws->blocks * ws->slots, input_stride = model->features * slots;

    LAUNCHED(device, k->batch_draw(stream, (struct batch_draw){.sample = ws->sample, .count = ws->count,
                                                               .row = f->device_row, .index = f->index,
                                                               .round = f->round, .rows = rows, .slots = (int)slots,
                                                               .batch = f->config.batch,
                                                               .local_epochs = f->config.local_epochs,
                                                               .epoch = epoch, .step = step,
                                                               .bucket = bucket}));
    TRY(workspace_gather(model, device, ws, train_samples(f), rows));
    if (model->text.dropout > 0)
        ws->dropout = (struct dropout_step){.row = f->device_row, .round = f->round, .rate = model->text.dropout,
                                            .batch = f->config.batch, .local_epochs = f->config.local_epochs,
                                            .epoch = epoch, .step = step};
    struct optimizer_step optimizer = {.work = f->work, .update = f->updates, .model = f->models,
                                       .gradient = f->gradient, .moment1 = f->moment1, .moment2 = f->moment2,
                                       .row = f->device_row, .lr = f->lr, .round = f->round,
                                       .dimension = model->parameters, .ld = ld, .rows = rows,
                                       .momentum = f->config.momentum, .batch = f->config.batch,
                                       .local_epochs = f->config.local_epochs, .epoch = epoch, .step = step,
                                       .norm_partial = f->server.norm_partial, .words = f->words};
    optimizer.words.batch = ws->text;
    if (f->words.done) LAUNCHED(device, k->words_make_up(stream, optimizer));
    TRY(model_forward(model, device, ws, f->work, ld, input_stride, rows));
    LAUNCHED(device, k->loss(stream, ws->delta[0], f->train_sums, ws->out[model->layers - 1], ws->label, ws->count, 0,
                             model->classes, rows, ws->blocks, ws->slots));
    TRY(model_backward(model, device, ws, f->gradient, f->work, ld, input_stride, rows));
    LAUNCHED(device, k->optimize(stream, optimizer));
    return CGSV_OK;
}

static cgsv_status local_training(cgsv_fleet *f)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    const cgsv_config *c = &f->config;
    LAUNCHED(device, k->round_begin(device->stream, f->work, f->updates, f->models, f->train_sums, f->device_row,
                                    f->rows, f->model.parameters, f->model.row_stride));
    TRY(scores_losses(f));
    if (f->model.text.vocabulary > 0)
        LAUNCHED(device, k->words_begin(device->stream, f->words.done, (int64_t)f->rows * f->model.text.vocabulary));
    for (int epoch = 0; epoch < c->local_epochs; epoch++) {
        LAUNCHED(device, k->epoch_begin(device->stream, f->lr, f->device_row, f->round, f->rows, c->lr_decay,
                                        c->decay_per == CGSV_DECAY_EPOCH, c->local_epochs, epoch));
        for (int step = 0; step < f->steps[0]; step++) TRY(training_step(f, epoch, step));
    }
    LAUNCHED(device, k->loss_means(device->stream, NULL, f->train_loss, f->train_sums, f->device_row, f->rows));
    if (f->needs & NEEDS_ALONE)
        LAUNCHED(device, k->keep_alone(device->stream, f->models, f->work, f->device_row, f->rows,
                                       f->model.parameters, f->model.row_stride));
    return CGSV_OK;
}

static cgsv_status server_half(cgsv_fleet *f)
{
    struct server_step step = f->server;
    TRY(server_step_begin(f->device, &step, f->device->stream));
    TRY(scores_run(f, &step));
    return server_step_finish(f->device, &step, f->device->stream);
}

/* Enqueues one half of a round. Where the device has graphs, the first round runs as it
 * is (which loads every kernel), the second is recorded, and later ones are replayed. */
static cgsv_status half_enqueue(cgsv_fleet *f, enum device_phase phase, device_graph **graph,
                                cgsv_status (*half)(cgsv_fleet *))
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

cgsv_status round_enqueue(cgsv_fleet *f)
{
    TRY(half_enqueue(f, PHASE_TRAINING, &f->training_graph, local_training));
    TRY(half_enqueue(f, PHASE_SERVER, &f->server_graph, server_half));
    return f->device->backend->phase(f->device, PHASE_IDLE);
}
