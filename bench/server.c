/* Seconds of the server step, through the public call, on random updates; to be put beside
 * peers/torch_server.py, and the floor: reading U once, reading and writing W once, at the
 * bandwidth of a copy measured in the same run.
 *
 *   bench_server [AGENTS [DIMENSION [THREADS [REPEAT]]]] [--device NAME] */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(CGSV_CUDA)
#include <cuda_runtime_api.h>
#endif

#include "cgsv/cgsv.h"
#include "device/device.h"

enum { TENSORS = 8, AT_MOST = 101, COPY_BYTES = 256 << 20, COPIES = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stop(void)
{
    fprintf(stderr, "bench_server: %s\n", cgsv_last_error());
    exit(1);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    return seconds[n / 2];
}

static void *device_memory(cgsv_device *device, size_t bytes)
{
    void *memory;
    if (device->backend->allocate(device, &memory, bytes)) stop();
    return memory;
}

static void copy(cgsv_device *device, float *to, const float *from, int threads)
{
#if defined(CGSV_CUDA)
    if (device->backend->has_streams) {
        cudaMemcpyAsync(to, from, COPY_BYTES, cudaMemcpyDeviceToDevice, device->stream);
        return;
    }
#endif
    (void)device;
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < (int64_t)(COPY_BYTES / sizeof *to); i++) to[i] = from[i];
}

/* Bytes moved per second by a copy, read and write counted. */
static double copy_bandwidth(cgsv_device *device, int threads)
{
    float *from = device_memory(device, COPY_BYTES), *to = device_memory(device, COPY_BYTES);
    double seconds[COPIES];
    copy(device, to, from, threads);
    for (int k = 0; k < COPIES; k++) {
        if (device->backend->sync(device)) stop();
        double start = now();
        copy(device, to, from, threads);
        if (device->backend->sync(device)) stop();
        seconds[k] = now() - start;
    }
    device->backend->release(device, from);
    device->backend->release(device, to);
    return 2.0 * COPY_BYTES / median(seconds, COPIES);
}

/* Bell-shaped, as updates are: sums of four uniform numbers. */
static float *random_updates(cgsv_device *device, int64_t count)
{
    const size_t bytes = (size_t)count * sizeof(float);
    float *update = device_memory(device, bytes), *host = malloc(bytes);
    uint32_t state = 1;
    for (int64_t i = 0; host && i < count; i++) {
        float sum = 0;
        for (int k = 0; k < 4; k++) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) * 0x1p-24f - 0.5f;
        }
        host[i] = 1e-3f * sum;
    }
    if (!host || device->backend->upload(device, update, host, bytes)) stop();
    free(host);
    return update;
}

/* Eight tensors of sizes as unlike as a network's; shares like a power law's. */
static cgsv_server *make_server(cgsv_device *device, int agents, int64_t dimension)
{
    static const double share[TENSORS] = {0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.3, 0};
    int64_t begin[TENSORS + 1] = {0};
    double *shares = calloc((size_t)agents, sizeof *shares);
    cgsv_server *server;
    cgsv_server_config config;
    for (int t = 0; t < TENSORS; t++) begin[t + 1] = begin[t] + 1 + (int64_t)(share[t] * (double)dimension);
    begin[TENSORS] = dimension;
    for (int i = 0; shares && i < agents; i++) shares[i] = i + 1;
    cgsv_server_config_defaults(&config, agents, dimension);
    config.tensors = TENSORS;
    config.tensor_begin = begin;
    config.shares = shares;
    if (cgsv_server_create(&server, device, &config)) stop();
    free(shares);
    return server;
}

struct arguments {
    int agents, threads, repeat;
    int64_t dimension;
    const char *device;
};

static struct arguments parse(int argc, char **argv)
{
    struct arguments a = {.agents = 10, .dimension = 62006, .repeat = 11, .device = "cpu"};
    int place = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc) {
            a.device = argv[++i];
            continue;
        }
        const long long value = atoll(argv[i]);
        if (place == 0) a.agents = (int)value;
        if (place == 1) a.dimension = value;
        if (place == 2) a.threads = (int)value;
        if (place == 3) a.repeat = (int)(value < 1 ? 1 : value > AT_MOST ? AT_MOST : value);
        place++;
    }
    return a;
}

int main(int argc, char **argv)
{
    const struct arguments a = parse(argc, argv);
    const int64_t ld = (a.dimension + 63) / 64 * 64;
    double seconds[AT_MOST];
    cgsv_device *device;
    if (cgsv_device_open(&device, a.device, a.threads)) stop();
    cgsv_server *server = make_server(device, a.agents, a.dimension);
    float *update = random_updates(device, a.agents * ld);
    float *model = device_memory(device, (size_t)((a.agents + 1) * ld) * sizeof *model);

    for (int k = -1; k < a.repeat; k++) { /* -1: warm-up */
        double start = now();
        if (cgsv_server_step(server, update, ld, model, ld, model + a.agents * ld, NULL)) stop();
        if (device->backend->sync(device)) stop();
        if (k >= 0) seconds[k] = now() - start;
    }
    const double time = median(seconds, a.repeat); /* which sorts them */
    const double bandwidth = copy_bandwidth(device, a.threads ? a.threads : omp_get_num_procs());
    const double bytes = 4.0 * (double)a.dimension * (a.agents + 2.0 * (a.agents + 1));
    printf("{\"what\": \"server\", \"device\": \"%s\", \"agents\": %d, \"dimension\": %lld, \"seconds\": %.6f, "
           "\"least_seconds\": %.6f, \"floor_seconds\": %.6f, \"times_floor\": %.2f, \"copy_gb_per_second\": %.2f}\n",
           a.device, a.agents, (long long)a.dimension, time, seconds[0], bytes / bandwidth, time * bandwidth / bytes,
           bandwidth * 1e-9);
    cgsv_server_free(server);
    device->backend->release(device, update);
    device->backend->release(device, model);
    cgsv_device_close(device);
    return 0;
}
