/* What the rounds of a fleet do for its adversaries. */
#include <stdlib.h>

#include "federation/internal.h"

static bool rewrites(cgsv_adversary kind)
{
    return kind == CGSV_RANDOM_UPDATE || kind == CGSV_ZERO_UPDATE || kind == CGSV_SIGN_FLIP || kind == CGSV_RESCALED;
}

static bool has_adversaries(const cgsv_fleet *f)
{
    for (int m = 0; m < f->federations; m++)
        if (f->federation[m].config.adversaries.groups > 0) return true;
    return false;
}

static size_t rows_bytes(const cgsv_fleet *f) { return (size_t)fleet_rows(f) * sizeof(int32_t); }

static size_t rewrites_bytes(const cgsv_fleet *f)
{
    return (size_t)f->federations * (size_t)f->agents * sizeof(struct adversary);
}

size_t adversaries_bytes(const cgsv_fleet *f) { return has_adversaries(f) ? rows_bytes(f) + rewrites_bytes(f) : 0; }

/* The federation that a row in training belongs to; a twin's data are those of its set's first. */
static const cgsv_adversaries *adversaries_of_row(const cgsv_fleet *f, int r)
{
    const int agent = f->row[r].agent, twin = f->row[r].model - fleet_models(f);
    const int member = agent >= 0 ? agent / f->agents : f->twins[twin / f->agents].member;
    return &f->federation[member].config.adversaries;
}

static cgsv_status create_flips(cgsv_fleet *f)
{
    struct adversaries *a = &f->adversaries;
    a->row = malloc(rows_bytes(f));
    if (!a->row) return error_set(CGSV_ERROR_MEMORY, "no memory for %d rows", f->rows);
    for (int r = 0; r < f->rows; r++)
        if (cgsv_adversary_of(adversaries_of_row(f, r), f->row[r].stream) == CGSV_LABEL_FLIP) a->row[a->flipped++] = r;
    TRY(f->device->backend->allocate(f->device, (void **)&a->device_row, rows_bytes(f)));
    return f->device->backend->upload(f->device, a->device_row, a->row, (size_t)a->flipped * sizeof *a->row);
}

static cgsv_status create_rewrites(cgsv_fleet *f)
{
    struct adversaries *a = &f->adversaries;
    struct adversary *all = calloc(1, rewrites_bytes(f));
    if (!all) return error_set(CGSV_ERROR_MEMORY, "no memory for %d adversaries", f->federations * f->agents);
    for (int m = 0; m < f->federations; m++) {
        const cgsv_config *c = &f->federation[m].config;
        for (int i = 0; i < f->agents; i++)
            if (rewrites(cgsv_adversary_of(&c->adversaries, i)))
                all[a->rewritten++] = (struct adversary){.kind = cgsv_adversary_of(&c->adversaries, i),
                                                         .agent = m * f->agents + i,
                                                         .model = m * (f->agents + 1) + i, .stream = i,
                                                         .seed = c->seed, .factor = (float)c->adversaries.factor};
    }
    cgsv_status status = f->device->backend->allocate(f->device, (void **)&a->rewrite, rewrites_bytes(f));
    if (status == CGSV_OK)
        status = f->device->backend->upload(f->device, a->rewrite, all, (size_t)a->rewritten * sizeof *all);
    free(all);
    return status;
}

cgsv_status adversaries_create(cgsv_fleet *f)
{
    if (!has_adversaries(f)) return CGSV_OK;
    TRY(create_flips(f));
    return create_rewrites(f);
}

void adversaries_free(cgsv_fleet *f)
{
    f->device->backend->release(f->device, f->adversaries.device_row);
    f->device->backend->release(f->device, f->adversaries.rewrite);
    free(f->adversaries.row);
    f->adversaries = (struct adversaries){0};
}

cgsv_status adversaries_flip(cgsv_fleet *f, const struct group *g, const struct workspace *ws, int rows)
{
    const struct adversaries *a = &f->adversaries;
    int begin = 0, end = a->flipped;
    while (begin < end && a->row[begin] < g->first) begin++;
    while (end > begin && a->row[end - 1] >= g->first + rows) end--;
    if (end > begin)
        LAUNCHED(g->device, g->device->kernels->flip_labels(g->device->stream, ws->label, ws->count,
                                                            a->device_row + begin, end - begin, g->first, f->classes,
                                                            ws->blocks * ws->slots));
    return CGSV_OK;
}

cgsv_status adversaries_rewrite(cgsv_fleet *f)
{
    const struct adversaries *a = &f->adversaries;
    if (a->rewritten == 0) return CGSV_OK;
    const struct adversary_step step = {.update = f->updates, .storage = f->config.update_storage,
                                        .norm_partial = f->server.norm_partial,
                                        .model = f->models, .adversary = a->rewrite, .round = f->round,
                                        .adversaries = a->rewritten, .dimension = f->model.parameters,
                                        .ld = f->model.row_stride};
    LAUNCHED(f->device, f->device->kernels->rewrite_updates(f->device->stream, step));
    return CGSV_OK;
}
