#include "checkpoint_files.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

const char *checkpoint_path(char path[64], int number)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, 64, "%s/cgsv_checkpoint_%ld_%d", folder, (long)getpid(), number);
    return path;
}

char *checkpoint_read(const char *path, size_t *size)
{
    FILE *stream = fopen(path, "rb");
    cr_assert_not_null(stream);
    fseek(stream, 0, SEEK_END);
    *size = (size_t)ftell(stream);
    rewind(stream);
    char *bytes = malloc(*size + 1);
    cr_assert_not_null(bytes);
    cr_assert_eq(fread(bytes, 1, *size, stream), *size);
    fclose(stream);
    return bytes;
}

void checkpoint_put(const char *path, const char *bytes, size_t size)
{
    FILE *stream = fopen(path, "wb");
    cr_assert_not_null(stream);
    cr_assert_eq(fwrite(bytes, 1, size, stream), size);
    cr_assert_eq(fclose(stream), 0);
}

void checkpoint_replace(const char *path, const char *old, const char *now)
{
    size_t size;
    char *bytes = checkpoint_read(path, &size), *at = memmem(bytes, size, old, strlen(old));
    cr_assert_not_null(at, "no %s in the file", old);
    cr_assert_eq(strlen(old), strlen(now));
    memcpy(at, now, strlen(now));
    const int64_t checksum = (int64_t)crc32(0, (const unsigned char *)bytes, (unsigned)(size - sizeof checksum));
    memcpy(bytes + size - sizeof checksum, &checksum, sizeof checksum);
    checkpoint_put(path, bytes, size);
    free(bytes);
}
