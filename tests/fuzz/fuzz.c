#include "fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int64_t fuzz_taken, fuzz_refused;

void fuzz_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", file, line, condition, cgsv_last_error());
    abort();
}

void fuzz_file_set(struct fuzz_file *file, const void *head, size_t head_size, const void *rest, size_t rest_size)
{
    if (file->descriptor == 0) {
        file->descriptor = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(file->descriptor > 0);
        snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->descriptor);
    }
    FUZZ_CHECK(ftruncate(file->descriptor, 0) == 0);
    FUZZ_CHECK(pwrite(file->descriptor, head, head_size, 0) == (ssize_t)head_size);
    FUZZ_CHECK(pwrite(file->descriptor, rest, rest_size, (off_t)head_size) == (ssize_t)rest_size);
}

static char folder[32];
static const char *const *folder_names;
static int folder_count;

static void remove_folder(void)
{
    for (int i = 0; i < folder_count; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, folder_names[i]);
        unlink(path);
    }
    rmdir(folder);
}

const char *fuzz_folder(const struct fuzz_file *files, const char *const *names, int count)
{
    snprintf(folder, sizeof folder, "/tmp/cgsv_fuzz_XXXXXX");
    FUZZ_CHECK(mkdtemp(folder));
    folder_names = names;
    folder_count = count;
    atexit(remove_folder);
    for (int i = 0; i < count; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FUZZ_CHECK(symlink(files[i].path, path) == 0);
    }
    return folder;
}

static bool one_clean_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return false;
    return true;
}

void fuzz_count(cgsv_status status)
{
    if (status == CGSV_OK) {
        fuzz_taken++;
        return;
    }
    fuzz_refused++;
    FUZZ_CHECK(*cgsv_last_error() && one_clean_line(cgsv_last_error()));
}
