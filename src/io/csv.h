/* Tables that grow by rows while a run goes on. */
#ifndef IO_CSV_H
#define IO_CSV_H

#include <stdint.h>

#include "cgsv/status.h"
#include "io/text_stream.h"

/* Rows are gathered in memory and reach the file by csv_flush, all or none. */
struct csv {
    int descriptor;
    char *path;
    int64_t length; /* bytes of complete rows in the file */
    struct text_stream pending; /* rows since the last flush */
    int columns; /* of the header */
    int column;  /* of the row in the making */
};

/* Creates the file, in place of one or of a link of that name, with its header, "a,b,c", which fixes the number of
 * columns. */
cgsv_status csv_create(struct csv *csv, const char *path, const char *header);

/* Opens a table that has that header and ends in a complete row, to add further ones. CGSV_ERROR_IO where it is a
 * symbolic link, which may lead out of the output folder. */
cgsv_status csv_append(struct csv *csv, const char *path, const char *header);

/* Where the first `rows` rows of a table with that header end; CGSV_ERROR_DATA where there are fewer, or
 * another header. */
cgsv_status csv_find_end(int64_t *end, const char *path, const char *header, int64_t rows);

/* The same as csv_append, once what lies behind byte `end` is cut off. */
cgsv_status csv_continue(struct csv *csv, const char *path, const char *header, int64_t end);

/* The next field of the row. A number as %.9g, enough for every float; NaN is left empty. A text
 * must be free of commas, quotes and line ends; csv_quoted takes any, and makes line ends blanks. */
void csv_number(struct csv *csv, double value);
void csv_integer(struct csv *csv, int64_t value);
void csv_text(struct csv *csv, const char *text);
void csv_quoted(struct csv *csv, const char *text);
void csv_end_row(struct csv *csv);

/* Appends the pending rows. On failure (CGSV_ERROR_IO: a full disk, for instance)
 * the file is cut back to its last complete flush, so it stays valid. */
cgsv_status csv_flush(struct csv *csv);

/* The same, and waits until they are on the disk. */
cgsv_status csv_sync(struct csv *csv);

/* Flushes, syncs and closes. csv_free only closes; a zeroed csv is fine. */
cgsv_status csv_close(struct csv *csv);
void csv_free(struct csv *csv);

#endif
