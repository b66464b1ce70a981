/* Compressed files. If the first byte of the input is 1 to 8, what follows is compressed here, into that many
 * gzip members, and must come back as it was; the second byte says in what steps it is read. Else all that
 * follows is the file, whatever it is. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/readers.h"
#include "fuzz.h"

enum { MEMBERS = 8, MOST = 1 << 16 };

/* to[most] gets one member that holds the bytes; its size. */
static size_t compress_member(uint8_t *to, size_t most, const uint8_t *bytes, size_t size)
{
    enum { GZIP = 16 };
    z_stream stream = {.next_in = (uint8_t *)bytes, .avail_in = (unsigned)size, .next_out = to,
                       .avail_out = (unsigned)most};
    FUZZ_CHECK(deflateInit2(&stream, 1, Z_DEFLATED, MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    FUZZ_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    const size_t used = most - stream.avail_out;
    deflateEnd(&stream);
    return used;
}

static void set_compressed(struct fuzz_file *file, const uint8_t *bytes, size_t size, size_t members)
{
    static uint8_t packed[MOST + 4096];
    size_t used = 0;
    for (size_t i = 0; i < members; i++) {
        const size_t begin = size * i / members, end = size * (i + 1) / members;
        used += compress_member(packed + used, sizeof packed - used, bytes + begin, end - begin);
    }
    fuzz_file_set(file, packed, used, "", 0);
}

/* Reads all of it, `step` bytes at a time, and no more than `most`. */
static cgsv_status read_all(uint8_t *to, int64_t *total, int64_t step, int64_t most, const char *path)
{
    struct data_file file;
    int64_t got = step;
    cgsv_status status = data_file_open(&file, path, "mnist");
    *total = 0;
    while (status == CGSV_OK && got == step && *total <= most - step) {
        status = data_file_read_some(&file, to + *total, step, &got);
        *total += got;
    }
    if (status == CGSV_OK && got < step) status = data_file_end(&file);
    FUZZ_CHECK(status != CGSV_OK || file.position == *total);
    data_file_close(&file);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    static uint8_t read[4 * MOST];
    if (size < 2 || size > MOST) return 0;
    const bool packs = data[0] >= 1 && data[0] <= MEMBERS;
    const int64_t step = 1 + data[1];
    int64_t total;
    if (packs)
        set_compressed(&file, data + 2, size - 2, data[0]);
    else
        fuzz_file_set(&file, data + 2, size - 2, "", 0);
    const cgsv_status status = read_all(read, &total, step, sizeof read, file.path);
    fuzz_count(status);
    if (packs) {
        FUZZ_CHECK(status == CGSV_OK && total == (int64_t)size - 2);
        FUZZ_CHECK(memcmp(read, data + 2, size - 2) == 0);
    }
    return 0;
}
