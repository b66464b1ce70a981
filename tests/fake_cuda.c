#include "fake_cuda.h"

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_memory.h"
#include "kernels/kernels.h"

static long calls, failing, alive;
static char name_of_failed[64];
static cudaError_t last_error;

/* Work in its order: of the stream, or of a capture and then its graph. */
struct work {
    void (*run)(const void *of);
    void *of;
    struct work *next;
};
struct queue {
    struct work *first, **end;
};
/* What was captured, and who still needs it: its graph, and what was made of that to be launched. */
struct captured {
    struct queue queue;
    int users;
};
static struct queue enqueued = {NULL, &enqueued.first};
static struct captured *capturing;
static bool emulated, blocking;

void fake_cuda_watch(long number)
{
    calls = 0;
    failing = number;
    name_of_failed[0] = '\0';
}

long fake_cuda_calls(void) { return calls; }
const char *fake_cuda_failed(void) { return name_of_failed[0] ? name_of_failed : NULL; }
long fake_cuda_alive(void) { return alive; }

bool fake_cuda_fails(const char *name)
{
    if (++calls != failing) return false;
    const char *version = strstr(name, "_v2"); /* as the headers have it */
    const int length = version ? (int)(version - name) : (int)strlen(name);
    snprintf(name_of_failed, sizeof name_of_failed, "%.*s", length, name);
    return true;
}

#define CUDA_CALL(error) \
    if (fake_cuda_fails(__func__)) return error

/* ---- work ---- */

void fake_cuda_emulate(void)
{
    const char *value = getenv("CUDA_LAUNCH_BLOCKING");
    blocking = value && strcmp(value, "1") == 0;
    emulated = true;
}

static void finish(void);

void fake_cuda_enqueue(void (*run)(const void *of), void *of)
{
    if (!emulated) {
        run(of);
        free(of);
        return;
    }
    struct work *w = malloc(sizeof *w);
    if (!w) abort();
    *w = (struct work){run, of, NULL};
    struct queue *to = capturing ? &capturing->queue : &enqueued;
    *to->end = w;
    to->end = &w->next;
    if (blocking && !capturing) finish();
}

static void run_all(const struct queue *queue)
{
    for (const struct work *w = queue->first; w; w = w->next) w->run(w->of);
}

static void forget_all(struct queue *queue)
{
    for (struct work *w = queue->first, *next; w; w = next) {
        next = w->next;
        free(w->of);
        free(w);
    }
    *queue = (struct queue){NULL, &queue->first};
}

/* Waits for the stream. */
static void finish(void)
{
    if (!enqueued.first) return;
    fake_memory_open();
    run_all(&enqueued);
    fake_memory_close();
    forget_all(&enqueued);
}

void *fake_cuda_make(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory) abort();
    alive++;
    return memory;
}

cudaError_t fake_cuda_release(void *memory, const char *name)
{
    if (memory) alive--;
    free(memory);
    return fake_cuda_fails(name) ? cudaErrorLaunchFailure : cudaSuccess;
}

/* ---- devices and errors ---- */

cudaError_t cudaGetDeviceCount(int *count)
{
    CUDA_CALL(cudaErrorInitializationError);
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    (void)device;
    CUDA_CALL(cudaErrorInvalidDevice);
    *properties = (struct cudaDeviceProp){.name = "fake", .totalGlobalMem = (size_t)1 << 33, .major = 9};
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    (void)device;
    CUDA_CALL(cudaErrorInvalidDevice);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    CUDA_CALL(cudaErrorUnknown);
    *available = *total = (size_t)1 << 33;
    return cudaSuccess;
}

cudaError_t fake_cuda_fail(cudaError_t error) { return last_error = error; }
cudaError_t cudaPeekAtLastError(void) { return last_error; }

cudaError_t cudaGetLastError(void)
{
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : error == cudaErrorMemoryAllocation ? "out of memory" : "made to fail";
}

/* ---- memory ---- */

/* The CPU's kernels run at once, so that the host must share what they work on. */
static cudaError_t take(void **memory, size_t bytes, bool shared, const char *name)
{
    if (fake_cuda_fails(name)) return fake_cuda_fail(cudaErrorMemoryAllocation);
    if (capturing && emulated) return fake_cuda_fail(cudaErrorStreamCaptureUnsupported);
    *memory = fake_memory_take(bytes, shared || !emulated);
    if (!*memory) return fake_cuda_fail(cudaErrorMemoryAllocation);
    alive++;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) { return take(memory, bytes, false, __func__); }

cudaError_t cudaMallocManaged(void **memory, size_t bytes, unsigned flags)
{
    (void)flags;
    return take(memory, bytes, true, __func__);
}

cudaError_t cudaFree(void *memory)
{
    finish();
    if (memory) {
        fake_memory_give(memory);
        alive--;
    }
    return fake_cuda_fails(__func__) ? cudaErrorLaunchFailure : cudaSuccess;
}

/* Rows of bytes that are copied, or (without `from`) all become `value`. */
struct move {
    char *to;
    const char *from;
    size_t to_stride, from_stride, bytes, rows;
    int value;
};

static void run_move(const void *of)
{
    const struct move *m = of;
    for (size_t i = 0; i < m->rows; i++) {
        if (m->from)
            memcpy(m->to + i * m->to_stride, m->from + i * m->from_stride, m->bytes);
        else
            memset(m->to + i * m->to_stride, m->value, m->bytes);
    }
}

static cudaError_t enqueue_move(struct move move)
{
    struct move *of = malloc(sizeof *of);
    if (!of) abort();
    *of = move;
    fake_cuda_enqueue(run_move, of);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    (void)stream;
    CUDA_CALL(cudaErrorInvalidValue);
    return enqueue_move((struct move){.to = memory, .bytes = bytes, .rows = 1, .value = value});
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind, (void)stream;
    CUDA_CALL(cudaErrorInvalidValue);
    return enqueue_move((struct move){.to = to, .from = from, .bytes = bytes, .rows = bytes > 0});
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_stride, const void *from, size_t from_stride, size_t bytes,
                              size_t rows, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind, (void)stream;
    CUDA_CALL(cudaErrorInvalidValue);
    return enqueue_move((struct move){to, from, to_stride, from_stride, bytes, rows, 0});
}

/* ---- streams, events, graphs ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    CUDA_CALL(cudaErrorUnknown);
    struct cpu_stream *made = fake_cuda_make(sizeof *made); /* what the kernels of the CPU take */
    made->threads = 1;
    *stream = (cudaStream_t)(void *)made;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return fake_cuda_release(stream, __func__); }

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    (void)stream;
    CUDA_CALL(cudaErrorIllegalAddress);
    if (capturing) return cudaErrorStreamCaptureUnsupported;
    finish();
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) { return cudaStreamSynchronize(NULL); }

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    CUDA_CALL(cudaErrorUnknown);
    *event = fake_cuda_make(1);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) { return fake_cuda_release(event, __func__); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)event, (void)stream;
    CUDA_CALL(cudaErrorUnknown);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    (void)begin, (void)end;
    CUDA_CALL(cudaErrorUnknown);
    *milliseconds = 1;
    return cudaSuccess;
}

/* What a graph became. */
struct executable {
    struct captured *captured;
    int launches;
};

static void leave(struct captured *captured)
{
    if (--captured->users > 0) return;
    forget_all(&captured->queue);
    free(captured);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)stream, (void)mode;
    CUDA_CALL(cudaErrorStreamCaptureUnsupported);
    capturing = malloc(sizeof *capturing);
    if (!capturing) abort();
    *capturing = (struct captured){{NULL, &capturing->queue.first}, 1};
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    (void)stream;
    struct captured *captured = capturing;
    capturing = NULL;
    if (fake_cuda_fails(__func__)) {
        leave(captured);
        return cudaErrorStreamCaptureInvalidated;
    }
    alive++;
    *graph = (cudaGraph_t)(void *)captured;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    CUDA_CALL(cudaErrorUnknown);
    struct executable *made = fake_cuda_make(sizeof *made);
    made->captured = (struct captured *)(void *)graph;
    made->captured->users++;
    *executable = (cudaGraphExec_t)(void *)made;
    return cudaSuccess;
}

static void run_captured(const void *of) { run_all(&(*(const struct captured *const *)of)->queue); }

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    (void)stream;
    CUDA_CALL(cudaErrorLaunchFailure);
    struct executable *e = (struct executable *)(void *)executable;
    if (!emulated) return ++e->launches == 1 ? cudaSuccess : cudaErrorNotSupported;
    struct captured **of = malloc(sizeof *of);
    if (!of) abort();
    *of = e->captured;
    fake_cuda_enqueue(run_captured, of);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    alive--;
    leave((struct captured *)(void *)graph);
    return fake_cuda_fails(__func__) ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    struct executable *e = (struct executable *)(void *)executable;
    finish();
    leave(e->captured);
    return fake_cuda_release(e, __func__);
}
