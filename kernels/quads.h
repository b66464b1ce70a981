/* Four neighbouring entries, which a thread of a GPU moves by one instruction. */
#ifndef KERNELS_QUADS_H
#define KERNELS_QUADS_H

#include "kernels/portable.h"

enum { QUAD_LOG = 2, QUAD = 1 << QUAD_LOG };

/* At a multiple of 16 bytes on the GPU. */
struct quad {
    float v[QUAD];
};
struct double_quad {
    double v[QUAD];
};

/* Entries of `p` since the last place from which a quad of them could be loaded. */
template <typename stored>
DEVICE int quad_shift(const stored *p)
{
    return (int)((uintptr_t)p / sizeof(stored) % QUAD);
}

#if defined(__CUDACC__)
DEVICE struct quad quad_load(const float *p)
{
    const float4 v = *(const float4 *)p;
    return {{v.x, v.y, v.z, v.w}};
}
DEVICE struct double_quad double_quad_load(const double *p)
{
    const double2 a = ((const double2 *)p)[0], b = ((const double2 *)p)[1];
    return {{a.x, a.y, b.x, b.y}};
}

/* By the intrinsic: an assignment is taken apart again where single entries are stored next to it. */
DEVICE void quad_store(float *p, struct quad q) { __stwb((float4 *)p, make_float4(q.v[0], q.v[1], q.v[2], q.v[3])); }

DEVICE void entry_copy_begin(float *to, const float *from) { __pipeline_memcpy_async(to, from, sizeof *to); }
DEVICE void entry_copy_begin(float *to, const uint16_t *from) { *to = widened(*from); }
/* All four, between aligned places. */
DEVICE void quad_copy_begin(float *to, const float *from)
{
    __pipeline_memcpy_async(to, from, sizeof(struct quad));
}
DEVICE void quad_copy_begin(float *to, const uint16_t *from)
{
    const ushort4 u = *(const ushort4 *)from;
    *(float4 *)to = make_float4(widened(u.x), widened(u.y), widened(u.z), widened(u.w));
}
DEVICE void copies_end(void)
{
    __pipeline_commit();
    __pipeline_wait_prior(0);
}
#else
DEVICE struct quad quad_load(const float *p)
{
    struct quad q;
    memcpy(&q, p, sizeof q);
    return q;
}
DEVICE struct double_quad double_quad_load(const double *p)
{
    struct double_quad q;
    memcpy(&q, p, sizeof q);
    return q;
}

DEVICE void quad_store(float *p, struct quad q) { memcpy(p, &q, sizeof q); }

template <typename stored>
DEVICE void entry_copy_begin(float *to, const stored *from)
{
    *to = widened(*from);
}
template <typename stored>
DEVICE void quad_copy_begin(float *to, const stored *from)
{
    for (int j = 0; j < QUAD; j++) to[j] = widened(from[j]);
}
DEVICE void copies_end(void) {}
#endif

/* Entries first..last-1 of the four to p. */
DEVICE void quad_store_part(float *p, struct quad q, int64_t first, int64_t last)
{
    if (first <= 0 && last >= QUAD && quad_shift(p) == 0) {
        quad_store(p, q);
        return;
    }
    for (int j = 0; j < QUAD; j++)
        if (j >= first && j < last) p[j] = q.v[j];
}

/* Entries first..last-1 of the four at `from`, zero for the others, to shared memory. They are there once the thread
 * has called copies_end() and the block block_sync(). */
template <typename stored>
DEVICE void quad_copy_begin_part(float *to, const stored *from, int64_t first, int64_t last)
{
    for (int64_t j = larger(first, 0); j < smaller(last, QUAD); j++) entry_copy_begin(to + j, from + j);
    for (int64_t j = 0; j < first; j++) to[j] = 0;
    for (int64_t j = last; j < QUAD; j++) to[j] = 0;
}

#endif
