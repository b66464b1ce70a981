/* Reader and writer of safetensors files. The reader takes every file for hostile:
 * the header's length is bounded, names are printable and unique, and the tensors'
 * byte ranges must cover the data exactly, without overlap or gap, as the format
 * demands. */
#include "io/safetensors.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "io/file.h"

/* cJSON takes about 64 bytes for a 2-byte value, so the bound is far below the
 * format's 100 MB; a header of 1,000 tensors has 0.1 MB. */
#define HEADER_LIMIT ((uint64_t)8 << 20)

static const struct {
    const char *name;
    size_t bytes, alignment;
} types[] = {
    [SAFETENSORS_F32] = {"F32", sizeof(float), alignof(float)},
    [SAFETENSORS_F64] = {"F64", sizeof(double), alignof(double)},
    [SAFETENSORS_I64] = {"I64", sizeof(int64_t), alignof(int64_t)},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

struct entry {
    uint64_t begin, end; /* within the data */
    void *copy;          /* of data that lies unaligned in the file, else NULL */
};

struct safetensors {
    void *map;
    size_t map_size;
    cJSON *header; /* owns the names */
    const cJSON *metadata;
    int count;
    struct safetensors_tensor *tensors; /* sorted by name */
    struct entry *entries;              /* of the same order */
};

static cgsv_status read_length(uint64_t *length, const unsigned char *bytes, size_t size, const char *path)
{
    if (size < 8) return error_set(CGSV_ERROR_DATA, "'%s' has %zu bytes, too few for a safetensors file", path, size);
    *length = 0;
    for (int i = 7; i >= 0; i--) *length = *length << 8 | bytes[i];
    if (*length > HEADER_LIMIT)
        return error_set(CGSV_ERROR_DATA, "'%s' claims a header of %llu bytes; at most %llu are allowed", path,
                         (unsigned long long)*length, (unsigned long long)HEADER_LIMIT);
    if (*length > size - 8)
        return error_set(CGSV_ERROR_DATA, "'%s' is truncated: its header has %llu bytes, but only %zu follow", path,
                         (unsigned long long)*length, size - 8);
    return CGSV_OK;
}

static cgsv_status parse_header(cJSON **header, const char *text, size_t length, const char *path)
{
    const char *end = NULL;
    *header = length > 0 && text[0] == '{' ? cJSON_ParseWithLengthOpts(text, length, &end, 0) : NULL;
    while (*header && end < text + length && *end == ' ') end++;
    if (*header && end == text + length) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has a header that is not valid JSON", path);
}

/* Names reach terminals and other files, so control characters are not let in. */
static bool printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return false;
    return true;
}

/* JSON knows doubles only: whole numbers are exact up to 2^53. */
static bool get_whole(uint64_t *value, const cJSON *item)
{
    if (!cJSON_IsNumber(item)) return false;
    double number = item->valuedouble;
    if (!(number >= 0 && number <= 9007199254740992.0) || floor(number) != number) return false;
    *value = (uint64_t)number;
    return true;
}

static cgsv_status check_metadata(const cJSON *metadata, const char *path)
{
    const cJSON *item;
    if (!cJSON_IsObject(metadata)) return error_set(CGSV_ERROR_DATA, "'%s': __metadata__ is not an object", path);
    cJSON_ArrayForEach(item, metadata)
        if (!cJSON_IsString(item)) return error_set(CGSV_ERROR_DATA, "'%s': __metadata__ holds a non-string", path);
    return CGSV_OK;
}

/* Fills everything but `data` from one member of the header. */
static cgsv_status parse_tensor(struct safetensors_tensor *tensor, struct entry *entry, const cJSON *item,
                                uint64_t data_size, const char *path)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    const char *name = item->string;
    tensor->name = name;

    int found = TYPE_COUNT;
    for (int i = 0; cJSON_IsString(type) && i < TYPE_COUNT; i++)
        if (strcmp(type->valuestring, types[i].name) == 0) found = i;
    if (found == TYPE_COUNT)
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has no dtype of F32, F64, I64", path, name);
    tensor->type = (enum safetensors_type)found;

    uint64_t elements = 1, extent;
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > SAFETENSORS_DIMENSIONS)
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has no shape of at most %d dimensions", path, name,
                         SAFETENSORS_DIMENSIONS);
    const cJSON *dimension;
    cJSON_ArrayForEach(dimension, shape) {
        if (!get_whole(&extent, dimension) || __builtin_mul_overflow(elements, extent, &elements))
            return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has an impossible shape", path, name);
        tensor->shape[tensor->dimensions++] = (int64_t)extent;
    }
    uint64_t bytes;
    if (__builtin_mul_overflow(elements, types[found].bytes, &bytes) || bytes > INT64_MAX)
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has an impossible shape", path, name);
    tensor->elements = (int64_t)elements;

    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || !get_whole(&entry->begin, offsets->child) ||
        !get_whole(&entry->end, offsets->child->next) || entry->begin > entry->end || entry->end > data_size)
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has offsets outside the file's %llu bytes of data",
                         path, name, (unsigned long long)data_size);
    if (entry->end - entry->begin != bytes)
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has %llu bytes; its shape needs %llu", path, name,
                         (unsigned long long)(entry->end - entry->begin), (unsigned long long)bytes);
    return CGSV_OK;
}

static int by_name(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string, (*y)->string);
}

/* The header's members sorted by name, so that look-ups and the test for
 * duplicates cost little even for the largest header. */
static cgsv_status sort_members(const cJSON ***members, struct safetensors *file, const char *path)
{
    const cJSON *item;
    int total = cJSON_GetArraySize(file->header);
    const cJSON **sorted = malloc((size_t)total * sizeof *sorted + 1);
    *members = sorted;
    if (!sorted) return error_set(CGSV_ERROR_MEMORY, "no memory for the header of '%s'", path);
    cJSON_ArrayForEach(item, file->header) {
        if (!printable(item->string)) return error_set(CGSV_ERROR_DATA, "'%s' has an unprintable tensor name", path);
        if (strcmp(item->string, "__metadata__") != 0) {
            sorted[file->count++] = item;
            continue;
        }
        if (file->metadata) return error_set(CGSV_ERROR_DATA, "'%s' has __metadata__ twice", path);
        file->metadata = item;
        TRY(check_metadata(item, path));
    }
    qsort(sorted, (size_t)file->count, sizeof *sorted, by_name);
    for (int i = 1; i < file->count; i++)
        if (by_name(&sorted[i - 1], &sorted[i]) == 0)
            return error_set(CGSV_ERROR_DATA, "'%s' has two tensors '%.80s'", path, sorted[i]->string);
    return CGSV_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static cgsv_status check_cover(const struct entry *entries, int count, uint64_t data_size, const char *path)
{
    struct entry *sorted = malloc((size_t)count * sizeof *sorted + 1);
    if (!sorted) return error_set(CGSV_ERROR_MEMORY, "no memory for the header of '%s'", path);
    if (count > 0) memcpy(sorted, entries, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, by_offset);
    uint64_t at = 0;
    cgsv_status status = CGSV_OK;
    for (int i = 0; status == CGSV_OK && i < count; at = sorted[i++].end) {
        if (sorted[i].begin < at)
            status = error_set(CGSV_ERROR_DATA, "'%s' has tensors that overlap", path);
        else if (sorted[i].begin > at)
            status = error_set(CGSV_ERROR_DATA, "'%s' has a gap between its tensors", path);
    }
    if (status == CGSV_OK && at != data_size)
        status = error_set(CGSV_ERROR_DATA, "'%s' has %llu bytes of data; its tensors have %llu", path,
                           (unsigned long long)data_size, (unsigned long long)at);
    free(sorted);
    return status;
}

/* The format lets an F64 follow an odd number of F32: such data is copied, so that
 * its users may read it through an ordinary pointer. */
static cgsv_status point_at_data(struct safetensors_tensor *tensor, struct entry *entry, const char *data,
                                 const char *path)
{
    const char *at = data + entry->begin;
    tensor->data = at;
    if ((uintptr_t)at % types[tensor->type].alignment == 0 || tensor->elements == 0) return CGSV_OK;
    size_t bytes = (size_t)(entry->end - entry->begin);
    entry->copy = malloc(bytes);
    if (!entry->copy)
        return error_set(CGSV_ERROR_MEMORY, "no memory for the %zu bytes of '%.80s' in '%s'", bytes, tensor->name,
                         path);
    tensor->data = memcpy(entry->copy, at, bytes);
    return CGSV_OK;
}

static cgsv_status read_contents(struct safetensors *file, const char *path)
{
    uint64_t length = 0;
    const char *text = (const char *)file->map + 8;
    TRY(read_length(&length, file->map, file->map_size, path));
    TRY(parse_header(&file->header, text, (size_t)length, path));

    const cJSON **members = NULL;
    uint64_t data_size = file->map_size - 8 - length;
    cgsv_status status = sort_members(&members, file, path);
    if (status == CGSV_OK) {
        file->tensors = calloc((size_t)file->count + 1, sizeof *file->tensors);
        file->entries = calloc((size_t)file->count + 1, sizeof *file->entries);
        if (!file->tensors || !file->entries)
            status = error_set(CGSV_ERROR_MEMORY, "no memory for the header of '%s'", path);
    }
    for (int i = 0; status == CGSV_OK && i < file->count; i++)
        status = parse_tensor(&file->tensors[i], &file->entries[i], members[i], data_size, path);
    free(members);
    TRY(status);
    TRY(check_cover(file->entries, file->count, data_size, path));
    for (int i = 0; i < file->count; i++)
        TRY(point_at_data(&file->tensors[i], &file->entries[i], text + length, path));
    return CGSV_OK;
}

static cgsv_status map_file(struct safetensors *file, const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return error_set(CGSV_ERROR_IO, "cannot read '%s': %s", path, strerror(errno));
    struct stat status;
    cgsv_status result = CGSV_OK;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
        result = error_set(CGSV_ERROR_DATA, "'%s' is empty or not a file", path);
    } else {
        file->map_size = (size_t)status.st_size;
        file->map = mmap(NULL, file->map_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (file->map == MAP_FAILED) {
            file->map = NULL;
            result = error_set(CGSV_ERROR_IO, "cannot map '%s': %s", path, strerror(errno));
        }
    }
    close(descriptor);
    return result;
}

cgsv_status safetensors_open(struct safetensors **file, const char *path)
{
    *file = calloc(1, sizeof **file);
    if (!*file) return error_set(CGSV_ERROR_MEMORY, "no memory to open '%s'", path);
    cgsv_status status = map_file(*file, path);
    if (status == CGSV_OK) status = read_contents(*file, path);
    if (status != CGSV_OK) {
        safetensors_close(*file);
        *file = NULL;
    }
    return status;
}

void safetensors_close(struct safetensors *file)
{
    if (!file) return;
    for (int i = 0; file->entries && i < file->count; i++) free(file->entries[i].copy);
    free(file->entries);
    free(file->tensors);
    cJSON_Delete(file->header);
    if (file->map) munmap(file->map, file->map_size);
    free(file);
}

int safetensors_list(const struct safetensors *file, const struct safetensors_tensor **tensors)
{
    *tensors = file->tensors;
    return file->count;
}

static int name_against(const void *name, const void *tensor)
{
    return strcmp(name, ((const struct safetensors_tensor *)tensor)->name);
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    return bsearch(name, file->tensors, (size_t)file->count, sizeof *file->tensors, name_against);
}

const char *safetensors_metadata_value(const struct safetensors *file, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file->metadata, key));
}

static uint64_t tensor_bytes(const struct safetensors_tensor *tensor)
{
    uint64_t bytes = types[tensor->type].bytes;
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
    return item && cJSON_AddStringToObject(item, "dtype", types[tensor->type].name) &&
           cJSON_AddItemToObject(item, "shape", cJSON_CreateDoubleArray(shape, tensor->dimensions)) &&
           cJSON_AddItemToObject(item, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
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

cgsv_status safetensors_write(const char *path, const struct safetensors_tensor *tensors, int tensor_count,
                              const struct safetensors_metadata *metadata, int metadata_count)
{
    char *text = format_header(tensors, tensor_count, metadata, metadata_count);
    if (!text) return error_set(CGSV_ERROR_MEMORY, "no memory for the header of '%s'", path);
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)padded >> (8 * i));

    struct file_writer writer;
    cgsv_status status = file_begin(&writer, path);
    if (status == CGSV_OK) status = file_write(&writer, prefix, sizeof prefix);
    if (status == CGSV_OK) status = file_write(&writer, text, length);
    if (status == CGSV_OK) status = file_write(&writer, "       ", padded - length);
    for (int i = 0; status == CGSV_OK && i < tensor_count; i++)
        status = file_write(&writer, tensors[i].data, (size_t)tensor_bytes(&tensors[i]));
    if (status == CGSV_OK) status = file_commit(&writer);
    cJSON_free(text);
    return status;
}
