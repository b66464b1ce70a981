/* The rows of `cgsv bench`: as a table, or one JSON object a line. */
#ifndef CLI_BENCH_REPORT_H
#define CLI_BENCH_REPORT_H

#include "cli/bench.h"

/* One number of a row. Without a heading it is in the JSON object alone. NaN: not to be had. */
struct bench_field {
    const char *key, *heading;
    double value;
};

/* The line above a table: device, copy bandwidth. */
void bench_report_begin(const struct bench *bench);

/* A row of the measurement `what` at N and D: its times, then the fields, which must have the same
 * headings in all rows. */
cgsv_status bench_report_row(struct bench *bench, const char *what, int agents, int64_t dimension,
                             const struct bench_times *times, const struct bench_field *fields, int count);

#endif
