/* The options of `cgsv bench`. */
#ifndef CLI_BENCH_OPTIONS_H
#define CLI_BENCH_OPTIONS_H

#include <stdio.h>

#include "cli/bench.h"

/* Reads the benchmark's name and the options behind it, which differ a little between benchmarks. */
cgsv_status bench_options_parse(struct bench_options *options, int argc, char **argv);

void bench_options_print_help(FILE *stream, struct bench_options *options);

#endif
