/* Kernels with a mistake each, that the machine must see, and the same without. By test_emulator.c; memory: an array of
 * 256 ints. */
#include <cuda_pipeline.h>
#include <stdint.h>

#define PROBE(name) extern "C" __global__ void __launch_bounds__(256) name(int *memory)

/* Each thread leaves a number for its left neighbour, who reads it after `between`. */
#define EXCHANGE(between)                    \
    __shared__ int passed[256];              \
    passed[threadIdx.x] = memory[threadIdx.x]; \
    between;                                 \
    memory[threadIdx.x] = passed[(threadIdx.x + 1) % 256]

PROBE(sound_barrier) { EXCHANGE(__syncthreads()); }
PROBE(fault_no_barrier) { EXCHANGE(); }
PROBE(fault_barrier_of_warps_only) { EXCHANGE(__syncwarp()); }

/* The same within warps. */
#define EXCHANGE_IN_WARP(between)            \
    __shared__ int passed[256];              \
    passed[threadIdx.x] = memory[threadIdx.x]; \
    between;                                 \
    memory[threadIdx.x] = passed[threadIdx.x / 32 * 32 + (threadIdx.x + 1) % 32]

PROBE(sound_barrier_of_warps) { EXCHANGE_IN_WARP(__syncwarp()); }
PROBE(fault_no_barrier_of_warps) { EXCHANGE_IN_WARP(); }
/* An exchange of registers orders no memory. */
PROBE(fault_exchange_for_a_barrier) { EXCHANGE_IN_WARP(memory[0] = __shfl_sync(0xffffffffu, 1, 0)); }

PROBE(fault_written_while_read)
{
    __shared__ int passed[256];
    passed[threadIdx.x] = memory[threadIdx.x];
    __syncthreads();
    const int got = passed[(threadIdx.x + 100) % 256];
    passed[threadIdx.x] = got + 1;
    __syncthreads();
    memory[threadIdx.x] = passed[threadIdx.x];
}

PROBE(sound_atomics)
{
    __shared__ int sum;
    if (threadIdx.x == 0) sum = 0;
    __syncthreads();
    atomicAdd(&sum, memory[threadIdx.x]);
    __syncthreads();
    memory[threadIdx.x] = sum;
}

PROBE(fault_read_beside_atomics)
{
    __shared__ int sum;
    if (threadIdx.x == 0) sum = 0;
    __syncthreads();
    atomicAdd(&sum, memory[threadIdx.x]);
    memory[threadIdx.x] = sum;
}

#define COPY(wait)                                                                      \
    __shared__ int copied[256];                                                         \
    __pipeline_memcpy_async(copied + threadIdx.x, memory + threadIdx.x, sizeof(int));   \
    __pipeline_commit();                                                                \
    wait;                                                                               \
    __syncthreads();                                                                    \
    memory[threadIdx.x] = copied[(threadIdx.x + 1) % 256]

PROBE(sound_copy) { COPY(__pipeline_wait_prior(0)); }
PROBE(fault_copy_not_waited_for) { COPY(); }
PROBE(fault_copy_of_another_group) { COPY(__pipeline_wait_prior(1)); }

PROBE(fault_barrier_for_some)
{
    if (threadIdx.x < 100) __syncthreads();
    memory[threadIdx.x] = 1;
}

PROBE(fault_exchange_of_some)
{
    if (threadIdx.x % 32 < 30) memory[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}

PROBE(fault_not_aligned)
{
    const int2 *pair = (const int2 *)(memory + 1);
    const int2 got = pair[threadIdx.x / 4];
    memory[threadIdx.x] = got.x * got.y;
}

PROBE(fault_beyond_memory) { memory[threadIdx.x + (threadIdx.x == 255)] = 1; }

PROBE(fault_beyond_shared)
{
    __shared__ int few[200];
    few[threadIdx.x] = memory[threadIdx.x];
    __syncthreads();
    memory[threadIdx.x] = few[threadIdx.x / 2];
}

/* 8 warps read 128 bytes in 4 sectors each and write as many; then 4 bytes to a sector; then all threads read the same
 * entry, and write to the same bank of shared memory. */
PROBE(traffic_in_rows) { memory[threadIdx.x] = memory[threadIdx.x ^ 32] + 1; }
PROBE(traffic_apart) { memory[threadIdx.x % 16 * 16] = (int)threadIdx.x; }
PROBE(traffic_in_one_bank)
{
    __shared__ int row[256 * 32];
    row[threadIdx.x * 32] = memory[7];
    __syncthreads();
    if (row[threadIdx.x * 32] < 0) memory[0] = 0;
}

PROBE(sound_shared_begins_as_nan)
{
    __shared__ float nothing[256];
    if (memory[threadIdx.x] < 0) nothing[threadIdx.x] = 0;
    memory[threadIdx.x] = nothing[threadIdx.x] != nothing[threadIdx.x];
}
