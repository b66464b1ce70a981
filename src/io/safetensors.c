/* Reader of safetensors files. It takes every file for hostile: the header's length is
 * bounded, names are printable and unique, and the tensors' byte ranges must cover the
 * data exactly, without overlap or gap, as the format demands. */
#include "io/safetensors.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/printable.h"
#include "io/file.h"
#include "io/json.h"

/* cJSON takes about 64 bytes for a 2-byte value, so the bound is far below the
 * format's 100 MB; a header of 1,000 tensors has 0.1 MB. */
#define HEADER_LIMIT ((uint64_t)8 << 20)

enum { PREFIX = 8 }; /* bytes of the header's length */

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [SAFETENSORS_F32] = {"F32", 4},
    [SAFETENSORS_F64] = {"F64", 8},
    [SAFETENSORS_I32] = {"I32", 4},
    [SAFETENSORS_I64] = {"I64", 8},
    [SAFETENSORS_F16] = {"F16", 2},
    [SAFETENSORS_BF16] = {"BF16", 2},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

const char *safetensors_type_name(enum safetensors_type type) { return types[type].name; }
size_t safetensors_type_size(enum safetensors_type type) { return types[type].bytes; }

struct entry {
    uint64_t begin, end; /* within the data */
    void *data;          /* NULL after safetensors_open_header */
};

struct safetensors {
    cJSON *header; /* owns the names */
    const cJSON *metadata;
    int count;
    struct safetensors_tensor *tensors; /* sorted by name */
    struct entry *entries;              /* of the same order */
};

static cgsv_status read_length(uint64_t *length, const struct file_reader *reader)
{
    unsigned char bytes[PREFIX];
    if (reader->size < PREFIX)
        return error_set(CGSV_ERROR_DATA, "'%s' has %llu bytes, too few for a safetensors file", reader->path,
                         (unsigned long long)reader->size);
    TRY(file_read_at(reader, 0, bytes, PREFIX));
    *length = 0;
    for (int i = PREFIX - 1; i >= 0; i--) *length = *length << 8 | bytes[i];
    if (*length > HEADER_LIMIT)
        return error_set(CGSV_ERROR_DATA, "'%s' claims a header of %llu bytes; at most %llu are allowed", reader->path,
                         (unsigned long long)*length, (unsigned long long)HEADER_LIMIT);
    if (*length > reader->size - PREFIX)
        return error_set(CGSV_ERROR_DATA, "'%s' is truncated: its header has %llu bytes, but only %llu follow",
                         reader->path, (unsigned long long)*length, (unsigned long long)(reader->size - PREFIX));
    return CGSV_OK;
}

static cgsv_status parse_header(cJSON **header, const char *text, size_t length, const char *path)
{
    const char *end = NULL;
    *header = NULL;
    if (length > 0 && text[0] == '{') TRY(json_parse(header, text, length, &end, path));
    while (*header && end < text + length && *end == ' ') end++;
    if (*header && end == text + length) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has a header that is not valid JSON", path);
}

static cgsv_status read_header(cJSON **header, size_t length, const struct file_reader *reader)
{
    char *text = malloc(length + 1);
    if (!text) return error_set(CGSV_ERROR_MEMORY, "no memory for the header of '%s'", reader->path);
    cgsv_status status = file_read_at(reader, PREFIX, text, length);
    if (status == CGSV_OK) status = parse_header(header, text, length, reader->path);
    free(text);
    return status;
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

static cgsv_status parse_type(struct safetensors_tensor *tensor, const cJSON *type, const char *path)
{
    for (int i = 0; cJSON_IsString(type) && i < TYPE_COUNT; i++) {
        tensor->type = (enum safetensors_type)i;
        if (strcmp(type->valuestring, types[i].name) == 0) return CGSV_OK;
    }
    const char *found = cJSON_IsString(type) && printable(type->valuestring) ? type->valuestring : "(none)";
    return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has dtype %.20s; expected F32, F64, F16, BF16, I32 or I64",
                     path, tensor->name, found);
}

/* Sets shape and elements; *bytes is what the shape needs. */
static cgsv_status parse_shape(struct safetensors_tensor *tensor, uint64_t *bytes, const cJSON *shape,
                               const char *path)
{
    uint64_t elements = 1, extent = 0;
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > SAFETENSORS_DIMENSIONS)
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has no shape of at most %d dimensions", path,
                         tensor->name, SAFETENSORS_DIMENSIONS);
    const cJSON *dimension;
    bool possible = true;
    cJSON_ArrayForEach(dimension, shape) {
        possible = possible && get_whole(&extent, dimension) && !__builtin_mul_overflow(elements, extent, &elements);
        tensor->shape[tensor->dimensions++] = (int64_t)extent;
    }
    possible = possible && !__builtin_mul_overflow(elements, types[tensor->type].bytes, bytes) && *bytes <= INT64_MAX;
    tensor->elements = (int64_t)elements;
    if (possible) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has an impossible shape", path, tensor->name);
}

/* cJSON keeps members of the same name; the first would win in silence. */
static bool has_twice(const cJSON *object, const char *name)
{
    const cJSON *first = cJSON_GetObjectItemCaseSensitive(object, name);
    for (const cJSON *item = first ? first->next : NULL; item; item = item->next)
        if (strcmp(item->string, name) == 0) return true;
    return false;
}

/* Fills everything but `data` and `offset` from one member of the header. */
static cgsv_status parse_tensor(struct safetensors_tensor *tensor, struct entry *entry, const cJSON *item,
                                uint64_t data_size, const char *path)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    const char *name = item->string;
    uint64_t bytes = 0;
    tensor->name = name;
    if (has_twice(item, "dtype") || has_twice(item, "shape") || has_twice(item, "data_offsets"))
        return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has dtype, shape or data_offsets twice", path, name);
    TRY(parse_type(tensor, cJSON_GetObjectItemCaseSensitive(item, "dtype"), path));
    TRY(parse_shape(tensor, &bytes, cJSON_GetObjectItemCaseSensitive(item, "shape"), path));
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

static cgsv_status read_tensors(struct safetensors *file, const struct file_reader *reader)
{
    const char *path = reader->path;
    uint64_t length = 0;
    TRY(read_length(&length, reader));
    TRY(read_header(&file->header, (size_t)length, reader));

    const cJSON **members = NULL;
    const uint64_t data_begin = PREFIX + length, data_size = reader->size - data_begin;
    cgsv_status status = sort_members(&members, file, path);
    if (status == CGSV_OK) {
        file->tensors = calloc((size_t)file->count + 1, sizeof *file->tensors);
        file->entries = calloc((size_t)file->count + 1, sizeof *file->entries);
        if (!file->tensors || !file->entries)
            status = error_set(CGSV_ERROR_MEMORY, "no memory for the header of '%s'", path);
    }
    for (int i = 0; status == CGSV_OK && i < file->count; i++) {
        status = parse_tensor(&file->tensors[i], &file->entries[i], members[i], data_size, path);
        file->tensors[i].offset = data_begin + file->entries[i].begin;
    }
    free(members);
    TRY(status);
    return check_cover(file->entries, file->count, data_size, path);
}

cgsv_status safetensors_open_header(struct safetensors **file, const struct file_reader *reader)
{
    *file = calloc(1, sizeof **file);
    if (!*file) return error_set(CGSV_ERROR_MEMORY, "no memory to open '%s'", reader->path);
    cgsv_status status = read_tensors(*file, reader);
    if (status == CGSV_OK) return CGSV_OK;
    safetensors_close(*file);
    *file = NULL;
    return status;
}

/* Into memory of its own, aligned for any type: the format lets an F64 follow an odd number of F32. */
static cgsv_status read_data(struct safetensors_tensor *tensor, struct entry *entry, const struct file_reader *reader)
{
    const size_t bytes = (size_t)(entry->end - entry->begin);
    tensor->data = entry->data = malloc(bytes + 1);
    if (!entry->data)
        return error_set(CGSV_ERROR_MEMORY, "no memory for the %zu bytes of '%.80s' in '%s'", bytes, tensor->name,
                         reader->path);
    return bytes > 0 ? file_read_at(reader, tensor->offset, entry->data, bytes) : CGSV_OK;
}

static cgsv_status read_all_data(struct safetensors *file, const struct file_reader *reader)
{
    for (int i = 0; i < file->count; i++) TRY(read_data(&file->tensors[i], &file->entries[i], reader));
    return CGSV_OK;
}

cgsv_status safetensors_open(struct safetensors **file, const char *path)
{
    struct file_reader reader;
    *file = NULL;
    TRY(file_reader_open(&reader, path));
    cgsv_status status = safetensors_open_header(file, &reader);
    if (status == CGSV_OK) status = read_all_data(*file, &reader);
    file_reader_close(&reader);
    if (status == CGSV_OK) return CGSV_OK;
    safetensors_close(*file);
    *file = NULL;
    return status;
}

void safetensors_close(struct safetensors *file)
{
    if (!file) return;
    for (int i = 0; file->entries && i < file->count; i++) free(file->entries[i].data);
    free(file->entries);
    free(file->tensors);
    cJSON_Delete(file->header);
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
