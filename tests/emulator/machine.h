/* A GPU's threads on a CPU, for kernels that tests/emulator/ptx_to_c.py turned from PTX into C.
 *
 * A block's threads are fibers, which run one at a time until they wait for others: at block barriers and wherever a
 * warp's threads exchange values. Blocks of a launch run side by side. What PTX leaves open is taken the hard way:
 * shared memory begins as NaN, an asynchronous copy lands when it is waited for and not before, threads come in the
 * order that CGSV_EMULATOR_ORDER says (ascending, descending, or a number: shuffled by it).
 *
 * A fault ends the process, with the kernel's name, the block and the thread: accesses that are not aligned, or to
 * shared memory outside of any variable; threads of a block that wait for different things; and, between barriers,
 * two threads that reach the same shared memory while one of them writes. For accesses outside of global memory, see
 * tests/fake_memory.h. Names of instructions: PTX ISA 9.0. */
#ifndef TESTS_EMULATOR_MACHINE_H
#define TESTS_EMULATOR_MACHINE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MACHINE_THREADS = 256, MACHINE_WARPS = MACHINE_THREADS / 32, MACHINE_PARAMETERS = 16 };
enum machine_access { MACHINE_READ, MACHINE_WRITE, MACHINE_ATOMIC };

struct machine_place {
    unsigned x, y, z;
};

struct machine_block {
    struct machine_place index, grid;
    uintptr_t shared; /* below 4 GiB, as some addresses have 32 bits */
};

struct machine_thread {
    unsigned index;  /* in its block */
    uint64_t issued; /* instructions so far, as estimated */
    struct machine_block *block;
};

struct machine_range {
    unsigned begin, size;
    const char *name;
};

struct machine_kernel {
    const char *name;
    void (*run)(struct machine_thread *thread, const unsigned char *parameter);
    const struct machine_range *shared; /* its variables */
    unsigned sites;                     /* places in its code that reach memory, counted from 0 */
    int parameters;
    struct {
        unsigned offset, size;
    } parameter[MACHINE_PARAMETERS];
};

/* The translated module; both lists end with an empty entry. */
extern const struct machine_kernel machine_kernels[];

/* Runs a grid of blocks to its end. parameter: as many pointers as the kernel has parameters. */
void machine_launch(const struct machine_kernel *kernel, struct machine_place grid, void *const *parameter);

/* From then on counts what launches do (tests/emulator/traffic.c); writes that as a table, a line a kernel. */
void machine_count_traffic(void);
int machine_write_traffic(const char *path);

/* A signal for a bad access ends the process with the names of kernel, block and thread, or that of the host. */
void machine_explain_signals(void);

/* ---- for translated code ---- */

_Noreturn void machine_fault(const struct machine_thread *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void machine_block_barrier(struct machine_thread *t);
void machine_warp_barrier(struct machine_thread *t, uint32_t mask);

/* shfl.sync; *inside: whether the lane asked for exists. */
uint32_t machine_shuffle_up(struct machine_thread *t, uint32_t x, uint32_t by, uint32_t limits, uint32_t mask,
                            uint8_t *inside);
uint32_t machine_shuffle_down(struct machine_thread *t, uint32_t x, uint32_t by, uint32_t limits, uint32_t mask,
                              uint8_t *inside);
uint32_t machine_shuffle_bfly(struct machine_thread *t, uint32_t x, uint32_t by, uint32_t limits, uint32_t mask,
                              uint8_t *inside);
uint32_t machine_shuffle_idx(struct machine_thread *t, uint32_t x, uint32_t lane, uint32_t limits, uint32_t mask,
                             uint8_t *inside);
uint32_t machine_ballot(struct machine_thread *t, uint8_t x, uint32_t mask);

/* cp.async: of `bytes`, `given` come from memory and the rest is zero. */
void machine_copy_async(struct machine_thread *t, uintptr_t to, uintptr_t from, uint32_t bytes, uint32_t given,
                        unsigned site);
void machine_copy_commit(struct machine_thread *t);
void machine_copy_wait(struct machine_thread *t, int groups);

/* wmma: fragments of 16 x 16 sums and 16 x k, k x 16 factors, an equal share to each lane. In which order is not laid
 * down: here as they come in memory. */
void machine_matrix_load_tf32(struct machine_thread *t, uint32_t *part, uintptr_t from, uint32_t stride, int rows,
                              int columns, int column_major, unsigned site);
void machine_matrix_load_bf16(struct machine_thread *t, uint32_t *part, uintptr_t from, uint32_t stride, int rows,
                              int columns, int column_major, unsigned site);
void machine_matrix_multiply_tf32(struct machine_thread *t, float *c, const uint32_t *a, const uint32_t *b, int depth);
void machine_matrix_multiply_bf16(struct machine_thread *t, float *c, const uint32_t *a, const uint32_t *b, int depth);
void machine_matrix_store(struct machine_thread *t, uintptr_t to, const float *part, uint32_t stride, unsigned site);

void machine_check_shared(struct machine_thread *t, uintptr_t address, unsigned size, enum machine_access access);
int machine_is_shared(const struct machine_thread *t, uintptr_t address);
extern int machine_counts_traffic;
void machine_note_access(struct machine_thread *t, uintptr_t address, unsigned size, enum machine_access access,
                         unsigned site);

static inline uintptr_t machine_aligned(struct machine_thread *t, uintptr_t address, unsigned size)
{
    if (address & (size - 1)) machine_fault(t, "an access of %u bytes is not aligned: %#zx", size, (size_t)address);
    return address;
}

static inline uintptr_t machine_global(struct machine_thread *t, uintptr_t address, unsigned size,
                                       enum machine_access access, unsigned site)
{
    if (machine_counts_traffic) machine_note_access(t, address, size, access, site);
    return machine_aligned(t, address, size);
}

static inline uintptr_t machine_shared(struct machine_thread *t, uintptr_t address, unsigned size,
                                       enum machine_access access, unsigned site)
{
    if (machine_counts_traffic) machine_note_access(t, address, size, access, site);
    machine_check_shared(t, machine_aligned(t, address, size), size, access);
    return address;
}

static inline uintptr_t machine_generic(struct machine_thread *t, uintptr_t address, unsigned size,
                                        enum machine_access access, unsigned site)
{
    return machine_is_shared(t, address) ? machine_shared(t, address, size, access, site)
                                         : machine_global(t, address, size, access, site);
}

/* ---- arithmetic that C has not, or leaves undefined ---- */

#define MACHINE_BITS(of, type, bits)               \
    static inline bits bits_of_##of(type x)        \
    {                                              \
        bits u;                                    \
        memcpy(&u, &x, sizeof u);                  \
        return u;                                  \
    }                                              \
    static inline type of##_of_bits(bits u)        \
    {                                              \
        type x;                                    \
        memcpy(&x, &u, sizeof x);                  \
        return x;                                  \
    }
MACHINE_BITS(f32, float, uint32_t)
MACHINE_BITS(f64, double, uint64_t)
#undef MACHINE_BITS

#define unordered(x, y) __builtin_isunordered(x, y)

/* Float to integer (cvt): beyond the range its end; NaN is 0, but at 64 bits the sign alone. */
static inline int32_t s32_saturated(double x)
{
    return x != x ? 0 : x < INT32_MIN ? INT32_MIN : x > INT32_MAX ? INT32_MAX : (int32_t)x;
}

static inline uint32_t u32_saturated(double x)
{
    return x != x || x < 0 ? 0 : x > UINT32_MAX ? UINT32_MAX : (uint32_t)x;
}

static inline int64_t s64_saturated(double x)
{
    return x != x || x < -0x1p63 ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : (int64_t)x;
}

static inline float f32_saturated(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; } /* cvt.sat: to 0 .. 1 */

/* Rounded down. A product of two floats is exact in double; what the sum loses there TwoSum tells. */
static inline float fmaf_down(float x, float y, float z)
{
    const double product = (double)x * y, sum = product + z, part = sum - product;
    const double lost = (product - (sum - part)) + (z - part);
    const float rounded = (float)sum;
    const int above = (double)rounded > sum || ((double)rounded == sum && lost < 0);
    return above ? nextafterf(rounded, -INFINITY) : rounded;
}

/* A division by zero has some value. */
static inline int64_t divided_s(int64_t x, int64_t y) { return y == 0 ? -1 : y == -1 ? (int64_t)-(uint64_t)x : x / y; }
static inline uint64_t divided_u(uint64_t x, uint64_t y) { return y == 0 ? UINT64_MAX : x / y; }
static inline int64_t remainder_s(int64_t x, int64_t y) { return y == 0 ? x : y == -1 ? 0 : x % y; }
static inline uint64_t remainder_u(uint64_t x, uint64_t y) { return y == 0 ? x : x % y; }

static inline uint64_t bits_inserted(uint64_t x, uint64_t into, uint32_t at, uint32_t count, uint32_t width)
{
    at &= 255, count &= 255;
    if (at >= width) return into;
    const uint64_t mask = (count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << at;
    return (into & ~mask) | (x << at & mask);
}

/* To nearest, ties away from zero. */
static inline uint32_t tf32_of(float x)
{
    const uint32_t bits = bits_of_f32(x);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~UINT32_C(0x1fff);
}

/* To nearest, ties to even. */
static inline uint16_t bf16_of(float x)
{
    const uint32_t bits = bits_of_f32(x);
    return x != x ? 0x7fff : (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

#endif
