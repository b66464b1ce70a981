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
    float *updates, *models; /* [N], [N + 1] rows: the last is the server's own */
    int64_t stride;
    int agents;
};

static size_t bytes_of(const struct bench *bench, int agents, int64_t dimension)
{
    int64_t begin[BENCH_TENSORS + 1];
    const struct server_sizes sizes = {.federations = 1, .agents = agents, .rounds = 1, .dimension = dimension,
                                       .ld = dimension, .tensors = bench_tensors(begin, dimension),
                                       .tensor_begin = begin, .reward = bench->options.reward};
    return BYTES_OF(float, 2 * (int64_t)agents + 1, bench_stride(dimension)) +
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
    cgsv_status status = cgsv_server_create(&s->server, bench->device, &config);
    free(shares);
    return status;
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
    TRY(device->backend->allocate(device, (void **)&s->updates, BYTES_OF(float, agents, s->stride)));
    TRY(device->backend->allocate(device, (void **)&s->models, BYTES_OF(float, agents + 1, s->stride)));
    TRY(bench_random_rows(device, s->updates, agents, dimension, s->stride));
    TRY(bench_measure(&times, device, bench->options.effort, step, s));

    /* Rows of D floats. The floor: U is read once, W read and written once. What the kernels move:
     * U is read for the norms and again for the aggregate (dot products find it in the cache); g is
     * written, read by SELECT_PASSES passes of the selection and once by the download; W is read
     * and written. Left out: g read for ranks that end among equal entries, histograms, sums. */
    const double row = 4.0 * (double)dimension, models = 2.0 * (agents + 1);
    const double floor = row * (agents + models), moved = row * (2.0 * agents + 2 + SELECT_PASSES + models);
    const double bandwidth = bench->copy_bandwidth, rate = moved / times.median;
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
    .bytes = bytes_of,
    .run = run,
};
