/* Tests look into a device's memory: on a GPU it is then managed memory. Linked with -Wl,--wrap=cudaMalloc. */
#include <cuda_runtime_api.h>

cudaError_t __wrap_cudaMalloc(void **memory, size_t bytes);
cudaError_t __wrap_cudaMalloc(void **memory, size_t bytes)
{
    return cudaMallocManaged(memory, bytes, cudaMemAttachGlobal);
}
