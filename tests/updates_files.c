#include "updates_files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/half.h"
#include "io/safetensors.h"

const char *put(const char *name, const void *head, size_t head_size, const void *data, size_t data_size)
{
    const char *path = temporary_path(name);
    FILE *stream = fopen(path, "wb");
    cr_assert_eq(fwrite(head, 1, head_size, stream), head_size);
    cr_assert_eq(fwrite(data, 1, data_size, stream), data_size);
    cr_assert_eq(fclose(stream), 0);
    return path;
}

const char *put_npy(const char *name, int version, const char *header, const void *data, size_t size)
{
    char head[512] = "\x93NUMPY";
    const size_t length = strlen(header), prefix = version == 1 ? 10 : 12;
    head[6] = (char)version;
    head[8] = (char)(length & 255);
    head[9] = (char)(length >> 8);
    memcpy(head + prefix, header, length);
    return put(name, head, prefix + length, data, size);
}

const char *put_safetensors(const char *name, const char *header, const void *data, size_t size)
{
    char head[1024] = "";
    const size_t length = strlen(header);
    cr_assert_lt(length, sizeof head - 8);
    head[0] = (char)(length & 255);
    head[1] = (char)(length >> 8);
    memcpy(head + 8, header, length);
    return put(name, head, 8 + length, data, size);
}

double number(int64_t k) { return (double)(k % 251 - 125) / 8; }

void fill(void *bytes, enum element type, int64_t count)
{
    for (int64_t k = 0; k < count; k++) {
        const float value = (float)number(k);
        switch (type) {
        case ELEMENT_FLOAT16: ((uint16_t *)bytes)[k] = half_from_float(value); break;
        case ELEMENT_BFLOAT16: ((uint16_t *)bytes)[k] = (uint16_t)(float_to_bits(value) >> 16); break;
        case ELEMENT_FLOAT32: ((float *)bytes)[k] = value; break;
        case ELEMENT_FLOAT64: ((double *)bytes)[k] = number(k); break;
        }
    }
}

const char *put_tensors(const char *file, const char *const *names, int count, int dimensions,
                               const int64_t *shape)
{
    static float values[MOST];
    struct safetensors_tensor tensors[16];
    int64_t elements = 1;
    for (int d = 0; d < dimensions; d++) elements *= shape[d];
    fill(values, ELEMENT_FLOAT32, elements * count);
    for (int i = 0; i < count; i++) {
        tensors[i] = (struct safetensors_tensor){.name = names[i], .type = SAFETENSORS_F32, .dimensions = dimensions,
                                                 .data = values + i * elements};
        memcpy(tensors[i].shape, shape, sizeof *shape * (size_t)dimensions);
    }
    const char *path = temporary_path(file);
    cr_assert_eq(safetensors_write(path, tensors, count, NULL, 0), CGSV_OK, "%s", cgsv_last_error());
    return path;
}

void expect_refused_as(cgsv_status expected, const char *const *paths, int count, const char *tensor,
                              const char *message)
{
    struct updates *updates;
    cgsv_status status = updates_open(&updates, paths, count, tensor);
    const char *error = cgsv_last_error();
    cr_expect_eq(status, expected, "'%s' gave status %d", message, status);
    cr_expect_null(updates);
    cr_expect(strstr(error, message), "expected '%s' in '%s'", message, error);
    cr_expect(count == 0 || tensor || strstr(error, paths[count - 1]), "'%s' names no file", error);
    cr_expect_null(strchr(error, '\n'), "more than one line: '%s'", error);
}

void expect_refused(const char *path, const char *message)
{
    expect_refused_as(CGSV_ERROR_DATA, &path, 1, NULL, message);
}
