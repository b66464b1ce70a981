/* What the fuzz targets share. A target is LLVMFuzzerTestOneInput, as libFuzzer calls
 * it; driver.c calls it where there is no libFuzzer. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
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

/* A folder of the process, removed when it ends; and everything within it removed. */
const char *fuzz_folder(void);
void fuzz_folder_clear(void);

/* The path of a file in that folder, whose own folders are made; writing it; whether it is there. */
enum { FUZZ_PATH = 128 };
void fuzz_path(char path[FUZZ_PATH], const char *name);
void fuzz_put(const char *name, const void *bytes, size_t size);
bool fuzz_has(const char *name);

/* Counts an input as taken or refused. A refusal's message must be one line, and
 * must not carry control characters of a file to the terminal. */
void fuzz_count(cgsv_status status);
extern int64_t fuzz_taken, fuzz_refused;

/* Ends the process as a crash does when a condition that must hold does not. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
void fuzz_failed(const char *condition, const char *file, int line);

#endif
