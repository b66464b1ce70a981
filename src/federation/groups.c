/* Which rows in training share launches. On a GPU all do, one portion of them after the other. On a CPU most have a
 * core of their own from a round's beginning to its end: the model stays in that core's caches, and no core waits for
 * another at every layer. What cannot be shared out evenly goes first, with all cores on it. */
#include <stdlib.h>

#include "federation/internal.h"
#include "federation/sentences.h"
#include "model/work.h"

enum { MOST_PORTIONS = 4 };

/* Rows are most samples first, so these are the longest. */
static int rows_shared(const cgsv_fleet *f)
{
    const int rows = fleet_rows(f), cores = f->device->cores;
    return !f->device->backend->side_by_side || rows < 2 * cores ? rows : rows % cores;
}

static int cores_used(const cgsv_fleet *f) { return rows_shared(f) < fleet_rows(f) ? f->device->cores : 0; }

/* Model, gradient and, where it is rounded afterwards, update. */
static size_t scratch_of_row(const cgsv_fleet *f)
{
    const size_t arrays = f->config.update_storage == CGSV_STORAGE_BF16 ? 3 : 2;
    return arrays * (size_t)f->model.row_stride * sizeof *f->scratch;
}

static int ceiling(int a, int b) { return (a + b - 1) / b; }

/* A portion: as many of the rows that share launches as the device asks for, or a quarter of them where that is more,
 * since each further portion repeats a round's launches. Portions are as even as can be. */
static int rows_together(const cgsv_fleet *f)
{
    const int rows = rows_shared(f);
    const size_t fit = f->device->backend->scratch_bytes / scratch_of_row(f);
    if (f->device->backend->scratch_bytes == 0 || fit >= (size_t)rows) return rows;
    const int quarter = ceiling(rows, MOST_PORTIONS), most = (int)fit > quarter ? (int)fit : quarter;
    return ceiling(rows, ceiling(rows, most));
}

/* The rows together are done before those side by side begin. */
int groups_rows(const cgsv_fleet *f)
{
    const int together = rows_together(f), cores = cores_used(f);
    return together > cores ? together : cores;
}

size_t groups_scratch_bytes(const cgsv_fleet *f) { return (size_t)groups_rows(f) * scratch_of_row(f); }

static size_t bytes_for(const cgsv_fleet *f, int rows)
{
    return rows ? workspace_bytes(f->device, &f->model, rows, rows, f->config.batch, true) : 0;
}

size_t groups_bytes(const cgsv_fleet *f)
{
    return bytes_for(f, rows_together(f)) + (size_t)cores_used(f) * bytes_for(f, 1);
}

static cgsv_status create(cgsv_fleet *f, struct workspace *workspace, int rows)
{
    return workspace_create(workspace, f->device, &f->model, rows, rows, f->config.batch, true);
}

cgsv_status groups_create(cgsv_fleet *f)
{
    const int cores = cores_used(f);
    f->shared = rows_shared(f);
    f->together = rows_together(f);
    if (f->together) TRY(create(f, &f->training, f->together));
    if (!cores) return CGSV_OK;
    f->core = calloc((size_t)cores, sizeof *f->core);
    if (!f->core) return error_set(CGSV_ERROR_MEMORY, "no memory for the workspaces of %d cores", cores);
    for (int i = 0; i < cores; i++) TRY(create(f, &f->core[i], 1));
    return CGSV_OK;
}

void groups_free(cgsv_fleet *f)
{
    workspace_free(&f->training, f->device);
    for (int i = 0; f->core && i < f->device->cores; i++) workspace_free(&f->core[i], f->device);
    free(f->core);
}

struct job {
    cgsv_fleet *fleet;
    group_work *work;
};

/* `place`: of its first row among those that train at a time. */
static struct group group_of(const cgsv_fleet *f, cgsv_device *device, struct workspace *workspace, int place,
                             int first, int rows)
{
    const int64_t apart = groups_rows(f) * f->model.row_stride;
    float *work = f->scratch + place * f->model.row_stride;
    float *update = f->config.update_storage == CGSV_STORAGE_BF16 ? work + 2 * apart : NULL;
    return (struct group){device, workspace, work, work + apart, update, first, rows};
}

static cgsv_status run_row(void *context, cgsv_device *device, int number, int core)
{
    const struct job *job = context;
    cgsv_fleet *f = job->fleet;
    const struct group group = group_of(f, device, &f->core[core], core, f->shared + number, 1);
    return job->work(f, &group);
}

cgsv_status groups_run(cgsv_fleet *f, group_work *work)
{
    struct job job = {f, work};
    for (int first = 0; first < f->shared; first += f->together) {
        const int left = f->shared - first, rows = left < f->together ? left : f->together;
        const struct group portion = group_of(f, f->device, &f->training, 0, first, rows);
        TRY(work(f, &portion));
    }
    if (f->shared == f->rows) return CGSV_OK;
    return f->device->backend->side_by_side(f->device, f->rows - f->shared, run_row, &job);
}

int group_active(const cgsv_fleet *f, const struct group *g, int step)
{
    int rows = g->rows;
    while (rows > 0 && f->steps[g->first + rows - 1] <= step) rows--;
    return rows;
}

/* Batches of sentences come in any order, the one that is not full among them. */
static int bucket_of(const cgsv_fleet *f) { return f->model.text.vocabulary > 0 ? SENTENCE_BUCKET : 0; }

struct workspace group_workspace(const cgsv_fleet *f, const struct group *g, int step)
{
    struct workspace ws = *g->workspace;
    const int left = f->row[g->first].samples - step * f->config.batch; /* no row has more */
    const int needed = (left + ws.slots - 1) / ws.slots;
    if (bucket_of(f) == 0 && needed < ws.blocks) ws.blocks = needed;
    ws.filled = 0;
    for (int r = 0, active = group_active(f, g, step); r < active; r++) {
        const int rest = f->row[g->first + r].samples - step * f->config.batch;
        ws.filled += rest < f->config.batch ? rest : f->config.batch;
    }
    return ws;
}

cgsv_status group_batches(cgsv_fleet *f, const struct group *g, struct workspace *ws, int epoch, int step, int rows)
{
    const struct batch_draw draw = {.sample = ws->sample, .count = ws->count, .row = f->device_row + g->first,
                                    .index = f->index, .round = f->round, .rows = rows,
                                    .slots = ws->blocks * ws->slots, .batch = f->config.batch,
                                    .local_epochs = f->config.local_epochs, .epoch = epoch, .step = step,
                                    .bucket = bucket_of(f)};
    PROFILE(g->device, STAGE_GATHER, work_gather(&f->model, ws->filled));
    LAUNCHED(g->device, g->device->kernels->batch_draw(g->device->stream, draw));
    if (f->config.augment == CGSV_AUGMENT_NONE)
        return workspace_gather(&f->model, g->device, ws, train_samples(f), rows);
    const struct augmentation augmentation = {.row = f->device_row + g->first, .round = f->round,
                                              .local_epochs = f->config.local_epochs, .epoch = epoch,
                                              .channels = f->model.channels, .height = f->model.height,
                                              .width = f->model.width};
    return device_launched(g->device, g->device->kernels->gather_augmented(
                                          g->device->stream, ws->input, ws->label, f->train_x, f->train_y, ws->sample,
                                          augmentation, rows, ws->blocks, ws->slots));
}
