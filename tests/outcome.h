/* All numbers that a federation offers to be read, to be held against another's bit by bit. */
#ifndef TESTS_OUTCOME_H
#define TESTS_OUTCOME_H

#include "cgsv/cgsv.h"
#include "federation/internal.h"

enum { OUTCOME_ROUNDS = 4, OUTCOME_AGENTS = 6 }; /* at most */

struct outcome {
    float *models, *updates; /* [2 N + 1][D], [N][D] */
    size_t model_bytes, update_bytes;
    cgsv_round_record record[OUTCOME_ROUNDS][OUTCOME_AGENTS];
    cgsv_evaluation agent[OUTCOME_AGENTS], alone[OUTCOME_AGENTS], local[OUTCOME_AGENTS], server;
    double total[INDEX_KINDS][OUTCOME_AGENTS]; /* of contribution indices, which nothing public tells */
    int64_t samples[OUTCOME_AGENTS], counts[OUTCOME_AGENTS][10];
};

/* Of a federation that has done all its rounds and been evaluated. */
void outcome_read(struct outcome *outcome, cgsv_federation *federation, const cgsv_config *config);
void outcome_free(struct outcome *outcome);

/* What differs is told with `what` and `number`. */
void outcome_expect_equal(const struct outcome *outcome, const struct outcome *expected, const char *what, int number);

#endif
