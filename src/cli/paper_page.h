/* paper.md: all tables with what was run, where, when, and by which commands. */
#ifndef CLI_PAPER_PAGE_H
#define CLI_PAPER_PAGE_H

#include "cli/paper_study.h"
#include "cli/paper_table.h"

/* What the page is of. All pointers are the caller's. */
struct paper_page {
    const struct paper_options *options;
    const struct paper_plan *plan;
    const struct paper_cells *cells;
    const struct paper_study *study; /* NULL: not part of it */
    const cgsv_device_info *device;
    const char *missing; /* data sets that were left out, and why: a list in Markdown */
    int argc;            /* what followed "cgsv paper" */
    char **argv;
};

/* Writes paper.md. */
cgsv_status paper_page_write(const struct paper_page *page);

/* The tables for people, and what they say. */
cgsv_status paper_page_print(FILE *stream, const struct paper_page *page);

#endif
