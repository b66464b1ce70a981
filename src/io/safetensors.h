/* Named tensors in files, as PyTorch's users exchange weights.
 *
 * Format: 8 bytes header length (little-endian), a JSON header {name: {dtype,
 * shape, data_offsets}}, optional "__metadata__" {string: string}, raw data. */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "cgsv/status.h"
#include "io/file.h"

enum { SAFETENSORS_DIMENSIONS = 8 };

enum safetensors_type {
    SAFETENSORS_F32,
    SAFETENSORS_F64,
    SAFETENSORS_I32,
    SAFETENSORS_I64,
    SAFETENSORS_F16,
    SAFETENSORS_BF16
};

const char *safetensors_type_name(enum safetensors_type type); /* "F32" */
size_t safetensors_type_size(enum safetensors_type type);      /* bytes */

struct safetensors_tensor {
    const char *name;
    enum safetensors_type type;
    int dimensions; /* 0: a single number */
    int64_t shape[SAFETENSORS_DIMENSIONS];
    int64_t elements; /* product of the shape; set by the reader, ignored by the writer */
    uint64_t offset;  /* of the data within the file; as `elements` */
    const void *data; /* aligned for its type; NULL after safetensors_open_header */
};

struct safetensors_metadata {
    const char *key, *value;
};

/* An open file; its tensors live as long as it does. */
struct safetensors;

/* Opens a file read-only. Everything in it is checked before anything is believed:
 * whatever is wrong is CGSV_ERROR_DATA. The data are read, not mapped into memory: see
 * file_reader for what a file cut short would do to a map. */
cgsv_status safetensors_open(struct safetensors **file, const char *path);

/* Checks and reads the header alone: for files larger than memory, whose data are
 * read from `reader` in pieces, and may be in danger of a change. */
cgsv_status safetensors_open_header(struct safetensors **file, const struct file_reader *reader);
void safetensors_close(struct safetensors *file);

/* All tensors, sorted by name; returns their number. */
int safetensors_list(const struct safetensors *file, const struct safetensors_tensor **tensors);

/* NULL when there is none of that name. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);
const char *safetensors_metadata_value(const struct safetensors *file, const char *key);

/* The bytes that a file of these tensors begins with, up to the first one's data; the caller's to free.
 * Their `data` are not looked at. */
cgsv_status safetensors_header(char **bytes, size_t *count, const struct safetensors_tensor *tensors,
                               int tensor_count, const struct safetensors_metadata *metadata, int metadata_count);

/* Begins a file with the header of these tensors, whose data the caller then writes by
 * file_write, in their order and without gaps, and ends by file_commit: for tensors that
 * are made one after the other. Their `data` are not looked at. */
cgsv_status safetensors_begin(struct file_writer *writer, const char *path, const struct safetensors_tensor *tensors,
                              int tensor_count, const struct safetensors_metadata *metadata, int metadata_count);

/* Writes tensors in the given order, whole or not at all. */
cgsv_status safetensors_write(const char *path, const struct safetensors_tensor *tensors, int tensor_count,
                              const struct safetensors_metadata *metadata, int metadata_count);

#endif
