/* The cuBLAS of tests/fake_cuda.h, on OpenBLAS. */
#include <cblas.h>
#include <cublas_v2.h>
#include <stdlib.h>

#include "fake_cuda.h"
#include "kernels/rounding.h"

#define CUBLAS_CALL() \
    if (fake_cuda_fails(__func__)) return CUBLAS_STATUS_INTERNAL_ERROR

const char *cublasGetStatusString(cublasStatus_t status) { return status ? "made to fail" : "success"; }

cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
    CUBLAS_CALL();
    *handle = fake_cuda_make(1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    return fake_cuda_release(handle, __func__) ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
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
