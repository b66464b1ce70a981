/* Tables that others wrote: RFC 4180, a row at a time, columns found by name. */
#ifndef IO_CSV_READ_H
#define IO_CSV_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cgsv/status.h"

/* An open table. Lines are counted from 1, which is the header. */
struct csv_reader {
    const char *path; /* borrowed */
    uint64_t size;    /* of the file in bytes, when it was opened */
    FILE *stream;
    int columns;      /* of the header */
    char **names;     /* [columns] */
    const char **fields; /* [columns] of the present row, valid until the next */
    int64_t line;     /* on which the present row begins */
    int64_t next_line;
    char *text;       /* of the present row: fields, each with its NUL */
    size_t length, room;
    size_t *begin;    /* of each field within `text` */
    int count, places; /* fields of the present row; room in `begin` */
};

/* Opens a regular file and reads its header. What is wrong with the file is CGSV_ERROR_DATA and
 * names file and line: no header, a name twice, quotes that do not close, a NUL byte, a row that
 * is longer than a mebibyte or has not as many fields as the header, a header of more than 4,096
 * columns. After a failure the reader is closed. */
cgsv_status csv_reader_open(struct csv_reader *reader, const char *path);

/* The next row; *row is false behind the last. Empty lines are passed over. */
cgsv_status csv_reader_next(struct csv_reader *reader, bool *row);

/* Index of a column, −1 when there is none of that name. */
int csv_reader_column(const struct csv_reader *reader, const char *name);

/* A number of the present row; NaN where the field is empty or `column` is −1. */
cgsv_status csv_reader_number(const struct csv_reader *reader, int column, double *value);

/* A name of the present row, or a number as text, for tables and pages: text[size]. Errors:
 * CGSV_ERROR_DATA, where there is no such column, or another character in it than letters, digits, blanks and
 * ". + - _". */
cgsv_status csv_reader_name(const struct csv_reader *reader, const char *column, char *text, size_t size);

/* A zeroed reader is fine. */
void csv_reader_close(struct csv_reader *reader);

#endif
