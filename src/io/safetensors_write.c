/* Writer of safetensors files. */
#include <assert.h>
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"

enum { PREFIX = 8 }; /* bytes of the header's length */

static uint64_t tensor_bytes(const struct safetensors_tensor *tensor)
{
    uint64_t bytes = safetensors_type_size(tensor->type);
    for (int i = 0; i < tensor->dimensions; i++) bytes *= (uint64_t)tensor->shape[i];
    return bytes;
}

static bool add_tensor(cJSON *header, const struct safetensors_tensor *tensor, uint64_t *offset)
{
    assert(tensor->dimensions <= SAFETENSORS_DIMENSIONS && strcmp(tensor->name, "__metadata__") != 0);
    assert(!cJSON_GetObjectItemCaseSensitive(header, tensor->name));
    double shape[SAFETENSORS_DIMENSIONS], offsets[2] = {(double)*offset};
    for (int i = 0; i < tensor->dimensions; i++) shape[i] = (double)tensor->shape[i];
    *offset += tensor_bytes(tensor);
    offsets[1] = (double)*offset;

    cJSON *item = cJSON_AddObjectToObject(header, tensor->name);
    return item && cJSON_AddStringToObject(item, "dtype", safetensors_type_name(tensor->type)) &&
           json_add_item(item, "shape", cJSON_CreateDoubleArray(shape, tensor->dimensions)) &&
           json_add_item(item, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
}

/* The header's text; NULL when memory runs out. */
static char *format_header(const struct safetensors_tensor *tensors, int tensor_count,
                           const struct safetensors_metadata *metadata, int metadata_count)
{
    cJSON *header = cJSON_CreateObject();
    bool complete = header != NULL;
    if (metadata_count > 0) {
        cJSON *object = cJSON_AddObjectToObject(header, "__metadata__");
        for (int i = 0; i < metadata_count; i++)
            complete = complete && cJSON_AddStringToObject(object, metadata[i].key, metadata[i].value);
    }
    uint64_t offset = 0;
    for (int i = 0; i < tensor_count; i++) complete = complete && add_tensor(header, &tensors[i], &offset);
    char *text = complete ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    return text;
}

cgsv_status safetensors_header(char **bytes, size_t *count, const struct safetensors_tensor *tensors,
                               int tensor_count, const struct safetensors_metadata *metadata, int metadata_count)
{
    char *text = format_header(tensors, tensor_count, metadata, metadata_count);
    const size_t length = text ? strlen(text) : 0, padded = (length + 7) / 8 * 8;
    *count = PREFIX + padded;
    *bytes = text ? malloc(*count) : NULL;
    if (*bytes) {
        for (int i = 0; i < PREFIX; i++) (*bytes)[i] = (char)((uint64_t)padded >> (8 * i));
        memcpy(*bytes + PREFIX, text, length);
        memset(*bytes + PREFIX + length, ' ', padded - length);
    }
    cJSON_free(text);
    return *bytes ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the header of %d tensors", tensor_count);
}

cgsv_status safetensors_begin(struct file_writer *writer, const char *path, const struct safetensors_tensor *tensors,
                              int tensor_count, const struct safetensors_metadata *metadata, int metadata_count)
{
    char *header;
    size_t count;
    TRY(safetensors_header(&header, &count, tensors, tensor_count, metadata, metadata_count));
    cgsv_status status = file_begin(writer, path);
    if (status == CGSV_OK) status = file_write(writer, header, count);
    free(header);
    return status;
}

cgsv_status safetensors_write(const char *path, const struct safetensors_tensor *tensors, int tensor_count,
                              const struct safetensors_metadata *metadata, int metadata_count)
{
    struct file_writer writer;
    TRY(safetensors_begin(&writer, path, tensors, tensor_count, metadata, metadata_count));
    for (int i = 0; i < tensor_count; i++)
        TRY(file_write(&writer, tensors[i].data, (size_t)tensor_bytes(&tensors[i])));
    return file_commit(&writer);
}
