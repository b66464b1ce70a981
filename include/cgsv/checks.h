/* Checks of a round's records: what must hold whatever the data are. They cost nothing on the device, as
 * they read nothing that is not read anyway. One that fails is a fault of this software or of the machine,
 * never of the data or the settings. */
#ifndef CGSV_CHECKS_H
#define CGSV_CHECKS_H

#include "cgsv/federation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts over all rounds, and the first that failed; zeroed to begin with. */
typedef struct cgsv_checks {
    int64_t made, failed;
    struct cgsv_failed_check {
        int round, agent;    /* round from 1; agent -1: of all agents together */
        const char *what;    /* never freed */
        double value;
        double least, most;  /* expected: least <= value <= most */
    } first;                 /* meaningless while failed is 0 */
} cgsv_checks;

/* What the records of a round are held against. */
typedef struct cgsv_checked_run {
    const cgsv_config *config;   /* agents, alpha, beta, scheme and adversaries matter */
    const int64_t *tensor_begin; /* [tensors + 1] first column of each parameter tensor; the last is D */
    int tensors;
    bool models;                 /* the round trained and rewarded models: losses and distances are defined */
} cgsv_checked_run;

/* Checks records[agents] of round `round` (from 1), and adds to `checks`:
 *
 *   update_norm   finite, >= 0; 0 or not finite exactly where the fault says so
 *   psi           finite; a cosine in [-1, 1]; 0 where the update is faulty; exact values sum to ν(N) = 1
 *   importance    in [0, 1], with sum 1; under rules that remove agents also negative, and all 0
 *   keep_ratio    in [0, 1]; what the quota's formula makes of importance, where it takes nothing else
 *   kept          exactly the sum of ⌈q n⌉ over tensors of n entries, or ⌊q D⌋, as the reward rule has it
 *   reward_cos    in [0, 1]: ‖v_i‖ <= ‖g‖; 1 or 0 where all of g is kept
 *   reward_error, distances, server_norm, train_loss   finite, >= 0; a layer's distance <= the whole one
 *
 * Bounds of sums follow from the rounding of float64 (src/federation/checks.c). */
CGSV_API void cgsv_check_round(cgsv_checks *checks, const cgsv_checked_run *run, int round,
                               const cgsv_round_record *records);

/* One check of one's own: counts it, and a failure unless least <= value <= most. */
CGSV_API void cgsv_check_value(cgsv_checks *checks, int round, int agent, const char *what, double value, double least,
                               double most);

/* CGSV_OK, or CGSV_ERROR_DEVICE with how many failed and which was the first. */
CGSV_API cgsv_status cgsv_checks_status(const cgsv_checks *checks);

#ifdef __cplusplus
}
#endif
#endif
