/* NVIDIA GPUs as devices: the CUDA runtime, cuBLAS, graphs. A binary built without CUDA
 * lists the kind with that as the reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"

#if !defined(CGSV_CUDA)

static const char *const without = "this binary was built without CUDA; build it where CMake finds nvcc";

int cuda_list(cgsv_device_info *info, int capacity)
{
    if (capacity > 0) {
        memset(info, 0, sizeof *info);
        snprintf(info->name, sizeof info->name, "cuda");
        snprintf(info->reason, sizeof info->reason, "%s", without);
    }
    return 1;
}

cgsv_status cuda_open(cgsv_device *device, int index)
{
    (void)device;
    return error_set(CGSV_ERROR_DEVICE, "cuda:%d cannot be used: %s", index, without);
}

#else

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

/* 2^25 parameters in training and their gradients. A pass over these takes some 100 µs at 3 TB/s, against a few µs to
 * launch it, and a hundred entries come to each thread that a GPU holds at once: more rows together gain little. */
enum { SCRATCH_BYTES = 256 << 20 };

/* Marks of the stopwatch between two waits for the device. */
enum { MARKS = 256 };

struct cuda_state {
    int index;
    cudaStream_t stream;
    cublasHandle_t blas;
    void *workspace; /* cuBLAS's, ours so that graphs may hold it and results repeat */
    cudaEvent_t mark[MARKS];
    enum device_phase phase[MARKS]; /* that begins at the mark, */
    enum stage stage[MARKS];        /* and of the device's profile */
    int marks;
    enum device_phase current;
};

enum { WORKSPACE_BYTES = 32 << 20 };

#define CUDA_TRY(call) TRY(cuda_check(call, #call))
#define CUBLAS_TRY(call) TRY(cublas_check(call, #call))

static cgsv_status cuda_check(cudaError_t error, const char *call)
{
    if (error == cudaSuccess) return CGSV_OK;
    cgsv_status status = error == cudaErrorMemoryAllocation ? CGSV_ERROR_MEMORY : CGSV_ERROR_DEVICE;
    return error_set(status, "CUDA: %s (%s)", cudaGetErrorString(error), call);
}

static cgsv_status cublas_check(cublasStatus_t status, const char *call)
{
    if (status == CUBLAS_STATUS_SUCCESS) return CGSV_OK;
    return error_set(CGSV_ERROR_DEVICE, "cuBLAS: %s (%s)", cublasGetStatusString(status), call);
}

static void describe(cgsv_device_info *info, int index)
{
    struct cudaDeviceProp properties;
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "cuda:%d", index);
    cudaError_t error = cudaGetDeviceProperties(&properties, index);
    if (error != cudaSuccess) {
        snprintf(info->reason, sizeof info->reason, "%s", cudaGetErrorString(error));
        return;
    }
    info->memory_total = properties.totalGlobalMem;
    snprintf(info->description, sizeof info->description, "%.100s, sm_%d%d, %d multiprocessors", properties.name,
             properties.major, properties.minor, properties.multiProcessorCount);
}

int cuda_list(cgsv_device_info *info, int capacity)
{
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) {
        for (int i = 0; i < count && i < capacity; i++) describe(&info[i], i);
        return count;
    }
    if (capacity > 0) {
        memset(info, 0, sizeof *info);
        snprintf(info->name, sizeof info->name, "cuda");
        snprintf(info->reason, sizeof info->reason, "no NVIDIA GPU with a fitting driver: %s",
                 error == cudaSuccess ? "none found" : cudaGetErrorString(error));
    }
    return 1;
}

static void cuda_close(cgsv_device *device)
{
    struct cuda_state *s = device->state;
    if (!s) return;
    for (int i = 0; i < MARKS; i++)
        if (s->mark[i]) cudaEventDestroy(s->mark[i]);
    if (s->blas) cublasDestroy(s->blas);
    if (s->workspace) cudaFree(s->workspace);
    if (s->stream) cudaStreamDestroy(s->stream);
    free(s);
    device->state = NULL;
}

static cgsv_status cuda_allocate(cgsv_device *device, void **memory, size_t bytes)
{
    struct cuda_state *s = device->state;
    *memory = NULL;
    cudaError_t error = cudaMalloc(memory, bytes ? bytes : 1);
    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError(); /* not to be found by the next launch */
        return error_set(CGSV_ERROR_MEMORY, "%s: %zu bytes of memory are not to be had", device->info.name, bytes);
    }
    TRY(cuda_check(error, "cudaMalloc"));
    CUDA_TRY(cudaMemsetAsync(*memory, 0, bytes, s->stream));
    return CGSV_OK;
}

static void cuda_identify(const cgsv_device *device, char *text, size_t size)
{
    const struct cuda_state *s = device->state;
    const char *name = device->info.description;
    int version = 0;
    cublasGetVersion(s->blas, &version);
    snprintf(text, size, "%.*s, cuBLAS %d", (int)strcspn(name, ","), name, version);
}

static void cuda_release(cgsv_device *device, void *memory)
{
    (void)device;
    cudaFree(memory);
}

static cgsv_status cuda_resolve_marks(cgsv_device *device)
{
    struct cuda_state *s = device->state;
    for (int i = 0; i + 1 < s->marks; i++) {
        float milliseconds = 0;
        CUDA_TRY(cudaEventElapsedTime(&milliseconds, s->mark[i], s->mark[i + 1]));
        device->seconds[s->phase[i]] += 1e-3 * milliseconds;
        if (device->profile && s->phase[i] != PHASE_IDLE)
            device->profile->stage[s->stage[i]].seconds += 1e-3 * milliseconds;
    }
    s->marks = 0;
    return CGSV_OK;
}

static cgsv_status mark(cgsv_device *device);

static cgsv_status cuda_sync(cgsv_device *device)
{
    struct cuda_state *s = device->state;
    if (s->marks) TRY(mark(device));
    CUDA_TRY(cudaStreamSynchronize(s->stream));
    return cuda_resolve_marks(device);
}

static cgsv_status cuda_wait(cgsv_device *device, void *stream)
{
    (void)device;
    CUDA_TRY(cudaStreamSynchronize(stream));
    return CGSV_OK;
}

/* The last of all marks becomes the first of the next ones, so that no time between two is lost. */
static cgsv_status mark(cgsv_device *device)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaEventRecord(s->mark[s->marks], s->stream));
    s->phase[s->marks] = s->current;
    s->stage[s->marks++] = device->profile ? device->profile->current : STAGE_OTHER;
    if (s->marks < MARKS) return CGSV_OK;
    CUDA_TRY(cudaStreamSynchronize(s->stream));
    TRY(cuda_resolve_marks(device));
    const cudaEvent_t last = s->mark[MARKS - 1];
    s->mark[MARKS - 1] = s->mark[0];
    s->mark[0] = last;
    s->phase[0] = s->phase[MARKS - 1];
    s->stage[0] = s->stage[MARKS - 1];
    s->marks = 1;
    return CGSV_OK;
}

static cgsv_status cuda_phase(cgsv_device *device, enum device_phase phase)
{
    ((struct cuda_state *)device->state)->current = phase;
    return mark(device);
}

static cgsv_status cuda_stage(cgsv_device *device, enum stage stage)
{
    device->profile->current = stage;
    return mark(device);
}

static cgsv_status cuda_upload(cgsv_device *device, void *to, const void *from, size_t bytes)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, s->stream));
    return cuda_sync(device);
}

static cgsv_status cuda_upload_rows(cgsv_device *device, void *to, const void *from, size_t from_stride, size_t bytes,
                                    size_t rows)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaMemcpy2DAsync(to, bytes, from, from_stride, bytes, rows, cudaMemcpyHostToDevice, s->stream));
    return cuda_sync(device);
}

static cgsv_status cuda_download(cgsv_device *device, void *to, const void *from, size_t bytes)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, s->stream));
    return cuda_sync(device);
}

static cgsv_status cuda_copy(cgsv_device *device, void *to, const void *from, size_t bytes)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s->stream));
    return CGSV_OK;
}

static cgsv_status cuda_clear(cgsv_device *device, void *memory, size_t bytes)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaMemsetAsync(memory, 0, bytes, s->stream));
    return CGSV_OK;
}

/* On tensor cores, which cuBLAS leaves alone in the mode that keeps to float32. */
static cgsv_status multiply_rounded(cgsv_device *device, const struct product *p)
{
    struct cuda_state *s = device->state;
    const float one = 1.0f, beta = p->accumulate ? 1.0f : 0.0f;
    const cublasComputeType_t compute = p->precision == CGSV_PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                            : CUBLAS_COMPUTE_32F_FAST_16BF;
    CUBLAS_TRY(cublasSetMathMode(s->blas, CUBLAS_DEFAULT_MATH));
    const cublasStatus_t status = cublasGemmStridedBatchedEx(
        s->blas, p->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, p->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, p->n, p->m,
        p->k, &one, p->b, CUDA_R_32F, (int)p->ldb, p->stride_b, p->a, CUDA_R_32F, (int)p->lda, p->stride_a, &beta, p->c,
        CUDA_R_32F, (int)p->ldc, p->stride_c, p->batch, compute, CUBLAS_GEMM_DEFAULT);
    CUBLAS_TRY(cublasSetMathMode(s->blas, CUBLAS_PEDANTIC_MATH));
    return cublas_check(status, "cublasGemmStridedBatchedEx");
}

/* cuBLAS is column-major: a row-major c = a b is its c' = b' a'. */
static cgsv_status cuda_multiply(cgsv_device *device, const struct product *p)
{
    struct cuda_state *s = device->state;
    if (p->precision != CGSV_PRECISION_FLOAT32) return multiply_rounded(device, p);
    const float one = 1.0f, beta = p->accumulate ? 1.0f : 0.0f;
    CUBLAS_TRY(cublasSgemmStridedBatched(s->blas, p->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                                         p->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, p->n, p->m, p->k, &one, p->b,
                                         (int)p->ldb, p->stride_b, p->a, (int)p->lda, p->stride_a, &beta, p->c,
                                         (int)p->ldc, p->stride_c, p->batch));
    return CGSV_OK;
}

static cgsv_status cuda_graph_begin(cgsv_device *device)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeThreadLocal));
    return CGSV_OK;
}

static cgsv_status cuda_graph_end(cgsv_device *device, device_graph **graph)
{
    struct cuda_state *s = device->state;
    cudaGraph_t recorded;
    cudaGraphExec_t executable;
    CUDA_TRY(cudaStreamEndCapture(s->stream, &recorded));
    cudaError_t error = cudaGraphInstantiate(&executable, recorded, 0);
    cudaGraphDestroy(recorded);
    TRY(cuda_check(error, "cudaGraphInstantiate"));
    *graph = (device_graph *)executable;
    return CGSV_OK;
}

static cgsv_status cuda_graph_launch(cgsv_device *device, device_graph *graph)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaGraphLaunch((cudaGraphExec_t)graph, s->stream));
    return CGSV_OK;
}

static void cuda_graph_free(device_graph *graph) { cudaGraphExecDestroy((cudaGraphExec_t)graph); }

static size_t cuda_memory_free(const cgsv_device *device)
{
    (void)device;
    size_t available = 0, total = 0;
    return cudaMemGetInfo(&available, &total) == cudaSuccess ? available : 0;
}

static const struct device_backend cuda_backend = {
    .has_graphs = true,
    .most_rows = 65535, /* blocks along a grid's y and z */
    .scratch_bytes = SCRATCH_BYTES,
    .has_streams = true,
    .close = cuda_close,
    .identify = cuda_identify,
    .allocate = cuda_allocate,
    .release = cuda_release,
    .upload = cuda_upload,
    .upload_rows = cuda_upload_rows,
    .download = cuda_download,
    .copy = cuda_copy,
    .clear = cuda_clear,
    .sync = cuda_sync,
    .wait = cuda_wait,
    .multiply = cuda_multiply,
    .phase = cuda_phase,
    .stage = cuda_stage,
    .graph_begin = cuda_graph_begin,
    .graph_end = cuda_graph_end,
    .graph_launch = cuda_graph_launch,
    .graph_free = cuda_graph_free,
    .memory_free = cuda_memory_free,
};

static cgsv_status start(cgsv_device *device)
{
    struct cuda_state *s = device->state;
    CUDA_TRY(cudaSetDevice(s->index));
    CUDA_TRY(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking));
    for (int i = 0; i < MARKS; i++) CUDA_TRY(cudaEventCreate(&s->mark[i]));
    CUDA_TRY(cudaMalloc(&s->workspace, WORKSPACE_BYTES));
    CUBLAS_TRY(cublasCreate(&s->blas));
    CUBLAS_TRY(cublasSetStream(s->blas, s->stream));
    CUBLAS_TRY(cublasSetWorkspace(s->blas, s->workspace, WORKSPACE_BYTES));
    CUBLAS_TRY(cublasSetMathMode(s->blas, CUBLAS_PEDANTIC_MATH)); /* float32 throughout */
    device->info.memory_free = cuda_memory_free(device);
    return CGSV_OK;
}

cgsv_status cuda_open(cgsv_device *device, int index)
{
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || index >= count)
        return error_set(CGSV_ERROR_DEVICE, "cuda:%d cannot be used: %s; see 'cgsv devices'", index,
                         error != cudaSuccess ? cudaGetErrorString(error) : "there are fewer GPUs than that");
    struct cuda_state *state = calloc(1, sizeof *state);
    if (!state) return error_set(CGSV_ERROR_MEMORY, "no memory for a device handle");
    state->index = index;
    describe(&device->info, index);
    device->backend = &cuda_backend;
    device->kernels = &kernels_cuda;
    device->state = state;
    cgsv_status status = start(device);
    if (status != CGSV_OK) {
        cuda_close(device);
        return status;
    }
    device->stream = state->stream;
    return CGSV_OK;
}

#endif
