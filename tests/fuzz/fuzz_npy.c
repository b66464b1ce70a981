/* .npy files. The first byte of the input is the version, 1 to 3, of a file whose
 * start is made here, so that mutations reach the header's parser: what follows, up to
 * a NUL, is the header, then come the data. Any other first byte: the rest is the file. */
#include <string.h>

#include "fuzz.h"
#include "read_updates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    uint8_t start[12] = "\x93NUMPY";
    if (size == 0) return 0;
    const uint8_t version = data[0], *rest = data + 1, *nul = memchr(rest, 0, size - 1);
    if (version >= 1 && version <= 3 && nul) {
        const size_t length = (size_t)(nul - rest), prefix = version == 1 ? 10 : 12, behind = size - 2 - length;
        uint8_t *head = memcpy((uint8_t[70000]){0}, start, sizeof start);
        if (length > 65535) return 0;
        head[6] = version;
        head[8] = (uint8_t)length;
        head[9] = (uint8_t)(length >> 8);
        memcpy(head + prefix, rest, length);
        fuzz_file_set(&file, head, prefix + length, nul + 1, behind);
    } else {
        fuzz_file_set(&file, rest, size - 1, "", 0);
    }
    fuzz_count(read_updates(file.path, NULL, size + sizeof start));
    return 0;
}
