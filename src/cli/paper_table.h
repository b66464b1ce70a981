/* The paper's tables: a row for each data set, number of agents and partition, a column for each scheme or β,
 * in each entry the statistic over the seeds. */
#ifndef CLI_PAPER_TABLE_H
#define CLI_PAPER_TABLE_H

#include "cli/paper_cells.h"
#include "cli/paper_statistics.h"

enum paper_best { PAPER_LARGEST, PAPER_SMALLEST };

/* What a table shows. */
struct paper_kind {
    const char *title, *name; /* for people, NULL: not shown to them; in the CSV */
    enum paper_part file, part; /* in which CSV; whose cells */
    enum paper_quantity quantity;
    int fallback; /* quantity in place of an undefined one, marked; −1: none */
    const char *left_out; /* a column that would say nothing, or NULL */
    double scale; /* of the numbers shown */
    int decimals; /* below 0: significant digits */
    enum paper_best best;
    const char *note; /* under the table */
};

enum { PAPER_KINDS = 8 };
extern const struct paper_kind paper_kinds[PAPER_KINDS];

struct paper_entry {
    struct statistic value;
    bool local; /* the fallback's */
};

/* Row keys as a cell has them. */
struct paper_row {
    const char *data_set;
    int agents;
    const char *partition;
};

struct paper_table {
    const struct paper_kind *kind;
    int rows, columns;
    struct paper_row *row;
    const char **column;
    struct paper_entry *entry; /* [rows][columns] */
};

/* Points into `cells`. A table without cells has no rows. */
cgsv_status paper_table_make(struct paper_table *table, const struct paper_kind *kind, const struct paper_cells *cells);
void paper_table_free(struct paper_table *table);

const struct paper_entry *paper_table_entry(const struct paper_table *table, int row, int column);

/* Whether the entry's mean is the best of its row. */
bool paper_table_is_best(const struct paper_table *table, int row, int column);

/* "cgsv" → its number, −1 when there is no such column. */
int paper_table_column(const struct paper_table *table, const char *name);

/* "mnist, N = 5, powerlaw" */
enum { PAPER_ROW_TEXT = 128 };
void paper_row_text(char text[PAPER_ROW_TEXT], const struct paper_row *row);

/* For people, aligned; and as Markdown. */
void paper_table_print(FILE *stream, const struct paper_table *table);
void paper_table_markdown(FILE *stream, const struct paper_table *table);

#endif
