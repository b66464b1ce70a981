/* The folder that a command leaves behind. Nothing of others is ever touched: only files with
 * the command's names are looked at, and they are replaced only by order and only when the
 * record beside them (config.json, say) shows that the same command wrote them. */
#ifndef IO_OUTPUT_FOLDER_H
#define IO_OUTPUT_FOLDER_H

#include <stdbool.h>

#include "cgsv/status.h"
#include "io/csv.h"

/* What a command may write. */
struct output_files {
    const char *command;      /* "run": second word of "command_line" in its record, a JSON file */
    const char *const *files; /* the record last: while others are removed it still says whose they are */
    int file_count;
    const struct output_subfolder {
        const char *name;
        bool (*owns)(const char *file);
    } *folders;
    int folder_count;
};

/* Whether the command may write to `path`: it is no file, and holds no results unless `force`
 * is set and they are those of the same command. Changes nothing. */
cgsv_status output_check(const struct output_files *files, const char *path, bool force);

/* The same, and makes the folder and tries to write to it, so that a command fails before its
 * work rather than after. Old results stay. */
cgsv_status output_prepare(const struct output_files *files, const char *path, bool force);

/* Removes an earlier result's files. */
cgsv_status output_clear(const struct output_files *files, const char *path);

/* Two processes must not write to one folder: CGSV_ERROR_IO where another has locked the command's record.
 * The lock in *descriptor, or -1, is exchanged for one of the record that is there now; it is the process's,
 * and ends with it. Without a record, or where the file system has no locks, there is none. */
cgsv_status output_lock(const struct output_files *files, const char *path, int *descriptor);

cgsv_status output_write_text(const char *folder, const char *name, const char *text);
cgsv_status output_create_table(struct csv *csv, const char *folder, const char *name, const char *header);

/* Whether `name` is prefix, three digits or more, ".safetensors". */
bool output_is_numbered(const char *name, const char *prefix);

#endif
