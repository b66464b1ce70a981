/* All that is to be seen of a federation, to be compared bit for bit. */
#ifndef TESTS_OUTCOME_H
#define TESTS_OUTCOME_H

#include "cgsv/cgsv.h"
#include "federation/internal.h"

enum { OUTCOME_ROUNDS = 4, OUTCOME_AGENTS = 6 }; /* at most */

/* Everything that a federation offers to be read. */
struct outcome {
    float *models, *updates; /* [2 N + 1][D], [N][D] */
    size_t model_bytes, update_bytes;
    cgsv_round_record record[OUTCOME_ROUNDS][OUTCOME_AGENTS];
    cgsv_evaluation agent[OUTCOME_AGENTS], alone[OUTCOME_AGENTS], local[OUTCOME_AGENTS], server;
    double total[INDEX_KINDS][OUTCOME_AGENTS]; /* of contribution indices, which nothing public tells */
};

/* Of a federation with these settings that has come to its end, as a fleet's or alone. */
void outcome_read(struct outcome *outcome, cgsv_federation *federation, const cgsv_config *config);
void outcome_free(struct outcome *outcome);

/* `what` and `round` are for messages. */
void outcome_expect_same(const struct outcome *a, const struct outcome *b, const char *what, int round);

#endif
