/* A folder for the files of a test. */
#ifndef TESTS_TEMPORARY_H
#define TESTS_TEMPORARY_H

#include <stddef.h>

/* A new folder, and its removal with what is in it. */
void temporary_make(void);
void temporary_remove(void);
const char *temporary_folder(void);

/* Path of a file in it; valid until the next call but seven. */
const char *temporary_path(const char *name);

/* Writes a file there, gzipped when its name says so. */
void temporary_put(const char *name, const void *bytes, size_t count);

#endif
