/* Small checkpoint files for tests, and ways to spoil them. */
#ifndef TESTS_CHECKPOINT_FILES_H
#define TESTS_CHECKPOINT_FILES_H

#include <stddef.h>

/* A path of this process's own, in memory where there is such a file system: saving waits for the disk. */
const char *checkpoint_path(char path[64], int number);

/* A whole file; the caller's to free. */
char *checkpoint_read(const char *path, size_t *size);
void checkpoint_put(const char *path, const char *bytes, size_t size);

/* Replaces the first `old` in the file by `now`, of the same length, and sets its checksum right. */
void checkpoint_replace(const char *path, const char *old, const char *now);

#endif
