/* Reward schemes: the server step of every one against the float64 oracle, one round of two schemes, memory. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "counting_device.h"
#include "federation/scheme.h"
#include "federation/server_step.h"
#include "reference.h"
#include "reference_schemes.h"
#include "test_device.h"

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static cgsv_device *open_device(int threads)
{
    cgsv_device *device;
    check(cgsv_device_open(&device, test_device(), threads));
    return device;
}

/* ---- the server step against the oracle ---- */

enum { N = 6, D = 607, ROUNDS = 3, TENSORS = 4 };
static const int64_t tensor_begin[TENSORS + 1] = {0, 1, 300, 606, 607};
static const double samples[N] = {1, 2, 3, 4, 5, 0.5};
static uint64_t random_state = 20211206;

static double uniform(void) /* in ±1 */
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 40) * 0x1p-23 - 1;
}

/* A scheme that is tested, and what of it is changed. */
struct variant {
    const char *name;  /* of the scheme it begins with */
    const char *change;
    cgsv_scheme scheme;
    bool faulty;
    double deviation;  /* the largest, relative */
};

struct trial {
    struct variant *variant;
    cgsv_server *server;
    cgsv_server_config config;
    struct scheme_round r;
    float update[N * D], before[N * D], model[N * D], aggregate[D], upload[N * D];
    double share[N], score[N], loss[N], drawn[N], g[D], g_size[D];
    cgsv_round_record record[N];
};

static void near(struct trial *t, const char *what, int i, double got, double expected, double size)
{
    const double apart = fabs(got - expected) / fmax(size, 1e-30);
    t->variant->deviation = fmax(t->variant->deviation, apart);
    cr_assert(apart <= 1e-9, "%s %s, round %d: %s[%d] is %.12g, expected %.12g", t->variant->name, t->variant->change,
              t->r.round, what, i, got, expected);
}

/* Updates with a common part; agent 5 works against the others. */
static void fill_round(struct trial *t, int round)
{
    for (int d = 0; d < D; d++) {
        const double common = uniform();
        for (int i = 0; i < N; i++) {
            const double own = i == 5 ? -0.3 * common + 0.2 * uniform() : common + 0.3 * i * uniform();
            t->update[i * D + d] = (float)(0.05 * own);
        }
    }
    if (t->variant->faulty) {
        memset(t->update + (round + 1) % N * D, 0, D * sizeof(float));
        t->update[(round + 3) % N * D + 17] = round % 2 ? INFINITY : NAN;
    }
    for (int i = 0; i < N; i++) {
        const bool accuracy = t->variant->scheme.contribution == CGSV_CONTRIBUTION_VALIDATION;
        t->score[i] = accuracy ? 0.1 + 0.15 * i + 0.05 * uniform() : 0.2 + 0.8 * uniform();
        t->loss[i] = 1.2 + uniform();
    }
    t->score[2] = t->score[3]; /* equal ranks */
    check(cgsv_server_set_scores(t->server, t->score, t->loss));
}

/* v[D]: the reward that the server tells of. */
static void told_reward(float *v, cgsv_server *server, int agent)
{
    int64_t index[D], count;
    float value[D];
    memset(v, 0, D * sizeof *v);
    check(cgsv_server_reward(server, agent, D, index, value, &count));
    for (int64_t k = 0; k < count; k++) v[index[k]] = value[k];
}

static void check_reward(struct trial *t, int i, const float *told)
{
    static const int64_t whole[2] = {0, D};
    const cgsv_reward rule = t->config.scheme.reward;
    const double q = t->record[i].keep_ratio;
    float v[D];
    if (rule == CGSV_REWARD_LAYER || rule == CGSV_REWARD_GLOBAL)
        reference_reward(v, t->aggregate, q, rule == CGSV_REWARD_LAYER ? tensor_begin : whole,
                         rule == CGSV_REWARD_LAYER ? TENSORS : 1, rule);
    else if (rule == CGSV_REWARD_FULL)
        for (int d = 0; d < D; d++) v[d] = q > 0 ? t->aggregate[d] : 0;
    else
        memcpy(v, told, sizeof v);
    int kept = 0;
    for (int d = 0; d < D; d++) {
        cr_assert_eq(told[d], v[d], "%s %s: agent %d, reward at %d", t->variant->name, t->variant->change, i, d);
        cr_assert(v[d] == 0 || v[d] == t->aggregate[d]);
        kept += v[d] != 0;
    }
    if (rule != CGSV_REWARD_RANDOM) return;
    cr_assert_eq(t->record[i].kept, floor(q * D + 1e-9), "agent %d keeps %g of %g", i, t->record[i].kept, q * D);
    cr_assert_leq(kept, t->record[i].kept); /* of a sparse aggregate some are zero */
}

/* w = w_before + own update + reward, in float32. */
static void check_models(struct trial *t)
{
    const cgsv_own_update own = t->config.scheme.own_update;
    float told[D];
    for (int i = 0; i < N; i++) {
        told_reward(told, t->server, i);
        check_reward(t, i, told);
        for (int d = 0; d < D; d++) {
            const double raw = reference_clipped(&t->config.scheme, t->update[i * D + d]);
            const double kept = own == CGSV_OWN_DROPPED || t->r.faulty[i]
                                    ? 0 : raw - t->r.own_share[i] * t->upload[i * D + d];
            const double expected = (double)t->before[i * D + d] + kept + told[d];
            const double size = fabs(expected) + fabs(kept) + fabs(told[d]) + fabs(t->before[i * D + d]);
            cr_assert(fabs(t->model[i * D + d] - expected) <= 2 * FLT_EPSILON * size,
                      "%s %s: w[%d][%d] %g, expected %g", t->variant->name, t->variant->change, i, d,
                      (double)t->model[i * D + d], expected);
        }
    }
}

static void check_round(struct trial *t, int round)
{
    struct scheme_round *r = &t->r;
    double weight[N];
    check(cgsv_server_records(t->server, t->record));
    check(cgsv_server_aggregate(t->server, t->aggregate));
    check(cgsv_server_weights(t->server, weight));
    for (int i = 0; i < N; i++)
        t->drawn[i] = r->scheme.quota == CGSV_QUOTA_RANDOM ? t->record[i].keep_ratio : t->record[i].psi;
    r->round = round;
    reference_scheme_round(r);
    for (int d = 0; d < D; d++)
        cr_assert(fabs(t->aggregate[d] - r->g[d]) <= FLT_EPSILON * fabs(r->g[d]) + 1e-12 * r->g_size[d], "%s: g[%d]",
                  t->variant->name, d);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(t->record[i].fault != 0, r->faulty[i], "%s: fault of %d", t->variant->name, i);
        near(t, "weight", i, weight[i], r->weight[i], fabs(r->weight[i]));
        near(t, "contribution", i, t->record[i].psi, r->contribution[i], 1);
        near(t, "importance", i, t->record[i].importance, r->importance[i], 1);
        near(t, "keep ratio", i, t->record[i].keep_ratio, r->keep_ratio[i], 1);
        if (!r->faulty[i]) near(t, "norm", i, t->record[i].update_norm, r->norm[i], r->norm[i]);
        r->importance[i] = t->record[i].importance;
    }
    check_models(t);
}

static void check_variant(cgsv_device *device, struct variant *v)
{
    struct trial *t = calloc(1, sizeof *t);
    double total = 0;
    cr_assert_not_null(t);
    cgsv_server_config_defaults(&t->config, N, D);
    t->variant = v;
    t->config.scheme = v->scheme;
    t->config.tensors = TENSORS;
    t->config.tensor_begin = tensor_begin;
    t->config.shares = samples;
    t->config.alpha = 0.8;
    t->config.rounds = 5;
    t->config.seed = 7;
    for (int i = 0; i < N; i++) total += samples[i];
    for (int i = 0; i < N; i++) t->share[i] = samples[i] / total;
    t->r = (struct scheme_round){.scheme = v->scheme, .gamma = t->config.gamma, .alpha = t->config.alpha,
                                 .beta = t->config.beta, .agents = N, .dimension = D, .rounds = 5, .update = t->update,
                                 .share = t->share, .score = t->score, .loss = t->loss, .drawn = t->drawn,
                                 .aggregate = t->aggregate, .upload = t->upload, .g = t->g, .g_size = t->g_size};
    for (int i = 0; i < N * D; i++) t->model[i] = (float)uniform();
    check(cgsv_server_create(&t->server, device, &t->config));
    for (int round = 0; round < ROUNDS; round++) {
        fill_round(t, round);
        memcpy(t->before, t->model, sizeof t->before);
        check(cgsv_server_step(t->server, t->update, D, t->model, D, NULL, NULL));
        check_round(t, round);
    }
    cgsv_server_free(t->server);
    free(t);
}

/* Every named scheme, then with one thing changed. */
Test(schemes, oracle)
{
    cgsv_device *device = open_device(2);
    for (int s = 0; s < cgsv_scheme_count(); s++) {
        struct variant v = {.name = cgsv_scheme_name(s), .change = ""};
        check(cgsv_scheme_named(&v.scheme, v.name));
        if (v.scheme.weights == CGSV_WEIGHTS_LOSS) v.scheme.lipschitz = 3;
        check_variant(device, &v);
        cr_log_info("%-14s largest deviation %.1e", v.name, v.deviation);
        v.faulty = true;
        v.change = "with faulty updates";
        check_variant(device, &v);
    }
    cgsv_device_close(device);
}

Test(schemes, oracle_of_variants)
{
    cgsv_device *device = open_device(1);
#define VARIANT(scheme_name, ...)                                                    \
    {                                                                                \
        struct variant v = {.name = scheme_name, .change = #__VA_ARGS__};            \
        cgsv_scheme *s = &v.scheme;                                                  \
        check(cgsv_scheme_named(s, v.name));                                         \
        __VA_ARGS__;                                                                 \
        check_variant(device, &v);                                                   \
        cr_log_info("%-14s %s: largest deviation %.1e", v.name, v.change, v.deviation); \
        v.faulty = true;                                                             \
        check_variant(device, &v);                                                   \
    }
    VARIANT("rffl", s->removal_round = 1)
    VARIANT("rffl", s->removal_round = 0, s->removal = 0.9)
    VARIANT("rffl", s->removal_round = 0, s->removal = 3)
    VARIANT("cffl", s->upload = 0.1)
    VARIANT("cffl", s->weights = CGSV_WEIGHTS_SIZE, s->reward = CGSV_REWARD_GLOBAL, s->upload = 0.3)
    VARIANT("cffl", s->weights = CGSV_WEIGHTS_IMPORTANCE, s->reward = CGSV_REWARD_LAYER)
    VARIANT("cffl", s->contribution = CGSV_CONTRIBUTION_COSINE)
    VARIANT("cffl", s->removal = 0.8, s->upload = 0.5)
    VARIANT("qffl", s->q = 5, s->lipschitz = 0.7)
    VARIANT("qffl", s->q = 0.1, s->lipschitz = 10, s->normalise = CGSV_NORMALISE_CLIP)
    VARIANT("euclidean", s->similarity = CGSV_SIMILARITY_SHARE)
    VARIANT("eci", s->contribution = CGSV_CONTRIBUTION_LEAVE_ONE_OUT)
    VARIANT("eci", s->contribution = CGSV_CONTRIBUTION_RANK, s->quota = CGSV_QUOTA_LINEAR)
    VARIANT("cgsv", s->contribution = CGSV_CONTRIBUTION_RANDOM, s->reward = CGSV_REWARD_GLOBAL)
    VARIANT("cgsv", s->reward = CGSV_REWARD_RANDOM, s->own_update = CGSV_OWN_KEPT)
    VARIANT("fedavg", s->contribution = CGSV_CONTRIBUTION_EXACT, s->importance = CGSV_IMPORTANCE_FIXED)
    VARIANT("dw", s->upload = 0.2, s->own_update = CGSV_OWN_MINUS_SHARE)
    cgsv_device_close(device);
}

/* ---- one round of two schemes ---- */

/* The agents by keep ratio, least first. */
static void ranking(int *order, cgsv_device *device, const char *scheme)
{
    struct trial *t = calloc(1, sizeof *t);
    cr_assert_not_null(t);
    cgsv_server_config_defaults(&t->config, N, D);
    check(cgsv_scheme_named(&t->config.scheme, scheme));
    random_state = 1;
    for (int d = 0; d < D; d++) {
        const double common = uniform();
        for (int i = 0; i < N; i++) t->update[i * D + d] = (float)(common + (i * 5 % N) * uniform());
    }
    check(cgsv_server_create(&t->server, device, &t->config));
    check(cgsv_server_step(t->server, t->update, D, NULL, 0, NULL, NULL));
    check(cgsv_server_records(t->server, t->record));
    for (int i = 0; i < N; i++) {
        int place = 0;
        for (int j = 0; j < N; j++) place += t->record[j].keep_ratio < t->record[i].keep_ratio;
        order[place] = i;
    }
    cgsv_server_free(t->server);
    free(t);
}

Test(schemes, euclidean_ranks_as_cgsv)
{
    cgsv_device *device = open_device(1);
    int cosine[N], euclidean[N];
    ranking(cosine, device, "cgsv");
    ranking(euclidean, device, "euclidean");
    cr_assert_eq(memcmp(cosine, euclidean, sizeof cosine), 0);
    cgsv_device_close(device);
}

/* A random order is the same for all agents, so that rewards are nested; another in each round and
 * for each seed; and does not favour any part of the vector. */
Test(schemes, random_rewards_are_nested)
{
    cgsv_device *device = open_device(1);
    struct trial *t = calloc(1, sizeof *t);
    float reward[4][N][D];
    cr_assert_not_null(t);
    for (int seed = 0; seed < 2; seed++) {
        cgsv_server_config_defaults(&t->config, N, D);
        t->config.scheme.reward = CGSV_REWARD_RANDOM;
        t->config.seed = (uint64_t)seed;
        check(cgsv_server_create(&t->server, device, &t->config));
        for (int round = 0; round < 2; round++) {
            random_state = 5; /* the same updates every time */
            for (int i = 0; i < N * D; i++) t->update[i] = (float)(1 + (i / D + 1) * 0.3 * uniform());
            check(cgsv_server_step(t->server, t->update, D, NULL, 0, NULL, NULL));
            check(cgsv_server_records(t->server, t->record));
            for (int i = 0; i < N; i++) told_reward(reward[2 * seed + round][i], t->server, i);
        }
        cgsv_server_free(t->server);
    }
    for (int k = 0; k < 4; k++) {
        double place = 0, count = 0;
        for (int i = 0; i + 1 < N; i++) /* later agents are noisier, so get less */
            for (int d = 0; d < D; d++) cr_assert(reward[k][i + 1][d] == 0 || reward[k][i][d] != 0);
        for (int d = 0; d < D; d++)
            if (reward[k][N - 1][d] != 0) place += d, count++;
        cr_assert(count > D / 4 && count < 9 * D / 10, "%g entries", count);
        cr_assert_float_eq(place / count, D / 2.0, D / 8.0);
        for (int other = 0; other < k; other++)
            cr_assert_neq(memcmp(reward[k][N - 1], reward[other][N - 1], sizeof reward[k][0]), 0);
    }
    free(t);
    cgsv_device_close(device);
}

/* ---- bad settings ---- */

static void refused(cgsv_status status, const char *word)
{
    cr_assert_eq(status, CGSV_ERROR_ARGUMENT, "%s: status %d", word, (int)status);
    cr_assert(strstr(cgsv_last_error(), word), "no '%s' in: %s", word, cgsv_last_error());
}

Test(schemes, server_names_what_is_missing)
{
    cgsv_device *device = open_device(1);
    cgsv_server *server;
    cgsv_server_config c;
    const double scores[2] = {0.5, 0.6};
    float update[2 * 4] = {1, 2, 3, 4, 4, 3, 2, 1};
    cgsv_server_config_defaults(&c, 2, 4);
    check(cgsv_scheme_named(&c.scheme, "qffl"));
    refused(cgsv_server_create(&server, device, &c), "lipschitz");
    c.scheme.lipschitz = 1;
    check(cgsv_server_create(&server, device, &c));
    refused(cgsv_server_step(server, update, 4, NULL, 0, NULL, NULL), "cgsv_server_set_scores");
    check(cgsv_server_set_scores(server, NULL, scores));
    check(cgsv_server_step(server, update, 4, NULL, 0, NULL, NULL));
    cgsv_server_free(server);
    check(cgsv_scheme_named(&c.scheme, "eci"));
    check(cgsv_server_create(&server, device, &c));
    check(cgsv_server_set_scores(server, NULL, scores));
    refused(cgsv_server_step(server, update, 4, NULL, 0, NULL, NULL), "cgsv_server_set_scores");
    refused(cgsv_server_set_scores(NULL, scores, NULL), "server");
    cgsv_server_free(server);
    check(cgsv_scheme_named(&c.scheme, "cgsv-exact"));
    c.agents = 25;
    refused(cgsv_server_create(&server, device, &c), "at most 20 agents");
    cgsv_device_close(device);
}

/* What is planned is what is taken, whatever a scheme needs. */
Test(schemes, memory)
{
    cgsv_device *device = open_device(1);
    struct mechanism mechanism[2] = {{.gamma = 1}, {.gamma = 1}};
    const double share[2 * N] = {1};
    for (unsigned needs = 0; needs <= (NEEDS_EXACT | NEEDS_UPLOAD | NEEDS_OWN | NEEDS_KEYS); needs++) {
        const struct server_sizes sizes = {.federations = 2, .agents = N, .rounds = 3, .dimension = D, .ld = D + 1,
                                           .tensors = TENSORS, .tensor_begin = tensor_begin, .needs = needs};
        struct server_step step;
        count_allocations(device);
        check(server_step_create(&step, device, &sizes, mechanism, share));
        const size_t taken = allocations_counted(device);
        cr_expect_eq(taken, server_step_bytes(device->kernels, &sizes), "needs %u: %zu bytes", needs, taken);
        server_step_free(&step, device);
    }
    cgsv_device_close(device);
}
