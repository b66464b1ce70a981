/* Tables that others wrote. A row is read into one text that grows to the longest row, so a table
 * may be longer than memory. */
#include "io/csv_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/file.h"

enum { ROW_LIMIT = 1 << 20, COLUMN_LIMIT = 4096, SHOWN = 24 };

static cgsv_status damaged(const struct csv_reader *r, const char *what)
{
    return error_set(CGSV_ERROR_DATA, "'%s', line %lld: %s", r->path, (long long)r->line, what);
}

/* A piece of the file for a message: short, and without control characters. */
static const char *shown(char to[SHOWN + 4], const char *text)
{
    int n = 0;
    for (; n < SHOWN && text[n]; n++)
        to[n] = (char)((unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n]);
    memcpy(to + n, text[n] ? "..." : "", text[n] ? 4 : 1);
    return to;
}

/* ---- one row, split into fields ---- */

static cgsv_status push(struct csv_reader *r, char c)
{
    if (r->length == ROW_LIMIT) return damaged(r, "the row is longer than 1,048,576 bytes");
    if (r->length == r->room) {
        const size_t room = r->room ? 2 * r->room : 256;
        char *grown = realloc(r->text, room);
        if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for a row of '%s'", r->path);
        r->text = grown;
        r->room = room;
    }
    r->text[r->length++] = c;
    return CGSV_OK;
}

static cgsv_status begin_field(struct csv_reader *r)
{
    if (r->count == r->places) {
        const int places = r->places ? 2 * r->places : 32;
        size_t *grown = realloc(r->begin, (size_t)places * sizeof *grown);
        if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for a row of '%s'", r->path);
        r->begin = grown;
        r->places = places;
    }
    r->begin[r->count++] = r->length;
    return CGSV_OK;
}

/* Behind an opening quote, up to the closing one; a quote within is doubled. */
static cgsv_status read_quoted(struct csv_reader *r)
{
    for (;;) {
        int c = getc_unlocked(r->stream);
        if (c == '"') {
            c = getc_unlocked(r->stream);
            if (c != '"') {
                if (c != EOF) ungetc(c, r->stream);
                return c == ',' || c == '\n' || c == '\r' || c == EOF ? CGSV_OK
                                                                      : damaged(r, "text behind a closing quote");
            }
        }
        if (c == EOF) return damaged(r, "a quote is not closed");
        if (c == '\0') return damaged(r, "a NUL byte");
        if (c == '\n') r->next_line++;
        TRY(push(r, (char)c));
    }
}

/* Reads a field; *end is what ended it: ',', '\n' or EOF. */
static cgsv_status read_field(struct csv_reader *r, int *end)
{
    TRY(begin_field(r));
    const size_t begin = r->length;
    for (;;) {
        int c = getc_unlocked(r->stream);
        if (c == '\r') {
            c = getc_unlocked(r->stream);
            if (c != '\n' && c != EOF) return damaged(r, "a carriage return within the row");
        }
        if (c == ',' || c == '\n' || c == EOF) {
            *end = c;
            return push(r, '\0');
        }
        if (c == '\0') return damaged(r, "a NUL byte");
        if (c == '"' && r->length > begin) return damaged(r, "a quote within a field");
        if (c == '"')
            TRY(read_quoted(r));
        else
            TRY(push(r, (char)c));
    }
}

/* A row of at least one byte; *row is false at the end of the file. */
static cgsv_status read_row(struct csv_reader *r, bool *row)
{
    int end = EOF;
    do {
        r->length = 0;
        r->count = 0;
        r->line = r->next_line++;
        do TRY(read_field(r, &end));
        while (end == ',');
        if (ferror(r->stream)) return error_set(CGSV_ERROR_IO, "cannot read '%s'", r->path);
        *row = r->count > 1 || r->text[0];
    } while (!*row && end != EOF);
    return CGSV_OK;
}

/* ---- the table ---- */

static cgsv_status take_names(struct csv_reader *r)
{
    if (r->count > COLUMN_LIMIT) return damaged(r, "more than 4,096 columns");
    r->columns = r->count;
    r->names = calloc((size_t)r->columns, sizeof *r->names);
    r->fields = calloc((size_t)r->columns, sizeof *r->fields);
    if (!r->names || !r->fields) return error_set(CGSV_ERROR_MEMORY, "no memory for the columns of '%s'", r->path);
    const size_t mark = strncmp(r->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* some editors begin UTF-8 by it */
    for (int i = 0; i < r->columns; i++) {
        const char *name = r->text + r->begin[i] + (i == 0 ? mark : 0);
        char text[SHOWN + 4];
        if (csv_reader_column(r, name) >= 0)
            return error_set(CGSV_ERROR_DATA, "'%s', line %lld: two columns are named '%s'", r->path,
                             (long long)r->line, shown(text, name));
        r->names[i] = strdup(name);
        if (!r->names[i]) return error_set(CGSV_ERROR_MEMORY, "no memory for the columns of '%s'", r->path);
    }
    return CGSV_OK;
}

static cgsv_status read_header(struct csv_reader *r)
{
    bool row;
    TRY(read_row(r, &row));
    return row ? take_names(r) : damaged(r, "no header; expected the names of the columns");
}

cgsv_status csv_reader_open(struct csv_reader *reader, const char *path)
{
    struct file_reader file;
    *reader = (struct csv_reader){.path = path, .next_line = 1};
    TRY(file_reader_open(&file, path));
    reader->size = file.size;
    reader->stream = fdopen(file.descriptor, "rb");
    if (!reader->stream) {
        file_reader_close(&file);
        return error_set(CGSV_ERROR_MEMORY, "no memory to read '%s'", path);
    }
    cgsv_status status = read_header(reader);
    if (status != CGSV_OK) csv_reader_close(reader);
    return status;
}

cgsv_status csv_reader_next(struct csv_reader *reader, bool *row)
{
    TRY(read_row(reader, row));
    if (!*row) return CGSV_OK;
    if (reader->count != reader->columns)
        return error_set(CGSV_ERROR_DATA, "'%s', line %lld: %d fields, but the header has %d; was the file cut short?",
                         reader->path, (long long)reader->line, reader->count, reader->columns);
    for (int i = 0; i < reader->columns; i++) reader->fields[i] = reader->text + reader->begin[i];
    return CGSV_OK;
}

int csv_reader_column(const struct csv_reader *reader, const char *name)
{
    for (int i = 0; i < reader->columns && reader->names[i]; i++)
        if (strcmp(reader->names[i], name) == 0) return i;
    return -1;
}

cgsv_status csv_reader_number(const struct csv_reader *reader, int column, double *value)
{
    *value = NAN;
    if (column < 0 || !*reader->fields[column]) return CGSV_OK;
    char *end, text[SHOWN + 4], name[SHOWN + 4];
    *value = strtod(reader->fields[column], &end);
    if (*end == '\0') return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s', line %lld: '%s' of column '%s' is not a number", reader->path,
                     (long long)reader->line, shown(text, reader->fields[column]),
                     shown(name, reader->names[column]));
}

cgsv_status csv_reader_name(const struct csv_reader *reader, const char *column, char *text, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .+-_";
    char field[SHOWN + 4];
    const int at = csv_reader_column(reader, column);
    if (at < 0) return error_set(CGSV_ERROR_DATA, "'%s' has no column '%s'", reader->path, column);
    snprintf(text, size, "%s", reader->fields[at]);
    if (!reader->fields[at][strspn(reader->fields[at], allowed)]) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s', line %lld: '%s' of column '%s' is neither a name nor a number",
                     reader->path, (long long)reader->line, shown(field, reader->fields[at]), column);
}

void csv_reader_close(struct csv_reader *reader)
{
    for (int i = 0; reader->names && i < reader->columns; i++) free(reader->names[i]);
    if (reader->stream) fclose(reader->stream);
    free(reader->names);
    free(reader->fields);
    free(reader->text);
    free(reader->begin);
    *reader = (struct csv_reader){0};
}
