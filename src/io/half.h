/* The two 16-bit floating-point formats, to and from float.
 *
 * float16 (IEEE 754 binary16): sign, 5 bits of exponent, 10 of fraction.
 * bfloat16: the upper half of a float. No branches, so that loops vectorise. */
#ifndef IO_HALF_H
#define IO_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t float_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Exact. Subnormal numbers are whole multiples of 2^-24; all others keep their
 * fraction, and their exponent is moved from bias 15 to bias 127; the exponent of
 * infinity and NaN, 31, goes to 255, 112 further. */
static inline float float_from_half(uint16_t half)
{
    const uint32_t magnitude = half & 0x7fffu, sign = (half & 0x8000u) << 16;
    const uint32_t bias = magnitude >= 0x7c00 ? 224u << 23 : 112u << 23;
    const uint32_t normal = (magnitude << 13) + bias;
    const uint32_t subnormal = float_to_bits((float)(int32_t)magnitude * 0x1p-24f);
    return float_from_bits((magnitude < 0x400 ? subnormal : normal) | sign);
}

/* Rounds to the nearest, ties to even; from 65520 on infinity; any NaN becomes a quiet
 * one. The smallest step of a subnormal float16 is 2^-24, the last bit of 0.5: adding
 * 0.5 rounds to it. */
static inline uint16_t half_from_float(float value)
{
    const uint32_t bits = float_to_bits(value), magnitude = bits & 0x7fffffffu;
    const uint32_t tie = magnitude >> 13 & 1;
    const uint32_t normal = (magnitude - (112u << 23) + 0xfff + tie) >> 13;
    const uint32_t subnormal = float_to_bits(float_from_bits(magnitude) + 0.5f) - float_to_bits(0.5f);
    const uint32_t large = magnitude > 0x7f800000u ? 0x7e00 : 0x7c00;
    const uint32_t small = magnitude < 113u << 23 ? subnormal : normal;
    return (uint16_t)((magnitude >= 0x477ff000u ? large : small) | (bits >> 16 & 0x8000u));
}

static inline float float_from_bfloat16(uint16_t bits) { return float_from_bits((uint32_t)bits << 16); }

#endif
