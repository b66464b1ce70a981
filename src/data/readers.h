/* What the data sets' readers share: finding a file, reading it to its exact
 * length, room for a split, standardising bytes. */
#ifndef DATA_READERS_H
#define DATA_READERS_H

#include <stdint.h>
#include <zlib.h>

#include "cgsv/dataset.h"

/* One loader per known name. Each fills shape and splits of a zeroed data set;
 * after a failure the caller frees what is there. */
cgsv_status synthetic_load(cgsv_dataset *dataset);
cgsv_status mnist_load(cgsv_dataset *dataset, const char *directory);

/* records: pictures per file; 10,000 in the published files, fewer in tests. */
cgsv_status cifar_load(cgsv_dataset *dataset, const char *directory, int64_t records);

/* Sentences: files as in include/cgsv/dataset.h. */
cgsv_status rt_polarity_load(cgsv_dataset *dataset, const char *directory, const cgsv_dataset_options *options);
cgsv_status trees_load(cgsv_dataset *dataset, const char *directory);

/* Finds the first of names[] (ended by NULL) in `directory` or in its folder named
 * after the data set. The path is the caller's to free. */
cgsv_status data_file_find(char **path, const char *set, const char *directory, const char *const *names);

/* A file being read, plain or gzip. Its messages name `path` and, for the remedy,
 * the data set. */
struct data_file {
    gzFile stream;
    const char *path; /* borrowed */
    const char *set;  /* borrowed */
    int64_t position; /* bytes read so far, after decompression */
    int64_t size;     /* of the file, compressed or not */
};

/* data_file_read wants exactly `count` bytes, data_file_end none after them; both
 * say CGSV_ERROR_DATA otherwise. data_file_close is fine after a failed open. */
cgsv_status data_file_open(struct data_file *file, const char *path, const char *set);
cgsv_status data_file_read(struct data_file *file, void *bytes, int64_t count);
cgsv_status data_file_end(struct data_file *file);

/* Up to `count` bytes, fewer only at the end of the file: *got. */
cgsv_status data_file_read_some(struct data_file *file, void *bytes, int64_t count, int64_t *got);

/* CGSV_ERROR_DATA when `count` more bytes cannot be in a file of this size, or many of them only by a
 * compression that no data have which are worth reading. It is to be asked before a damaged header makes
 * its reader allocate them. */
cgsv_status data_file_can_hold(const struct data_file *file, int64_t count);
void data_file_close(struct data_file *file);

/* Room for `samples` samples of `values` floats each, with the sizes checked. */
cgsv_status split_allocate(cgsv_split *split, int64_t samples, int64_t values);

/* Copies labels, each checked to be below `classes`; `stride` bytes lie between two
 * of them. */
cgsv_status labels_copy(int32_t *y, const uint8_t *labels, int64_t samples, int64_t stride, int classes,
                        const char *path);

/* table[v] is byte v less the mean, over the deviation, of all bytes counted in
 * count[v]. Whole sums, so that the result does not depend on any order. */
void standard_table(float table[256], const uint64_t count[256]);

#endif
