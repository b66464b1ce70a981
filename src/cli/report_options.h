/* The options of `cgsv report`. */
#ifndef CLI_REPORT_OPTIONS_H
#define CLI_REPORT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "cgsv/status.h"

struct report_options {
    const char **folders; /* [count] */
    int count;
    const char *out, *plots;
    bool force, quiet, help;
    char *page; /* path of the page, NULL for standard output */
};

/* Reads the command line; `options` is to be freed whatever comes of it. */
cgsv_status report_options_parse(struct report_options *options, int argc, char **argv);
void report_options_free(struct report_options *options);

/* Whether the page goes there and not to a file. */
bool report_to_standard_output(const struct report_options *options);

void report_options_print_help(FILE *stream, struct report_options *options);

#endif
