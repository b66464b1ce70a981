/* bench_valuation [DEVICE [THREADS [REPEATS]]]: Gram matrices, exact CGSV over N, exact CGSV over D,
 * and the estimators, as one CSV table on standard output. Seconds are the least of REPEATS. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cgsv/cgsv.h"

static cgsv_device *device;
static int repeats = 5;

static void check(cgsv_status status)
{
    if (status == CGSV_OK) return;
    fprintf(stderr, "bench_valuation: %s\n", cgsv_last_error());
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void row(const char *what, int games, int agents, int64_t columns, double seconds, double bytes, double flops)
{
    printf("%s,%d,%d,%lld,%.6g,%.4g,%.4g\n", what, games, agents, (long long)columns, seconds, bytes / seconds / 1e9,
           flops / seconds / 1e9);
    fflush(stdout);
}

/* Seconds of one pass over rows that are in memory; leaves the matrices. */
static double gram_seconds(double *matrices, const float *rows, int games, int agents, int64_t columns, bool precise)
{
    double least = INFINITY;
    for (int i = 0; i < repeats; i++) {
        cgsv_gram *gram;
        check(cgsv_gram_create(&gram, device, games, agents, 0, precise));
        check(cgsv_gram_add(gram, rows, columns, columns)); /* memory is touched */
        check(cgsv_gram_read(gram, matrices, NULL));
        const double start = now();
        check(cgsv_gram_add(gram, rows, columns, columns));
        check(cgsv_gram_read(gram, matrices, NULL));
        least = fmin(least, now() - start);
        cgsv_gram_free(gram);
    }
    return least;
}

static void bench_gram(int games, int agents, int64_t columns, bool precise)
{
    const size_t entries = (size_t)games * (size_t)agents * (size_t)columns;
    float *rows = malloc(entries * sizeof *rows);
    double *matrices = malloc((size_t)games * (size_t)(agents * agents) * sizeof *matrices);
    if (!rows || !matrices) exit(1);
    const cgsv_vectors_options options = {.kind = CGSV_VECTORS_NORMAL};
    check(cgsv_random_updates(device, rows, games, agents, &options, 0, columns));
    const double seconds = gram_seconds(matrices, rows, games, agents, columns, precise);
    row(precise ? "gram precise" : "gram", games, agents, columns, seconds, (double)entries * sizeof *rows,
        (double)entries * (agents + 1));
    free(rows);
    free(matrices);
}

static void bench_value(cgsv_method method, int64_t budget, int games, int agents, int64_t columns)
{
    double *matrices = malloc((size_t)games * (size_t)(agents * agents) * sizeof *matrices);
    double *weight = malloc((size_t)games * (size_t)agents * sizeof *weight);
    double *value = malloc((size_t)games * (size_t)agents * sizeof *value), least = INFINITY;
    if (!matrices || !weight || !value) exit(1);
    cgsv_gram *gram;
    const cgsv_vectors_options vectors = {.kind = CGSV_VECTORS_NORMAL};
    check(cgsv_gram_create(&gram, device, games, agents, 0, false));
    check(cgsv_gram_add_random(gram, &vectors, 0, columns));
    check(cgsv_gram_read(gram, matrices, NULL));
    cgsv_gram_free(gram);
    for (int i = 0; i < games * agents; i++) weight[i] = 1.0 / agents;
    cgsv_valuation_options options;
    cgsv_valuation_defaults(&options);
    options.method = method;
    options.budget = budget;
    for (int i = 0; i < repeats; i++) {
        double seconds;
        check(cgsv_value(device, value, NULL, matrices, weight, games, agents, &options, &seconds));
        least = fmin(least, seconds);
    }
    row(cgsv_method_name(method), games, agents, columns, least, 0, 0);
    free(matrices);
    free(weight);
    free(value);
}

int main(int argc, char **argv)
{
    check(cgsv_device_open(&device, argc > 1 ? argv[1] : "auto", argc > 2 ? atoi(argv[2]) : 0));
    if (argc > 3) repeats = atoi(argv[3]);
    fprintf(stderr, "%s\n", cgsv_device_describe(device)->description);
    printf("what,games,agents,columns,seconds,gb_per_second,gflop_per_second\n");
    bench_gram(1, 10, 1000000, false);
    bench_gram(1, 10, 1000000, true);
    bench_gram(1, 100, 1000000, false);
    bench_gram(1, 100, 1000000, true);
    bench_gram(100, 10, 1000, false);
    for (int64_t columns = 1000; columns <= 10000000; columns *= 10) bench_gram(1, 10, columns, false);
    static const int sizes[] = {5, 10, 15, 20, 22, 25};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) bench_value(CGSV_METHOD_EXACT, 0, 1, sizes[i], 1000);
    bench_value(CGSV_METHOD_EXACT, 0, 1000, 10, 1000);
    for (cgsv_method m = CGSV_METHOD_COSINE; m <= CGSV_METHOD_EUCLIDEAN; m++) {
        bench_value(m, 150, 1, 10, 1000);
        bench_value(m, 150, 1, 100, 1000);
    }
    cgsv_device_close(device);
    return 0;
}
