#include "fake_cuda.h"

#include <cblas.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { FILLED = 1 << 20 }; /* bytes of an allocation that become NaN; more would take most of the test's time */

static long calls, failing, alive;
static char name_of_failed[64];

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

cudaError_t cudaGetLastError(void) { return cudaSuccess; }

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : error == cudaErrorMemoryAllocation ? "out of memory" : "made to fail";
}

const char *cublasGetStatusString(cublasStatus_t status) { return status ? "made to fail" : "success"; }

/* ---- memory ---- */

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    CUDA_CALL(cudaErrorMemoryAllocation);
    *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*memory) abort();
    memset(*memory, 0xff, bytes < FILLED ? bytes : FILLED); /* nothing is zero by itself */
    alive++;
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory) { return release(memory, __func__); }

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    (void)stream;
    CUDA_CALL(cudaErrorInvalidValue);
    memset(memory, value, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind, (void)stream;
    CUDA_CALL(cudaErrorInvalidValue);
    memcpy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_stride, const void *from, size_t from_stride, size_t bytes,
                              size_t rows, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind, (void)stream;
    CUDA_CALL(cudaErrorInvalidValue);
    for (size_t i = 0; i < rows; i++) memcpy((char *)to + i * to_stride, (const char *)from + i * from_stride, bytes);
    return cudaSuccess;
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
    return cudaSuccess;
}

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

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)stream, (void)mode;
    CUDA_CALL(cudaErrorStreamCaptureUnsupported);
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    (void)stream;
    CUDA_CALL(cudaErrorStreamCaptureInvalidated);
    *graph = make(1);
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags)
{
    (void)graph, (void)flags;
    CUDA_CALL(cudaErrorUnknown);
    *executable = make(sizeof(int));
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    (void)stream;
    CUDA_CALL(cudaErrorLaunchFailure);
    int *launches = (int *)(void *)executable;
    return ++*launches == 1 ? cudaSuccess : cudaErrorNotSupported;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return release(graph, __func__); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return release(executable, __func__); }

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

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                         int n, int k, const float *alpha, const float *a, int lda, long long stride_a,
                                         const float *b, int ldb, long long stride_b, const float *beta, float *c,
                                         int ldc, long long stride_c, int batch)
{
    (void)handle;
    CUBLAS_CALL();
    for (int i = 0; i < batch; i++)
        cblas_sgemm(CblasColMajor, op_a == CUBLAS_OP_T ? CblasTrans : CblasNoTrans,
                    op_b == CUBLAS_OP_T ? CblasTrans : CblasNoTrans, m, n, k, *alpha, a + i * stride_a, lda,
                    b + i * stride_b, ldb, *beta, c + i * stride_c, ldc);
    return CUBLAS_STATUS_SUCCESS;
}

/* float32 on both sides: what is tested is how its failure is passed up. */
cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                          int n, int k, const void *alpha, const void *a, cudaDataType type_a, int lda,
                                          long long stride_a, const void *b, cudaDataType type_b, int ldb,
                                          long long stride_b, const void *beta, void *c, cudaDataType type_c, int ldc,
                                          long long stride_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t algorithm)
{
    (void)algorithm;
    if (type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F) abort();
    if (compute != CUBLAS_COMPUTE_32F_FAST_TF32 && compute != CUBLAS_COMPUTE_32F_FAST_16BF) abort();
    return cublasSgemmStridedBatched(handle, op_a, op_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c,
                                     ldc, stride_c, batch);
}
