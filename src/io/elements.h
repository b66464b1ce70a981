/* Numbers as files hold them, little-endian, converted in bulk. */
#ifndef IO_ELEMENTS_H
#define IO_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

/* By width of what they can tell apart. */
enum element { ELEMENT_BFLOAT16, ELEMENT_FLOAT16, ELEMENT_FLOAT32, ELEMENT_FLOAT64 };

size_t element_size(enum element type);
const char *element_name(enum element type); /* "float32" */

/* Convert from[count], aligned for its type. Exact, but for float64 to float: that
 * rounds to the nearest, and gives an infinity beyond float's range (3.4e38). */
void elements_to_float(float *to, const void *from, enum element type, int64_t count);
void elements_to_double(double *to, const void *from, enum element type, int64_t count);

#endif
