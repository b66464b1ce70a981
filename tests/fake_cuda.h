/* A CUDA runtime and a cuBLAS on the host, for tests of what src/device/cuda.c does when they fail: memory is the
 * host's, work is done when it is enqueued, by the kernels of the CPU. A capture records nothing: its work is done as
 * it comes, and the first launch of its graph does no more; further launches cannot be had. */
#ifndef TESTS_FAKE_CUDA_H
#define TESTS_FAKE_CUDA_H

/* Counts calls that can fail from here on, the first is number 1; number 0: none fails. */
void fake_cuda_watch(long number);

/* Calls since then; the name of the one that failed, NULL when none has. */
long fake_cuda_calls(void);
const char *fake_cuda_failed(void);

/* Memory, streams, events, handles and graphs that are not released. */
long fake_cuda_alive(void);

#endif
