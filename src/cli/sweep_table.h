/* The table of a sweep for people: one line per cell. */
#ifndef CLI_SWEEP_TABLE_H
#define CLI_SWEEP_TABLE_H

#include "cli/sweep_options.h"
#include "io/sweep_row.h"

void sweep_table_header(FILE *stream, const struct sweep_options *options);

/* With the values of the axes that have several; a cell that failed says why. */
void sweep_table_row(FILE *stream, const struct sweep_options *options, const struct sweep_row *row);

#endif
