#include "io/output_folder.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "io/file.h"
#include "io/json.h"

enum { CONFIG_LIMIT = 64 << 20 };

bool output_is_numbered(const char *name, const char *prefix)
{
    if (strncmp(name, prefix, strlen(prefix)) != 0) return false;
    const char *digits = name += strlen(prefix);
    while (isdigit((unsigned char)*name)) name++;
    return name - digits >= 3 && strcmp(name, ".safetensors") == 0;
}

typedef cgsv_status visitor(const char *path, const char *name, void *context);

/* Calls for each file of the command's in a subfolder; one that is not there has none. */
static cgsv_status each_in_subfolder(const struct output_subfolder *sub, const char *folder, visitor *visit,
                                     void *context)
{
    char *inner;
    TRY(file_join(&inner, folder, sub->name));
    cgsv_status status = CGSV_OK;
    DIR *directory = opendir(inner);
    if (!directory && errno != ENOENT)
        status = error_set(CGSV_ERROR_IO, "cannot read the folder '%s': %s", inner, strerror(errno));
    for (struct dirent *entry; directory && status == CGSV_OK && (entry = readdir(directory));) {
        char *path = NULL;
        if (!sub->owns(entry->d_name)) continue;
        status = file_join(&path, inner, entry->d_name);
        if (status == CGSV_OK) status = visit(path, sub->name, context);
        free(path);
    }
    if (directory) closedir(directory);
    free(inner);
    return status;
}

/* Calls for each file that the command may have written and that is there. */
static cgsv_status each_file(const struct output_files *files, const char *folder, visitor *visit, void *context)
{
    for (int i = 0; i < files->folder_count; i++)
        TRY(each_in_subfolder(&files->folders[i], folder, visit, context));
    for (int i = 0; i < files->file_count; i++) {
        char *path;
        TRY(file_join(&path, folder, files->files[i]));
        cgsv_status status = file_exists(path) ? visit(path, files->files[i], context) : CGSV_OK;
        free(path);
        TRY(status);
    }
    return CGSV_OK;
}

static cgsv_status note_name(const char *path, const char *name, void *context)
{
    (void)path;
    *(const char **)context = name;
    return CGSV_OK;
}

/* The file that says whose the others are. */
static const char *record_of(const struct output_files *files) { return files->files[files->file_count - 1]; }

/* Whether the folder's record is one of the same command. */
static cgsv_status is_ours(bool *ours, const struct output_files *files, const char *folder)
{
    char *path, *text = NULL;
    TRY(file_join(&path, folder, record_of(files)));
    cgsv_status status = file_read_text(&text, path, CONFIG_LIMIT);
    *ours = false;
    cJSON *config = NULL;
    const char *end;
    if (status == CGSV_OK) status = json_parse(&config, text, strlen(text), &end, path);
    free(path);
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(config, "command_line");
    const char *command = cJSON_GetStringValue(cJSON_GetArrayItem(line, 1));
    *ours = cJSON_GetObjectItemCaseSensitive(config, "cgsv_version") && command && strcmp(command, files->command) == 0;
    cJSON_Delete(config);
    free(text);
    return status == CGSV_ERROR_MEMORY ? status : CGSV_OK;
}

cgsv_status output_check(const struct output_files *files, const char *path, bool force)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        if (errno == ENOENT) return CGSV_OK;
        return error_set(CGSV_ERROR_IO, "cannot use '%s' as the output folder: %s", path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode))
        return error_set(CGSV_ERROR_IO, "cannot use '%s' as the output folder: it is a file", path);

    const char *found = NULL;
    bool ours;
    TRY(each_file(files, path, note_name, &found));
    if (!found) return CGSV_OK;
    if (!force)
        return error_set(CGSV_ERROR_IO, "'%s' holds results already (%s); choose another folder or use --force", path,
                         found);
    TRY(is_ours(&ours, files, path));
    if (ours) return CGSV_OK;
    return error_set(CGSV_ERROR_IO,
                     "'%s' holds %s but no %s of a %s, so even --force does not overwrite it; "
                     "choose another folder",
                     path, found, record_of(files), files->command);
}

cgsv_status output_prepare(const struct output_files *files, const char *path, bool force)
{
    TRY(output_check(files, path, force));
    TRY(file_make_folder(path));
    char *probe;
    struct file_writer writer;
    TRY(file_join(&probe, path, record_of(files)));
    cgsv_status status = file_begin(&writer, probe);
    if (status == CGSV_OK) file_abort(&writer);
    free(probe);
    return status;
}

static cgsv_status remove_file(const char *path, const char *name, void *context)
{
    (void)name;
    (void)context;
    if (unlink(path) == 0 || errno == ENOENT) return CGSV_OK;
    return error_set(CGSV_ERROR_IO, "cannot remove '%s': %s", path, strerror(errno));
}

cgsv_status output_clear(const struct output_files *files, const char *path)
{
    return each_file(files, path, remove_file, NULL);
}

cgsv_status output_lock(const struct output_files *files, const char *path, int *descriptor)
{
    char *record;
    if (*descriptor >= 0) close(*descriptor);
    TRY(file_join(&record, path, record_of(files)));
    *descriptor = open(record, O_RDONLY | O_CLOEXEC);
    free(record);
    if (*descriptor < 0 || flock(*descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return CGSV_OK;
    return error_set(CGSV_ERROR_IO, "another cgsv %s is at work in '%s'; wait for it or choose another folder",
                     files->command, path);
}

cgsv_status output_write_text(const char *folder, const char *name, const char *text)
{
    char *path;
    TRY(file_join(&path, folder, name));
    cgsv_status status = file_write_text(path, text);
    free(path);
    return status;
}

cgsv_status output_create_table(struct csv *csv, const char *folder, const char *name, const char *header)
{
    char *path;
    TRY(file_join(&path, folder, name));
    cgsv_status status = csv_create(csv, path, header);
    free(path);
    return status;
}
