/* A CUDA runtime and a cuBLAS on the host, of two kinds.
 *
 * For tests of what src/device/cuda.c does when calls fail: kernels are those of the CPU, work is done when it is
 * enqueued. A capture records nothing: its work is done as it comes, the first launch of its graph does no more, and
 * further launches cannot be had.
 *
 * After fake_cuda_emulate(), for the kernels that nvcc made (tests/emulator): as on a GPU, only stricter. No work is
 * done before somebody waits for it, and work that is captured, when its graph is launched; with
 * CUDA_LAUNCH_BLOCKING=1 all but captured work is done at once. Memory: tests/fake_memory.h. */
#ifndef TESTS_FAKE_CUDA_H
#define TESTS_FAKE_CUDA_H

#include <cuda_runtime_api.h>
#include <stdbool.h>

/* Counts calls that can fail from here on, the first is number 1; number 0: none fails. */
void fake_cuda_watch(long number);

/* Calls since then; the name of the one that failed, NULL when none has. */
long fake_cuda_calls(void);
const char *fake_cuda_failed(void);

/* Memory, streams, events, handles and graphs that are not released. */
long fake_cuda_alive(void);

void fake_cuda_emulate(void);

/* For launches by nvcc's code: run(of), and in the end free(of), which malloc() gave. */
void fake_cuda_enqueue(void (*run)(const void *of), void *of);

/* For tests/fake_cublas.c. Whether this call, by name, is the one to fail; an object that is alive until it is
 * released, which it is whatever the call says. */
bool fake_cuda_fails(const char *name);
void *fake_cuda_make(size_t bytes);
cudaError_t fake_cuda_release(void *object, const char *name);

/* Sets what cudaGetLastError() and cudaPeekAtLastError() say, and returns it. */
cudaError_t fake_cuda_fail(cudaError_t error);

#endif
