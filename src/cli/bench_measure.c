#include "cli/bench_measure.h"

#include <stdlib.h>

#include "core/clock.h"

/* A copy must leave every cache; it is repeated in one measurement until that is long beside
 * what starting it costs. */
enum { COPY_BYTES = 256 << 20, COPY_REPEATS = 5 };
#define COPY_SECONDS 2e-3

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_times bench_times_of(double *seconds, int count)
{
    qsort(seconds, (size_t)count, sizeof *seconds, ascending);
    return (struct bench_times){.median = (seconds[(count - 1) / 2] + seconds[count / 2]) / 2, .least = seconds[0],
                                .most = seconds[count - 1], .lower = seconds[(count - 1) / 4],
                                .upper = seconds[count - 1 - (count - 1) / 4], .count = count};
}

static cgsv_status time_once(double *seconds, cgsv_device *device, cgsv_status (*work)(void *), void *context)
{
    TRY(device->backend->sync(device));
    const double start = clock_seconds();
    TRY(work(context));
    TRY(device->backend->sync(device));
    *seconds = clock_seconds() - start;
    return CGSV_OK;
}

/* Every core copies more than its caches hold, a GPU more than its last-level one. */
enum { FLUSH_CPU = 64 << 20, FLUSH_GPU = 256 << 20 };

static size_t flush_half(const cgsv_device *device)
{
    return device->backend->shares_memory ? (size_t)FLUSH_CPU * (size_t)device->cores : FLUSH_GPU;
}

size_t bench_flush_bytes(const cgsv_device *device) { return 2 * flush_half(device); }

struct flushing {
    cgsv_device *device;
    char *memory; /* of bench_flush_bytes */
};

static cgsv_status flush(void *context)
{
    const struct flushing *f = context;
    const size_t half = flush_half(f->device);
    return f->device->backend->copy(f->device, f->memory, f->memory + half, half);
}

/* Where memory is NULL, nothing is flushed. */
static cgsv_status time_all(double *seconds, double *flushes, int *count, struct flushing f, struct bench_effort effort,
                            cgsv_status (*work)(void *), void *context)
{
    TRY(time_once(seconds, f.device, work, context)); /* warm-up */
    const double begin = clock_seconds();
    for (*count = 0; *count < effort.repeat; ++*count) {
        if (effort.seconds > 0 && *count >= BENCH_LEAST_REPEATS && clock_seconds() - begin > effort.seconds) break;
        if (f.memory) TRY(time_once(&flushes[*count], f.device, flush, &f));
        TRY(time_once(&seconds[*count], f.device, work, context));
    }
    return CGSV_OK;
}

cgsv_status bench_measure(struct bench_times *times, cgsv_device *device, struct bench_effort effort,
                          cgsv_status (*work)(void *), void *context)
{
    double *seconds = calloc(2 * (size_t)effort.repeat, sizeof *seconds);
    void *memory = NULL;
    int count;
    *times = (struct bench_times){0};
    if (!seconds) return error_set(CGSV_ERROR_MEMORY, "no memory for %d measurements", effort.repeat);
    cgsv_status status = effort.flush ? device->backend->allocate(device, &memory, bench_flush_bytes(device)) : CGSV_OK;
    double *flushes = seconds + effort.repeat;
    const struct flushing f = {device, memory};
    if (status == CGSV_OK) status = time_all(seconds, flushes, &count, f, effort, work, context);
    if (status == CGSV_OK) *times = bench_times_of(seconds, count);
    if (status == CGSV_OK && effort.flush)
        times->copy_bandwidth = (double)bench_flush_bytes(device) / bench_times_of(flushes, count).median;
    device->backend->release(device, memory);
    free(seconds);
    return status;
}

/* ---- copy bandwidth ---- */

struct copying {
    cgsv_device *device;
    void *to, *from;
    int64_t copies;
};

static cgsv_status copy(void *context)
{
    const struct copying *c = context;
    for (int64_t i = 0; i < c->copies; i++) TRY(c->device->backend->copy(c->device, c->to, c->from, COPY_BYTES));
    return CGSV_OK;
}

static cgsv_status measure_copies(double *bandwidth, struct copying *c)
{
    const struct device_backend *backend = c->device->backend;
    struct bench_times times;
    double seconds;
    TRY(backend->allocate(c->device, &c->from, COPY_BYTES));
    TRY(backend->allocate(c->device, &c->to, COPY_BYTES));
    c->copies = 1;
    TRY(time_once(&seconds, c->device, copy, c)); /* warm-up */
    TRY(time_once(&seconds, c->device, copy, c));
    c->copies += (int64_t)(COPY_SECONDS / seconds);
    TRY(bench_measure(&times, c->device, (struct bench_effort){.repeat = COPY_REPEATS}, copy, c));
    *bandwidth = 2.0 * COPY_BYTES * (double)c->copies / times.median;
    return CGSV_OK;
}

cgsv_status bench_copy_bandwidth(double *bandwidth, cgsv_device *device)
{
    struct copying c = {.device = device};
    cgsv_status status = measure_copies(bandwidth, &c);
    device->backend->release(device, c.from);
    device->backend->release(device, c.to);
    return status;
}

/* ---- rate of products ---- */

/* Large enough to reach the rate, small enough for a fraction of a second. */
enum { PRODUCT_SIDE_CPU = 1024, PRODUCT_SIDE_GPU = 4096, PRODUCT_REPEATS = 7 };

struct multiplying {
    cgsv_device *device;
    float *matrix[3];
    int side;
};

static cgsv_status multiply(void *context)
{
    const struct multiplying *m = context;
    const int n = m->side;
    return m->device->backend->multiply(m->device, &(struct product){.c = m->matrix[0], .a = m->matrix[1],
                                                                     .b = m->matrix[2], .m = n, .n = n, .k = n,
                                                                     .lda = n, .ldb = n, .ldc = n, .batch = 1});
}

static cgsv_status measure_products(double *rate, struct multiplying *m)
{
    struct bench_times times;
    for (int i = 0; i < 3; i++) {
        const size_t bytes = (size_t)m->side * (size_t)m->side * sizeof *m->matrix[i];
        TRY(m->device->backend->allocate(m->device, (void **)&m->matrix[i], bytes));
        if (i > 0) TRY(bench_random_rows(m->device, m->matrix[i], m->side, m->side, m->side));
    }
    TRY(bench_measure(&times, m->device, (struct bench_effort){.repeat = PRODUCT_REPEATS}, multiply, m));
    *rate = 2.0 * m->side * m->side * m->side / times.median;
    return CGSV_OK;
}

cgsv_status bench_product_rate(double *rate, cgsv_device *device)
{
    struct multiplying m = {.device = device,
                            .side = device->backend->shares_memory ? PRODUCT_SIDE_CPU : PRODUCT_SIDE_GPU};
    cgsv_status status = measure_products(rate, &m);
    for (int i = 0; i < 3; i++) device->backend->release(device, m.matrix[i]);
    return status;
}

/* ---- data ---- */

cgsv_status bench_random_rows(cgsv_device *device, float *row, int agents, int64_t columns, int64_t stride)
{
    const struct random_updates updates = {.row = row, .kind = CGSV_VECTORS_NORMAL, .seed = 1, .columns = columns,
                                           .stride = stride, .games = 1, .agents = agents};
    LAUNCHED(device, device->kernels->random_updates(device->stream, updates));
    return CGSV_OK;
}

int64_t bench_stride(int64_t dimension) { return (dimension + 63) / 64 * 64; }

int bench_tensors(int64_t begin[BENCH_TENSORS + 1], int64_t dimension)
{
    static const double share[BENCH_TENSORS - 1] = {0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.3};
    const int tensors = dimension < 1000 ? 1 : BENCH_TENSORS;
    begin[0] = 0;
    for (int t = 0; t + 1 < tensors; t++) begin[t + 1] = begin[t] + 1 + (int64_t)(share[t] * (double)dimension);
    begin[tensors] = dimension;
    return tensors;
}
