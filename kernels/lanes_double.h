/* What lanes.h has, in float64, DOUBLE_LANES at a time. Entries in float32 are widened, and so are those of bfloat16,
 * which are uint16_t. Part of portable.h, which includes it. */
#ifndef KERNELS_LANES_DOUBLE_H
#define KERNELS_LANES_DOUBLE_H

#if defined(__CUDACC__)
#define DOUBLE_LANES LANES
#else
#define DOUBLE_LANES (LANES / 2)
#endif
/* As many vectors of doubles hold what one of floats does. */
#define DOUBLE_PARTS (LANES / DOUBLE_LANES)

/* Of `count` lanes, at most LANES, those in a part. */
DEVICE int64_t double_part_count(int64_t count, int part)
{
    const int64_t left = count - part * DOUBLE_LANES;
    return left > 0 ? left : 0;
}

#if defined(__CUDACC__)

typedef double lanes_double;
/* Entries as they lie in registers until they are needed as doubles: as stored, which takes less room. */
template <typename real>
using lanes_raw = real;
template <typename real>
DEVICE real lanes_raw_load(const real *p, int64_t count)
{
    return (threadIdx.x & 31) < count ? p[threadIdx.x & 31] : real(0);
}
template <typename real>
DEVICE lanes_double lanes_raw_double(real v)
{
    return v;
}
DEVICE lanes_double lanes_raw_double(uint16_t v) { return __uint_as_float((uint32_t)v << 16); }
template <typename real>
DEVICE lanes_double lanes_double_load_part(const real *p, int64_t count)
{
    return lanes_raw_double(lanes_raw_load(p, count));
}
/* Of the vectors of doubles that hold what v does, number `part`. */
DEVICE lanes_double lanes_double_part(lanes v, int) { return v; }
DEVICE lanes_double lanes_double_end(lanes_begun v, int, const float *, int64_t) { return v; }
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
/* Entries are widened as they are loaded, by one instruction. */
template <typename>
using lanes_raw = lanes_double;
template <typename real>
DEVICE lanes_double lanes_raw_load(const real *p, int64_t count)
{
    return lanes_double_load_part(p, count);
}
DEVICE lanes_double lanes_raw_double(lanes_double v) { return v; }
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
DEVICE lanes_double lanes_double_end(struct lanes_begun, int part, const float *p, int64_t count)
{
    return lanes_double_load_part(p + part * DOUBLE_LANES, double_part_count(count, part));
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

#endif
