#include "federation/server_step.h"

#include <stdlib.h>
#include <string.h>

#include "federation/stages.h"
#include "model/work.h"

/* What entries are selected within: the tensors, or the whole vector. */
static int segment_table(const struct server_sizes *z, const int64_t **begin, int64_t whole[2])
{
    whole[0] = 0;
    whole[1] = z->dimension;
    *begin = z->reward == CGSV_REWARD_LAYER ? z->tensor_begin : whole;
    return z->reward == CGSV_REWARD_LAYER ? z->tensors : 1;
}

int server_cut(struct chunk *piece, int32_t *first, const int64_t *begin, int parts, int64_t columns)
{
    int count = 0;
    for (int t = 0; t < parts; t++) {
        if (first) first[t] = count;
        for (int64_t at = begin[t], next; at < begin[t + 1]; at = next, count++) {
            next = at / columns * columns + columns;
            if (next > begin[t + 1]) next = begin[t + 1];
            if (piece) piece[count] = (struct chunk){at, next, t};
        }
    }
    if (first) first[parts] = count;
    return count;
}

/* Sets the sizes that follow from `z`. */
static void count_all(struct server_step *s, const struct kernels *kernels, const struct server_sizes *z)
{
    const int64_t *begin;
    int64_t whole[2];
    memset(s, 0, sizeof *s);
    s->federations = z->federations;
    s->agents = z->agents;
    s->rounds = z->rounds;
    s->dimension = z->dimension;
    s->ld = z->ld;
    s->tensors = z->tensors;
    s->reward = z->reward;
    s->chunks = server_cut(NULL, NULL, z->tensor_begin, z->tensors, CHUNK_COLUMNS);
    s->pieces = (int)((z->dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS);
    s->segments = segment_table(z, &begin, whole);
    s->spans = server_cut(NULL, NULL, begin, s->segments, kernels->span_columns(z->dimension));
    s->span_parts = (int)((kernels->span_columns(z->dimension) + TIE_COLUMNS - 1) / TIE_COLUMNS);
}

struct array {
    void **memory;
    size_t bytes;
};
enum { ARRAYS = 33 };

/* What is allocated, freed and counted. */
static void list_arrays(struct array array[ARRAYS], struct server_step *s)
{
    const size_t F = (size_t)s->federations, N = (size_t)s->agents, P = (size_t)s->chunks, G = (size_t)s->segments;
    const size_t Q = (size_t)s->pieces, S = (size_t)s->spans, K = (size_t)s->span_parts;
    const size_t L = s->agents <= LISTED_AGENTS ? 1 : 0; /* something is listed */
    const struct array all[] = {
        {(void **)&s->chunk, P * sizeof *s->chunk},
        {(void **)&s->span, S * sizeof *s->span},
        {(void **)&s->segment_span, (G + 1) * sizeof *s->segment_span},
        {(void **)&s->segment_begin, (G + 1) * sizeof *s->segment_begin},
        {(void **)&s->mechanism, F * sizeof *s->mechanism},
        {(void **)&s->data_share, F * N * sizeof *s->data_share},
        {(void **)&s->aggregate, F * (size_t)s->ld * sizeof *s->aggregate},
        {(void **)&s->importance, F * N * sizeof *s->importance},
        {(void **)&s->norm, F * N * sizeof *s->norm},
        {(void **)&s->coefficient, F * N * sizeof *s->coefficient},
        {(void **)&s->contribution, F * N * sizeof *s->contribution},
        {(void **)&s->removed, F * N * sizeof *s->removed},
        {(void **)&s->own_share, F * N * sizeof *s->own_share},
        {(void **)&s->keep_ratio, F * N * sizeof *s->keep_ratio},
        {(void **)&s->order, F * N * sizeof *s->order},
        {(void **)&s->rank, F * G * N * sizeof *s->rank},
        {(void **)&s->groups, F * G * sizeof *s->groups},
        {(void **)&s->group_prefix, F * G * N * sizeof *s->group_prefix},
        {(void **)&s->list, L * F * (size_t)s->ld * sizeof *s->list},
        {(void **)&s->listed, L * F * S * sizeof *s->listed},
        {(void **)&s->windows, F * G * sizeof *s->windows},
        {(void **)&s->cells, F * G * sizeof *s->cells},
        {(void **)&s->bound, L * F * G * BOUNDS_MOST * sizeof *s->bound},
        {(void **)&s->above, L * F * G * BOUNDS_MOST * sizeof *s->above},
        {(void **)&s->histogram, F * G * N * SELECT_BINS * sizeof *s->histogram},
        {(void **)&s->met, F * S * K * TIE_RUNS * sizeof *s->met},
        {(void **)&s->ties, F * N * S * sizeof *s->ties},
        {(void **)&s->norm_partial, F * N * Q * NORM_SUMS * sizeof *s->norm_partial},
        {(void **)&s->dot_partial, F * P * (N + 1) * sizeof *s->dot_partial},
        {(void **)&s->download_partial, F * P * (N + 1) * DOWNLOAD_SUMS * sizeof *s->download_partial},
        {(void **)&s->dot, F * (N + 1) * sizeof *s->dot},
        {(void **)&s->download, F * (N + 1) * DOWNLOAD_TOTALS * sizeof *s->download},
        {(void **)&s->record, (size_t)s->rounds * F * N * sizeof *s->record},
    };
    _Static_assert(sizeof all == ARRAYS * sizeof *all, "ARRAYS");
    memcpy(array, all, sizeof all);
}

static cgsv_status allocate_arrays(struct server_step *s, cgsv_device *device)
{
    struct array array[ARRAYS];
    list_arrays(array, s);
    for (int i = 0; i < ARRAYS; i++)
        if (array[i].bytes) TRY(device->backend->allocate(device, array[i].memory, array[i].bytes));
    return CGSV_OK;
}

size_t server_step_bytes(const struct kernels *kernels, const struct server_sizes *sizes)
{
    struct server_step counted;
    struct array array[ARRAYS];
    size_t bytes = 0;
    count_all(&counted, kernels, sizes);
    list_arrays(array, &counted);
    for (int i = 0; i < ARRAYS; i++) bytes += array[i].bytes;
    return bytes + stages_bytes(kernels, sizes);
}

static cgsv_status upload_tables(struct server_step *s, cgsv_device *device, const struct server_sizes *z,
                                 const struct mechanism *mechanism, const double *data_share)
{
    const int64_t *segments;
    int64_t whole[2];
    segment_table(z, &segments, whole);
    struct chunk *chunk = calloc((size_t)s->chunks, sizeof *chunk), *span = calloc((size_t)s->spans, sizeof *span);
    int32_t *segment_span = calloc((size_t)s->segments + 1, sizeof *segment_span);
    cgsv_status status = CGSV_OK;
    if (!chunk || !span || !segment_span) {
        status = error_set(CGSV_ERROR_MEMORY, "no memory for a table of %d chunks", s->chunks);
    } else {
        server_cut(chunk, NULL, z->tensor_begin, z->tensors, CHUNK_COLUMNS);
        server_cut(span, segment_span, segments, s->segments, device->kernels->span_columns(z->dimension));
    }
    const size_t pairs = (size_t)s->federations * (size_t)s->agents;
    const struct {
        const void *to, *from;
        size_t bytes;
    } tables[] = {
        {s->chunk, chunk, (size_t)s->chunks * sizeof *chunk},
        {s->span, span, (size_t)s->spans * sizeof *span},
        {s->segment_span, segment_span, (size_t)(s->segments + 1) * sizeof *segment_span},
        {s->segment_begin, segments, (size_t)(s->segments + 1) * sizeof *segments},
        {s->mechanism, mechanism, (size_t)s->federations * sizeof *mechanism},
        {s->data_share, data_share, pairs * sizeof *data_share},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == CGSV_OK; i++)
        status = device->backend->upload(device, (void *)tables[i].to, tables[i].from, tables[i].bytes);
    free(chunk);
    free(span);
    free(segment_span);
    return status;
}

cgsv_status server_step_create(struct server_step *step, cgsv_device *device, const struct server_sizes *sizes,
                               const struct mechanism *mechanism, const double *data_share)
{
    count_all(step, device->kernels, sizes);
    cgsv_status status = allocate_arrays(step, device);
    step->key = step->aggregate;
    if (status == CGSV_OK) status = upload_tables(step, device, sizes, mechanism, data_share);
    if (status == CGSV_OK) status = stages_create(step, device, sizes, mechanism);
    if (status != CGSV_OK) server_step_free(step, device);
    return status;
}

void server_step_free(struct server_step *s, cgsv_device *device)
{
    stages_free(s, device);
    struct array array[ARRAYS];
    list_arrays(array, s);
    for (int i = 0; i < ARRAYS; i++) device->backend->release(device, *array[i].memory);
    memset(s, 0, sizeof *s);
}

cgsv_status server_step_select(cgsv_device *device, const struct server_step *step, void *stream)
{
    const struct kernels *k = device->kernels;
    LAUNCHED(device, k->select_begin(stream, *step));
    if (step->list) LAUNCHED(device, k->select_list(stream, *step));
    for (int pass = 0; pass < SELECT_PASSES; pass++) {
        LAUNCHED(device, k->select_count(stream, *step, pass));
        LAUNCHED(device, k->select_narrow(stream, *step, pass));
    }
    LAUNCHED(device, k->select_count_ties(stream, *step));
    LAUNCHED(device, k->select_end_ties(stream, *step));
    return CGSV_OK;
}

cgsv_status server_step_begin(cgsv_device *device, struct server_step *s, void *stream)
{
    const struct kernels *k = device->kernels;
    PROFILE(device, STAGE_SCHEME, ((struct work){0, 0}));
    TRY(stages_upload(device, s, stream));
    if (!s->norms_given || s->update != s->raw) {
        PROFILE(device, STAGE_NORMS, work_norms(s->federations, s->agents, s->dimension));
        LAUNCHED(device, k->server_norms(stream, *s));
    }
    PROFILE(device, STAGE_CONTRIBUTION, work_contribution(s->federations, s->agents, s->dimension));
    LAUNCHED(device, k->server_examine(stream, *s));
    return CGSV_OK;
}

cgsv_status server_step_finish(cgsv_device *device, const struct server_step *step, void *stream)
{
    const struct kernels *k = device->kernels;
    const int F = step->federations, N = step->agents;
    struct server_step sampling = *step, *s = &sampling;
    s->sampled = s->list && s->key == s->aggregate;
    PROFILE(device, STAGE_CONTRIBUTION, ((struct work){0, 0}));
    LAUNCHED(device, k->server_weigh(stream, *s));
    PROFILE(device, STAGE_SCHEME, ((struct work){0, 0}));
    TRY(stages_value(device, s, stream));
    PROFILE(device, STAGE_AGGREGATE, work_aggregate(F, N, s->dimension));
    LAUNCHED(device, k->server_aggregate_and_dot(stream, *s));
    PROFILE(device, STAGE_CONTRIBUTION, work_contribution(F, N, s->dimension));
    LAUNCHED(device, k->server_add_dots(stream, *s));
    LAUNCHED(device, k->server_contribution(stream, *s));
    PROFILE(device, STAGE_SCHEME, ((struct work){0, 0}));
    TRY(stages_order(device, s, stream));
    PROFILE(device, STAGE_SELECT, work_select(F, s->dimension));
    TRY(server_step_select(device, s, stream));
    PROFILE(device, STAGE_SCHEME, ((struct work){0, 0}));
    TRY(stages_own(device, s, stream));
    PROFILE(device, STAGE_DOWNLOAD, work_download(F, N, s->dimension));
    LAUNCHED(device, k->server_download(stream, *s));
    LAUNCHED(device, k->server_add_downloads(stream, *s));
    LAUNCHED(device, k->server_record(stream, *s));
    return CGSV_OK;
}

cgsv_status server_step_run(cgsv_device *device, const struct server_step *step, void *stream)
{
    struct server_step s = *step;
    TRY(server_step_begin(device, &s, stream));
    return server_step_finish(device, &s, stream);
}
