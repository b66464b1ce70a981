/* The kernels and the library in float64, for comparisons: included before all of their files
 * (compiler option -include), it makes every `float` a double. Headers of the system come first,
 * as they mean what they say. What is left to do is where 32 bits are meant:
 *
 *   a vector's integers are as wide as its numbers (kernels/lanes.h);
 *   the selection orders magnitudes by 31 bits of float32, here of float64 numbers cut to 24 leading
 *   bits, so that magnitudes which agree in those are equal to it, lower index first; thresholds,
 *   counts and ties stay exact;
 *   tanh is the exact one (kernels/activation.h), since its fit has float32's accuracy.
 *
 * Files of models and recorded updates would be wrong: they are not written by what is built so. */
#ifndef TESTS_DOUBLE_H
#define TESTS_DOUBLE_H

#include <Random123/philox.h>
#include <cblas.h>
#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CGSV_DOUBLE

typedef float float32;
typedef int64_t lane_int;

/* float32's exponents among float64's: 2^-127, below which everything counts as 0. */
#define DOUBLE_KEY_BASE ((uint64_t)(1023 - 127) << 23)
#define DOUBLE_KEY_INFINITE UINT64_C(0x7f800000)

/* The magnitude's key: its bits as float32, rounded towards 0. */
static inline __attribute__((always_inline)) uint32_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits & INT64_MAX) >> 29;
    bits = bits > DOUBLE_KEY_BASE ? bits - DOUBLE_KEY_BASE : 0;
    return (uint32_t)(bits < DOUBLE_KEY_INFINITE ? bits : DOUBLE_KEY_INFINITE);
}

/* The least number with that key. */
static inline __attribute__((always_inline)) double float_of(uint32_t key)
{
    const uint64_t bits = key ? (key + DOUBLE_KEY_BASE) << 29 : 0;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#define float double
#define cblas_sgemm cblas_dgemm
#define cosf cos
#define expf exp
#define fabsf fabs
#define fmaxf fmax
#define fminf fmin
#define logf log
#define sinf sin
#define sqrtf sqrt
#define strtof strtod

#endif
