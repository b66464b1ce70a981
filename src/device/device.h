/* The device handle: memory, one stream of work, products, graphs, a stopwatch.
 *
 * Work is enqueued and done in order. On the CPU a call returns when the work is done;
 * on a GPU it returns at once, and device_sync waits. */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stdbool.h>

#include "cgsv/device.h"
#include "core/error.h"
#include "device/profile.h"
#include "kernels/kernels.h"

/* What the stopwatch tells apart. */
enum device_phase { PHASE_IDLE, PHASE_TRAINING, PHASE_SERVER, PHASE_EVALUATION, PHASES };

/* c = op(a) · op(b) (+ c when `accumulate`), row-major, `batch` times with strides
 * between the matrices: c is m × n, op(a) m × k, op(b) k × n; ld… the length of a row. */
struct product {
    float *c;
    const float *a, *b;
    bool transpose_a, transpose_b, accumulate;
    int m, n, k;
    int64_t lda, ldb, ldc;
    int64_t stride_a, stride_b, stride_c;
    int batch;
    cgsv_precision precision; /* that a and b are rounded to; sums stay float32 */
    const int32_t *each_m; /* [batch] of the host: m of each, in place of m, the most of them; or NULL */
};

/* A piece of work that enqueues on `device`, which is not its caller's; `core` is its place among
 * those that run side by side. */
typedef cgsv_status device_work(void *context, cgsv_device *device, int number, int core);

/* A recorded sequence of work, to be replayed. Only where the backend has_graphs. */
typedef struct device_graph device_graph;

/* What a kind of device must do; the functions below call it. */
struct device_backend {
    bool has_graphs;
    int block_slots; /* samples of a batch side by side in memory that suit its caches; 0: any number */
    int most_rows; /* of models that a launch can take; 0: any number */
    size_t scratch_bytes; /* models in training with their gradients that launches need to keep it busy: more rows than
                             these take train in portions; 0: any number at once */
    bool has_streams; /* a caller may bring a stream of its own */
    bool shares_memory; /* with the host: kernels read the host's memory as it is */
    void (*close)(cgsv_device *device);
    /* What of it decides the bits of results: "cpu, AVX-512, OpenBLAS SkylakeX". */
    void (*identify)(const cgsv_device *device, char *text, size_t size);
    cgsv_status (*allocate)(cgsv_device *device, void **memory, size_t bytes); /* zeroed */
    void (*release)(cgsv_device *device, void *memory);
    cgsv_status (*upload)(cgsv_device *device, void *to, const void *from, size_t bytes);
    /* Rows of `bytes` each, from_stride bytes apart, to rows without gaps. */
    cgsv_status (*upload_rows)(cgsv_device *device, void *to, const void *from, size_t from_stride, size_t bytes,
                               size_t rows);
    cgsv_status (*download)(cgsv_device *device, void *to, const void *from, size_t bytes);
    cgsv_status (*copy)(cgsv_device *device, void *to, const void *from, size_t bytes); /* within the device */
    cgsv_status (*clear)(cgsv_device *device, void *memory, size_t bytes);
    cgsv_status (*sync)(cgsv_device *device);
    cgsv_status (*wait)(cgsv_device *device, void *stream); /* for the work on any stream of the device */
    cgsv_status (*multiply)(cgsv_device *device, const struct product *product);
    /* Calls work(context, …, number, …) for number = 0 … count − 1, each on one core from its beginning
     * to its end, so that what it works on stays in that core's cache. NULL: the device cannot. */
    cgsv_status (*side_by_side)(cgsv_device *device, int count, device_work *work, void *context);
    cgsv_status (*phase)(cgsv_device *device, enum device_phase phase);
    cgsv_status (*stage)(cgsv_device *device, enum stage stage); /* of the device's profile */
    cgsv_status (*graph_begin)(cgsv_device *device);
    cgsv_status (*graph_end)(cgsv_device *device, device_graph **graph);
    cgsv_status (*graph_launch)(cgsv_device *device, device_graph *graph);
    void (*graph_free)(device_graph *graph);
    size_t (*memory_free)(const cgsv_device *device); /* 0: unknown */
};

struct cgsv_device {
    cgsv_device_info info;
    const struct device_backend *backend;
    const struct kernels *kernels;
    void *stream;
    int cores;   /* for work side by side */
    void *state; /* the backend's own */
    double seconds[PHASES];
    struct profile *profile; /* the caller's; NULL: none. Counts all phases but PHASE_IDLE */
};

/* Passes a launcher's message up as CGSV_ERROR_DEVICE. */
#define LAUNCHED(device, launch) TRY(device_launched(device, launch))
cgsv_status device_launched(const cgsv_device *device, const char *message);

/* The two kinds. Each lists its devices (with a reason when it has none to offer), and
 * opens number `index`. */
int cpu_list(cgsv_device_info *info, int capacity);
cgsv_status cpu_open(cgsv_device *device, int threads);
int cuda_list(cgsv_device_info *info, int capacity);
cgsv_status cuda_open(cgsv_device *device, int index);

#endif
