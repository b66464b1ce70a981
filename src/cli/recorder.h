/* What a federation's rounds leave behind: results, and the run's folder if it has one. */
#ifndef CLI_RECORDER_H
#define CLI_RECORDER_H

#include "cli/results.h"
#include "io/run_folder.h"

struct recorder {
    cgsv_federation *federation;
    struct run_setup setup;
    struct run_folder folder; /* path NULL: nothing is written */
    struct run_results results;
    int64_t *samples;            /* [agents] */
    cgsv_round_record *records;  /* [agents] */
    cgsv_evaluation *agents;     /* [agents], of the latest evaluation; the server's in results */
    cgsv_evaluation *standalone; /* [agents] */
    cgsv_evaluation *local;      /* [agents] before the download */
};

/* Before the first round. `out`: a folder that is prepared, or NULL. */
cgsv_status recorder_begin(struct recorder *recorder, cgsv_federation *federation, const struct run_setup *setup,
                           const char *out);

/* Of a federation that goes on after rounds done earlier: their records are taken from it, and what the
 * folder `out`, if it has one, has of later rounds is dropped. */
cgsv_status recorder_continue(struct recorder *recorder, cgsv_federation *federation, const struct run_setup *setup,
                              const char *out);

/* Rows that the tables of a run have after `rounds` rounds. */
struct run_rows recorder_rows(const cgsv_config *config, int rounds);

/* Takes over the records of the rounds [done, stop), the last of which was evaluated or not.
 * Faults are warned of where there is a progress line, else only counted. */
cgsv_status recorder_add(struct recorder *recorder, int done, int stop, bool evaluated, struct progress *progress);

/* After the last round: models, if wanted, and summary. results_collect comes before. */
cgsv_status recorder_finish(struct recorder *recorder, bool save_models);

/* A zeroed recorder is fine. */
void recorder_free(struct recorder *recorder);

/* Where to stop next after `done` rounds: where there is something to evaluate, or after a
 * twentieth of the run when only its end is evaluated, so that progress shows. */
int recorder_next_stop(const cgsv_config *config, int done);
bool recorder_is_evaluated(const cgsv_config *config, int round);

/* The first multiple of `every` after `done`, the last round where `every` is 0. */
int recorder_next_multiple(int every, int done, int rounds);

double recorder_mean_accuracy(const struct recorder *recorder);

#endif
