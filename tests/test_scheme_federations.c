/* Whole federations under reward schemes: what schemes have in common with each other, fleets that mix
 * them, settings that are refused. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "test_device.h"

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static cgsv_device *open_device(int threads)
{
    cgsv_device *device;
    check(cgsv_device_open(&device, test_device(), threads));
    return device;
}

enum { AGENTS = 3 };

static cgsv_config small_config(const char *scheme)
{
    cgsv_config c;
    cgsv_config_defaults(&c, "synthetic");
    c.model = CGSV_MODEL_MLP;
    c.agents = AGENTS;
    c.rounds = 3;
    c.local_epochs = 2;
    c.samples_per_agent = 50;
    c.lr = 0.05;
    check(cgsv_config_set_scheme(&c, scheme));
    return c;
}

static cgsv_dataset *load(void)
{
    cgsv_dataset *data;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    data->test.samples = 200; /* enough to tell models apart */
    return data;
}

/* The agents' models w[AGENTS][D], the server's and, where `alone` is not NULL, the twins'. */
struct outcome {
    size_t dimension;
    float *agents, *server, *alone;
    cgsv_evaluation test[AGENTS], local[AGENTS];
    cgsv_round_record record[AGENTS];
};

static float *floats(size_t count)
{
    float *p = malloc(count * sizeof *p);
    cr_assert_not_null(p);
    return p;
}

static void read_outcome(struct outcome *o, cgsv_federation *f, const cgsv_config *c)
{
    const size_t size = (size_t)cgsv_federation_parameters(f);
    *o = (struct outcome){.dimension = size, .agents = floats(AGENTS * size), .server = floats(size),
                          .alone = floats(AGENTS * size)};
    for (int i = 0; i < AGENTS; i++) {
        check(cgsv_federation_model(f, CGSV_AGENT, i, o->agents + (size_t)i * size));
        if (c->standalone) check(cgsv_federation_model(f, CGSV_STANDALONE, i, o->alone + (size_t)i * size));
    }
    check(cgsv_federation_model(f, CGSV_SERVER, 0, o->server));
    check(cgsv_federation_evaluation(f, o->test, NULL, NULL));
    check(cgsv_federation_local_evaluation(f, o->local));
    check(cgsv_federation_round(f, c->rounds - 1, o->record));
}

static void run(struct outcome *o, const cgsv_config *c, int threads)
{
    cgsv_dataset *data;
    cgsv_federation *f;
    cgsv_device *device = open_device(threads);
    data = load();
    check(cgsv_federation_create(&f, device, c, data));
    check(cgsv_federation_run(f, c->rounds));
    check(cgsv_federation_evaluate(f));
    read_outcome(o, f, c);
    cgsv_federation_free(f);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

static void outcome_free(struct outcome *o) { free(o->agents), free(o->server), free(o->alone); }

static void same_models(const struct outcome *a, const struct outcome *b, double tolerance)
{
    for (size_t i = 0; i < AGENTS * a->dimension; i++)
        cr_assert(fabs(a->agents[i] - b->agents[i]) <= tolerance, "entry %zu: %g and %g", i, (double)a->agents[i],
                  (double)b->agents[i]);
}

static void check_standalone(cgsv_optimizer optimizer, double momentum)
{
    struct outcome o;
    cgsv_config c = small_config("standalone");
    c.optimizer = optimizer;
    c.momentum = momentum;
    if (optimizer == CGSV_OPTIMIZER_ADAM) c.lr = 1e-3;
    run(&o, &c, 1);
    cr_assert_eq(memcmp(o.agents, o.alone, AGENTS * o.dimension * sizeof *o.agents), 0, "agents are not their twins");
    for (int i = 0; i < AGENTS; i++) {
        cr_assert_eq(o.record[i].kept, 0);
        cr_assert_eq(o.record[i].fault, 0);
    }
    cr_assert_neq(memcmp(o.agents, o.agents + o.dimension, o.dimension * sizeof *o.agents), 0);
    outcome_free(&o);
}

Test(scheme_federations, standalone_is_the_twins)
{
    check_standalone(CGSV_OPTIMIZER_SGD, 0);
    check_standalone(CGSV_OPTIMIZER_SGD, 0.9);
    check_standalone(CGSV_OPTIMIZER_ADAM, 0);
}

/* All agents get the server's model, which differs from what they trained. */
Test(scheme_federations, fedavg_gives_everyone_the_same)
{
    struct outcome o;
    const cgsv_config c = small_config("fedavg");
    double local[AGENTS], test[AGENTS];
    run(&o, &c, 1);
    for (int i = 0; i < AGENTS; i++) {
        cr_assert_eq(memcmp(o.agents + (size_t)i * o.dimension, o.server, o.dimension * sizeof *o.server), 0);
        cr_assert_eq(o.record[i].keep_ratio, 1);
        cr_assert_eq(o.record[i].kept, (double)o.dimension);
        local[i] = o.local[i].loss;
        test[i] = o.test[i].loss;
    }
    cr_assert(isnan(cgsv_pearson(local, test, AGENTS)), "all agents are equal");
    cr_assert_neq(local[0], local[1]);
    outcome_free(&o);
}

/* In the first round an agent's twin is trained as it is; what an adversary uploads is not what it has trained. It is
 * measured after the rounds that eval_every names, and the last. */
Test(scheme_federations, agents_before_the_download)
{
    cgsv_evaluation local[AGENTS], alone[AGENTS];
    cgsv_federation *f;
    cgsv_device *device = open_device(1);
    cgsv_dataset *data = load();
    cgsv_config c = small_config("fedavg");
    c.eval_every = 0;
    check(cgsv_adversaries_parse(&c.adversaries, "sign-flip:1"));
    for (c.rounds = 1; c.rounds <= 2; c.rounds++) {
        check(cgsv_federation_create(&f, device, &c, data));
        check(cgsv_federation_run(f, 1));
        check(cgsv_federation_evaluate(f));
        check(cgsv_federation_evaluation(f, NULL, alone, NULL));
        check(cgsv_federation_local_evaluation(f, local));
        for (int i = 0; i < AGENTS; i++)
            if (c.rounds == 1)
                cr_assert_float_eq(local[i].loss, alone[i].loss, 1e-5 * alone[i].loss, "agent %d", i);
            else
                cr_assert(isnan(local[i].loss), "measured after round 1 of 2");
        cgsv_federation_free(f);
    }
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

/* One round by hand: w + Σ n_i / Σ n (w_i − w) is the mean of the models that were trained. */
Test(scheme_federations, fedavg_is_the_mean_of_the_models)
{
    cgsv_dataset *data;
    cgsv_federation *f;
    cgsv_device *device = open_device(1);
    cgsv_config c = small_config("fedavg");
    data = load();
    check(cgsv_federation_create(&f, device, &c, data));
    const size_t size = (size_t)cgsv_federation_parameters(f);
    float *start = floats(size), *after = floats(size), *update = floats(size);
    double *mean = calloc(size, sizeof *mean), total = 0;
    for (int i = 0; i < AGENTS; i++) total += (double)cgsv_federation_samples(f, i, NULL);
    check(cgsv_federation_model(f, CGSV_SERVER, 0, start));
    check(cgsv_federation_run(f, 1));
    check(cgsv_federation_model(f, CGSV_SERVER, 0, after));
    for (int i = 0; i < AGENTS; i++) {
        check(cgsv_federation_update(f, i, update));
        for (size_t d = 0; d < size; d++)
            mean[d] += (double)cgsv_federation_samples(f, i, NULL) / total * ((double)start[d] + update[d]);
    }
    for (size_t d = 0; d < size; d++)
        cr_assert_float_eq(after[d], mean[d], 2 * FLT_EPSILON * (fabs(mean[d]) + fabs((double)start[d])));
    free(start), free(after), free(update), free(mean);
    cgsv_federation_free(f);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

Test(scheme_federations, fedprox_without_mu_is_fedavg)
{
    struct outcome avg, prox, pulled;
    cgsv_config c = small_config("fedavg");
    run(&avg, &c, 1);
    c = small_config("fedprox");
    cr_assert_gt(c.scheme.mu, 0);
    c.scheme.mu = 15;
    run(&pulled, &c, 1);
    c.scheme.mu = 0;
    run(&prox, &c, 1);
    same_models(&avg, &prox, 0);
    cr_assert_lt(pulled.record[AGENTS - 1].update_norm, 0.8 * prox.record[AGENTS - 1].update_norm, "it holds back");
    for (size_t i = 0; i < AGENTS * avg.dimension; i++)
        cr_assert_eq(avg.alone[i], pulled.alone[i], "twins know no proximal term");
    outcome_free(&avg), outcome_free(&prox), outcome_free(&pulled);
}

/* The same federation in a fleet with one of another scheme: the same bits as alone. */
static void check_mixed(cgsv_config a, cgsv_config b)
{
    cgsv_dataset *data;
    cgsv_fleet *fleet;
    cgsv_device *device = open_device(1);
    struct outcome alone, together;
    const cgsv_config both[2] = {a, b};
    data = load();
    check(cgsv_fleet_create(&fleet, device, both, 2, data));
    check(cgsv_fleet_run(fleet, a.rounds));
    check(cgsv_fleet_evaluate(fleet));
    for (int k = 0; k < 2; k++) {
        run(&alone, &both[k], 1);
        read_outcome(&together, cgsv_fleet_federation(fleet, k), &both[k]);
        same_models(&alone, &together, 0);
        cr_assert_eq(memcmp(alone.record, together.record, sizeof alone.record), 0);
        cr_assert_eq(memcmp(alone.local, together.local, sizeof alone.local), 0);
        outcome_free(&alone), outcome_free(&together);
    }
    cgsv_fleet_free(fleet);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

Test(scheme_federations, fleets_may_mix_them)
{
    cgsv_config exact = small_config("cgsv-exact"), own = small_config("rffl"), prox = small_config("fedprox");
    cgsv_config part = small_config("dw"), alone = small_config("standalone");
    own.scheme.reward = exact.scheme.reward = prox.scheme.reward = part.scheme.reward = CGSV_REWARD_LAYER;
    part.scheme.upload = 0.3;
    part.scheme.own_update = CGSV_OWN_MINUS_SHARE;
    check_mixed(exact, own);
    check_mixed(prox, alone);
    check_mixed(own, part);
}

Test(scheme_federations, mixed_fleets_with_validation)
{
    cgsv_config index = small_config("eci"), rank = small_config("eci"), loss = small_config("qffl");
    cgsv_config punished = small_config("cffl"), once = small_config("eci-one-round");
    index.validation_samples = rank.validation_samples = punished.validation_samples = once.validation_samples = 100;
    rank.scheme.contribution = CGSV_CONTRIBUTION_RANK;
    loss.scheme.reward = punished.scheme.reward = CGSV_REWARD_LAYER;
    loss.seed = 2;
    check_mixed(index, loss);
    check_mixed(punished, rank);
    check_mixed(once, index);
}

/* With q = 0 the same as the plain mean of the models, to the rounding of float32: 1 / N and
 * L / (N L) may differ by an ulp, which three rounds of training carry on. */
Test(scheme_federations, qffl_without_q_is_uniform)
{
    struct outcome uniform_mean, loss, fair;
    cgsv_config c = small_config("fedavg-uniform");
    run(&uniform_mean, &c, 1);
    c = small_config("qffl");
    c.scheme.q = 5;
    run(&fair, &c, 1);
    c.scheme.q = 0;
    run(&loss, &c, 2);
    same_models(&uniform_mean, &loss, 2e-6);
    cr_assert(fabs(fair.server[0] - loss.server[0]) > 1e-5, "q matters");
    outcome_free(&uniform_mean), outcome_free(&loss), outcome_free(&fair);
}

/* ---- bad settings ---- */

static void refused(cgsv_status status, const char *word)
{
    cr_assert_eq(status, CGSV_ERROR_ARGUMENT, "%s: status %d", word, (int)status);
    cr_assert(strstr(cgsv_last_error(), word), "no '%s' in: %s", word, cgsv_last_error());
}

Test(scheme_federations, bad_settings_are_named)
{
    cgsv_device *device = open_device(1);
    cgsv_dataset *data = load();
    cgsv_federation *federation;
#define BAD(word, scheme_name, ...)                                                  \
    {                                                                                \
        cgsv_config c = small_config(scheme_name);                                   \
        __VA_ARGS__;                                                                 \
        refused(cgsv_federation_create(&federation, device, &c, data), word);        \
    }
    BAD("mu", "fedprox", c.scheme.mu = -1)
    BAD("q is", "qffl", c.scheme.q = NAN)
    BAD("lipschitz", "qffl", c.scheme.lipschitz = -2)
    BAD("clip", "cffl", c.scheme.clip = 0)
    BAD("upload", "cffl", c.scheme.upload = 1.5)
    BAD("sinh-scale", "cffl", c.scheme.sinh_scale = 0)
    BAD("sinh-growth", "cffl", c.scheme.sinh_growth = -1)
    BAD("removal is", "rffl", c.scheme.removal = -0.1)
    BAD("removal-round", "rffl", c.scheme.removal_round = -1)
    BAD("permutations", "eci", c.scheme.permutations = -1)
    BAD("normalise", "cgsv", c.scheme.normalise = (cgsv_normalise)9)
    BAD("weights", "cgsv", c.scheme.weights = (cgsv_weights)-1)
    BAD("contribution", "cgsv", c.scheme.contribution = (cgsv_contribution)99)
    BAD("quota", "cgsv", c.scheme.quota = (cgsv_quota)17)
    BAD("reward", "cgsv", c.scheme.reward = (cgsv_reward)4)
    BAD("own-update", "cgsv", c.scheme.own_update = (cgsv_own_update)3)
    BAD("at most 20 agents", "cgsv-exact", c.agents = 21)
    BAD("permutations", "eci", c.agents = 11)
    BAD("validation-fraction", "eci", c.validation_fraction = 0)
    BAD("validation-fraction", "cffl", c.validation_fraction = 0)
    BAD("validation-fraction", "cffl", c.validation_fraction = 1e-12)
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

Test(scheme_federations, names)
{
    cgsv_scheme scheme;
    cgsv_config config;
    cgsv_reward reward;
    refused(cgsv_scheme_named(&scheme, "rfll"), "rffl");
    cgsv_config_defaults(&config, "mnist");
    cr_assert_eq(config.alpha, 0.95);
    check(cgsv_config_set_scheme(&config, "cffl"));
    cr_assert_eq(config.alpha, 0.8);
    cr_assert_eq(config.gamma, 0.5, "gamma is the data set's");
    refused(cgsv_config_set_scheme(&config, "nothing of the kind"), "cgsv");
    refused(cgsv_reward_parse(&reward, "random"), "layer, global");
    check(cgsv_realise_parse(&reward, "random"));
    cr_assert_eq(reward, CGSV_REWARD_RANDOM);
    cr_assert_str_eq(cgsv_quota_name((cgsv_quota)42), "unknown");
    for (int i = 0; i < cgsv_scheme_count(); i++) {
        check(cgsv_scheme_named(&scheme, cgsv_scheme_name(i)));
        cr_assert(strlen(cgsv_scheme_help(i)) > 0 && strlen(cgsv_scheme_source(i)) > 0);
    }
}
