/* cgsv with one allocation failing after the other.
 *
 * usage: failing_program [--every K] OUTPUT ARGUMENTS...
 *
 * Where there is a folder OUTPUT.before, OUTPUT is a copy of it before each run.
 *
 * Runs `cgsv ARGUMENTS`, which writes to the file or folder OUTPUT, as it is; then for k = 1, 2, …
 * with its k-th allocation failing, until none fails; with --every K, only each K-th of them. Each
 * time it must end with code 0 and the same results, or with code 1, a message that says memory, and
 * nothing torn: a file is absent or whole, a table has whole rows. Where cells of a sweep fail, its
 * table says memory, and pages and tables of the results are whole, though others. The same command
 * without the fault, on what that has left behind, must then give the same results. The clock stands
 * still, so that results hold no times. */
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "failing_allocations.h"

enum { MOST_FILES = 64, DONE = 0, FAILED = 1 };

int __real_main(int argc, char **argv);

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    *time = (struct timespec){0};
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *now)
{
    if (now) *now = 0;
    return 0;
}

/* ---- files ---- */

struct file {
    char path[512], *bytes; /* which end in NUL */
    size_t size;
};

struct files {
    int count;
    struct file file[MOST_FILES];
};

static struct files *gathered; /* what nftw's visitor adds to */

/* How much memory is free changes from run to run. */
static char *still(char *text, size_t *size)
{
    char *at = strstr(text, "\"available\":");
    if (at) at += strlen("\"available\":");
    for (; at && *at && strchr("\t 0123456789", *at); --*size) memmove(at, at + 1, strlen(at));
    return text;
}

static char *read_whole(const char *path, size_t *size)
{
    FILE *stream = fopen(path, "rb");
    struct stat status = {0};
    if (stream) fstat(fileno(stream), &status);
    char *bytes = calloc(1, (size_t)status.st_size + 1);
    if (stream && bytes) *size = fread(bytes, 1, (size_t)status.st_size, stream);
    if (stream) fclose(stream);
    return still(bytes, size);
}

static char *read_text(const char *path)
{
    size_t size;
    return read_whole(path, &size);
}

static int gather_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)where;
    if (type != FTW_F) return 0;
    if (gathered->count == MOST_FILES) return 1;
    struct file *file = &gathered->file[gathered->count++];
    snprintf(file->path, sizeof file->path, "%s", path);
    file->bytes = read_whole(path, &file->size);
    return 0;
}

static struct files gather(const char *output)
{
    struct files files = {0};
    gathered = &files;
    nftw(output, gather_one, 8, FTW_PHYS);
    return files;
}

static void forget(struct files *files)
{
    for (int i = 0; i < files->count; i++) free(files->file[i].bytes);
    files->count = 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static const struct file *find(const struct files *files, const char *path)
{
    for (int i = 0; i < files->count; i++)
        if (strcmp(files->file[i].path, path) == 0) return &files->file[i];
    return NULL;
}

static bool equal(const struct file *a, const struct file *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* ---- runs ---- */

static struct {
    const char *output;
    int argc;
    char **argv;
    bool has_before;
    bool cells_failed; /* says the command, and ends with code 1 */
    long *made;      /* allocations of the latest run, shared with it */
    struct files expected;
    long number, faults, harmless, wrong;
} test;

static int run(long number)
{
    *test.made = 0;
    const pid_t child = fork();
    if (child == 0) {
        if (!freopen("out", "w", stdout) || !freopen("err", "w", stderr)) _exit(99);
        allocations_watch(number, FAIL_ONE);
        const int code = __real_main(test.argc, test.argv);
        *test.made = allocations_end();
        exit(code);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void wrong(const char *what, const char *which)
{
    char *err = read_text("err");
    if (test.wrong++ < 20) fprintf(stderr, "allocation %ld: %s%s\n  err: %.400s\n", test.number, what, which, err);
    free(err);
}

static void expect_equal(const char *when)
{
    struct files found = gather(test.output);
    for (int i = 0; i < test.expected.count; i++) {
        const struct file *expected = &test.expected.file[i], *file = find(&found, expected->path);
        if (!file || !equal(file, expected)) wrong(when, expected->path);
    }
    for (int i = 0; i < found.count; i++)
        if (!find(&test.expected, found.file[i].path)) wrong("left behind: ", found.file[i].path);
    forget(&found);
}

static int commas(const char *text)
{
    int count = 0;
    for (; *text && *text != '\n'; text++) count += *text == ',';
    return count;
}

/* A table: the right rows, or that of a cell of a sweep that has failed, or what became of such cells, all to the end
 * of the line. */
static bool whole_rows(const char *bytes, const char *expected)
{
    const int columns = commas(expected);
    for (const char *end; *bytes; bytes = end + 1) {
        char line[1024];
        end = strchr(bytes, '\n');
        if (!end || end - bytes >= (long)sizeof line - 1) return false;
        snprintf(line, sizeof line, "%.*s\n", (int)(end - bytes), bytes);
        if (strstr(expected, line) || strstr(line, ",failed,")) continue;
        if (!test.cells_failed || commas(line) != columns) return false;
    }
    return true;
}

static bool is_whole(const struct file *file, const struct file *expected)
{
    const char *dot = strrchr(file->path, '.');
    if (dot && strcmp(dot, ".csv") == 0) return whole_rows(file->bytes, expected->bytes);
    return equal(file, expected) || (test.cells_failed && file->size > 0 && file->bytes[file->size - 1] == '\n');
}

/* Whether anything is left behind, which must be whole. */
static bool leaves_whole_files(void)
{
    struct files found = gather(test.output);
    for (int i = 0; i < found.count; i++) {
        const struct file *file = &found.file[i], *expected = find(&test.expected, file->path);
        if (!expected)
            wrong("left behind: ", file->path);
        else if (!is_whole(file, expected))
            wrong("torn: ", file->path);
    }
    const bool any = found.count > 0;
    forget(&found);
    return any;
}

/* Says a table of cells. */
static bool told_by_table(void)
{
    bool told = false;
    struct files found = gather(test.output);
    for (int i = 0; i < found.count; i++) {
        const char *failed = strstr(found.file[i].bytes, ",failed,");
        told = told || (failed && strstr(failed, "memory"));
    }
    forget(&found);
    return told;
}

static void expect_told(void)
{
    char *err = read_text("err"), *out = read_text("out");
    test.cells_failed = strstr(err, "cells failed") != NULL;
    const bool told = strstr(err, "memory") || strstr(out, "memory") || (test.cells_failed && told_by_table());
    if (!strstr(err, "cgsv: ") || !told) wrong("no message of memory", "");
    free(err);
    free(out);
}

static void start_anew(void)
{
    char command[1024];
    nftw(test.output, remove_one, 8, FTW_PHYS | FTW_DEPTH);
    snprintf(command, sizeof command, "cp -r '%s.before' '%s'", test.output, test.output);
    if (test.has_before && system(command) != 0) wrong("no copy of ", test.output);
}

static void expect_run(long number)
{
    start_anew();
    const int code = run(test.number = number);
    const long made = *test.made;
    test.faults += made >= number || code != DONE;
    char text[32];
    snprintf(text, sizeof text, "%d", code);
    if (code == DONE) {
        test.harmless += made >= number;
        expect_equal("other results: ");
    } else if (code == FAILED) {
        expect_told();
        if (!leaves_whole_files()) return;
        if (run(0) != DONE) wrong("does not run afterwards", "");
        expect_equal("other results afterwards: ");
    } else {
        wrong("code ", text);
    }
}

int __wrap_main(int argc, char **argv)
{
    long every = 1;
    if (argc > 2 && strcmp(argv[1], "--every") == 0) {
        every = atol(argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (argc < 3 || every < 1) return 2;
    test.output = argv[1];
    test.argc = argc - 1;
    test.argv = argv + 1; /* the first is the name of the program */
    test.made = mmap(NULL, sizeof *test.made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char before[512];
    snprintf(before, sizeof before, "%s.before", test.output);
    test.has_before = access(before, F_OK) == 0;
    start_anew();
    if (test.made == MAP_FAILED || run(0) != DONE) {
        wrong("fails as it is", "");
        return 1;
    }
    const long all = *test.made;
    test.expected = gather(test.output);
    for (long number = 1; number <= all; number += every) expect_run(number);
    expect_run(all + 1); /* which finds none to fail */
    printf("cgsv %s: %ld allocations failed in turn, %ld of them did no harm, %ld faults found\n", argv[2], test.faults,
           test.harmless, test.wrong);
    return test.wrong > 0 || test.faults == 0;
}
