/* Timing for `cgsv bench`, and memory and data to be timed on. */
#ifndef CLI_BENCH_MEASURE_H
#define CLI_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "device/device.h"

/* Seconds of one piece of work, over its repeats. */
struct bench_times {
    double median, least, most;
    double lower, upper; /* quartiles */
    int count;           /* of repeats */
    double copy_bandwidth; /* of copies in turn with them, which flush caches; 0: no flush */
};

/* Of seconds[count], count >= 1; sorts them. */
struct bench_times bench_times_of(double *seconds, int count);

/* How often something is timed: `repeat` times, or until `seconds` have gone by, then at least
 * BENCH_LEAST_REPEATS times; 0 seconds: no such limit. With `flush`, a copy before each pushes out what lies in
 * caches; its bandwidth is that of the same moments, where others share the machine's memory. */
struct bench_effort {
    int repeat;
    double seconds;
    bool flush;
};
enum { BENCH_LEAST_REPEATS = 3 };

/* Times work(context), each time until the device is done, after one that is not timed. */
cgsv_status bench_measure(struct bench_times *times, cgsv_device *device, struct bench_effort effort,
                          cgsv_status (*work)(void *context), void *context);

/* Bytes a second of a copy within the device's memory, those read and those written. So is
 * bench_times.copy_bandwidth. */
cgsv_status bench_copy_bandwidth(double *bandwidth, cgsv_device *device);

/* Operations a second of products of matrices in float32, a multiply-add counted as two. */
cgsv_status bench_product_rate(double *rate, cgsv_device *device);

/* Of device memory that a flush of caches takes. */
size_t bench_flush_bytes(const cgsv_device *device);

/* Independent N(0, 1) to row[agents] on the device, rows `stride` apart, of `columns`. */
cgsv_status bench_random_rows(cgsv_device *device, float *row, int agents, int64_t columns, int64_t stride);

/* Floats from one row of D to the next: a multiple of a cache line. */
int64_t bench_stride(int64_t dimension);

enum { BENCH_TENSORS = 8 };

/* Cuts D columns into tensors of sizes as unlike as a network's; returns their number. A short
 * vector is one tensor. */
int bench_tensors(int64_t begin[BENCH_TENSORS + 1], int64_t dimension);

#endif
