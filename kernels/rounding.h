/* How the CPU rounds the inputs of products, in kernels and for BLAS: to the same numbers as a GPU. */
#ifndef KERNELS_ROUNDING_H
#define KERNELS_ROUNDING_H

#include <stdint.h>
#include <string.h>

#if defined(CGSV_DOUBLE) /* tests/double.h: a comparison in float64 rounds nothing */

static inline float rounded_tf32(float x) { return x; }
static inline float rounded_bf16(float x) { return x; }

#else

/* Adds `half` of a last place to the magnitude and drops `dropped` bits; infinities and NaN stay. */
static inline float rounded_by(float x, uint32_t half, uint32_t dropped)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000u) == 0x7f800000u) return x;
    bits = (bits + half) & ~dropped;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* To 10 bits of mantissa, ties away from zero: PTX's cvt.rna.tf32.f32. */
static inline float rounded_tf32(float x) { return rounded_by(x, 0x1000, 0x1fff); }

/* To 7 bits of mantissa, ties to even. */
static inline float rounded_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return rounded_by(x, 0x7fff + (bits >> 16 & 1), 0xffff);
}

#endif

#endif
