/* The options of `cgsv paper`. Lists stay texts: they become lists of the sweeps, which read them. */
#ifndef CLI_PAPER_OPTIONS_H
#define CLI_PAPER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "cgsv/dataset.h"
#include "cli/list.h"

enum { PAPER_DATA_SETS = 16 };

enum paper_part { PAPER_FAIRNESS, PAPER_ACCURACY, PAPER_RUNTIME, PAPER_BETA, PAPER_STUDY, PAPER_PARTS };

struct paper_options {
    int data_sets;
    const char *data_set[PAPER_DATA_SETS]; /* [data_sets] names that cgsv_dataset_load knows */
    struct number_list agents;             /* none: as published for the data set */
    bool part[PAPER_PARTS];                /* which are wanted */
    const char *schemes, *seeds, *betas;
    /* Settings of all sweeps; NULL or 0: as published for the data set, or for --quick. */
    const char *partitions, *rounds, *lr, *model, *local_epochs, *samples_per_agent, *validation_samples;
    const char *data, *device, *threads, *fleet, *memory; /* NULL: the sweep's defaults */
    const char *out;
    bool quick, retry, force, dry_run, quiet, help;
};

/* Reads the command line. Errors: CGSV_ERROR_ARGUMENT; values of the sweeps' settings are left to these. */
cgsv_status paper_options_parse(struct paper_options *options, int argc, char **argv);

void paper_options_print_help(FILE *stream, struct paper_options *options);

#endif
