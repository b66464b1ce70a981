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
/* lanes_load_part() in two: what is begun is loaded at once, so that a thread waits for many loads together. */
typedef float lanes_begun;
DEVICE lanes_begun lanes_begin(const float *p, int64_t count) { return lanes_load_part(p, count); }
DEVICE lanes lanes_end(lanes_begun v, const float *, int64_t) { return v; }
DEVICE lanes lanes_of(float v) { return v; }
DEVICE lanes_int lanes_int_of(int v) { return v; }
DEVICE lanes lanes_of_bits(lanes_int v) { return __int_as_float(v); }
DEVICE lanes_int lanes_bits(lanes v) { return __float_as_int(v); }
DEVICE lanes lanes_select(int condition, lanes a, lanes b) { return condition ? a : b; }
DEVICE lanes_int lanes_select_int(int condition, lanes_int a, lanes_int b) { return condition ? a : b; }
DEVICE int lane_int_of(lanes_int v, int64_t) { return v; }
DEVICE int lanes_any(lanes_int v) { return __any_sync(0xffffffffu, v); }
DEVICE float lanes_sum(lanes v) { return warp_sum(v); }
DEVICE lanes lanes_magnitude(lanes v) { return fabsf(v); }
/* The 31 bits of the magnitudes, which order as these do: key_of() of kernels/server.h. */
DEVICE lanes_int lanes_keys(lanes v) { return __float_as_int(fabsf(v)); }

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
    *a = upper ? got : *a; /* a pointer to one of them would keep both in memory */
    *b = upper ? *b : got;
}

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
/* A CPU's loads overlap anyway, and are left to where they are used. */
struct lanes_begun {};
DEVICE struct lanes_begun lanes_begin(const float *, int64_t) { return {}; }
DEVICE lanes lanes_end(struct lanes_begun, const float *p, int64_t count) { return lanes_load_part(p, count); }
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
DEVICE int lane_int_of(lanes_int v, int64_t lane) { return (int)v[lane]; }
/* Whether a lane is not zero. */
DEVICE int lanes_any(lanes_int v)
{
#if defined(__AVX512F__) && !defined(CGSV_DOUBLE)
    return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0;
#elif defined(__AVX2__) && !defined(CGSV_DOUBLE)
    return !_mm256_testz_si256((__m256i)v, (__m256i)v);
#else
    lane_int any = 0;
    for (int i = 0; i < LANES; i++) any |= v[i];
    return any != 0;
#endif
}
DEVICE float lanes_sum(lanes v)
{
    UNROLL for (int step = LANES / 2; step > 0; step /= 2) v += lanes_of_one(v, lane_numbers ^ step);
    return v[0];
}

DEVICE lanes lanes_magnitude(lanes v) { return (lanes)((lanes_int)v & LANE_MAGNITUDE); }
#if defined(CGSV_DOUBLE)
DEVICE lanes_int lanes_keys(lanes v)
{
    lanes_int key = {};
    for (int i = 0; i < LANES; i++) key[i] = bits_of(v[i]);
    return key;
}
#else
DEVICE lanes_int lanes_keys(lanes v) { return (lanes_int)v & LANE_MAGNITUDE; }
#endif

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

#endif

/* Columns that a warp takes at a time where it sends for later ones meanwhile: a multiple of LANES. */
enum { STRIP_COLUMNS = 32 };
/* The same where it reads a row for itself: on a GPU so many that the loads it waits for together hide the memory's
 * latency. And vectors of them that it begins to load before it ends the first. */
#if defined(__CUDACC__)
enum { WIDE_STRIP_COLUMNS = 8 * LANES, BEGUN_VECTORS = WIDE_STRIP_COLUMNS / LANES };
#else
enum { WIDE_STRIP_COLUMNS = STRIP_COLUMNS, BEGUN_VECTORS = 1 };
#endif
DEVICE int64_t strips_of(int64_t columns) { return (columns + STRIP_COLUMNS - 1) / STRIP_COLUMNS; }
DEVICE int64_t wide_strips_of(int64_t columns) { return (columns + WIDE_STRIP_COLUMNS - 1) / WIDE_STRIP_COLUMNS; }

/* Columns first..end-1, or the first `columns` of them, `step` lanes at a time: calls body(…, i, count) for the `count`
 * from column i on. Where there are `columns`, count is a constant. */
#define COLUMNS_OF_LANES(columns, first, end, step, body, ...)                                             \
    do {                                                                                                  \
        const int64_t first_ = (first), left_ = (end) - first_;                                           \
        if (left_ >= (columns)) {                                                                         \
            UNROLL for (int j_ = 0; j_ < (columns); j_ += (step)) body(__VA_ARGS__, first_ + j_, (step)); \
        } else {                                                                                          \
            for (int64_t j_ = 0; j_ < left_; j_ += (step)) body(__VA_ARGS__, first_ + j_, left_ - j_);    \
        }                                                                                                 \
    } while (0)
#define STRIP_OF_LANES(...) COLUMNS_OF_LANES(STRIP_COLUMNS, __VA_ARGS__)
#define WIDE_STRIP_OF_LANES(...) COLUMNS_OF_LANES(WIDE_STRIP_COLUMNS, __VA_ARGS__)

/* v[i]'s lane j ↔ v[j]'s lane i, of LANES vectors. */
DEVICE void lanes_transpose(lanes *v)
{
    UNROLL for (int step = 1; step < LANES; step *= 2)
        UNROLL for (int i = 0; i < LANES; i++)
            if (!(i & step)) lanes_exchange(&v[i], &v[i + step], step);
}

#endif
