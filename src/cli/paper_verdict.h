/* What a table says of one scheme against the others, in sentences that are computed from it. */
#ifndef CLI_PAPER_VERDICT_H
#define CLI_PAPER_VERDICT_H

#include "cli/paper_table.h"

/* In which rows the mean of column `own` is above that of every other column, and where not, by which it is
 * exceeded and by how much against the deviation of the difference; `variant`: a column that is no rival.
 * Markdown, that reads as plain text too. */
void paper_verdict_write(FILE *stream, const struct paper_table *table, const char *own, const char *variant);

#endif
