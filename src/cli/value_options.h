/* The options of `cgsv value`. */
#ifndef CLI_VALUE_OPTIONS_H
#define CLI_VALUE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cgsv/federation.h"
#include "cgsv/server.h"
#include "cgsv/valuation.h"

/* "64M" */
struct memory_size {
    int64_t bytes; /* 0: no limit given */
    const char *text;
};

struct value_options {
    const char **files; /* [rounds] */
    int rounds;
    const char *tensor;
    const char *weights; /* "uniform", or a file */
    bool skip_faulty;

    cgsv_valuation_options valuation;
    int budget; /* --budget, as valuation.budget */
    bool normalise, precise;
    double gamma;

    bool round; /* goes through the mechanism */
    double alpha, beta;
    cgsv_reward reward;
    const char *layers; /* file, or NULL: the vector is one tensor */
    const char *out;
    bool dense_rewards;

    const char *device;
    int threads;
    struct memory_size memory;

    const char *json, *csv; /* a path, "-" for standard output, or NULL */
    bool force, help;
};

/* Reads the command line; `options` is to be freed whatever comes of it. */
cgsv_status value_options_parse(struct value_options *options, int argc, char **argv);
void value_options_free(struct value_options *options);

void value_options_print_help(FILE *stream, struct value_options *options);

#endif
