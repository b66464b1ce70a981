/* The run that `cgsv run --resume DIR` goes on with: its settings come from DIR/config.json. */
#ifndef CLI_RESUME_H
#define CLI_RESUME_H

#include <cjson/cJSON.h>

#include "cli/run_options.h"
#include "io/run_record.h"

/* Zeroed members are fine to release. */
struct resume {
    cJSON *record; /* config.json, which owns the strings */
    int argc;      /* what followed "cgsv run" when the run began */
    char **argv;
    char *summary; /* summary.json, of a run that is complete; else NULL */
};

/* Replaces `options`, which were read from argv alone and have --resume, by those that the run began with;
 * of argv, what does not decide results is taken over, and the rest must be the same.
 * Errors: CGSV_ERROR_IO without a run there, CGSV_ERROR_ARGUMENT for another version or an option that
 * differs, CGSV_ERROR_DATA. */
cgsv_status resume_options(struct resume *resume, struct run_options *options, int argc, char **argv);

/* CGSV_ERROR_ARGUMENT where config.json names other settings or data than the run would have now. */
cgsv_status resume_check_setup(const struct resume *resume, const struct run_setup *setup, const char *folder);

void resume_free(struct resume *resume);

#endif
