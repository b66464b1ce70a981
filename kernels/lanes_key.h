/* Of KEY_VECTORS vectors of lanes the leading 16 bits of the magnitudes, so that more are compared at once; and lanes
 * that are picked by a mask. */
#ifndef KERNELS_LANES_KEY_H
#define KERNELS_LANES_KEY_H

#include "kernels/portable.h"

#if defined(__CUDACC__)

#define KEY_VECTORS 1
typedef int lanes_key;
DEVICE lanes_key lanes_key_of(const lanes *v) { return (__float_as_int(*v) & 0x7fffffff) >> 16; }
/* Which of them are at least `bound`, and one more in the lanes that are. */
typedef int lanes_flag;
DEVICE lanes_flag lanes_at_least(lanes_key key, int bound) { return key >= bound; }
DEVICE lanes_key lanes_count(lanes_key count, lanes_flag f) { return count + f; }
DEVICE int lanes_count_sum(lanes_key count) { return warp_sum(count); }
/* A bit for each lane of one of the vectors. */
typedef uint32_t lane_mask;
DEVICE lane_mask lane_mask_of(lanes_flag f, int) { return __ballot_sync(0xffffffffu, f); }
DEVICE int lane_mask_count(lane_mask m) { return __popc(m); }
/* The lanes of m, side by side, to p; `loose`: all of LANES entries there may be written. */
DEVICE void lanes_store_packed(float *p, lanes v, lane_mask m, int)
{
    const unsigned lane = threadIdx.x & 31;
    if (m >> lane & 1) p[__popc(m & ((1u << lane) - 1))] = v;
}

#else

#define KEY_VECTORS 2
typedef int16_t lanes_key __attribute__((vector_size(2 * KEY_VECTORS * LANES)));
#if defined(__AVX512F__) && !defined(CGSV_DOUBLE)
DEVICE lanes_key lanes_key_of(const lanes *v)
{
    const lanes_key upper = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                             33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    const __m512i halves = _mm512_permutex2var_epi16((__m512i)v[0], (__m512i)upper, (__m512i)v[1]);
    return (lanes_key)halves & INT16_MAX;
}
typedef __mmask32 lanes_flag;
DEVICE lanes_flag lanes_at_least(lanes_key key, int bound)
{
    return _mm512_cmpge_epi16_mask((__m512i)key, _mm512_set1_epi16((int16_t)bound));
}
DEVICE lanes_key lanes_count(lanes_key count, lanes_flag f)
{
    return (lanes_key)_mm512_mask_add_epi16((__m512i)count, f, (__m512i)count, _mm512_set1_epi16(1));
}
#else
DEVICE lanes_key lanes_key_of(const lanes *v)
{
#if defined(__AVX2__) && !defined(CGSV_DOUBLE)
    const __m256i low = _mm256_srai_epi32((__m256i)v[0], 16), high = _mm256_srai_epi32((__m256i)v[1], 16);
    const __m256i halves = _mm256_packs_epi32(low, high);
    return (lanes_key)_mm256_permute4x64_epi64(halves, 0xd8) & INT16_MAX;
#elif defined(__SSE2__) && !defined(CGSV_DOUBLE)
    const __m128i low = _mm_srai_epi32((__m128i)v[0], 16), high = _mm_srai_epi32((__m128i)v[1], 16);
    return (lanes_key)_mm_packs_epi32(low, high) & INT16_MAX;
#else
    lanes_key key = {};
    for (int i = 0; i < KEY_VECTORS * LANES; i++)
        key[i] = (int16_t)((bits_of(v[i / LANES][i % LANES]) & 0x7fffffffu) >> 16);
    return key;
#endif
}
typedef lanes_key lanes_flag;
DEVICE lanes_flag lanes_at_least(lanes_key key, int bound) { return key > (int16_t)(bound - 1); }
DEVICE lanes_key lanes_count(lanes_key count, lanes_flag f) { return count - f; }
#endif
DEVICE int lanes_count_sum(lanes_key count)
{
    int sum = 0;
    for (int i = 0; i < KEY_VECTORS * LANES; i++) sum += (uint16_t)count[i];
    return sum;
}
typedef uint32_t lane_mask;
DEVICE lane_mask lane_mask_of(lanes_flag f, int vector)
{
#if defined(__AVX512F__) && !defined(CGSV_DOUBLE)
    return f >> vector * LANES & 0xffff;
#elif defined(__AVX2__) && !defined(CGSV_DOUBLE)
    const __m256i packed = _mm256_packs_epi16((__m256i)f, (__m256i)f);
    return (lane_mask)_mm256_movemask_epi8(packed) >> vector * 16 & 0xff;
#elif defined(__SSE2__) && !defined(CGSV_DOUBLE)
    return (lane_mask)_mm_movemask_epi8(_mm_packs_epi16((__m128i)f, (__m128i)f)) >> vector * LANES & 15;
#else
    lane_mask m = 0;
    for (int i = 0; i < LANES; i++) m |= (lane_mask)(f[vector * LANES + i] & 1) << i;
    return m;
#endif
}
/* Four bits are counted by a table, where processors may lack the instruction. */
DEVICE int lane_mask_count(lane_mask m)
{
    return LANES == 4 ? (int)(UINT64_C(0x4332322132212110) >> 4 * m & 7) : __builtin_popcount(m);
}
DEVICE void lanes_store_packed(float *p, lanes v, lane_mask m, int loose)
{
#if defined(__AVX512F__)
    /* In two steps: AMD's processors are slow at compressing into memory. */
    const __m512 packed = _mm512_maskz_compress_ps((__mmask16)m, (__m512)v);
    if (loose)
        _mm512_storeu_ps(p, packed);
    else
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << __builtin_popcount(m)) - 1), packed);
#else
    if (loose) { /* without branches, since nothing here can be foreseen */
        UNROLL for (int i = 0; i < LANES; i++)
        {
            *p = v[i];
            p += m >> i & 1;
        }
        return;
    }
    for (int i = 0; i < LANES; i++)
        if (m >> i & 1) *p++ = v[i];
#endif
}

#endif

#endif
