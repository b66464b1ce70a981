#include "fake_cuda.h"

#include <cblas.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_memory.h"
#include "kernels/kernels.h"
#include "kernels/rounding.h"

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

static bool fails(const char *name)
{
    if (++calls != failing) return false;
    const char *version = strstr(name, "_v2"); /* as the headers have it */
    const int length = version ? (int)(version - name) : (int)strlen(name);
    snprintf(name_of_failed, sizeof name_of_failed, "%.*s", length, name);
    return true;
}

#define CUDA_CALL(error) \
    if (fails(__func__)) return error
#define CUBLAS_CALL() \
    if (fails(__func__)) return CUBLAS_STATUS_INTERNAL_ERROR

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

static void *make(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory) abort();
    alive++;
    return memory;
}

/* What is released is gone, whatever the call says. */
static cudaError_t release(void *memory, const char *name)
{
    if (memory) alive--;
    free(memory);
    return fails(name) ? cudaErrorLaunchFailure : cudaSuccess;
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

const char *cublasGetStatusString(cublasStatus_t status) { return status ? "made to fail" : "success"; }

/* ---- memory ---- */

/* The CPU's kernels run at once, so that the host must share what they work on. */
static cudaError_t take(void **memory, size_t bytes, bool shared, const char *name)
{
    if (fails(name)) return fake_cuda_fail(cudaErrorMemoryAllocation);
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
    return fails(__func__) ? cudaErrorLaunchFailure : cudaSuccess;
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
    struct cpu_stream *made = make(sizeof *made); /* what the kernels of the CPU take */
    made->threads = 1;
    *stream = (cudaStream_t)(void *)made;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return release(stream, __func__); }

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
    *event = make(1);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) { return release(event, __func__); }

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
    if (fails(__func__)) {
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
    struct executable *made = make(sizeof *made);
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
    return fails(__func__) ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    struct executable *e = (struct executable *)(void *)executable;
    finish();
    leave(e->captured);
    return release(e, __func__);
}

/* ---- cuBLAS ---- */

cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
    CUBLAS_CALL();
    *handle = make(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    return release(handle, __func__) ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
    (void)handle, (void)stream;
    CUBLAS_CALL();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes)
{
    (void)handle, (void)workspace, (void)bytes;
    CUBLAS_CALL();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
{
    (void)handle, (void)mode;
    CUBLAS_CALL();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion(cublasHandle_t handle, int *version)
{
    (void)handle;
    CUBLAS_CALL();
    *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}

struct products {
    CBLAS_TRANSPOSE transpose_a, transpose_b;
    int m, n, k, lda, ldb, ldc, batch;
    float alpha, beta;
    const float *a, *b;
    float *c;
    long long stride_a, stride_b, stride_c;
    cublasComputeType_t compute;
};

/* What tensor cores read of a matrix, in columns of the same stride; to be freed. */
static float *rounded(const float *from, int ld, int rows, int columns, cublasComputeType_t compute)
{
    float *to = calloc((size_t)ld * (size_t)columns, sizeof *to);
    if (!to) abort();
    for (ptrdiff_t j = 0; j < columns; j++)
        for (int i = 0; i < rows; i++) {
            const float x = from[j * ld + i];
            to[j * ld + i] = compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? rounded_tf32(x) : rounded_bf16(x);
        }
    return to;
}

static void run_products(const void *of)
{
    const struct products *p = of;
    const bool exact = p->compute == CUBLAS_COMPUTE_32F;
    for (int i = 0; i < p->batch; i++) {
        const float *a = p->a + i * p->stride_a, *b = p->b + i * p->stride_b;
        const bool a_lies = p->transpose_a == CblasTrans, b_lies = p->transpose_b == CblasTrans;
        float *own_a = exact ? NULL : rounded(a, p->lda, a_lies ? p->k : p->m, a_lies ? p->m : p->k, p->compute);
        float *own_b = exact ? NULL : rounded(b, p->ldb, b_lies ? p->n : p->k, b_lies ? p->k : p->n, p->compute);
        cblas_sgemm(CblasColMajor, p->transpose_a, p->transpose_b, p->m, p->n, p->k, p->alpha, exact ? a : own_a,
                    p->lda, exact ? b : own_b, p->ldb, p->beta, p->c + i * p->stride_c, p->ldc);
        free(own_a);
        free(own_b);
    }
}

static cublasStatus_t enqueue_products(struct products products)
{
    struct products *of = malloc(sizeof *of);
    if (!of) abort();
    *of = products;
    fake_cuda_enqueue(run_products, of);
    return CUBLAS_STATUS_SUCCESS;
}

static CBLAS_TRANSPOSE transposition(cublasOperation_t op) { return op == CUBLAS_OP_T ? CblasTrans : CblasNoTrans; }

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                         int n, int k, const float *alpha, const float *a, int lda, long long stride_a,
                                         const float *b, int ldb, long long stride_b, const float *beta, float *c,
                                         int ldc, long long stride_c, int batch)
{
    (void)handle;
    CUBLAS_CALL();
    return enqueue_products((struct products){transposition(op_a), transposition(op_b), m, n, k, lda, ldb, ldc, batch,
                                              *alpha, *beta, a, b, c, stride_a, stride_b, stride_c,
                                              CUBLAS_COMPUTE_32F});
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                          int n, int k, const void *alpha, const void *a, cudaDataType type_a, int lda,
                                          long long stride_a, const void *b, cudaDataType type_b, int ldb,
                                          long long stride_b, const void *beta, void *c, cudaDataType type_c, int ldc,
                                          long long stride_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t algorithm)
{
    (void)handle, (void)algorithm;
    CUBLAS_CALL();
    if (type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F) abort();
    if (compute != CUBLAS_COMPUTE_32F_FAST_TF32 && compute != CUBLAS_COMPUTE_32F_FAST_16BF) abort();
    return enqueue_products((struct products){transposition(op_a), transposition(op_b), m, n, k, lda, ldb, ldc, batch,
                                              *(const float *)alpha, *(const float *)beta, a, b, c, stride_a,
                                              stride_b, stride_c, compute});
}
