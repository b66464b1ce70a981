/* The results of a run: gathered from a federation, and as a table for people. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include <stdio.h>

#include "cli/progress.h"
#include "io/run_record.h"

/* Before the first round: room for everything, and the agents' samples. */
cgsv_status results_begin(struct run_results *results, const cgsv_federation *federation, const cgsv_config *config,
                          int classes);

/* Counts the faults of round `round` (from 1), and warns of each agent's first of a
 * kind on standard error, unless `progress` is NULL. Checks the records as well. */
void results_note_faults(struct run_results *results, int round, const cgsv_round_record *records,
                         struct progress *progress);

/* After the last round, which must have been evaluated. */
cgsv_status results_collect(struct run_results *results, cgsv_federation *federation);

/* For each fault that was warned of, in how many rounds it came. */
void results_report_faults(const struct run_results *results);

void results_print(FILE *stream, const struct run_results *results, bool standalone);

/* Zeroed results are fine. */
void results_free(struct run_results *results);

#endif
