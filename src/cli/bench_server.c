/* cgsv bench server: the server step through its public call, as a caller meets it. */
#include <stdlib.h>

#include "cgsv/server.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "federation/config.h"
#include "federation/server_step.h"
#include "valuation/internal.h"

struct stepping {
    cgsv_server *server;
    void *updates;           /* [N] rows */
    float *models;           /* [N + 1] rows: the last is the server's own */
    int64_t stride;
    int agents;
};

static size_t update_bytes(const struct bench *bench, int agents, int64_t stride)
{
    return bench->options.storage == CGSV_STORAGE_BF16 ? BYTES_OF(uint16_t, agents, stride)
                                                       : BYTES_OF(float, agents, stride);
}

static size_t bytes_of(const struct bench *bench, int agents, int64_t dimension)
{
    int64_t begin[BENCH_TENSORS + 1];
    const struct server_sizes sizes = {.federations = 1, .agents = agents, .rounds = 1, .dimension = dimension,
                                       .ld = dimension, .tensors = bench_tensors(begin, dimension),
                                       .tensor_begin = begin, .reward = bench->options.reward};
    return update_bytes(bench, agents, bench_stride(dimension)) +
           BYTES_OF(float, agents + 1, bench_stride(dimension)) +
           server_step_bytes(bench->device->kernels, &sizes);
}

/* Shares that differ, as 1, 2, 3 …, keep importance and keep ratios apart. */
static cgsv_status create(struct stepping *s, const struct bench *bench, int agents, int64_t dimension)
{
    int64_t begin[BENCH_TENSORS + 1];
    cgsv_server_config config;
    double *shares = calloc((size_t)agents, sizeof *shares);
    if (!shares) return error_set(CGSV_ERROR_MEMORY, "no memory for %d agents", agents);
    for (int i = 0; i < agents; i++) shares[i] = i + 1;
    cgsv_server_config_defaults(&config, agents, dimension);
    config.tensors = bench_tensors(begin, dimension);
    config.tensor_begin = begin;
    config.scheme.reward = bench->options.reward;
    config.shares = shares;
    config.update_storage = bench->options.storage;
    cgsv_status status = cgsv_server_create(&s->server, bench->device, &config);
    free(shares);
    return status;
}

/* Those to be rounded are drawn where the models will be, which begin at 0. */
static cgsv_status draw_updates(struct stepping *s, const struct bench *bench, int64_t dimension)
{
    cgsv_device *device = bench->device;
    const bool rounded = bench->options.storage == CGSV_STORAGE_BF16;
    const struct update_rounding rounding = {.to = s->updates, .from = s->models, .to_stride = s->stride,
                                             .from_stride = s->stride, .dimension = dimension, .rows = s->agents};
    TRY(bench_random_rows(device, rounded ? s->models : s->updates, s->agents, dimension, s->stride));
    if (!rounded) return CGSV_OK;
    LAUNCHED(device, device->kernels->round_updates(device->stream, rounding));
    return device->backend->clear(device, s->models, BYTES_OF(float, s->agents, s->stride));
}

static cgsv_status step(void *context)
{
    const struct stepping *s = context;
    return cgsv_server_step(s->server, s->updates, s->stride, s->models, s->stride, s->models + s->agents * s->stride,
                            NULL);
}

static cgsv_status measure(struct stepping *s, struct bench *bench, int agents, int64_t dimension)
{
    cgsv_device *device = bench->device;
    struct bench_times times;
    TRY(create(s, bench, agents, dimension));
    TRY(device->backend->allocate(device, &s->updates, update_bytes(bench, agents, s->stride)));
    TRY(device->backend->allocate(device, (void **)&s->models, BYTES_OF(float, agents + 1, s->stride)));
    TRY(draw_updates(s, bench, dimension));
    if (bench->options.norms_given) {
        TRY(step(s));
        server_keep_norms(s->server);
    }
    TRY(bench_measure(&times, device, bench->options.effort, step, s));

    /* Rows of D entries. The floor: U is read once, W read and written once. What the kernels move:
     * U is read for norms that are not given and again for the aggregate (dot products find it in the
     * cache); g is written, read by up to SELECT_PASSES passes of the selection and once by the download; W is
     * read and written. Left out: g read for ranks that end among equal entries, histograms, sums. */
    const double row = 4.0 * (double)dimension, models = 2.0 * (agents + 1);
    const double updates = bench->options.storage == CGSV_STORAGE_BF16 ? agents / 2.0 : agents; /* rows of floats */
    const double reads = bench->options.norms_given ? 1 : 2;
    const double floor = row * (updates + models), moved = row * (reads * updates + 2 + SELECT_PASSES + models);
    const double bandwidth = times.copy_bandwidth, rate = moved / times.median;
    const struct bench_field fields[] = {
        {"floor_bytes", "floor bytes", floor},
        {"floor_seconds", "floor", floor / bandwidth},
        {"times_floor", "times floor", times.median * bandwidth / floor},
        {"moved_bytes", "bytes moved", moved},
        {"gb_per_second", "GB/s", 1e-9 * rate},
        {"share_of_copy", "of copy", rate / bandwidth},
    };
    return bench_report_row(bench, "server", agents, dimension, &times, fields, sizeof fields / sizeof *fields);
}

static cgsv_status run(struct bench *bench, int agents, int64_t dimension)
{
    struct stepping s = {.stride = bench_stride(dimension), .agents = agents};
    cgsv_status status = measure(&s, bench, agents, dimension);
    cgsv_server_free(s.server);
    bench->device->backend->release(bench->device, s.updates);
    bench->device->backend->release(bench->device, s.models);
    return status;
}

const struct benchmark bench_server = {
    .name = "server",
    .help = "the server step, from raw updates to the agents' new models",
    .agents = "10,50",
    .dimensions = "62006,1M",
    .most_agents = MOST_AGENTS,
    .selects = true,
    .stores = true,
    .bytes = bytes_of,
    .run = run,
};
