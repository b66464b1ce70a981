/* The options of `cgsv study`. */
#ifndef CLI_STUDY_OPTIONS_H
#define CLI_STUDY_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "cgsv/study.h"
#include "cli/list.h"
#include "cli/options.h"

enum { STUDY_METHODS = 8, STUDY_EXACT_AGENTS = 40 };

struct method_list {
    int count;
    cgsv_method method[STUDY_METHODS];
    const char *text;
};

struct study_options {
    struct number_list agents, dimensions; /* of the two sweeps */
    bool agents_given, dimensions_given;
    int agents_dimension;  /* D of the sweep over N; 0: all that recorded updates have */
    int dimensions_agents; /* N of the sweep over D; 0: likewise */
    int trials;
    struct method_list methods; /* without the exact one, which is always there */
    int budget;
    double epsilon, delta;
    cgsv_vectors vectors;
    double parameter;
    uint64_t seed;
    bool normalise, precise;
    struct option_strings updates; /* none: random vectors */
    const char *device;
    int threads;
    const char *out; /* NULL: nothing is written */
    bool force, plot, quiet, help;
};

/* Reads the command line; the defaults are the published study. */
cgsv_status study_options_parse(struct study_options *options, int argc, char **argv);

void study_options_print_help(FILE *stream, struct study_options *options);

#endif
