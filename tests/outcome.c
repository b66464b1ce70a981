#include "outcome.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static void read_totals(struct outcome *o, const cgsv_federation *m, int agents)
{
    const struct scores *scores = &m->fleet->scores;
    for (int kind = 0; kind < INDEX_KINDS; kind++)
        if (scores->made[kind])
            memcpy(o->total[kind], scores->index[kind].total + m->number * agents, (size_t)agents * sizeof(double));
}

void outcome_read(struct outcome *o, cgsv_federation *federation, const cgsv_config *config)
{
    const int N = config->agents;
    const size_t D = (size_t)cgsv_federation_parameters(federation);
    memset(o, 0, sizeof *o);
    o->update_bytes = D * (size_t)N * sizeof *o->updates;
    o->model_bytes = D * (size_t)(2 * N + 1) * sizeof *o->models;
    o->models = calloc(1, o->model_bytes);
    o->updates = malloc(o->update_bytes);
    cr_assert(o->models && o->updates && N <= OUTCOME_AGENTS && config->rounds <= OUTCOME_ROUNDS);
    for (int i = 0; i < N; i++) {
        check(cgsv_federation_model(federation, CGSV_AGENT, i, o->models + D * (size_t)i));
        check(cgsv_federation_update(federation, i, o->updates + D * (size_t)i));
        o->samples[i] = cgsv_federation_samples(federation, i, o->counts[i]);
        if (config->standalone)
            check(cgsv_federation_model(federation, CGSV_STANDALONE, i, o->models + D * (size_t)(N + 1 + i)));
    }
    check(cgsv_federation_model(federation, CGSV_SERVER, 0, o->models + D * (size_t)N));
    for (int t = 0; t < config->rounds; t++) check(cgsv_federation_round(federation, t, o->record[t]));
    check(cgsv_federation_evaluation(federation, o->agent, o->alone, &o->server));
    check(cgsv_federation_local_evaluation(federation, o->local));
    read_totals(o, federation, N);
    cr_assert_eq(cgsv_federation_rounds_done(federation), config->rounds);
}

void outcome_free(struct outcome *o)
{
    free(o->models);
    free(o->updates);
}

static void expect_same(const void *a, const void *b, size_t bytes, const char *of, const char *what, int number)
{
    cr_expect_eq(memcmp(a, b, bytes), 0, "%s %d: %s differ", what, number, of);
}

void outcome_expect_equal(const struct outcome *o, const struct outcome *e, const char *what, int number)
{
    cr_assert_eq(o->model_bytes, e->model_bytes);
    cr_assert_eq(o->update_bytes, e->update_bytes);
    expect_same(o->models, e->models, e->model_bytes, "models", what, number);
    expect_same(o->updates, e->updates, e->update_bytes, "updates", what, number);
    expect_same(o->record, e->record, sizeof e->record, "records", what, number);
    expect_same(o->agent, e->agent, sizeof e->agent, "agents' tests", what, number);
    expect_same(o->alone, e->alone, sizeof e->alone, "twins' tests", what, number);
    expect_same(o->local, e->local, sizeof e->local, "tests before the download", what, number);
    expect_same(o->total, e->total, sizeof e->total, "totals of indices", what, number);
    expect_same(&o->server, &e->server, sizeof e->server, "server's tests", what, number);
    expect_same(o->counts, e->counts, sizeof e->counts, "classes", what, number);
    expect_same(o->samples, e->samples, sizeof e->samples, "numbers of samples", what, number);
}
