/* The paper's study of approximation: cgsv study with its defaults, in a folder beside the sweeps. */
#ifndef CLI_PAPER_STUDY_H
#define CLI_PAPER_STUDY_H

#include <stdio.h>

#include "cli/paper_options.h"

enum { PAPER_STUDY_ARGUMENTS = 12 };

struct paper_study {
    char folder[4096]; /* "DIR/study" */
    int arguments;     /* of cgsv study */
    char *argument[PAPER_STUDY_ARGUMENTS]; /* texts that others own */
};

/* The arguments; checks them. */
cgsv_status paper_study_plan(struct paper_study *study, const struct paper_options *options);

/* Does the study unless the folder holds it complete; its own table goes to `table`. */
cgsv_status paper_study_run(struct paper_study *study, const struct paper_options *options, FILE *table);

/* The main columns of study.csv, aligned or as Markdown. */
cgsv_status paper_study_print(FILE *stream, const struct paper_study *study, bool markdown);

#endif
