/* With lanes*.h and tiles.h, the one file that knows which compiler is at work.
 *
 * Every kernel of this folder is compiled three times from the same text:
 *
 *   GPU      by nvcc. A block is a team of BLOCK_THREADS threads, in warps of 32.
 *   CPU      by the C++ compiler. A block is ONE thread; OpenMP spreads blocks over
 *            cores. The same file is compiled once per instruction set.
 *   threads  by the C++ compiler, for tests only (CGSV_BLOCK_IS_THREADS). A block is
 *            several OS threads with a real barrier, to run under ThreadSanitizer: a
 *            missing block_sync() is then a data race that the sanitizer reports.
 *
 * Ways to share out work:
 *
 *   GRID_FOR(i, n)   over all threads of all blocks.
 *   BLOCK_FOR(i, n)  over a block's threads.
 *   WARP_FOR(i, n)   one index to a "warp", which works on LANES neighbouring floats
 *                    at once through the type `lanes`: on the GPU a float per thread of
 *                    32, on the CPU one vector register. Arithmetic reads the same.
 *   LANE_FOR(i, n)   inside a WARP_FOR, over the warp's lanes.
 *
 * kernels/lanes.h has the operations on `lanes`, lanes_double.h those in float64, lanes_key.h comparisons of many at
 * once; kernels/tiles.h products of tiles on tensor cores.
 *
 * Rules: every thread reaches every block_sync(); blocks communicate through integer
 * atomics only; sums over blocks go through arrays of partial sums whose length
 * depends on the data alone, so that results repeat bit for bit. */
#ifndef KERNELS_PORTABLE_H
#define KERNELS_PORTABLE_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct grid {
    unsigned x, y, z;
};

#define TO_TEXT_(x) #x
#define TO_TEXT(x) TO_TEXT_(x)

#if defined(__CUDACC__) /* ---------------------------------------------------- GPU */

#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cuda_pipeline.h>
#include <cuda_runtime.h>

#define BLOCK_THREADS 256
#define LANES 32

#define DEVICE static __device__ __forceinline__
#define HOST_AND_DEVICE static __host__ __device__ __forceinline__
#define KERNEL(name, ...) static __global__ void __launch_bounds__(BLOCK_THREADS) name(__VA_ARGS__)
/* Of which a multiprocessor shall hold so many blocks: more than the compiler's registers would allow, or fewer, where
 * it would rather spill some. */
#define KERNEL_BY(count, name, ...) static __global__ void __launch_bounds__(BLOCK_THREADS, count) name(__VA_ARGS__)
#define LAUNCH(stream, blocks, name, ...)                                                            \
    launch_check((name<<<dim3((blocks).x, (blocks).y, (blocks).z), BLOCK_THREADS, 0,                  \
                         (cudaStream_t)(stream)>>>(__VA_ARGS__),                                      \
                  cudaPeekAtLastError()))

static const char *launch_check(cudaError_t error)
{
    return error == cudaSuccess ? NULL : cudaGetErrorString(error);
}

#define BLOCK_X ((int64_t)blockIdx.x)
#define BLOCK_Y ((int64_t)blockIdx.y)
#define BLOCK_Z ((int64_t)blockIdx.z)
#define GRID_X ((int64_t)gridDim.x)
#define THREAD_INDEX ((int64_t)threadIdx.x)
#define THREAD_COUNT ((int64_t)BLOCK_THREADS)
#define LANE_ZERO ((threadIdx.x & 31) == 0)
#define WARPS INT64_C(8)

/* First parameter, and argument, of a device function that uses block_… itself. */
#define BLOCK_PARAM
#define BLOCK_PASS

#define BLOCK_FOR(i, n) for (int64_t i = threadIdx.x, i##_end = (n); i < i##_end; i += BLOCK_THREADS)
#define WARP_FOR(i, n) for (int64_t i = threadIdx.x / 32, i##_end = (n); i < i##_end; i += BLOCK_THREADS / 32)
#define LANE_FOR(i, n) for (int64_t i = threadIdx.x & 31, i##_end = (n); i < i##_end; i += 32)
#define GRID_FOR(i, n)                                                                            \
    for (int64_t i = (int64_t)blockIdx.x * BLOCK_THREADS + threadIdx.x, i##_end = (n); i < i##_end; \
         i += (int64_t)gridDim.x * BLOCK_THREADS)

#define SHARED(type, name, count) __shared__ __align__(32) type name[count]
#define HOLD(v)
#define UNROLL _Pragma("unroll")
#define UNROLL_BY(n) _Pragma(TO_TEXT(unroll n)) /* where all of it would take too many registers */
#define SIMD
#define SIMD_SUM(...)

template <typename stored>
DEVICE void prefetch(const stored *, int64_t) {}
DEVICE void block_sync(void) { __syncthreads(); }
DEVICE void shared_add(int *p, int v) { atomicAdd(p, v); }
DEVICE void grid_add(int *p, int v) { atomicAdd(p, v); }
DEVICE void grid_mark(uint8_t *p) { *p = 1; }

/* The warp adds v to *p, and gets what it was. */
DEVICE int warp_take(int *p, int v)
{
    int before = 0;
    if (LANE_ZERO) before = atomicAdd(p, v);
    return __shfl_sync(0xffffffffu, before, 0);
}

/* Sum over the block's threads, the same value for all of them. */
DEVICE double block_sum(double x)
{
    typedef cub::BlockReduce<double, BLOCK_THREADS> reduce;
    __shared__ typename reduce::TempStorage storage;
    __shared__ double sum;
    __syncthreads();
    double total = reduce(storage).Sum(x);
    if (threadIdx.x == 0) sum = total;
    __syncthreads();
    return sum;
}

/* Sum over the warp's threads, the same value for all of them. */
template <typename number>
DEVICE number warp_sum(number x)
{
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* Sum of x over the threads before this one. */
DEVICE int block_scan(int x)
{
    typedef cub::BlockScan<int, BLOCK_THREADS> scan;
    __shared__ typename scan::TempStorage storage;
    int before;
    __syncthreads();
    scan(storage).ExclusiveSum(x, before);
    return before;
}

#else /* ------------------------------------------------------------ CPU and threads */

#include <omp.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define DEVICE static inline __attribute__((always_inline))
#define HOST_AND_DEVICE DEVICE
#define KERNEL(name, ...) static void name(__attribute__((unused)) struct block *block, ##__VA_ARGS__)
#define KERNEL_BY(count, name, ...) KERNEL(name, __VA_ARGS__)
#define BLOCK_PARAM __attribute__((unused)) struct block *block,
#define BLOCK_PASS block,

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

#define BLOCK_X ((int64_t)block->x)
#define BLOCK_Y ((int64_t)block->y)
#define BLOCK_Z ((int64_t)block->z)
#define GRID_X ((int64_t)block->grid_x)
#define LANE_ZERO 1
#define WARPS THREAD_COUNT
#define LANE_FOR(i, n) for (int64_t i = 0; i < (n); i++)

/* A contiguous piece of 0..n-1 for each block, so that the loop vectorises. */
#define GRID_FOR(i, n)                                                                        \
    for (int64_t i##_n = (n), i##_part = (int64_t)block->x * THREAD_COUNT + THREAD_INDEX,     \
                 i##_parts = (int64_t)block->grid_x * THREAD_COUNT,                           \
                 i = i##_n * i##_part / i##_parts, i##_end = i##_n * (i##_part + 1) / i##_parts; \
         i < i##_end; i++)

/* Asks for p[0..n-1], soon to be read, to be fetched into the caches. It may point past the end of an array. */
template <typename stored>
DEVICE void prefetch(const stored *p, int64_t n)
{
    for (int64_t i = 0; i < n; i += 64 / (int64_t)sizeof(stored)) __builtin_prefetch(p + i, 0, 3);
}

DEVICE void grid_mark(uint8_t *p) { __atomic_store_n(p, 1, __ATOMIC_RELAXED); } /* by many threads at once */
DEVICE int warp_sum(int x) { return x; }                                        /* a warp is one thread */

/* Holds a loaded vector in its register, where the compiler would load it anew for every use. */
#if defined(__x86_64__) && !defined(CGSV_DOUBLE)
#define HOLD(v) asm("" : "+v"(v))
#else
#define HOLD(v)
#endif
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_BY(n)
#define SIMD _Pragma("omp simd")
#define SIMD_SUM(...) _Pragma(TO_TEXT(omp simd reduction(+ : __VA_ARGS__)))

#if defined(CGSV_BLOCK_IS_THREADS)

/* Blocks as OS threads: see kernels/threads.h for the runner. */
#include "kernels/threads.h"

#else

struct block {
    unsigned x, y, z, grid_x;
};

#define THREAD_INDEX ((int64_t)0)
#define THREAD_COUNT ((int64_t)1)
#define BLOCK_FOR(i, n) for (int64_t i = 0; i < (n); i++) /* the form that SIMD asks for */
#define WARP_FOR(i, n) BLOCK_FOR(i, n)
#define SHARED(type, name, count) alignas(64) type name[count]

#define block_sync() ((void)0)
#define block_sum(x) ((double)(x))
#define block_scan(x) ((void)(x), 0)
DEVICE void shared_add(int *p, int v) { *p += v; }
DEVICE int warp_take(int *p, int v) { return (*p += v) - v; }
DEVICE void grid_add(int *p, int v) { __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }

/* Blocks of a launch are shared out in stretches, one to a thread or to a few neighbours, who help the others once
 * theirs is done: so a core meets the same columns in one kernel after the other, while it has them in its caches. */
struct block_share {
    alignas(64) int64_t next;
    int64_t end;
};
enum { SHARES_MOST = 16 };

static inline void shares_make(struct block_share *share, int shares, int64_t blocks)
{
    for (int i = 0; i < shares; i++) share[i] = {blocks * i / shares, blocks * (i + 1) / shares};
}

/* A block of the share, or, when none is left, the share's end. */
static inline int64_t share_take(struct block_share *share)
{
    if (__atomic_load_n(&share->next, __ATOMIC_RELAXED) >= share->end) return share->end;
    const int64_t taken = __atomic_fetch_add(&share->next, 1, __ATOMIC_RELAXED);
    return taken < share->end ? taken : share->end;
}

/* `stream` is a struct cpu_stream. Which core runs which block has no influence on
 * any result. */
#define LAUNCH(stream, blocks, name, ...)                                                                \
    ({                                                                                                   \
        const struct grid grid_ = (blocks);                                                              \
        const int64_t blocks_ = (int64_t)grid_.x * grid_.y * grid_.z;                                    \
        const int threads_ = ((const struct cpu_stream *)(stream))->threads;                             \
        const int shares_ = threads_ < SHARES_MOST ? threads_ : SHARES_MOST;                             \
        struct block_share share_[SHARES_MOST];                                                          \
        shares_make(share_, shares_, blocks_);                                                           \
        _Pragma("omp parallel num_threads(threads_) if (threads_ > 1 && blocks_ > 1)")                   \
        for (int s_ = 0; s_ < shares_; s_++) {                                                           \
            const int first_ = omp_get_thread_num() * shares_ / threads_;                                \
            struct block_share *own_ = &share_[(first_ + s_) % shares_];                                 \
            for (int64_t b_; (b_ = share_take(own_)) < own_->end;) {                                     \
                struct block block_ = {(unsigned)(b_ % grid_.x), (unsigned)(b_ / grid_.x % grid_.y),     \
                                       (unsigned)(b_ / grid_.x / grid_.y), grid_.x};                     \
                name(&block_, ##__VA_ARGS__);                                                            \
            }                                                                                            \
        }                                                                                                \
        (const char *)NULL;                                                                              \
    })

#endif

#endif

#if !defined(CGSV_DOUBLE) /* else these are tests/double.h's */
union float_and_bits {
    float value;
    uint32_t bits;
};

DEVICE uint32_t bits_of(float value)
{
    union float_and_bits u;
    u.value = value;
    return u.bits;
}

DEVICE float float_of(uint32_t bits)
{
    union float_and_bits u;
    u.bits = bits;
    return u.value;
}
#endif

/* Kernels that read updates are templates by what these are `stored` as: float, or uint16_t for bfloat16. */
DEVICE float widened(float x) { return x; }
DEVICE float widened(uint16_t x) { return float_of((uint32_t)x << 16); }

#include "kernels/lanes.h"
#include "kernels/lanes_double.h"

DEVICE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
DEVICE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* to[0..n-1] += from, by many blocks at once; each thread adds what BLOCK_FOR gives it. */
DEVICE void grid_add_all(BLOCK_PARAM int *to, const int *from, int n)
{
#if defined(__CUDACC__) || defined(CGSV_BLOCK_IS_THREADS)
    BLOCK_FOR(i, n)
    {
        if (from[i]) grid_add(&to[i], from[i]);
    }
#else /* a block after the other, since an atomic addition takes as long as a vector of plain ones and more */
    _Pragma("omp critical(grid_add_all)")
    {
        SIMD for (int i = 0; i < n; i++) to[i] += from[i];
    }
#endif
}

/* Sizes of the server step's blocks that suit each build. Shared memory holds TILE_COLUMNS
 * float64 numbers, or LOCAL_GROUPS (and a spare, COUNT_MISSES) histograms of 1024 counters, or COUNT_COPIES of 2048;
 * or SHARED_ENTRIES of the updates, none on a CPU, whose caches hold them. The selection goes over
 * SELECT_TILE_COLUMNS at a time. A span is ⌈D / SPAN_PARTS⌉ columns, but SPAN_LEAST to SPAN_MOST; a segment's sample
 * has SAMPLE_LEAST to SAMPLE_MOST entries. */
#if defined(__CUDACC__)
enum { TILE_COLUMNS = 4096, SELECT_TILE_COLUMNS = 4096 };
enum { LOCAL_GROUPS = 8, COUNT_MISSES = 0, COUNT_COPIES = 4 }; /* 32 KiB each */
enum { SPAN_PARTS = 512, SPAN_LEAST = 4096, SPAN_MOST = 65536 };
enum { SAMPLE_LEAST = 4096, SAMPLE_MOST = 16384 };
enum { SHARED_ENTRIES = 9216 }; /* so that a multiprocessor has room for four blocks, one of which loads */
#elif defined(CGSV_BLOCK_IS_THREADS)
enum { TILE_COLUMNS = 1024, SELECT_TILE_COLUMNS = 256 };
enum { LOCAL_GROUPS = 8, COUNT_MISSES = 0, COUNT_COPIES = 2 };
enum { SPAN_PARTS = 512, SPAN_LEAST = 4096, SPAN_MOST = 8192 };
enum { SAMPLE_LEAST = 64, SAMPLE_MOST = 16384 };
enum { SHARED_ENTRIES = 1024 };
#else
/* Memory likes long runs of each row; the histograms of all groups stay in the second-level cache, and a long span
 * writes them out seldom. */
enum { TILE_COLUMNS = 1024, SELECT_TILE_COLUMNS = 512 };
enum { LOCAL_GROUPS = 64, COUNT_MISSES = 1, COUNT_COPIES = 4 };
enum { SPAN_PARTS = 32, SPAN_LEAST = 65536, SPAN_MOST = 262144 };
enum { SAMPLE_LEAST = 4096, SAMPLE_MOST = 65536 };
enum { SHARED_ENTRIES = 0 };
#endif

/* Blocks for GRID_FOR: enough for a GPU, few enough that a CPU's pieces stay long. */
static inline struct grid grid_for(int64_t n)
{
    int64_t blocks = (n + 4095) / 4096;
    struct grid grid = {(unsigned)(blocks < 1 ? 1 : blocks > 4096 ? 4096 : blocks), 1, 1};
    return grid;
}

static inline struct grid grid_of(int64_t x, int64_t y, int64_t z)
{
    struct grid grid = {(unsigned)x, (unsigned)y, (unsigned)z};
    return grid;
}

#endif
