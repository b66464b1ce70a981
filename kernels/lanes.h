/* LANES neighbouring floats that a warp works on at once: a float per thread on the GPU, a vector
 * register on the CPU. Part of portable.h, which includes it. */
#ifndef KERNELS_LANES_H
#define KERNELS_LANES_H

#if defined(__CUDACC__)

typedef float lanes;
typedef int lanes_int;
DEVICE lanes lanes_load(const float *p) { return p[threadIdx.x & 31]; }
DEVICE void lanes_store(float *p, lanes v) { p[threadIdx.x & 31] = v; }
DEVICE void lanes_store_int(int32_t *p, lanes_int v) { p[threadIdx.x & 31] = v; }
/* Lane i to p[i · stride]. */
DEVICE void lanes_store_apart(float *p, int64_t stride, lanes v) { p[(threadIdx.x & 31) * stride] = v; }
DEVICE lanes_int lanes_load_byte(const uint8_t *p) { return p[threadIdx.x & 31]; }
DEVICE void lanes_store_byte(uint8_t *p, lanes_int v) { p[threadIdx.x & 31] = (uint8_t)v; }
/* The first `count` lanes, the others zero. */
DEVICE lanes lanes_load_part(const float *p, int64_t count)
{
    return (threadIdx.x & 31) < count ? p[threadIdx.x & 31] : 0.0f;
}
DEVICE void lanes_store_part(float *p, lanes v, int64_t count)
{
    if ((threadIdx.x & 31) < count) p[threadIdx.x & 31] = v;
}
DEVICE lanes lanes_of(float v) { return v; }
DEVICE lanes_int lanes_int_of(int v) { return v; }
DEVICE lanes lanes_of_bits(lanes_int v) { return __int_as_float(v); }
DEVICE lanes_int lanes_bits(lanes v) { return __float_as_int(v); }
DEVICE lanes lanes_select(int condition, lanes a, lanes b) { return condition ? a : b; }
DEVICE lanes_int lanes_select_int(int condition, lanes_int a, lanes_int b) { return condition ? a : b; }
DEVICE float lanes_sum(lanes v) { return warp_sum(v); }
DEVICE lanes lanes_magnitude(lanes v) { return fabsf(v); }
/* The leading 16 bits of the magnitudes of KEY_VECTORS vectors, so that more are compared at once. */
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
/* The lanes of m, side by side, to p; some of the `room` entries there may be written as well. */
DEVICE void lanes_store_packed(float *p, lanes v, lane_mask m, int64_t)
{
    const unsigned lane = threadIdx.x & 31;
    if (m >> lane & 1) p[__popc(m & ((1u << lane) - 1))] = v;
}

/* The lanes of v that are not zero go to value[], the same lanes of w to where[]. Returns how many
 * they are; LANES may be written. */
DEVICE int lanes_compress(float *value, int32_t *where, lanes v, lanes_int w)
{
    const unsigned kept = __ballot_sync(0xffffffffu, v != 0.0f);
    const int before = __popc(kept & ((1u << (threadIdx.x & 31)) - 1));
    if (v != 0.0f) {
        value[before] = v;
        where[before] = w;
    }
    return __popc(kept);
}

/* One step of a transposition, between two vectors that are `step` apart: a's lanes with
 * that bit of their number set are exchanged for b's lanes without it. */
DEVICE void lanes_exchange(lanes *a, lanes *b, int step)
{
    const int upper = threadIdx.x & step;
    const lanes got = __shfl_xor_sync(0xffffffffu, upper ? *a : *b, step);
    *(upper ? a : b) = got;
}

/* The same in float64, DOUBLE_LANES at a time; float32 entries are widened, and so are those of bfloat16, which are
 * uint16_t. */
#define DOUBLE_LANES 32
typedef double lanes_double;
template <typename real>
DEVICE lanes_double lanes_double_load_part(const real *p, int64_t count)
{
    return (threadIdx.x & 31) < count ? (double)p[threadIdx.x & 31] : 0.0;
}
DEVICE lanes_double lanes_double_load_part(const uint16_t *p, int64_t count)
{
    return (threadIdx.x & 31) < count ? (double)__uint_as_float((uint32_t)p[threadIdx.x & 31] << 16) : 0.0;
}
/* As many vectors of doubles hold what one of floats does; of these, that number `part`. */
#define DOUBLE_PARTS (LANES / DOUBLE_LANES)
DEVICE lanes_double lanes_double_part(lanes v, int) { return v; }
DEVICE lanes_double lanes_double_of(double v) { return v; }
DEVICE void lanes_double_store(double *p, lanes_double v) { p[threadIdx.x & 31] = v; }
/* v rounded to float32, and the first `count` of it to p. */
DEVICE lanes_double lanes_double_round(float *p, lanes_double v, int64_t count)
{
    const float rounded = (float)v;
    if ((threadIdx.x & 31) < count) p[threadIdx.x & 31] = rounded;
    return rounded;
}
DEVICE double lanes_double_sum(lanes_double v) { return warp_sum(v); }
/* What this thread alone holds of v, all of which block_sum() of it adds up. */
DEVICE double lanes_double_own(lanes_double v) { return v; }

#else

#if !defined(CGSV_DOUBLE) /* else tests/double.h has the integer that is as wide */
typedef int32_t lane_int;
#endif
#define LANE_MAGNITUDE ((lane_int)(sizeof(lane_int) == 4 ? INT32_MAX : INT64_MAX)) /* all bits but the sign */
typedef float lanes __attribute__((vector_size(sizeof(float) * LANES)));
typedef lane_int lanes_int __attribute__((vector_size(sizeof(lane_int) * LANES)));
typedef uint8_t lanes_byte __attribute__((vector_size(LANES)));

DEVICE lanes lanes_load(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}
DEVICE lanes lanes_load_part(const float *p, int64_t count)
{
    lanes v = {};
    if (count >= LANES) return lanes_load(p);
    memcpy(&v, p, (size_t)count * sizeof *p);
    return v;
}
DEVICE void lanes_store(float *p, lanes v) { memcpy(p, &v, sizeof v); }
DEVICE void lanes_store_int(int32_t *p, lanes_int v)
{
    typedef int32_t stored __attribute__((vector_size(4 * LANES)));
    const stored s = __builtin_convertvector(v, stored);
    memcpy(p, &s, sizeof s);
}
DEVICE void lanes_store_apart(float *p, int64_t stride, lanes v)
{
    UNROLL for (int i = 0; i < LANES; i++) p[i * stride] = v[i];
}
DEVICE void lanes_store_part(float *p, lanes v, int64_t count)
{
    if (count >= LANES)
        lanes_store(p, v);
    else
        memcpy(p, &v, (size_t)count * sizeof *p);
}
/* GCC 12 converts bytes one by one where it is left to it; hence the intrinsics. */
DEVICE lanes_int lanes_load_byte(const uint8_t *p)
{
#if defined(__AVX512F__)
    return (lanes_int)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i *)p));
#elif defined(__AVX2__)
    return (lanes_int)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
    lanes_byte v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, lanes_int);
#endif
}
DEVICE void lanes_store_byte(uint8_t *p, lanes_int v)
{
#if defined(__AVX512F__)
    _mm512_mask_cvtepi32_storeu_epi8(p, 0xffff, (__m512i)v);
#else
    lanes_byte b = __builtin_convertvector(v, lanes_byte);
    memcpy(p, &b, sizeof b);
#endif
}
DEVICE lanes lanes_of(float v) { return v - (lanes){}; }
DEVICE lanes_int lanes_int_of(int v) { return v - (lanes_int){}; }
DEVICE lanes lanes_of_bits(lanes_int v) { return (lanes)v; }
DEVICE lanes_int lanes_bits(lanes v) { return (lanes_int)v; }
DEVICE lanes lanes_select(lanes_int condition, lanes a, lanes b) { return condition ? a : b; }
DEVICE lanes_int lanes_select_int(lanes_int condition, lanes_int a, lanes_int b) { return condition ? a : b; }
static const lanes_int lane_numbers = {0, 1, 2, 3,
#if LANES > 4
                                       4, 5, 6, 7,
#endif
#if LANES > 8
                                       8, 9, 10, 11, 12, 13, 14, 15
#endif
};
/* Of a's and b's lanes in a row, or of v's, those that `from` names. */
#if defined(__clang__) /* has no __builtin_shuffle */
DEVICE lanes lanes_of_two(lanes a, lanes b, lanes_int from)
{
    lanes out = a;
    for (int i = 0; i < LANES; i++) out[i] = from[i] < LANES ? a[from[i]] : b[from[i] - LANES];
    return out;
}
DEVICE lanes lanes_of_one(lanes v, lanes_int from) { return lanes_of_two(v, v, from); }
#else
DEVICE lanes lanes_of_two(lanes a, lanes b, lanes_int from) { return __builtin_shuffle(a, b, from); }
DEVICE lanes lanes_of_one(lanes v, lanes_int from) { return __builtin_shuffle(v, from); }
#endif
DEVICE float lanes_sum(lanes v)
{
    UNROLL for (int step = LANES / 2; step > 0; step /= 2) v += lanes_of_one(v, lane_numbers ^ step);
    return v[0];
}

DEVICE lanes lanes_magnitude(lanes v) { return (lanes)((lanes_int)v & LANE_MAGNITUDE); }
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
DEVICE void lanes_store_packed(float *p, lanes v, lane_mask m, int64_t room)
{
#if defined(__AVX512F__)
    /* In two steps: AMD's processors are slow at compressing into memory. */
    const __m512 packed = _mm512_maskz_compress_ps((__mmask16)m, (__m512)v);
    if (room >= LANES)
        _mm512_storeu_ps(p, packed);
    else
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << __builtin_popcount(m)) - 1), packed);
#else
    if (room >= LANES) { /* without branches, since nothing here can be foreseen */
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

DEVICE int lanes_compress(float *value, int32_t *where, lanes v, lanes_int w)
{
#if defined(__AVX512F__)
    const __mmask16 kept = _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    _mm512_storeu_ps(value, _mm512_maskz_compress_ps(kept, (__m512)v));
    _mm512_storeu_si512(where, _mm512_maskz_compress_epi32(kept, (__m512i)w));
    return __builtin_popcount(kept);
#else
    int n = 0;
    UNROLL for (int i = 0; i < LANES; i++)
    {
        /* Without branches, since nothing here can be foreseen. */
        value[n] = v[i];
        where[n] = w[i];
        n += v[i] != 0.0f;
    }
    return n;
#endif
}

DEVICE void lanes_exchange(lanes *a, lanes *b, int step)
{
    const lanes_int upper = (lane_numbers & step) != 0, across = lane_numbers ^ step;
    const lanes low = *a;
    *a = lanes_of_two(low, *b, upper ? across + LANES : lane_numbers);
    *b = lanes_of_two(low, *b, upper ? lane_numbers + LANES : across);
}

#define DOUBLE_LANES (LANES / 2)
#define DOUBLE_PARTS 2
typedef double lanes_double __attribute__((vector_size(8 * DOUBLE_LANES)));
#if defined(__AVX512F__)
DEVICE __mmask8 first_lanes(int64_t count) { return (__mmask8)(count >= DOUBLE_LANES ? 0xff : (1 << count) - 1); }
#endif
template <typename real>
DEVICE lanes_double lanes_double_load_part(const real *p, int64_t count)
{
    real v __attribute__((vector_size(sizeof(real) * DOUBLE_LANES))) = {};
    memcpy(&v, p, count >= DOUBLE_LANES ? sizeof v : (size_t)count * sizeof *p);
    return __builtin_convertvector(v, lanes_double);
}
#if !defined(CGSV_DOUBLE)
/* GCC 12 widens halves of a vector, each by itself; hence the intrinsics. */
DEVICE lanes_double lanes_double_load_part(const float *p, int64_t count)
{
#if defined(__AVX512F__)
    return (lanes_double)_mm512_maskz_cvtps_pd(0xff, _mm256_maskz_loadu_ps(first_lanes(count), p));
#else
    float v __attribute__((vector_size(4 * DOUBLE_LANES))) = {};
    memcpy(&v, p, count >= DOUBLE_LANES ? sizeof v : (size_t)count * sizeof *p);
#if defined(__AVX2__)
    return (lanes_double)_mm256_cvtps_pd((__m128)v);
#else
    return __builtin_convertvector(v, lanes_double);
#endif
#endif
}
DEVICE lanes_double lanes_double_load_part(const uint16_t *p, int64_t count)
{
#if defined(__AVX512F__)
    const __m256i words = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_maskz_loadu_epi16(first_lanes(count), p)), 16);
    return (lanes_double)_mm512_maskz_cvtps_pd(0xff, (__m256)words);
#elif defined(__AVX2__)
    int64_t v = 0;
    memcpy(&v, p, count >= DOUBLE_LANES ? sizeof v : (size_t)count * sizeof *p);
    return (lanes_double)_mm256_cvtps_pd((__m128)_mm_slli_epi32(_mm_cvtepu16_epi32(_mm_cvtsi64_si128(v)), 16));
#else
    uint16_t v __attribute__((vector_size(2 * DOUBLE_LANES))) = {};
    typedef uint32_t words __attribute__((vector_size(4 * DOUBLE_LANES)));
    typedef float floats __attribute__((vector_size(4 * DOUBLE_LANES)));
    memcpy(&v, p, count >= DOUBLE_LANES ? sizeof v : (size_t)count * sizeof *p);
    return __builtin_convertvector((floats)(__builtin_convertvector(v, words) << 16), lanes_double);
#endif
}
#endif
/* With the intrinsics, since GCC 12 goes through memory. */
DEVICE lanes_double lanes_double_part(lanes v, int part)
{
#if defined(__AVX512F__) && !defined(CGSV_DOUBLE)
    const __m256 half = part ? _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 1)
                             : _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 0);
    return (lanes_double)_mm512_maskz_cvtps_pd(0xff, half);
#elif defined(__AVX2__) && !defined(CGSV_DOUBLE)
    const __m128 half = part ? _mm256_extractf128_ps((__m256)v, 1) : _mm256_castps256_ps128((__m256)v);
    return (lanes_double)_mm256_cvtps_pd(half);
#else
    lanes_double half = {};
    for (int i = 0; i < DOUBLE_LANES; i++) half[i] = v[part * DOUBLE_LANES + i];
    return half;
#endif
}
DEVICE lanes_double lanes_double_of(double v) { return v - (lanes_double){}; }
DEVICE void lanes_double_store(double *p, lanes_double v) { memcpy(p, &v, sizeof v); }
DEVICE lanes_double lanes_double_round(float *p, lanes_double v, int64_t count)
{
#if defined(__AVX512F__) && !defined(CGSV_DOUBLE)
    const __m256 rounded = _mm512_maskz_cvtpd_ps(0xff, (__m512d)v);
    _mm256_mask_storeu_ps(p, first_lanes(count), rounded);
    return (lanes_double)_mm512_maskz_cvtps_pd(0xff, rounded);
#else
    typedef float floats __attribute__((vector_size(sizeof(float) * DOUBLE_LANES)));
    const floats rounded = __builtin_convertvector(v, floats);
    memcpy(p, &rounded, count >= DOUBLE_LANES ? sizeof rounded : (size_t)count * sizeof *p);
    return __builtin_convertvector(rounded, lanes_double);
#endif
}
DEVICE double lanes_double_sum(lanes_double v)
{
    double sum = v[0];
    for (int i = 1; i < DOUBLE_LANES; i++) sum += v[i];
    return sum;
}
DEVICE double lanes_double_own(lanes_double v) { return lanes_double_sum(v); }

#endif

/* What this thread alone holds of all parts. */
DEVICE double double_parts_own(const lanes_double *part)
{
    lanes_double sum = part[0];
    for (int i = 1; i < DOUBLE_PARTS; i++) sum += part[i];
    return lanes_double_own(sum);
}

/* Of `count` lanes, at most LANES, those in a part. */
DEVICE int64_t double_part_count(int64_t count, int part)
{
    const int64_t left = count - part * DOUBLE_LANES;
    return left > 0 ? left : 0;
}

/* Columns that a warp takes at a time where it sends for later ones meanwhile: a multiple of LANES. */
enum { STRIP_COLUMNS = 32 };
DEVICE int64_t strips_of(int64_t columns) { return (columns + STRIP_COLUMNS - 1) / STRIP_COLUMNS; }

/* Columns first..end-1, or as many of them as a strip has, `step` lanes at a time: calls body(…, i, count) for the
 * `count` from column i on. In a whole strip count is a constant. */
#define STRIP_OF_LANES(first, end, step, body, ...)                                                       \
    do {                                                                                                  \
        const int64_t first_ = (first), left_ = (end) - first_;                                           \
        if (left_ >= STRIP_COLUMNS) {                                                                     \
            UNROLL for (int j_ = 0; j_ < STRIP_COLUMNS; j_ += (step)) body(__VA_ARGS__, first_ + j_, (step)); \
        } else {                                                                                          \
            for (int64_t j_ = 0; j_ < left_; j_ += (step)) body(__VA_ARGS__, first_ + j_, left_ - j_);    \
        }                                                                                                 \
    } while (0)

/* v[i]'s lane j ↔ v[j]'s lane i, of LANES vectors. */
DEVICE void lanes_transpose(lanes *v)
{
    UNROLL for (int step = 1; step < LANES; step *= 2)
        UNROLL for (int i = 0; i < LANES; i++)
            if (!(i & step)) lanes_exchange(&v[i], &v[i + step], step);
}

#endif
