#include "federation/server_step.h"

#include <stdlib.h>
#include <string.h>

static int chunk_count(const struct server_sizes *z)
{
    int64_t count = 0;
    for (int t = 0; t < z->tensors; t++)
        count += (z->tensor_begin[t + 1] - z->tensor_begin[t] + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    return (int)count;
}

/* One walk over the arrays serves to count and to allocate them. */
static cgsv_status walk(struct server_step *s, cgsv_device *device, const struct server_sizes *z, size_t *bytes)
{
    const size_t F = (size_t)z->federations, N = (size_t)z->agents, P = (size_t)chunk_count(z);
    const size_t G = z->reward == CGSV_REWARD_LAYER ? (size_t)z->tensors : 1;
    const struct {
        void **memory;
        size_t bytes;
    } arrays[] = {
        {(void **)&s->chunk, P * sizeof *s->chunk},
        {(void **)&s->segment_begin, (G + 1) * sizeof *s->segment_begin},
        {(void **)&s->mechanism, F * sizeof *s->mechanism},
        {(void **)&s->data_share, F * N * sizeof *s->data_share},
        {(void **)&s->aggregate, F * (size_t)z->ld * sizeof *s->aggregate},
        {(void **)&s->importance, F * N * sizeof *s->importance},
        {(void **)&s->norm, F * N * sizeof *s->norm},
        {(void **)&s->coefficient, F * N * sizeof *s->coefficient},
        {(void **)&s->keep_ratio, F * N * sizeof *s->keep_ratio},
        {(void **)&s->order, F * N * sizeof *s->order},
        {(void **)&s->rank, F * G * N * sizeof *s->rank},
        {(void **)&s->groups, F * G * sizeof *s->groups},
        {(void **)&s->group_prefix, F * G * N * sizeof *s->group_prefix},
        {(void **)&s->histogram, F * G * N * SELECT_BINS * sizeof *s->histogram},
        {(void **)&s->norm_partial, F * N * P * 4 * sizeof *s->norm_partial},
        {(void **)&s->dot_partial, F * P * (N + 1) * sizeof *s->dot_partial},
        {(void **)&s->download_partial, F * P * (N + 1) * 2 * sizeof *s->download_partial},
        {(void **)&s->record, (size_t)z->rounds * F * N * sizeof *s->record},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *bytes += arrays[i].bytes;
        if (device) TRY(device->backend->allocate(device, arrays[i].memory, arrays[i].bytes));
    }
    return CGSV_OK;
}

size_t server_step_bytes(const struct server_sizes *sizes)
{
    struct server_step unused;
    size_t bytes = 0;
    walk(&unused, NULL, sizes, &bytes);
    return bytes;
}

static cgsv_status upload_tables(struct server_step *s, cgsv_device *device, const struct server_sizes *z,
                                 const struct mechanism *mechanism, const double *data_share)
{
    struct chunk *chunk = calloc((size_t)s->chunks, sizeof *chunk);
    if (!chunk) return error_set(CGSV_ERROR_MEMORY, "no memory for a table of %d chunks", s->chunks);
    int count = 0;
    for (int t = 0; t < z->tensors; t++)
        for (int64_t begin = z->tensor_begin[t]; begin < z->tensor_begin[t + 1]; begin += CHUNK_COLUMNS) {
            int64_t end = begin + CHUNK_COLUMNS < z->tensor_begin[t + 1] ? begin + CHUNK_COLUMNS : z->tensor_begin[t + 1];
            chunk[count++] = (struct chunk){begin, end, t};
        }
    const int64_t whole[2] = {0, z->dimension};
    const int64_t *segments = z->reward == CGSV_REWARD_LAYER ? z->tensor_begin : whole;
    const size_t pairs = (size_t)s->federations * (size_t)s->agents;
    const struct {
        const void *to, *from;
        size_t bytes;
    } tables[] = {
        {s->chunk, chunk, (size_t)s->chunks * sizeof *chunk},
        {s->segment_begin, segments, (size_t)(s->segments + 1) * sizeof *segments},
        {s->mechanism, mechanism, (size_t)s->federations * sizeof *mechanism},
        {s->data_share, data_share, pairs * sizeof *data_share},
    };
    cgsv_status status = CGSV_OK;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == CGSV_OK; i++)
        status = device->backend->upload(device, (void *)tables[i].to, tables[i].from, tables[i].bytes);
    free(chunk);
    return status;
}

cgsv_status server_step_create(struct server_step *step, cgsv_device *device, const struct server_sizes *sizes,
                               const struct mechanism *mechanism, const double *data_share)
{
    size_t bytes = 0;
    memset(step, 0, sizeof *step);
    step->federations = sizes->federations;
    step->agents = sizes->agents;
    step->dimension = sizes->dimension;
    step->ld = sizes->ld;
    step->tensors = sizes->tensors;
    step->chunks = chunk_count(sizes);
    step->segments = sizes->reward == CGSV_REWARD_LAYER ? sizes->tensors : 1;
    step->reward = sizes->reward;
    cgsv_status status = walk(step, device, sizes, &bytes);
    if (status == CGSV_OK) status = upload_tables(step, device, sizes, mechanism, data_share);
    if (status != CGSV_OK) server_step_free(step, device);
    return status;
}

void server_step_free(struct server_step *s, cgsv_device *device)
{
    const void *all[] = {s->chunk,       s->segment_begin, s->mechanism,  s->data_share,   s->aggregate,
                         s->importance,  s->norm,          s->coefficient, s->keep_ratio,  s->order,
                         s->rank,        s->groups,        s->group_prefix, s->histogram,  s->norm_partial,
                         s->dot_partial, s->download_partial, s->record};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, (void *)all[i]);
    memset(s, 0, sizeof *s);
}

cgsv_status server_step_run(cgsv_device *device, const struct server_step *step)
{
    const struct kernels *k = device->kernels;
    void *stream = device->stream;
    LAUNCHED(device, k->server_norms(stream, *step));
    LAUNCHED(device, k->server_weigh(stream, *step));
    LAUNCHED(device, k->server_aggregate_and_dot(stream, *step));
    LAUNCHED(device, k->server_contribution(stream, *step));
    for (int pass = 0; pass < SELECT_PASSES; pass++) {
        LAUNCHED(device, k->select_count(stream, *step, pass));
        LAUNCHED(device, k->select_narrow(stream, *step, pass));
    }
    LAUNCHED(device, k->select_ties(stream, *step));
    LAUNCHED(device, k->server_download(stream, *step));
    LAUNCHED(device, k->server_record(stream, *step));
    return CGSV_OK;
}
