/* Seconds of the server step on random updates, to be put beside peers/torch_server.py,
 * and the floor: reading U once, reading and writing W once, at the bandwidth of a copy
 * measured in the same run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/device.h"
#include "federation/server_step.h"

enum { TENSORS = 8, AT_MOST = 101 };

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

/* Bytes moved per second by a copy of `bytes` (read and write counted), all threads. */
static double copy_bandwidth(size_t bytes)
{
    const int64_t n = (int64_t)(bytes / sizeof(float));
    float *a = malloc(bytes), *b = malloc(bytes);
    double seconds[5];
    if (!a || !b) stop();
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) a[i] = b[i] = 1.0f;
    for (int k = 0; k < 5; k++) {
        double start = now();
#pragma omp parallel for
        for (int64_t i = 0; i < n; i++) b[i] = a[i];
        seconds[k] = now() - start;
    }
    free(a);
    free(b);
    return 2.0 * (double)bytes / median(seconds, 5);
}

int main(int argc, char **argv)
{
    const int agents = argc > 1 ? atoi(argv[1]) : 10;
    const int64_t dimension = argc > 2 ? atoll(argv[2]) : 62006;
    const int threads = argc > 3 ? atoi(argv[3]) : 0;
    const int repeat = argc > 4 && atoi(argv[4]) < AT_MOST ? atoi(argv[4]) : 11;
    static const double share[TENSORS] = {0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.3, 0};
    cgsv_device *device;
    if (cgsv_device_open(&device, "cpu", threads)) stop();

    int64_t begin[TENSORS + 1] = {0};
    for (int t = 0; t < TENSORS; t++) begin[t + 1] = begin[t] + 1 + (int64_t)(share[t] * (double)dimension);
    begin[TENSORS] = dimension;
    const int64_t ld = (dimension + 63) / 64 * 64, count = agents * ld;
    const struct server_sizes sizes = {.federations = 1, .agents = agents, .rounds = repeat + 1,
                                       .dimension = dimension, .ld = ld, .tensors = TENSORS, .tensor_begin = begin,
                                       .reward = CGSV_REWARD_LAYER};
    const struct mechanism mechanism = {0.5, 0.95, 1};
    double *shares = calloc((size_t)agents, sizeof *shares);
    for (int i = 0; i < agents; i++) shares[i] = 2.0 * (i + 1) / ((double)agents * (agents + 1));
    struct server_step step;
    if (server_step_create(&step, device, &sizes, &mechanism, shares)) stop();
    float *update = device_memory(device, (size_t)count * sizeof *update);
    step.update = update;
    step.model = device_memory(device, (size_t)(count + ld) * sizeof(float));
    step.update_stride = step.model_stride = ld;
    step.server_model = step.model + agents * ld;
    step.round = device_memory(device, sizeof *step.round);
    uint32_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        /* Sum of four uniform numbers: bell-shaped, as updates are. */
        float sum = 0;
        for (int k = 0; k < 4; k++) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) * 0x1p-24f - 0.5f;
        }
        update[i] = 1e-3f * sum;
    }

    double seconds[AT_MOST];
    if (server_step_run(device, &step, device->stream)) stop(); /* warm-up */
    for (int k = 0; k < repeat; k++) {
        double start = now();
        if (server_step_run(device, &step, device->stream)) stop();
        seconds[k] = now() - start;
    }
    const double bytes = 4.0 * (double)dimension * (agents + 2.0 * (agents + 1));
    const double bandwidth = copy_bandwidth(256u << 20), time = median(seconds, repeat);
    printf("{\"what\": \"server\", \"agents\": %d, \"dimension\": %lld, \"seconds\": %.6f, \"floor_seconds\": %.6f, "
           "\"times_floor\": %.2f, \"copy_gb_per_second\": %.2f}\n",
           agents, (long long)dimension, time, bytes / bandwidth, time * bandwidth / bytes, bandwidth * 1e-9);
    float *model = step.model;
    int *round = step.round;
    server_step_free(&step, device);
    device->backend->release(device, update);
    device->backend->release(device, model);
    device->backend->release(device, round);
    cgsv_device_close(device);
    free(shares);
    return 0;
}
