/* What the fuzz targets share. A target is LLVMFuzzerTestOneInput, as libFuzzer calls
 * it; driver.c calls it where there is no libFuzzer. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "cgsv/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory, for readers that want a path. */
struct fuzz_file {
    int descriptor; /* 0: not made yet */
    char path[40];
};

/* Makes the file at the first call; gives it the two parts as its contents. */
void fuzz_file_set(struct fuzz_file *file, const void *head, size_t head_size, const void *rest, size_t rest_size);

/* A folder in which names[count] are links to files[count], removed when the process
 * ends. One per process. */
const char *fuzz_folder(const struct fuzz_file *files, const char *const *names, int count);

/* Counts an input as taken or refused. A refusal's message must be one line, and
 * must not carry control characters of a file to the terminal. */
void fuzz_count(cgsv_status status);
extern int64_t fuzz_taken, fuzz_refused;

/* Ends the process as a crash does when a condition that must hold does not. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
void fuzz_failed(const char *condition, const char *file, int line);

#endif
