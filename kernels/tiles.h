/* Products of small tiles, with inputs of less precision than float32 and sums in float32.
 *
 * A tile of TILE_SIDE × TILE_SIDE sums belongs to a warp. Its inputs lie in shared memory, rounded when they are put
 * there, kind::DEPTH terms of each sum at a time. On the GPU the tensor cores multiply; elsewhere loops go
 * over the same numbers, rounded by the same rule. A kind is tf32 or bf16:
 *
 *   kind::stored           an input in shared memory;
 *   kind::put(to, v)       rounds one, put_quad four;
 *   kind::PAD, WIDE_PAD    what a row of inputs is longer by than a multiple of 32, so that rows lie in different
 *                          banks: of rows along terms, and of rows across them.
 *
 * On the GPU a tile's sums are spread over the warp's threads in an order that is not told: only
 * tile_store() says which is which. Tiles of inputs begin at multiples of 32 bytes; rows are multiples of 16. */
#ifndef KERNELS_TILES_H
#define KERNELS_TILES_H

#include "kernels/quads.h"

enum { TILE_SIDE = 16 };

#if defined(__CUDACC__)

#include <mma.h>

struct tf32 {
    typedef float stored;
    typedef nvcuda::wmma::precision::tf32 input;
    enum { DEPTH = 8, PAD = 4, WIDE_PAD = 8 };
    DEVICE void put(stored *to, float v) { *to = nvcuda::wmma::__float_to_tf32(v); }
    DEVICE void put_quad(stored *to, struct quad q)
    {
        float4 v;
        put(&v.x, q.v[0]);
        put(&v.y, q.v[1]);
        put(&v.z, q.v[2]);
        put(&v.w, q.v[3]);
        *(float4 *)to = v;
    }
};
struct bf16 {
    typedef __nv_bfloat16 stored;
    typedef __nv_bfloat16 input;
    enum { DEPTH = 16, PAD = 8, WIDE_PAD = 16 };
    DEVICE void put(stored *to, float v) { *to = __float2bfloat16_rn(v); }
    DEVICE void put_quad(stored *to, struct quad q)
    {
        ((__nv_bfloat162 *)to)[0] = __floats2bfloat162_rn(q.v[0], q.v[1]);
        ((__nv_bfloat162 *)to)[1] = __floats2bfloat162_rn(q.v[2], q.v[3]);
    }
};

/* Of a product's right side: whether the terms of a sum lie rows apart, or together in a row. */
typedef nvcuda::wmma::row_major terms_apart;
typedef nvcuda::wmma::col_major terms_together;

template <typename kind>
using tile_sum = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, TILE_SIDE, TILE_SIDE, kind::DEPTH, float>;
template <typename kind>
using tile_left = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, TILE_SIDE, TILE_SIDE, kind::DEPTH,
                                         typename kind::input, terms_apart>;
template <typename kind, typename layout>
using tile_right = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, TILE_SIDE, TILE_SIDE, kind::DEPTH,
                                          typename kind::input, layout>;

template <typename tile>
DEVICE void tile_clear(tile *sum)
{
    nvcuda::wmma::fill_fragment(*sum, 0.0f);
}
template <typename tile>
DEVICE void tile_add(tile *to, const tile *sum)
{
    UNROLL for (int i = 0; i < tile::num_elements; i++) to->x[i] += sum->x[i];
}
template <typename tile, typename stored>
DEVICE void tile_load(tile *to, const stored *p, int64_t row)
{
    nvcuda::wmma::load_matrix_sync(*to, p, (unsigned)row);
}
template <typename sum_tile, typename left_tile, typename right_tile>
DEVICE void tile_multiply_add(sum_tile *sum, const left_tile *a, const right_tile *b)
{
    nvcuda::wmma::mma_sync(*sum, *a, *b, *sum);
}
template <typename tile>
DEVICE void tile_store(float *p, int64_t row, const tile *sum)
{
    nvcuda::wmma::store_matrix_sync(p, *sum, (unsigned)row, nvcuda::wmma::mem_row_major);
}
/* What the warp's threads wrote to shared memory, all of them see. */
DEVICE void warp_sync(void) { __syncwarp(); }

#else

#include "kernels/rounding.h"

struct tf32 {
    typedef float stored;
    enum { DEPTH = 8, PAD = 4, WIDE_PAD = 8 };
    DEVICE void put(stored *to, float v) { *to = rounded_tf32(v); }
    DEVICE void put_quad(stored *to, struct quad q)
    {
        for (int i = 0; i < QUAD; i++) put(to + i, q.v[i]);
    }
};
struct bf16 {
    typedef float stored;
    enum { DEPTH = 16, PAD = 8, WIDE_PAD = 16 };
    DEVICE void put(stored *to, float v) { *to = rounded_bf16(v); }
    DEVICE void put_quad(stored *to, struct quad q)
    {
        for (int i = 0; i < QUAD; i++) put(to + i, q.v[i]);
    }
};

struct terms_apart {};
struct terms_together {};

enum { TILE_VECTORS = TILE_SIDE / LANES };

template <typename kind>
struct tile_sum {
    lanes v[TILE_SIDE][TILE_VECTORS];
};
/* The left side stays where it is. */
template <typename kind>
struct tile_left {
    const float *p;
    int64_t row;
};
template <typename kind, typename layout>
struct tile_right {
    lanes v[kind::DEPTH][TILE_VECTORS];
};

template <typename kind>
DEVICE void tile_clear(tile_sum<kind> *sum)
{
    for (int i = 0; i < TILE_SIDE; i++)
        for (int j = 0; j < TILE_VECTORS; j++) sum->v[i][j] = lanes_of(0.0f);
}
template <typename kind>
DEVICE void tile_add(tile_sum<kind> *to, const tile_sum<kind> *sum)
{
    for (int i = 0; i < TILE_SIDE; i++)
        for (int j = 0; j < TILE_VECTORS; j++) to->v[i][j] += sum->v[i][j];
}
template <typename kind>
DEVICE void tile_load(tile_left<kind> *to, const float *p, int64_t row)
{
    to->p = p;
    to->row = row;
}
template <typename kind>
DEVICE void tile_load(tile_right<kind, terms_apart> *to, const float *p, int64_t row)
{
    for (int k = 0; k < kind::DEPTH; k++)
        for (int j = 0; j < TILE_VECTORS; j++) to->v[k][j] = lanes_load(p + k * row + j * LANES);
}
template <typename kind>
DEVICE void tile_load(tile_right<kind, terms_together> *to, const float *p, int64_t row)
{
    for (int k = 0; k < kind::DEPTH; k++)
        for (int j = 0; j < TILE_SIDE; j++) to->v[k][j / LANES][j % LANES] = p[j * row + k];
}
template <typename kind, typename layout>
DEVICE void tile_multiply_add(tile_sum<kind> *sum, const tile_left<kind> *a, const tile_right<kind, layout> *b)
{
    for (int i = 0; i < TILE_SIDE; i++)
        UNROLL for (int j = 0; j < TILE_VECTORS; j++)
        {
            lanes total = sum->v[i][j];
            UNROLL for (int k = 0; k < kind::DEPTH; k++) total += a->p[i * a->row + k] * b->v[k][j];
            sum->v[i][j] = total;
        }
}
template <typename kind>
DEVICE void tile_store(float *p, int64_t row, const tile_sum<kind> *sum)
{
    for (int i = 0; i < TILE_SIDE; i++)
        for (int j = 0; j < TILE_VECTORS; j++) lanes_store(p + i * row + j * LANES, sum->v[i][j]);
}
#define warp_sync() ((void)0)

#endif

#endif
