/* The experiments of the CGSV paper as a list of sweeps: one for each data set, number of agents and part. */
#ifndef CLI_PAPER_PLAN_H
#define CLI_PAPER_PLAN_H

#include "cli/paper_options.h"
#include "cli/sweep_options.h"

enum { PAPER_ARGUMENTS = 64, PAPER_NAME = 64 };

struct paper_sweep {
    enum paper_part part; /* fairness stands for accuracy too */
    char name[PAPER_NAME]; /* "mnist-10-fairness": its folder in sweeps/ */
    const char *data_set;
    int agents;
    struct sweep_options options; /* as read from the arguments */
    cgsv_config config;           /* of its first cell */
    int arguments;
    char *argument[PAPER_ARGUMENTS]; /* of cgsv sweep */
};

struct paper_plan {
    int sweeps;
    struct paper_sweep *sweep; /* [sweeps] */
};

/* Reads all settings, so that what is wrong with them is found before the first sweep. Errors:
 * CGSV_ERROR_ARGUMENT, as cgsv sweep names it. The caller frees the plan in any case. */
cgsv_status paper_plan_make(struct paper_plan *plan, const struct paper_options *options);
void paper_plan_free(struct paper_plan *plan);

/* The folder of a sweep, the caller's to free. */
cgsv_status paper_sweep_folder(char **path, const char *out, const struct paper_sweep *sweep);

/* What --quick and the plan change in the published settings, a line for each data set. */
void paper_plan_print_settings(FILE *stream, const struct paper_plan *plan);

#endif
