#include "io/checkpoint_file.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/error.h"

enum { PIECE = 1 << 20, MOST_TENSORS = 64 };

static const struct safetensors_tensor checksum_tensor = {.name = "checksum", .type = SAFETENSORS_I64};

/* ---- writing ---- */

cgsv_status checkpoint_begin(struct checkpoint_writer *writer, const char *path,
                             const struct safetensors_tensor *tensors, int tensor_count,
                             const struct safetensors_metadata *metadata, int metadata_count)
{
    struct safetensors_tensor all[MOST_TENSORS];
    char *header;
    size_t count;
    assert(tensor_count < MOST_TENSORS);
    memcpy(all, tensors, (size_t)tensor_count * sizeof *all);
    all[tensor_count] = checksum_tensor;
    *writer = (struct checkpoint_writer){.checksum = (uint32_t)crc32(0, NULL, 0)};
    TRY(safetensors_header(&header, &count, all, tensor_count + 1, metadata, metadata_count));
    cgsv_status status = file_begin(&writer->file, path);
    if (status == CGSV_OK) status = checkpoint_write(writer, header, count);
    free(header);
    return status;
}

cgsv_status checkpoint_write(struct checkpoint_writer *writer, const void *bytes, size_t count)
{
    writer->checksum = (uint32_t)crc32_z(writer->checksum, bytes, count);
    return file_write(&writer->file, bytes, count);
}

cgsv_status checkpoint_commit(struct checkpoint_writer *writer)
{
    const int64_t checksum = writer->checksum;
    TRY(file_write(&writer->file, &checksum, sizeof checksum));
    return file_commit(&writer->file);
}

void checkpoint_abort(struct checkpoint_writer *writer) { file_abort(&writer->file); }

/* ---- reading ---- */

cgsv_status checkpoint_file_number(int *number, const struct checkpoint_file *file, const char *key, int least,
                                   int most)
{
    const char *text = safetensors_metadata_value(file->header, key);
    char *end = NULL;
    const long value = text ? strtol(text, &end, 10) : 0;
    if (!text || end == text || *end || value < least || value > most)
        return error_set(CGSV_ERROR_DATA, "'%s': '%s' is %.40s; expected a whole number from %d to %d",
                         file->reader.path, key, text ? text : "missing", least, most);
    *number = (int)value;
    return CGSV_OK;
}

static cgsv_status check_version(const struct checkpoint_file *file)
{
    const char *version = safetensors_metadata_value(file->header, "checkpoint_version");
    if (!version) return error_set(CGSV_ERROR_DATA, "'%s' is not a checkpoint of cgsv", file->reader.path);
    if (strcmp(version, CHECKPOINT_VERSION) == 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' is a checkpoint of format %.20s; this cgsv reads format %s",
                     file->reader.path, version, CHECKPOINT_VERSION);
}

static cgsv_status sum_up(uint32_t *checksum, const struct file_reader *reader, uint64_t bytes)
{
    unsigned char *piece = malloc(PIECE);
    if (!piece) return error_set(CGSV_ERROR_MEMORY, "no memory to read '%s'", reader->path);
    cgsv_status status = CGSV_OK;
    *checksum = (uint32_t)crc32(0, NULL, 0);
    for (uint64_t at = 0; at < bytes && status == CGSV_OK; at += PIECE) {
        const size_t count = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        status = file_read_at(reader, at, piece, count);
        if (status == CGSV_OK) *checksum = (uint32_t)crc32_z(*checksum, piece, count);
    }
    free(piece);
    return status;
}

/* It is the last tensor, so that it can be written behind data that are summed up on their way. */
static cgsv_status check_checksum(const struct checkpoint_file *file)
{
    const struct file_reader *reader = &file->reader;
    const struct safetensors_tensor *tensor = safetensors_find(file->header, checksum_tensor.name);
    int64_t written = 0;
    uint32_t found = 0;
    if (!tensor || tensor->type != checksum_tensor.type || tensor->elements != 1 ||
        tensor->offset + sizeof written != reader->size)
        return error_set(CGSV_ERROR_DATA, "'%s' is damaged: it does not end in a checksum", reader->path);
    TRY(file_read_at(reader, tensor->offset, &written, sizeof written));
    TRY(sum_up(&found, reader, tensor->offset));
    if (written == (int64_t)found) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' is damaged: its checksum is %llx, and its bytes give %lx", reader->path,
                     (unsigned long long)written, (unsigned long)found);
}

static cgsv_status check_all(struct checkpoint_file *file)
{
    TRY(safetensors_open_header(&file->header, &file->reader));
    TRY(check_version(file));
    TRY(check_checksum(file));
    return checkpoint_file_number(&file->rounds, file, "rounds_done", 0, INT_MAX);
}

cgsv_status checkpoint_file_open(struct checkpoint_file *file, const char *path)
{
    *file = (struct checkpoint_file){.rounds = 0};
    TRY(file_reader_open(&file->reader, path));
    cgsv_status status = check_all(file);
    if (status != CGSV_OK) checkpoint_file_close(file);
    return status;
}

void checkpoint_file_close(struct checkpoint_file *file)
{
    if (file->reader.path) file_reader_close(&file->reader);
    safetensors_close(file->header);
    *file = (struct checkpoint_file){.rounds = 0};
}
