#include "outcome.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

void outcome_read(struct outcome *o, cgsv_federation *f, const cgsv_config *c)
{
    const size_t D = (size_t)cgsv_federation_parameters(f), N = (size_t)c->agents;
    memset(o, 0, sizeof *o);
    o->model_bytes = (2 * N + 1) * D * sizeof *o->models;
    o->update_bytes = N * D * sizeof *o->updates;
    o->models = calloc(1, o->model_bytes);
    o->updates = calloc(1, o->update_bytes);
    cr_assert(o->models && o->updates && N <= OUTCOME_AGENTS);
    for (size_t i = 0; i < N; i++) {
        check(cgsv_federation_model(f, CGSV_AGENT, (int)i, o->models + i * D));
        check(cgsv_federation_update(f, (int)i, o->updates + i * D));
        if (c->standalone) check(cgsv_federation_model(f, CGSV_STANDALONE, (int)i, o->models + (N + 1 + i) * D));
    }
    check(cgsv_federation_model(f, CGSV_SERVER, 0, o->models + N * D));
    for (int t = 0; t < c->rounds; t++) check(cgsv_federation_round(f, t, o->record[t]));
    check(cgsv_federation_evaluation(f, o->agent, o->alone, &o->server));
    check(cgsv_federation_local_evaluation(f, o->local));
    for (int kind = 0; kind < INDEX_KINDS; kind++)
        if (f->fleet->scores.made[kind])
            memcpy(o->total[kind], f->fleet->scores.index[kind].total + (size_t)f->number * N, N * sizeof(double));
}

void outcome_free(struct outcome *o)
{
    free(o->models);
    free(o->updates);
}

void outcome_expect_same(const struct outcome *a, const struct outcome *b, const char *what, int round)
{
#define SAME(member) \
    cr_expect_eq(memcmp(&a->member, &b->member, sizeof a->member), 0, "%s, round %d: " #member, what, round)
    cr_expect_eq(memcmp(a->models, b->models, a->model_bytes), 0, "%s, round %d: models", what, round);
    cr_expect_eq(memcmp(a->updates, b->updates, a->update_bytes), 0, "%s, round %d: updates", what, round);
    SAME(record);
    SAME(agent);
    SAME(alone);
    SAME(local);
    SAME(server);
    SAME(total);
#undef SAME
}
