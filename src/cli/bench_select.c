/* cgsv bench select: the thresholds of all agents' rewards in a given aggregate g[D]. */
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/bench_check.h"
#include "cli/bench_report.h"
#include "federation/config.h"
#include "federation/server_step.h"
#include "valuation/internal.h"

struct selection {
    cgsv_device *device;
    struct server_step step;
    int64_t segment_begin[BENCH_TENSORS + 1];
};

/* Entries that are read. A pass is a walk over g, or the part of it that has anything to seek;
 * reads also count a span that a kernel reads again at once, while it is in a cache. */
struct sweeps {
    int64_t passes, reads;
    int64_t entries[BENCH_TENSORS]; /* of a segment, or those listed in its place */
};

/* Either rule's segments are tensors here: those of a network, or the vector as one. */
static struct server_sizes sizes_of(int64_t *segment_begin, const struct bench *bench, int agents, int64_t dimension)
{
    struct server_sizes sizes = {.federations = 1, .agents = agents, .rounds = 1, .dimension = dimension,
                                 .ld = dimension, .tensors = 1, .tensor_begin = segment_begin,
                                 .reward = bench->options.reward};
    segment_begin[0] = 0;
    segment_begin[1] = dimension;
    if (sizes.reward == CGSV_REWARD_LAYER) sizes.tensors = bench_tensors(segment_begin, dimension);
    return sizes;
}

/* With the host's copy of g for the check. */
static size_t bytes_of(const struct bench *bench, int agents, int64_t dimension)
{
    int64_t begin[BENCH_TENSORS + 1];
    const struct server_sizes sizes = sizes_of(begin, bench, agents, dimension);
    return server_step_bytes(bench->device->kernels, &sizes) + BYTES_OF(float, dimension);
}

/* Ranks in agents' order, with keep ratios from N / (N + 1) down to 1 / (N + 1). */
static cgsv_status upload_ranks(const struct selection *s)
{
    const int N = s->step.agents;
    const struct device_backend *backend = s->device->backend;
    double *ratio = calloc((size_t)N, sizeof *ratio);
    int32_t *order = calloc((size_t)N, sizeof *order);
    cgsv_status status = ratio && order ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for %d ranks", N);
    for (int i = 0; i < N && status == CGSV_OK; i++) {
        ratio[i] = bench_keep_ratio(i, N);
        order[i] = i;
    }
    if (status == CGSV_OK) status = backend->upload(s->device, s->step.keep_ratio, ratio, (size_t)N * sizeof *ratio);
    if (status == CGSV_OK) status = backend->upload(s->device, s->step.order, order, (size_t)N * sizeof *order);
    free(ratio);
    free(order);
    return status;
}

static cgsv_status create(struct selection *s, const struct bench *bench, int agents, int64_t dimension)
{
    const struct server_sizes sizes = sizes_of(s->segment_begin, bench, agents, dimension);
    const struct mechanism mechanism = {.gamma = 1, .beta = 1}; /* the selection does not ask */
    double *share = calloc((size_t)agents, sizeof *share);
    if (!share) return error_set(CGSV_ERROR_MEMORY, "no memory for %d agents", agents);
    cgsv_status status = server_step_create(&s->step, s->device, &sizes, &mechanism, share);
    free(share);
    TRY(status);
    TRY(bench_random_rows(s->device, s->step.aggregate, 1, dimension, dimension));
    return upload_ranks(s);
}

/* ---- the first selection: its result, and how much of g it reads ---- */

static void sweep(struct sweeps *sweeps, int64_t columns, int64_t times)
{
    sweeps->passes += times > 0 ? columns : 0;
    sweeps->reads += columns * times;
}

/* Of the segments, what the passes read: all, or what was listed of it. Listing is a pass of its own. */
static cgsv_status sweep_list(struct sweeps *sweeps, const struct selection *s)
{
    const struct server_step *step = &s->step;
    const struct device_backend *backend = s->device->backend;
    int32_t windows[BENCH_TENSORS], first[BENCH_TENSORS + 1];
    int *listed = calloc((size_t)step->spans, sizeof *listed);
    cgsv_status status = listed ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for %d spans", step->spans);
    const size_t segments = (size_t)step->segments, spans = (size_t)step->spans;
    if (status == CGSV_OK) status = backend->download(s->device, windows, step->windows, segments * sizeof *windows);
    if (status == CGSV_OK)
        status = backend->download(s->device, first, step->segment_span, (segments + 1) * sizeof *first);
    if (status == CGSV_OK && step->list)
        status = backend->download(s->device, listed, step->listed, spans * sizeof *listed);
    for (int i = 0; status == CGSV_OK && i < step->segments; i++) {
        sweeps->entries[i] = s->segment_begin[i + 1] - s->segment_begin[i];
        if (windows[i] == 0) continue;
        sweep(sweeps, sweeps->entries[i], 1);
        sweeps->entries[i] = 0;
        for (int span = first[i]; span < first[i + 1]; span++) sweeps->entries[i] += listed[span];
    }
    free(listed);
    return status;
}

/* The first pass reads a segment once, a later one once for every local_groups groups of ranks. Where there are cells
 * the second pass is the first, and so many cells stand for a group. */
static cgsv_status sweep_pass(struct sweeps *sweeps, const struct selection *s, int pass)
{
    const int local = s->device->kernels->local_groups, local_cells = local * GROUP_CELLS;
    const size_t bytes = (size_t)s->step.segments * sizeof(int32_t);
    int32_t groups[BENCH_TENSORS], cells[BENCH_TENSORS];
    TRY(s->device->backend->download(s->device, groups, s->step.groups, bytes));
    TRY(s->device->backend->download(s->device, cells, s->step.cells, bytes));
    for (int i = 0; i < s->step.segments; i++) {
        const int times = pass == 0                    ? cells[i] == 0
                          : pass == 1 && cells[i] > 0 ? (cells[i] + local_cells - 1) / local_cells
                                                      : (groups[i] + local - 1) / local;
        sweep(sweeps, sweeps->entries[i], times);
    }
    return CGSV_OK;
}

/* Where ranks end among equal entries, the runs are read that the last pass marked; and for each
 * such rank a span, and twice a part of it. */
static void sweep_ties(struct sweeps *sweeps, const struct selection *s, const struct rank_state *rank,
                       const uint8_t *met)
{
    const int64_t span = s->device->kernels->span_columns(s->step.dimension);
    const int64_t runs = (int64_t)s->step.span_parts * TIE_RUNS;
    for (int i = 0; i < s->step.segments; i++) {
        const int64_t n = s->segment_begin[i + 1] - s->segment_begin[i];
        int64_t seeking = 0, marked = 0;
        for (int k = 0; k < s->step.agents; k++, rank++) seeking += rank->group >= 0 && rank->threshold > 0;
        for (int64_t at = 0; at < n; at += span, met += runs)
            for (int64_t r = 0; seeking > 0 && r * MET_COLUMNS < span && at + r * MET_COLUMNS < n; r++)
                marked += met[r];
        const int64_t once = marked * MET_COLUMNS, again = seeking * (span < n ? span : n);
        sweep(sweeps, once < n ? once : n, 1);
        sweeps->passes += again < n ? again : n;
        sweeps->reads += again;
    }
}

static cgsv_status check(struct sweeps *sweeps, const struct selection *s, float *g, struct rank_state *rank,
                         uint8_t *met)
{
    const struct server_step *step = &s->step;
    const struct device_backend *backend = s->device->backend;
    TRY(backend->download(s->device, rank, step->rank, BYTES_OF(struct rank_state, step->segments, step->agents)));
    TRY(backend->download(s->device, g, step->aggregate, BYTES_OF(float, step->dimension)));
    TRY(backend->download(s->device, met, step->met, BYTES_OF(uint8_t, step->spans, step->span_parts, TIE_RUNS)));
    sweep_ties(sweeps, s, rank, met);
    return bench_check_selection(g, rank, s->segment_begin, step->segments, step->agents, step->reward);
}

static cgsv_status select_once(struct sweeps *sweeps, const struct selection *s)
{
    const struct kernels *k = s->device->kernels;
    void *stream = s->device->stream;
    LAUNCHED(s->device, k->select_begin(stream, s->step));
    if (s->step.list) LAUNCHED(s->device, k->select_list(stream, s->step));
    TRY(sweep_list(sweeps, s));
    for (int pass = 0; pass < SELECT_PASSES; pass++) {
        TRY(sweep_pass(sweeps, s, pass));
        LAUNCHED(s->device, k->select_count(stream, s->step, pass));
        LAUNCHED(s->device, k->select_narrow(stream, s->step, pass));
    }
    LAUNCHED(s->device, k->select_count_ties(stream, s->step));
    LAUNCHED(s->device, k->select_end_ties(stream, s->step));

    float *g = malloc(BYTES_OF(float, s->step.dimension));
    struct rank_state *rank = malloc(BYTES_OF(struct rank_state, s->step.segments, s->step.agents));
    uint8_t *met = malloc(BYTES_OF(uint8_t, s->step.spans, s->step.span_parts, TIE_RUNS));
    cgsv_status status = g && rank && met ? check(sweeps, s, g, rank, met)
                                          : error_set(CGSV_ERROR_MEMORY, "no memory to check %lld entries",
                                                      (long long)s->step.dimension);
    free(g);
    free(rank);
    free(met);
    return status;
}

/* ---- the measurement ---- */

static cgsv_status select_all(void *context)
{
    const struct selection *s = context;
    return server_step_select(s->device, &s->step, s->device->stream);
}

static cgsv_status measure(struct selection *s, struct bench *bench, int agents, int64_t dimension)
{
    struct sweeps sweeps = {0};
    struct bench_times times;
    TRY(create(s, bench, agents, dimension));
    TRY(select_once(&sweeps, s));
    TRY(bench_measure(&times, s->device, bench->options.effort, select_all, s));

    const double bytes = 4.0 * (double)sweeps.passes, rate = bytes / times.median;
    const struct bench_field fields[] = {
        {"passes", "passes", (double)sweeps.passes / (double)dimension},
        {"reads", "reads", (double)sweeps.reads / (double)dimension},
        {"bytes", NULL, bytes},
        {"gb_per_second", "GB/s", 1e-9 * rate},
        {"share_of_copy", "of copy", rate / times.copy_bandwidth},
    };
    return bench_report_row(bench, "select", agents, dimension, &times, fields, sizeof fields / sizeof *fields);
}

static cgsv_status run(struct bench *bench, int agents, int64_t dimension)
{
    struct selection s = {.device = bench->device};
    cgsv_status status = measure(&s, bench, agents, dimension);
    server_step_free(&s.step, bench->device);
    return status;
}

const struct benchmark bench_select = {
    .name = "select",
    .help = "the selection alone: what each agent keeps of a given aggregate, its count checked",
    .agents = "10,100",
    .dimensions = "1M,10M",
    .most_agents = MOST_AGENTS,
    .selects = true,
    .bytes = bytes_of,
    .run = run,
};
