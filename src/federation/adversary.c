/* Adversaries: names and checks of the setting, and what the rounds of a fleet do for them. */
#include "federation/adversary.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"
#include "federation/config.h"
#include "federation/internal.h"

static const char *const kinds[] = {"label-flip", "random-update", "zero-update", "sign-flip", "rescaled", "replicated"};
_Static_assert(sizeof kinds / sizeof *kinds == CGSV_ADVERSARY_KINDS, "a name for every kind");

const char *cgsv_adversary_name(cgsv_adversary kind)
{
    if (kind == CGSV_HONEST) return "honest";
    return (int)kind > 0 && (int)kind <= CGSV_ADVERSARY_KINDS ? kinds[kind - 1] : "unknown";
}

/* ---- the setting ---- */

/* One "kind:count", which it takes apart. */
static cgsv_status parse_group(cgsv_adversaries *a, char *item)
{
    char *colon = strchr(item, ':'), *end = NULL;
    int index;
    if (colon) *colon = '\0';
    TRY(name_parse(&index, "adversary", item, kinds, CGSV_ADVERSARY_KINDS));
    const cgsv_adversary kind = (cgsv_adversary)(index + 1);
    if (!colon)
        return error_set(CGSV_ERROR_ARGUMENT, "%s needs a number of agents: %s:1", item, item);
    errno = 0;
    const long count = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : 0;
    if (!end || *end || errno || count < 1 || count > MOST_AGENTS)
        return error_set(CGSV_ERROR_ARGUMENT, "%s: '%s' is no number of agents; expected a whole number from 1 to %d",
                         item, colon + 1, MOST_AGENTS);
    for (int g = 0; g < a->groups; g++)
        if (a->group[g].kind == kind)
            return error_set(CGSV_ERROR_ARGUMENT, "%s stands twice; add up its agents", item);
    a->group[a->groups].kind = kind;
    a->group[a->groups++].count = (int)count;
    return CGSV_OK;
}

cgsv_status cgsv_adversaries_parse(cgsv_adversaries *adversaries, const char *text)
{
    cgsv_adversaries read = {.factor = adversaries->factor};
    char *copy = strdup(text), *next = copy, *item;
    if (!copy) return error_set(CGSV_ERROR_MEMORY, "no memory for '%s'", text);
    cgsv_status status = CGSV_OK;
    if (strcmp(text, "none") != 0)
        while (status == CGSV_OK && (item = strsep(&next, ","))) status = parse_group(&read, item);
    if (status == CGSV_OK) *adversaries = read;
    free(copy);
    return status;
}

void cgsv_adversaries_text(char *text, size_t size, const cgsv_adversaries *a)
{
    size_t length = (size_t)snprintf(text, size, a->groups ? "" : "none");
    for (int g = 0; g < a->groups && length < size; g++)
        length += (size_t)snprintf(text + length, size - length, "%s%s:%d", g ? "," : "",
                                   cgsv_adversary_name(a->group[g].kind), a->group[g].count);
}

static int count_all(const cgsv_adversaries *a)
{
    int count = 0;
    for (int g = 0; g < a->groups; g++) count += a->group[g].count;
    return count;
}

cgsv_adversary cgsv_adversary_of(const cgsv_adversaries *a, int agent)
{
    for (int g = 0; g < a->groups; g++) {
        if (agent < a->group[g].count) return a->group[g].kind;
        agent -= a->group[g].count;
    }
    return CGSV_HONEST;
}

cgsv_status adversaries_check(const cgsv_adversaries *a, int agents)
{
    TRY(check_integer("adversary groups", a->groups, 0, CGSV_ADVERSARY_KINDS));
    bool has[CGSV_ADVERSARY_KINDS + 1] = {false};
    for (int g = 0; g < a->groups; g++) {
        TRY(check_integer("adversary kind", a->group[g].kind, 1, CGSV_ADVERSARY_KINDS));
        TRY(check_integer(cgsv_adversary_name(a->group[g].kind), a->group[g].count, 1, MOST_AGENTS));
        has[a->group[g].kind] = true;
    }
    const int count = count_all(a);
    if (count > agents)
        return error_set(CGSV_ERROR_ARGUMENT, "adversary: %d adversaries among %d agents; take fewer, or more agents",
                         count, agents);
    if (has[CGSV_REPLICATED] && count == agents)
        return error_set(CGSV_ERROR_ARGUMENT, "adversary: replicated needs an honest agent to copy, and all %d agents "
                         "are adversaries; take fewer, or more agents", agents);
    if (has[CGSV_RESCALED] && !(a->factor > 0 && isfinite(a->factor)))
        return error_set(CGSV_ERROR_ARGUMENT, "adversary-factor is %g; expected a finite number above 0", a->factor);
    return CGSV_OK;
}

int adversary_holds(const cgsv_adversaries *a, int agent)
{
    return cgsv_adversary_of(a, agent) == CGSV_REPLICATED ? count_all(a) : agent;
}

static bool flips(const cgsv_adversaries *a, int agent) { return cgsv_adversary_of(a, agent) == CGSV_LABEL_FLIP; }

bool adversaries_same_data(const cgsv_adversaries *a, const cgsv_adversaries *b, int agents)
{
    for (int i = 0; i < agents; i++)
        if (flips(a, i) != flips(b, i) || adversary_holds(a, i) != adversary_holds(b, i)) return false;
    return true;
}

/* ---- the fleet ---- */

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
    if (f->row[r].agent >= 0) return &f->federation[f->row[r].agent / f->agents].config.adversaries;
    for (int t = 0; t < f->twin_sets; t++)
        if (f->twins[t].row[f->row[r].stream] == r) return &f->federation[f->twins[t].member].config.adversaries;
    return NULL;
}

static cgsv_status create_flips(cgsv_fleet *f)
{
    struct adversaries *a = &f->adversaries;
    a->row = malloc(rows_bytes(f));
    if (!a->row) return error_set(CGSV_ERROR_MEMORY, "no memory for %d rows", f->rows);
    for (int r = 0; r < f->rows; r++)
        if (flips(adversaries_of_row(f, r), f->row[r].stream)) a->row[a->flipped++] = r;
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

cgsv_status adversaries_flip(cgsv_fleet *f, int rows)
{
    const struct adversaries *a = &f->adversaries;
    const struct workspace *ws = &f->training;
    int active = a->flipped;
    while (active > 0 && a->row[active - 1] >= rows) active--;
    if (active > 0)
        LAUNCHED(f->device, f->device->kernels->flip_labels(f->device->stream, ws->label, ws->count, a->device_row,
                                                            active, f->classes, ws->blocks * ws->slots));
    return CGSV_OK;
}

cgsv_status adversaries_rewrite(cgsv_fleet *f)
{
    const struct adversaries *a = &f->adversaries;
    if (a->rewritten == 0) return CGSV_OK;
    const struct adversary_step step = {.update = f->updates, .norm_partial = f->server.norm_partial,
                                        .model = f->models, .adversary = a->rewrite, .round = f->round,
                                        .adversaries = a->rewritten, .dimension = f->model.parameters,
                                        .ld = f->model.row_stride};
    LAUNCHED(f->device, f->device->kernels->rewrite_updates(f->device->stream, step));
    return CGSV_OK;
}
