/* Access to the reference values, which lie outside the project. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include "io/safetensors.h"

/* Opens golden/NAME below $CGSV_SHARED or ../shared; skips the test, with the reason,
 * where there is none. */
struct safetensors *golden_open(const char *name);

/* The named tensor; fails the test when it is missing. */
const struct safetensors_tensor *golden_get(const struct safetensors *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Entry i of a tensor of any type. */
double golden_at(const struct safetensors_tensor *tensor, int64_t i);

#endif
