/* Lines of a text file, and its UTF-8. */
#include "data/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

enum { LINE_MOST = 1 << 20, BUFFER_FIRST = 1 << 16 };

cgsv_status text_open(struct text_lines *lines, const char *path, const char *set)
{
    *lines = (struct text_lines){.capacity = BUFFER_FIRST};
    TRY(data_file_open(&lines->file, path, set));
    lines->buffer = malloc(lines->capacity + 1);
    return lines->buffer ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory to read '%s'", path);
}

void text_close(struct text_lines *lines)
{
    data_file_close(&lines->file);
    free(lines->buffer);
    lines->buffer = NULL;
}

cgsv_status text_error(const struct text_lines *lines, const char *format, ...)
{
    char rest[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rest, sizeof rest, format, arguments);
    va_end(arguments);
    return error_set(CGSV_ERROR_DATA, "'%s', line %lld: %s", lines->file.path, (long long)lines->number, rest);
}

/* Moves what is left to the front of the buffer, which grows when it is full, and reads on. */
static cgsv_status refill(struct text_lines *lines)
{
    const size_t left = lines->end - lines->begin;
    memmove(lines->buffer, lines->buffer + lines->begin, left);
    lines->begin = 0;
    lines->end = left;
    if (left > LINE_MOST) return text_error(lines, "more than %d bytes long, which no sentence is", LINE_MOST);
    if (left == lines->capacity) {
        char *larger = realloc(lines->buffer, 2 * lines->capacity + 1);
        if (!larger) return error_set(CGSV_ERROR_MEMORY, "no memory to read '%s'", lines->file.path);
        lines->buffer = larger;
        lines->capacity *= 2;
    }
    int64_t got;
    TRY(data_file_read_some(&lines->file, lines->buffer + left, (int64_t)(lines->capacity - left), &got));
    lines->end += (size_t)got;
    lines->ended = lines->end < lines->capacity;
    return CGSV_OK;
}

cgsv_status text_line(struct text_lines *lines, char **line, bool whole)
{
    char *newline;
    size_t searched = lines->begin;
    lines->number++;
    *line = NULL;
    while (!(newline = memchr(lines->buffer + searched, '\n', lines->end - searched)) && !lines->ended) {
        searched = lines->end - lines->begin;
        TRY(refill(lines));
    }
    if (!newline && lines->begin == lines->end) return CGSV_OK;
    if (!newline && whole)
        return text_error(lines, "the file ends within it; delete the file and run data/download.sh %s",
                          lines->file.set);
    char *begin = lines->buffer + lines->begin, *end = newline ? newline : lines->buffer + lines->end;
    lines->begin = newline ? (size_t)(newline + 1 - lines->buffer) : lines->end;
    if (memchr(begin, 0, (size_t)(end - begin))) return text_error(lines, "a byte 0, which no text has");
    if (end > begin && end[-1] == '\r') end--;
    *end = 0;
    *line = begin;
    return CGSV_OK;
}

int text_character(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] == 0) return 0;
    if (c[0] < 0x80) return 1;
    const int length = c[0] >= 0xc2 && c[0] < 0xe0   ? 2
                       : (c[0] & 0xf0) == 0xe0       ? 3
                       : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                                     : 0;
    for (int i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80) return 0;
    /* Longer than need be, half of a surrogate pair, past the last character. */
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0)) return 0;
    if ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90)) return 0;
    return length;
}
