/* Files that are either written whole or not at all. The bytes go to a temporary
 * in the target's own folder, are forced to the disk, and only then take the
 * target's name: a reader sees the old file or the new one, also after a crash or
 * on a full disk. */
#include "io/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

static cgsv_status failure(const char *action, const char *path, int number)
{
    return error_set(CGSV_ERROR_IO, "cannot %s '%s': %s", action, path, strerror(number));
}

static void writer_clear(struct file_writer *writer)
{
    free(writer->path);
    free(writer->temporary);
    *writer = (struct file_writer){0};
}

void file_abort(struct file_writer *writer)
{
    if (writer->stream) fclose(writer->stream);
    if (writer->temporary) unlink(writer->temporary);
    writer_clear(writer);
}

/* The message is made before the clean-up, which would spoil errno and the path. */
static cgsv_status abandon(struct file_writer *writer, const char *action, int number)
{
    cgsv_status status = failure(action, writer->path, number);
    file_abort(writer);
    return status;
}

cgsv_status file_begin(struct file_writer *writer, const char *path)
{
    *writer = (struct file_writer){.path = strdup(path)};
    if (!writer->path) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);

    int descriptor = -1;
    for (int attempt = 0; descriptor < 0 && attempt < 100; attempt++) {
        free(writer->temporary);
        if (asprintf(&writer->temporary, "%s.tmp-%ld-%d", path, (long)getpid(), attempt) < 0) {
            writer->temporary = NULL;
            writer_clear(writer);
            return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
        }
        descriptor = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST) break; /* EEXIST: left by a killed process of the same number */
    }
    if (descriptor >= 0) writer->stream = fdopen(descriptor, "wb");
    if (writer->stream) return CGSV_OK;

    cgsv_status status = failure("write", path, errno);
    if (descriptor >= 0) {
        close(descriptor);
        unlink(writer->temporary);
    }
    writer_clear(writer);
    return status;
}

cgsv_status file_write(struct file_writer *writer, const void *bytes, size_t count)
{
    assert(writer->stream);
    if (count > 0 && fwrite(bytes, 1, count, writer->stream) != count) return abandon(writer, "write", errno);
    return CGSV_OK;
}

/* Some file systems cannot sync a folder; what is in it is complete all the same, so that is no failure. */
void file_sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    int descriptor = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

cgsv_status file_commit(struct file_writer *writer)
{
    assert(writer->stream);
    if (fflush(writer->stream) != 0 || fsync(fileno(writer->stream)) != 0) return abandon(writer, "write", errno);
    int closed = fclose(writer->stream);
    writer->stream = NULL;
    if (closed != 0) return abandon(writer, "write", errno);
    if (rename(writer->temporary, writer->path) != 0) return abandon(writer, "replace", errno);
    file_sync_folder_of(writer->path);
    writer_clear(writer);
    return CGSV_OK;
}

cgsv_status file_write_text(const char *path, const char *text)
{
    struct file_writer writer;
    TRY(file_begin(&writer, path));
    TRY(file_write(&writer, text, strlen(text)));
    return file_commit(&writer);
}

static cgsv_status open_regular(struct file_reader *reader, const char *path)
{
    /* O_NONBLOCK: a pipe without a writer must be refused, not waited for. */
    *reader = (struct file_reader){.path = path, .descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (reader->descriptor < 0) return failure("read", path, errno);
    if (fstat(reader->descriptor, &reader->status) == 0 && S_ISREG(reader->status.st_mode)) {
        reader->size = (uint64_t)reader->status.st_size;
        return CGSV_OK;
    }
    file_reader_close(reader);
    return error_set(CGSV_ERROR_DATA, "'%s' is not a file", path);
}

static cgsv_status read_whole(char **text, const struct file_reader *reader, size_t limit)
{
    if (reader->size > limit)
        return error_set(CGSV_ERROR_DATA, "'%s' is longer than the %zu bytes that it may have", reader->path, limit);
    char *buffer = malloc((size_t)reader->size + 1);
    if (!buffer) return error_set(CGSV_ERROR_MEMORY, "no memory to read '%s'", reader->path);
    cgsv_status status = file_read_at(reader, 0, buffer, (size_t)reader->size);
    buffer[reader->size] = '\0';
    if (status == CGSV_OK)
        *text = buffer;
    else
        free(buffer);
    return status;
}

cgsv_status file_read_text(char **text, const char *path, size_t limit)
{
    struct file_reader reader;
    *text = NULL;
    TRY(open_regular(&reader, path));
    cgsv_status status = read_whole(text, &reader, limit);
    file_reader_close(&reader);
    return status;
}

cgsv_status file_reader_open(struct file_reader *reader, const char *path)
{
    TRY(open_regular(reader, path));
    if (reader->size > 0) return CGSV_OK;
    file_reader_close(reader);
    return error_set(CGSV_ERROR_DATA, "'%s' is empty", path);
}

void file_reader_close(struct file_reader *reader)
{
    if (reader->descriptor >= 0) close(reader->descriptor);
    reader->descriptor = -1;
}

cgsv_status file_read_at(const struct file_reader *reader, uint64_t offset, void *bytes, size_t count)
{
    char *to = bytes;
    while (count > 0) {
        const ssize_t got = pread(reader->descriptor, to, count, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failure("read", reader->path, errno);
        if (got == 0)
            return error_set(CGSV_ERROR_IO,
                             "'%s' ends at byte %llu, but had %llu bytes when it was opened; was it changed meanwhile?",
                             reader->path, (unsigned long long)offset, (unsigned long long)reader->size);
        to += got;
        offset += (uint64_t)got;
        count -= (size_t)got;
    }
    return CGSV_OK;
}

cgsv_status file_check_unchanged(const struct file_reader *reader, const struct stat *opened)
{
    struct stat now;
    if (fstat(reader->descriptor, &now) != 0) return failure("read", reader->path, errno);
    if (now.st_dev == opened->st_dev && now.st_ino == opened->st_ino && now.st_size == opened->st_size &&
        now.st_mtim.tv_sec == opened->st_mtim.tv_sec && now.st_mtim.tv_nsec == opened->st_mtim.tv_nsec)
        return CGSV_OK;
    return error_set(CGSV_ERROR_IO,
                     "'%s' was changed while it was read (%lld bytes, now %lld); wait until it is complete, then start "
                     "again", reader->path, (long long)opened->st_size, (long long)now.st_size);
}

static cgsv_status make_one_folder(const char *path)
{
    if (mkdir(path, 0777) == 0) return CGSV_OK;
    int number = errno;
    struct stat status;
    if (number == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return CGSV_OK;
    if (number == EEXIST) return error_set(CGSV_ERROR_IO, "cannot make the folder '%s': a file has that name", path);
    return failure("make the folder", path, number);
}

cgsv_status file_make_folder(const char *path)
{
    char *part = strdup(path);
    if (!part) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
    cgsv_status status = CGSV_OK;
    for (char *at = part; status == CGSV_OK && *at; at++) {
        if (*at != '/' || at == part) continue;
        *at = '\0';
        status = make_one_folder(part);
        *at = '/';
    }
    if (status == CGSV_OK) status = make_one_folder(part);
    free(part);
    return status;
}

cgsv_status file_join(char **path, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *separator = length > 0 && folder[length - 1] == '/' ? "" : "/";
    if (asprintf(path, "%s%s%s", folder, separator, name) >= 0) return CGSV_OK;
    *path = NULL;
    return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s/%s'", folder, name);
}

bool file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

cgsv_status file_visit_folder(const char *folder, bool (*wanted)(const char *name), file_visit *visit, void *context)
{
    struct dirent **entries = NULL;
    cgsv_status status = CGSV_OK;
    const int count = scandir(folder, &entries, NULL, versionsort);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR) return failure("read the folder", folder, errno);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (status == CGSV_OK && wanted(name)) status = visit(context, folder, name);
        free(entries[i]);
    }
    free(entries);
    return status;
}
