/* op_threads or op_cuda [small]: the op cases as a plain program, for ThreadSanitizer on the
 * threads build and for compute-sanitizer on a GPU. */
#include <stdio.h>
#include <string.h>

#include "op_cases.h"

static int passed;

static void report(const char *name, int ok, const char *detail)
{
    passed += ok;
    if (!ok) printf("FAIL: %s: %s\n", name, detail);
}

#if defined(CGSV_OP_CUDA)

#include <cuda_runtime_api.h>

/* Managed memory, a few MiB of it, so that the cases may fill and read it as they do. */
static void *cuda_take(size_t bytes)
{
    void *memory = NULL;
    return cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal) == cudaSuccess ? memory : NULL;
}

static void cuda_give(void *memory) { cudaFree(memory); }

static const char *cuda_wait(void)
{
    cudaError_t error = cudaDeviceSynchronize();
    return error == cudaSuccess ? NULL : cudaGetErrorString(error);
}

static const struct kernels *start(void)
{
    op_memory = (struct op_memory){cuda_take, cuda_give, cuda_wait};
    return &kernels_cuda;
}

#else

static const struct kernels *start(void) { return &kernels_threads; }

#endif

int main(int argc, char **argv)
{
    op_cases_small = argc > 1 && strcmp(argv[1], "small") == 0;
    const int failed = op_cases_run(start(), NULL, report);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
