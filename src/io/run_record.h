/* What a run was and what came of it, and both as JSON. */
#ifndef IO_RUN_RECORD_H
#define IO_RUN_RECORD_H

#include "cgsv/checks.h"
#include "cgsv/federation.h"
#include "device/profile.h"

/* Everything that is needed to repeat a run. All pointers are the caller's. */
struct run_setup {
    const cgsv_config *config;
    const char *scheme;         /* that its stages began with */
    const char *data_directory; /* NULL for the built-in set */
    const cgsv_dataset *dataset;
    const char *mr_split;       /* NULL for other sets */
    const char *word_vectors;   /* the file that words' vectors began with; NULL: none */
    int vectors;                /* words that had one */
    const cgsv_device_info *device;
    int threads; /* as asked for: 0 for all */
    int record_every; /* rounds between two whose updates are recorded; 0: none */
    int argc;    /* what followed "cgsv run" */
    char **argv;
    const cgsv_memory_plan *plan;
    const int64_t *samples; /* [agents], NULL before the partition is known */
};

enum { FAULT_KINDS = 3 };
extern const int fault_bits[FAULT_KINDS];          /* CGSV_FAULT_… */
extern const char *const fault_names[FAULT_KINDS]; /* "zero", … */

struct agent_result {
    cgsv_adversary adversary;
    int64_t samples;
    int64_t *class_counts; /* [classes] */
    int classes;           /* of which it has samples */
    double importance, keep_ratio;
    cgsv_evaluation federated, standalone; /* after the last round; standalone's NaN without twins */
    cgsv_evaluation local;                 /* after its local training, before the download */
    double gain;                           /* accuracy over standalone accuracy */
    struct {
        int first_round, rounds; /* first round is 1-based; rounds: how many had the fault */
    } faults[FAULT_KINDS];
};

/* rho: Pearson correlation with the agents' standalone accuracies, NaN where one
 * side has no variance. See the README, "How it works". */
struct run_results {
    int agents, classes, rounds;
    struct agent_result *agent; /* [agents] */
    cgsv_evaluation server;
    double rho_accuracy, rho_loss, rho_samples;
    double rho_local; /* of the accuracies before the download */
    double accuracy_mean, accuracy_max, accuracy_min, accuracy_spread; /* spread: standard deviation over the agents */
    double loss_mean, loss_spread, standalone_mean;                    /* standalone: accuracy */
    double gain_mean, gain_spread;
    double jain_index;             /* of the accuracies */
    cgsv_seconds seconds;
    cgsv_checked_run checked; /* what records are held against; owns tensor_begin */
    cgsv_checks checks;
    const struct profile *profile; /* NULL: stages were not timed */
};

/* Rounds whose updates are recorded, and the bytes of their numbers. */
int run_recorded_rounds(const struct run_setup *setup);
size_t run_recorded_bytes(const struct run_setup *setup);

/* The caller frees the text; undefined numbers are null. */
cgsv_status run_setup_json(char **text, const struct run_setup *setup);
cgsv_status run_results_json(char **text, const struct run_results *results);

#endif
