/* cgsv bench shapley: the Gram matrix of N updates, and what it is valued by, exact and estimated. */
#include <math.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "cli/bench_report.h"
#include "valuation/internal.h"

struct gram_work {
    cgsv_gram *gram;
    float *rows; /* on the device */
    int64_t stride, columns;
};

/* What only large N needs, scratch of the sampling methods, the valuation checks itself. */
static size_t bytes_of(const struct bench *bench, int agents, int64_t dimension)
{
    (void)bench;
    return BYTES_OF(float, agents, bench_stride(dimension)) + BYTES_OF(double, 4, agents, agents);
}

static cgsv_status add_rows(void *context)
{
    const struct gram_work *w = context;
    return gram_add_rows(w->gram, w->rows, NULL, w->stride, w->columns);
}

/* The floor's bytes, every update read once, and 2 operations for each of N (N + 1) / 2 products. */
static cgsv_status report_gram(struct bench *bench, int agents, int64_t dimension, const struct bench_times *times)
{
    const double bytes = 4.0 * agents * (double)dimension, operations = (double)dimension * agents * (agents + 1.0);
    const struct bench_field fields[] = {
        {"bytes", NULL, bytes},
        {"gb_per_second", "GB/s", 1e-9 * bytes / times->median},
        {"share_of_copy", "of copy", bytes / times->median / times->copy_bandwidth},
        {"gflop_per_second", "GFLOP/s", 1e-9 * operations / times->median},
        {"coalitions", NULL, NAN},
        {"coalitions_per_second", "coalitions/s", NAN},
    };
    return bench_report_row(bench, bench->options.precise ? "gram precise" : "gram", agents, dimension, times, fields,
                            sizeof fields / sizeof *fields);
}

static cgsv_status report_value(struct bench *bench, cgsv_method method, int agents, int64_t dimension,
                                const struct bench_times *times, double coalitions)
{
    const struct bench_field fields[] = {
        {"bytes", NULL, NAN},
        {"gb_per_second", "GB/s", NAN},
        {"share_of_copy", "of copy", NAN},
        {"gflop_per_second", "GFLOP/s", NAN},
        {"coalitions", NULL, coalitions},
        {"coalitions_per_second", "coalitions/s", coalitions / times->median},
    };
    return bench_report_row(bench, cgsv_method_name(method), agents, dimension, times, fields,
                            sizeof fields / sizeof *fields);
}

/* Leaves the matrix, of all repeats' sum: a game's values do not depend on its scale. */
static cgsv_status bench_gram(struct bench *bench, double *matrix, struct gram_work *w, int agents)
{
    cgsv_device *device = bench->device;
    struct bench_times times;
    TRY(cgsv_gram_create(&w->gram, device, 1, agents, 0, bench->options.precise));
    TRY(device->backend->allocate(device, (void **)&w->rows, BYTES_OF(float, agents, w->stride)));
    TRY(bench_random_rows(device, w->rows, agents, w->columns, w->stride));
    TRY(bench_measure(&times, device, bench->options.effort, add_rows, w));
    TRY(cgsv_gram_read(w->gram, matrix, NULL));
    return report_gram(bench, agents, w->columns, &times);
}

/* ---- values ---- */

/* Evaluations of ν in a valuation; NaN for the methods that need none. */
static double coalitions_of(const struct valuation *v)
{
    const double N = v->games.agents, units = (double)v->sampling.total;
    switch (v->method) {
    case CGSV_METHOD_EXACT: return exp2(N);
    case CGSV_METHOD_PERMUTATION: return units * N;
    case CGSV_METHOD_ANTITHETIC:
    case CGSV_METHOD_STRATIFIED: return units * 2 * N;
    case CGSV_METHOD_OWEN: return units * (N + 1);
    case CGSV_METHOD_LEAVE_ONE_OUT: return N + 1;
    default: return NAN;
    }
}

static cgsv_status value(void *context) { return valuation_run(context); }

/* Exact values sum up to ν(N) = 1. */
static cgsv_status check_exact(const struct valuation *v)
{
    double share[64], sum = 0;
    TRY(v->device->backend->download(v->device, share, v->value, (size_t)v->games.agents * sizeof *share));
    for (int i = 0; i < v->games.agents; i++) sum += share[i];
    if (fabs(sum - 1) <= 1e-9) return CGSV_OK;
    return error_set(CGSV_ERROR_DEVICE, "exact values of %d agents sum up to %.12g; expected 1. Please report this",
                     v->games.agents, sum);
}

/* As many permutations as there are orders of few agents are computed as the exact value, which has
 * a row of its own. */
static cgsv_status measure_value(struct bench *bench, struct valuation *v, cgsv_method method, const double *matrix,
                                 const double *weight, int64_t dimension)
{
    const struct device_backend *backend = v->device->backend;
    const int64_t N = v->games.agents;
    struct bench_times times;
    if (v->method != method) return CGSV_OK;
    TRY(backend->upload(v->device, v->gram, matrix, BYTES_OF(double, N, N)));
    TRY(backend->upload(v->device, v->weight, weight, BYTES_OF(double, N)));
    TRY(bench_measure(&times, v->device, bench->options.effort, value, v));
    if (method == CGSV_METHOD_EXACT) TRY(check_exact(v));
    return report_value(bench, method, v->games.agents, dimension, &times, coalitions_of(v));
}

static cgsv_status bench_values(struct bench *bench, const double *matrix, const double *weight, int agents,
                                int64_t dimension)
{
    for (cgsv_method method = CGSV_METHOD_EXACT; method <= CGSV_METHOD_EUCLIDEAN; method++) {
        cgsv_valuation_options options;
        struct valuation valuation;
        if (method == CGSV_METHOD_EXACT && agents > bench->options.exact_agents) continue;
        cgsv_valuation_defaults(&options); /* 150 permutations */
        options.method = method;
        TRY(valuation_create(&valuation, bench->device, 1, agents, &options));
        cgsv_status status = measure_value(bench, &valuation, method, matrix, weight, dimension);
        valuation_free(&valuation);
        TRY(status);
    }
    return CGSV_OK;
}

/* Values depend on the updates' length by their Gram matrix alone: they are timed with the first. */
static cgsv_status measure(struct bench *bench, double *matrix, double *weight, struct gram_work *w, int agents)
{
    TRY(bench_gram(bench, matrix, w, agents));
    if (w->columns != bench->options.dimensions.number[0]) return CGSV_OK;
    for (int i = 0; i < agents; i++) weight[i] = 1.0 / agents;
    return bench_values(bench, matrix, weight, agents, w->columns);
}

static cgsv_status run(struct bench *bench, int agents, int64_t dimension)
{
    struct gram_work w = {.stride = bench_stride(dimension), .columns = dimension};
    double *matrix = malloc(BYTES_OF(double, agents, agents)), *weight = malloc(BYTES_OF(double, agents));
    cgsv_status status = matrix && weight ? measure(bench, matrix, weight, &w, agents)
                                          : error_set(CGSV_ERROR_MEMORY, "no memory for a game of %d agents", agents);
    cgsv_gram_free(w.gram);
    bench->device->backend->release(bench->device, w.rows);
    free(matrix);
    free(weight);
    return status;
}

const struct benchmark bench_shapley = {
    .name = "shapley",
    .help = "the Gram matrix of updates, exact values and their estimates with 150 permutations",
    .agents = "10,25,100",
    .dimensions = "1000,1M",
    .most_agents = CGSV_MAX_AGENTS,
    .values = true,
    .bytes = bytes_of,
    .run = run,
};
