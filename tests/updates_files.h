/* What the tests of updates share: files in the temporary folder made from bytes or of known
 * numbers, the check of a refusal. */
#ifndef UPDATES_FILES_H
#define UPDATES_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "io/updates.h"
#include "temporary.h"

/* Write a file of a head and data: any, a .npy of that version, a .safetensors. */
const char *put(const char *name, const void *head, size_t head_size, const void *data, size_t data_size);
const char *put_npy(const char *name, int version, const char *header, const void *data, size_t size);
const char *put_safetensors(const char *name, const char *header, const void *data, size_t size);

/* Number k of a test file; exact in all four types. */
double number(int64_t k);

enum { MOST = 40000 }; /* numbers in a test file */

/* Fills bytes with number(0) … number(count-1) in the given type. */
void fill(void *bytes, enum element type, int64_t count);

/* Writes float32 tensors of one shape that hold number(0) …, one after the other. */
const char *put_tensors(const char *file, const char *const *names, int count, int dimensions, const int64_t *shape);

/* The message must have one line, that text in it and, unless a tensor was chosen, the
 * last file's name. */
void expect_refused_as(cgsv_status expected, const char *const *paths, int count, const char *tensor,
                       const char *message);
void expect_refused(const char *path, const char *message); /* as CGSV_ERROR_DATA */

#endif
