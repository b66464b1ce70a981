/* One round of a fleet: local training of all rows, then the server step. It is only enqueued; what
 * changes from round to round (the round's number, learning rates) lives on the device,
 * so that a GPU records the round once and replays it. */
#include "federation/internal.h"
#include "federation/scheme.h"
#include "federation/sentences.h"
#include "model/work.h"

static struct word_steps words_of(const cgsv_fleet *f, const struct group *g)
{
    struct word_steps words = f->words;
    if (!words.done) return words;
    words.done += (int64_t)g->first * f->model.text.vocabulary;
    words.rate += (int64_t)g->first * words.most;
    words.scale += (int64_t)g->first * words.most;
    words.batch = g->workspace->text;
    return words;
}

/* Of the group's first rows, those that have an update. */
static int agents_among(const cgsv_fleet *f, const struct group *g, int rows)
{
    int agents = 0;
    for (int r = 0; r < rows; r++) agents += f->row[g->first + r].agent >= 0;
    return agents;
}

static struct work optimizer_work(const cgsv_fleet *f, const struct group *g, const struct optimizer_step *o)
{
    const bool sentences = f->model.text.vocabulary > 0;
    const struct work_size size = {.rows = o->rows, .words = sentences ? o->words.batch.most_words : 0};
    return work_optimizer(&f->model, size, agents_among(f, g, o->rows), o->moment2 ? 2 : o->moment1 ? 1 : 0);
}

static cgsv_status training_step(cgsv_fleet *f, const struct group *g, int epoch, int step)
{
    cgsv_device *device = g->device;
    const struct kernels *k = device->kernels;
    struct workspace trimmed = group_workspace(f, g, step), *ws = &trimmed;
    const struct model *model = &f->model;
    const struct row *row = f->device_row + g->first;
    const int rows = group_active(f, g, step);
    const int64_t ld = model->row_stride, input_stride = model->features * ws->blocks * ws->slots;
    const struct optimizer_step optimizer = {.work = g->work, .update = g->update ? g->update : f->updates,
                                             .update_by_row = g->update != NULL, .model = f->models,
                                             .gradient = g->gradient,
                                             .moment1 = group_part(g, f->moment1, ld),
                                             .moment2 = group_part(g, f->moment2, ld), .row = row,
                                             .lr = f->lr + g->first, .round = f->round,
                                             .dimension = model->parameters, .ld = ld, .rows = rows,
                                             .momentum = f->config.momentum, .batch = f->config.batch,
                                             .local_epochs = f->config.local_epochs, .epoch = epoch, .step = step,
                                             .norm_partial = g->update ? NULL : f->server.norm_partial,
                                             .weight_decay = f->config.weight_decay, .words = words_of(f, g)};

    TRY(group_batches(f, g, ws, epoch, step, rows));
    TRY(adversaries_flip(f, g, ws, rows));
    if (model->text.dropout > 0)
        ws->dropout = (struct dropout_step){.row = row, .round = f->round, .rate = model->text.dropout,
                                            .batch = f->config.batch, .local_epochs = f->config.local_epochs,
                                            .epoch = epoch, .step = step};
    if (optimizer.words.done) LAUNCHED(device, k->words_make_up(device->stream, optimizer));
    TRY(model_forward(model, device, ws, optimizer.work, ld, input_stride, rows));
    PROFILE(device, STAGE_LOSS, work_loss(model, ws->filled));
    LAUNCHED(device, k->loss(device->stream, ws->delta[0], f->train_sums + g->first, ws->out[model->layers - 1],
                             ws->label, ws->count, 0, model->classes, rows, ws->blocks, ws->slots));
    TRY(model_backward(model, device, ws, optimizer.gradient, optimizer.work, ld, input_stride, rows));
    PROFILE(device, STAGE_OPTIMIZER, optimizer_work(f, g, &optimizer));
    LAUNCHED(device, k->optimize(device->stream, optimizer));
    return CGSV_OK;
}

cgsv_status group_begin(cgsv_fleet *f, const struct group *g)
{
    PROFILE(g->device, STAGE_BEGIN, work_begin(&f->model, g->rows, agents_among(f, g, g->rows)));
    if (g->update)
        TRY(g->device->backend->clear(g->device, g->update,
                                      (size_t)(g->rows * f->model.row_stride) * sizeof *g->update));
    return device_launched(g->device, g->device->kernels->round_begin(
                                          g->device->stream, g->work, g->update ? NULL : f->updates, f->models,
                                          f->train_sums + g->first, f->device_row + g->first, g->rows,
                                          f->model.parameters, f->model.row_stride));
}

/* The updates are stored once they are all there, before a model that goes on by itself takes its place in W. */
static cgsv_status store_updates(cgsv_fleet *f, const struct group *g)
{
    const int64_t ld = f->model.row_stride;
    const struct update_rounding rounding = {.to = f->updates, .from = g->update, .to_stride = ld, .from_stride = ld,
                                             .dimension = f->model.parameters, .ld = ld, .rows = g->rows,
                                             .row = f->device_row + g->first, .model = f->models,
                                             .norm_partial = f->server.norm_partial};
    return g->update ? device_launched(g->device, g->device->kernels->round_updates(g->device->stream, rounding))
                     : CGSV_OK;
}

/* Of an agent, the update stays; of who trains alone, the model. */
static cgsv_status train_group(cgsv_fleet *f, const struct group *g)
{
    const cgsv_config *c = &f->config;
    TRY(group_begin(f, g));
    for (int epoch = 0; epoch < c->local_epochs; epoch++) {
        LAUNCHED(g->device, g->device->kernels->epoch_begin(g->device->stream, f->lr + g->first,
                                                            f->device_row + g->first, f->round, g->rows, c->lr_decay,
                                                            c->decay_per == CGSV_DECAY_EPOCH, c->local_epochs, epoch));
        for (int step = 0; step < f->steps[g->first]; step++) TRY(training_step(f, g, epoch, step));
    }
    TRY(store_updates(f, g));
    PROFILE(g->device, STAGE_OTHER, ((struct work){0, 0}));
    return device_launched(g->device, g->device->kernels->keep_alone(g->device->stream, f->models, g->work,
                                                                     f->device_row + g->first, g->rows,
                                                                     f->model.parameters, f->model.row_stride));
}

cgsv_status local_training(cgsv_fleet *f)
{
    cgsv_device *device = f->device;
    const struct kernels *k = device->kernels;
    TRY(scores_losses(f));
    if (f->model.text.vocabulary > 0)
        LAUNCHED(device, k->words_begin(device->stream, f->words.done, (int64_t)f->rows * f->model.text.vocabulary));
    TRY(groups_run(f, train_group));
    PROFILE(device, STAGE_OTHER, ((struct work){0, 0}));
    return device_launched(device, k->loss_means(device->stream, NULL, f->train_loss, f->train_sums, f->device_row,
                                                 f->rows));
}

/* What agents have trained is looked at before adversaries upload something else. */
static cgsv_status server_half(cgsv_fleet *f)
{
    struct server_step step = f->server;
    TRY(scores_trained(f));
    TRY(adversaries_rewrite(f));
    TRY(server_step_begin(f->device, &step, f->device->stream));
    TRY(scores_run(f, &step));
    return server_step_finish(f->device, &step, f->device->stream);
}

/* Enqueues one half of a round. Where the device has graphs, the first round here runs as it
 * is (which loads every kernel), the second is recorded, and later ones are replayed; not so when
 * stages are timed one by one. */
static cgsv_status half_enqueue(cgsv_fleet *f, enum device_phase phase, device_graph **graph,
                                cgsv_status (*half)(cgsv_fleet *))
{
    const struct device_backend *backend = f->device->backend;
    if (backend->has_graphs && !f->device->profile && f->rounds_done > f->rounds_loaded && !*graph) {
        TRY(backend->graph_begin(f->device));
        cgsv_status status = half(f), ended = backend->graph_end(f->device, graph);
        TRY(status);
        TRY(ended);
    }
    TRY(backend->phase(f->device, phase));
    return *graph ? backend->graph_launch(f->device, *graph) : half(f);
}

cgsv_status round_enqueue(cgsv_fleet *f, bool measured)
{
    TRY(half_enqueue(f, PHASE_TRAINING, &f->training_graph, local_training));
    if (measured) TRY(evaluate_trained(f));
    TRY(half_enqueue(f, PHASE_SERVER, &f->server_graph, server_half));
    PROFILE(f->device, STAGE_OTHER, ((struct work){0, 0}));
    return f->device->backend->phase(f->device, PHASE_IDLE);
}
