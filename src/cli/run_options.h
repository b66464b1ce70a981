/* The options of `cgsv run`. */
#ifndef CLI_RUN_OPTIONS_H
#define CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "cgsv/federation.h"
#include "cli/options.h"

enum run_format { FORMAT_TEXT, FORMAT_JSON };

struct run_options {
    int data_set;     /* see run_data_set */
    const char *data; /* NULL for the usual places */
    cgsv_mr_split mr_split;
    const char *word_vectors; /* a file; NULL: none */
    int scheme; /* number of the named scheme that its stages begin with */
    cgsv_config config;
    const char *device;
    int threads;
    const char *out; /* NULL: nothing is written */
    bool force, save_models;
    int record_every; /* rounds between two whose updates are recorded; 0: none */
    int checkpoint_every; /* rounds between two checkpoints; 0: only when stopped */
    const char *resume;   /* folder of a run to go on with; NULL: none */
    bool other_device;    /* from another's checkpoint, too */
    bool dry_run, quiet, profile, help;
    int format; /* enum run_format */
};

/* Fills table[RUN_OPTIONS] with entries that point into `options`; returns their number. */
enum { RUN_OPTIONS = 72 };
int run_options_table(struct option *table, struct run_options *options);

/* Reads the command line. The data set decides the defaults of the others,
 * wherever it stands on the line. */
cgsv_status run_options_parse(struct run_options *options, int argc, char **argv);

const char *run_data_set(const struct run_options *options);

/* Where the data set's files are looked for; NULL for the built-in one. */
const char *run_data_directory(const struct run_options *options);

void run_options_print_help(FILE *stream, struct run_options *options);
void run_options_print_values(FILE *stream, struct run_options *options);

#endif
