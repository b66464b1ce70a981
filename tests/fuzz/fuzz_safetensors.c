/* .safetensors files. If the input begins with 1, the header's length is set here, so
 * that mutations reach the header: what follows, up to a NUL, is the header, then come
 * the data. Any other first byte: the rest is the file. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "io/safetensors.h"
#include "read_updates.h"

static void make_file(struct fuzz_file *file, const uint8_t *data, size_t size)
{
    const uint8_t *rest = data + 1, *nul = memchr(rest, 0, size - 1);
    if (data[0] != 1 || !nul) {
        fuzz_file_set(file, rest, size - 1, "", 0);
        return;
    }
    const size_t length = (size_t)(nul - rest);
    uint8_t *head = malloc(8 + length);
    FUZZ_CHECK(head);
    for (int i = 0; i < 8; i++) head[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(head + 8, rest, length);
    fuzz_file_set(file, head, 8 + length, nul + 1, size - 2 - length);
    free(head);
}

/* The tensors must fill the file from the first one's data to the end. Reads every byte. */
static void read_tensors(const struct safetensors *file, const char *path)
{
    struct stat status;
    FUZZ_CHECK(stat(path, &status) == 0);
    const struct safetensors_tensor *tensors;
    const int count = safetensors_list(file, &tensors);
    size_t size = (size_t)status.st_size, begin = size, total = 0, sum = 0;
    for (int i = 0; i < count; i++) {
        const size_t bytes = (size_t)tensors[i].elements * safetensors_type_size(tensors[i].type);
        total += bytes;
        FUZZ_CHECK(bytes <= size && total <= size && safetensors_find(file, tensors[i].name) == &tensors[i]);
        if (tensors[i].offset < begin) begin = (size_t)tensors[i].offset;
        for (size_t k = 0; k < bytes; k++) sum += ((const uint8_t *)tensors[i].data)[k];
    }
    FUZZ_CHECK(sum <= 255 * total && total == size - begin);
    (void)safetensors_metadata_value(file, "a");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    struct safetensors *tensors;
    if (size == 0) return 0;
    make_file(&file, data, size);
    const cgsv_status status = safetensors_open(&tensors, file.path);
    fuzz_count(status);
    if (status == CGSV_OK) read_tensors(tensors, file.path);
    safetensors_close(tensors);
    const bool good = read_updates(file.path, NULL, size + 8) == CGSV_OK;
    FUZZ_CHECK(status == CGSV_OK || !good);
    (void)read_updates(file.path, "a", size + 8);
    return 0;
}
