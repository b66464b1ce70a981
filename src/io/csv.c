/* Tables that grow by rows while a run goes on. A reader, or a disk that fills up,
 * must never find half a row, so rows are gathered in memory and appended by one
 * write, which is taken back if it does not go through. */
#include "io/csv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

static cgsv_status cannot_write(const struct csv *csv, int number)
{
    if (number == ELOOP)
        return error_set(CGSV_ERROR_IO, "'%s' is a symbolic link, and rows would go to the file behind it; replace the "
                         "link by that file", csv->path);
    return error_set(CGSV_ERROR_IO, "cannot write '%s': %s", csv->path, strerror(number));
}

/* The table without a row. A link in its place would lead out of the output folder. */
static cgsv_status begin(struct csv *csv, const char *path, const char *header, int flags)
{
    *csv = (struct csv){.descriptor = -1, .path = strdup(path), .columns = 1};
    if (!csv->path || !text_stream_open(&csv->pending)) {
        csv_free(csv);
        return error_set(CGSV_ERROR_MEMORY, "no memory for the table '%s'", path);
    }
    for (const char *at = header; *at; at++) csv->columns += *at == ',';
    csv->descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0666);
    if (csv->descriptor >= 0) return CGSV_OK;
    cgsv_status status = cannot_write(csv, errno);
    csv_free(csv);
    return status;
}

cgsv_status csv_create(struct csv *csv, const char *path, const char *header)
{
    if (unlink(path) != 0 && errno != ENOENT) /* which takes a link, not its target */
        return error_set(CGSV_ERROR_IO, "cannot write '%s': %s", path, strerror(errno));
    TRY(begin(csv, path, header, O_CREAT | O_EXCL));
    fprintf(csv->pending.to, "%s\n", header);
    cgsv_status status = csv_flush(csv);
    if (status != CGSV_OK) csv_free(csv);
    return status;
}

cgsv_status csv_append(struct csv *csv, const char *path, const char *header)
{
    TRY(begin(csv, path, header, 0));
    csv->length = lseek(csv->descriptor, 0, SEEK_END);
    if (csv->length >= 0) return CGSV_OK;
    cgsv_status status = cannot_write(csv, errno);
    csv_free(csv);
    return status;
}

/* A lack of memory says nothing about the table. */
static cgsv_status cannot_read(const char *path, int number)
{
    return error_set(number == ENOMEM ? CGSV_ERROR_MEMORY : CGSV_ERROR_IO, "cannot read '%s': %s", path,
                     strerror(number));
}

cgsv_status csv_find_end(int64_t *end, const char *path, const char *header, int64_t rows)
{
    FILE *stream = fopen(path, "rbe");
    if (!stream) return cannot_read(path, errno);
    char *line = NULL;
    size_t room = 0;
    int64_t lines = 0;
    const size_t columns = strlen(header);
    bool sound = true;
    *end = 0;
    errno = 0; /* stays so at the end of the file */
    for (ssize_t length; sound && lines <= rows && (length = getline(&line, &room, stream)) > 0 &&
                         line[length - 1] == '\n'; lines++) {
        *end += length;
        sound = lines > 0 || ((size_t)length == columns + 1 && memcmp(line, header, columns) == 0);
    }
    const int number = errno;
    free(line);
    fclose(stream);
    if (number != 0) return cannot_read(path, number);
    if (!sound) return error_set(CGSV_ERROR_DATA, "'%s' has other columns than a table of this version", path);
    if (lines > rows) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has %lld complete rows of %lld", path,
                     lines > 0 ? (long long)lines - 1 : 0LL, (long long)rows);
}

cgsv_status csv_continue(struct csv *csv, const char *path, const char *header, int64_t end)
{
    TRY(begin(csv, path, header, 0));
    csv->length = end;
    if (ftruncate(csv->descriptor, end) == 0 && lseek(csv->descriptor, end, SEEK_SET) == end) return CGSV_OK;
    cgsv_status status = error_set(CGSV_ERROR_IO, "cannot cut '%s': %s", path, strerror(errno));
    csv_free(csv);
    return status;
}

static void begin_field(struct csv *csv)
{
    assert(csv->column < csv->columns);
    if (csv->column++ > 0) fputc(',', csv->pending.to);
}

void csv_number(struct csv *csv, double value)
{
    begin_field(csv);
    if (!isnan(value)) fprintf(csv->pending.to, "%.9g", value);
}

void csv_integer(struct csv *csv, int64_t value)
{
    begin_field(csv);
    fprintf(csv->pending.to, "%" PRId64, value);
}

void csv_text(struct csv *csv, const char *text)
{
    assert(!strpbrk(text, ",\"\r\n"));
    begin_field(csv);
    fputs(text, csv->pending.to);
}

void csv_quoted(struct csv *csv, const char *text)
{
    begin_field(csv);
    if (!*text) return;
    fputc('"', csv->pending.to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', csv->pending.to);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, csv->pending.to);
    }
    fputc('"', csv->pending.to);
}

void csv_end_row(struct csv *csv)
{
    assert(csv->column == csv->columns);
    csv->column = 0;
    fputc('\n', csv->pending.to);
}

static int write_all(int descriptor, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

cgsv_status csv_flush(struct csv *csv)
{
    if (!text_stream_flush(&csv->pending))
        return error_set(CGSV_ERROR_MEMORY, "no memory for the rows of '%s'", csv->path);
    int number = write_all(csv->descriptor, csv->pending.text, csv->pending.length);
    if (number != 0) {
        cgsv_status status = cannot_write(csv, number);
        if (ftruncate(csv->descriptor, csv->length) != 0)
            status = error_set(CGSV_ERROR_IO, "%s; its last row may be incomplete", cgsv_last_error());
        return status;
    }
    csv->length += (int64_t)csv->pending.length;
    csv->pending.length = 0;
    return CGSV_OK;
}

cgsv_status csv_sync(struct csv *csv)
{
    TRY(csv_flush(csv));
    if (fsync(csv->descriptor) != 0 && errno != EINVAL && errno != EROFS) return cannot_write(csv, errno);
    return CGSV_OK;
}

cgsv_status csv_close(struct csv *csv)
{
    cgsv_status status = csv_sync(csv);
    int closed = close(csv->descriptor);
    csv->descriptor = -1;
    if (status == CGSV_OK && closed != 0) status = cannot_write(csv, errno);
    csv_free(csv);
    return status;
}

void csv_free(struct csv *csv)
{
    if (csv->pending.to) free(text_stream_close(&csv->pending));
    if (csv->path && csv->descriptor >= 0) close(csv->descriptor);
    free(csv->path);
    *csv = (struct csv){.descriptor = -1};
}
