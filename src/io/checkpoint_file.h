/* Checkpoint files: safetensors whose last tensor, "checksum", is the CRC-32 (zlib's) of all bytes
 * of the file before its own. Nothing here knows of devices or federations. */
#ifndef IO_CHECKPOINT_FILE_H
#define IO_CHECKPOINT_FILE_H

#include "io/safetensors.h"

/* Of the format; another one is refused. */
#define CHECKPOINT_VERSION "1"

struct checkpoint_writer {
    struct file_writer file;
    uint32_t checksum; /* of what is written so far */
};

/* Begins a file with these tensors, whose data follow by checkpoint_write, in their order; then
 * checkpoint_commit. Files and failures as in io/file.h; checkpoint_abort after failures elsewhere. */
cgsv_status checkpoint_begin(struct checkpoint_writer *writer, const char *path,
                             const struct safetensors_tensor *tensors, int tensor_count,
                             const struct safetensors_metadata *metadata, int metadata_count);
cgsv_status checkpoint_write(struct checkpoint_writer *writer, const void *bytes, size_t count);
cgsv_status checkpoint_commit(struct checkpoint_writer *writer);
void checkpoint_abort(struct checkpoint_writer *writer);

/* A file that was found whole. */
struct checkpoint_file {
    struct file_reader reader;
    struct safetensors *header;
    int rounds; /* done */
};

/* Opens a file and reads all of it once: header, version and checksum. CGSV_ERROR_DATA for whatever
 * is wrong with it, CGSV_ERROR_IO. `path` must stay. */
cgsv_status checkpoint_file_open(struct checkpoint_file *file, const char *path);

/* A zeroed one is fine. */
void checkpoint_file_close(struct checkpoint_file *file);

/* A whole number of the metadata, in [least, most]; CGSV_ERROR_DATA where there is none. */
cgsv_status checkpoint_file_number(int *number, const struct checkpoint_file *file, const char *key, int least,
                                   int most);

#endif
