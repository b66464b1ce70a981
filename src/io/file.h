/* Files that are either written whole or not at all, files read at any place, folders. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

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

/* Makes a file's name (a rename, say) last; file_commit does it. */
void file_sync_folder_of(const char *path);

/* The three steps in one, for a text. */
cgsv_status file_write_text(const char *path, const char *text);

/* Reads a whole regular file of at most `limit` bytes, for which as much memory as it is long is
 * taken; the text ends in NUL and is the caller's to free. */
cgsv_status file_read_text(char **text, const char *path, size_t limit);

/* A file that is read at any place, and is too large to be read as a whole. It is
 * not mapped into memory, where a page that cannot be read (a file cut short, a
 * network disk gone) would end the process by SIGBUS; here it is a failed read. */
struct file_reader {
    const char *path; /* borrowed */
    int descriptor;
    uint64_t size;
    struct stat status; /* as it was when the file was opened */
};

/* Opens a regular file that is not empty; anything else is CGSV_ERROR_DATA. */
cgsv_status file_reader_open(struct file_reader *reader, const char *path);
void file_reader_close(struct file_reader *reader);

/* Reads exactly `count` bytes at `offset`; CGSV_ERROR_IO when they are not there (any
 * more). Threads may share a reader. */
cgsv_status file_read_at(const struct file_reader *reader, uint64_t offset, void *bytes, size_t count);

/* CGSV_ERROR_IO unless the file still is the one that `opened` describes: same file,
 * same size, same time of its last change. A change within the clock's tick (some
 * milliseconds) after the file was opened, or one that hides its time, goes unseen. */
cgsv_status file_check_unchanged(const struct file_reader *reader, const struct stat *opened);

/* Makes a folder and those above it; fine when it exists. */
cgsv_status file_make_folder(const char *path);

/* "folder/name", the caller's to free. */
cgsv_status file_join(char **path, const char *folder, const char *name);

bool file_exists(const char *path);

/* Calls `visit` for every name in a folder that is `wanted`, in the order of versionsort(3), until one
 * fails. A folder that is not there has none; one that cannot be read is CGSV_ERROR_IO. */
typedef cgsv_status file_visit(void *context, const char *folder, const char *name);
cgsv_status file_visit_folder(const char *folder, bool (*wanted)(const char *name), file_visit *visit, void *context);

#endif
