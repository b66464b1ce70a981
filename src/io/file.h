/* Files that are either written whole or not at all, and folders. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cgsv/status.h"

/* A file in the making: a temporary beside its target. */
struct file_writer {
    FILE *stream;
    char *path;      /* the target */
    char *temporary; /* where the bytes go until file_commit */
};

/* Begin, write as often as needed, commit. Every failure is CGSV_ERROR_IO with
 * path and reason, and leaves the target as it was. After any failure the writer
 * is closed and its temporary removed; file_abort does the same at will. */
cgsv_status file_begin(struct file_writer *writer, const char *path);
cgsv_status file_write(struct file_writer *writer, const void *bytes, size_t count);
cgsv_status file_commit(struct file_writer *writer);
void file_abort(struct file_writer *writer);

/* The three steps in one, for a text. */
cgsv_status file_write_text(const char *path, const char *text);

/* Reads a whole file of at most `limit` bytes; the text ends in NUL and is the
 * caller's to free. */
cgsv_status file_read_text(char **text, const char *path, size_t limit);

/* Makes a folder and those above it; fine when it exists. */
cgsv_status file_make_folder(const char *path);

/* "folder/name", the caller's to free. */
cgsv_status file_join(char **path, const char *folder, const char *name);

bool file_exists(const char *path);

#endif
