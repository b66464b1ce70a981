/* NumPy's .npy files: one array each
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 *
 * Format: "\x93NUMPY", version (2 bytes), header length (little-endian, 2 bytes in
 * version 1, 4 in versions 2 and 3), the header, a Python dict of descr (the type),
 * fortran_order and shape, and the raw data. */
#ifndef IO_NPY_H
#define IO_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "cgsv/status.h"
#include "io/elements.h"
#include "io/file.h"

/* What a file's header says, checked against the file's size. */
struct npy {
    enum element type; /* float16, float32 or float64 */
    int dimensions;    /* 1 or 2 */
    int64_t shape[2];  /* each at least 1 */
    uint64_t offset;   /* of the first number in the file; row after row, without gaps */
};

/* Whether these first bytes of a file begin a .npy. */
bool npy_begins(const void *bytes, size_t count);

/* Reads the header. Arrays of another type, order or number of dimensions, and files
 * that are too short or too long are CGSV_ERROR_DATA; the message says how to save the
 * array instead. */
cgsv_status npy_read_header(struct npy *npy, const struct file_reader *file);

/* Writes values[rows][columns], float32 or float64, whole or not at all. */
cgsv_status npy_write(const char *path, enum element type, const void *values, int64_t rows, int64_t columns);

#endif
