#include "fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* ---- the process's folder ---- */

static char folder[32];

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type;
    return place->level > 0 ? remove(path) : 0;
}

void fuzz_folder_clear(void) { FUZZ_CHECK(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0); }

static void remove_folder(void)
{
    fuzz_folder_clear();
    rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (!*folder) {
        /* in memory, where writing is not waited for */
        snprintf(folder, sizeof folder, "%s/cgsv_fuzz_XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(folder));
        atexit(remove_folder);
    }
    return folder;
}

void fuzz_path(char path[FUZZ_PATH], const char *name)
{
    FUZZ_CHECK(snprintf(path, FUZZ_PATH, "%s/%s", fuzz_folder(), name) < FUZZ_PATH);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        FUZZ_CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
}

void fuzz_put(const char *name, const void *bytes, size_t size)
{
    char path[FUZZ_PATH];
    fuzz_path(path, name);
    FILE *stream = fopen(path, "wb");
    FUZZ_CHECK(stream && fwrite(bytes, 1, size, stream) == size && fclose(stream) == 0);
}

bool fuzz_has(const char *name)
{
    char path[FUZZ_PATH];
    fuzz_path(path, name);
    return access(path, F_OK) == 0;
}

/* ---- what came of an input ---- */

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
