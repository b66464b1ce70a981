/* Adversaries: exactly what each does to samples, labels and updates; what the mechanism makes
 * of it; refusals. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "test_device.h"

enum { AGENTS = 4, ROUNDS = 8, CLASSES = 10 };

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static cgsv_config config_with(const char *adversaries)
{
    cgsv_config config;
    cgsv_config_defaults(&config, "synthetic");
    config.model = CGSV_MODEL_MLP;
    config.partition = CGSV_PARTITION_UNIFORM;
    config.agents = AGENTS;
    config.rounds = ROUNDS;
    config.local_epochs = 2;
    config.samples_per_agent = 60;
    config.validation_fraction = 0;
    check(cgsv_adversaries_parse(&config.adversaries, adversaries));
    return config;
}

/* What there is after the first round, and the importances after each. */
struct outcome {
    size_t dimension;
    float *update[AGENTS], *twin[AGENTS];
    cgsv_round_record record[ROUNDS][AGENTS];
    int64_t samples[AGENTS], counts[AGENTS][CLASSES];
};

static void read_first_round(struct outcome *o, cgsv_federation *federation, bool twins)
{
    o->dimension = (size_t)cgsv_federation_parameters(federation);
    for (int i = 0; i < AGENTS; i++) {
        o->update[i] = malloc(o->dimension * sizeof *o->update[i]);
        o->twin[i] = calloc(o->dimension, sizeof *o->twin[i]);
        cr_assert(o->update[i] && o->twin[i]);
        check(cgsv_federation_update(federation, i, o->update[i]));
        if (twins) check(cgsv_federation_model(federation, CGSV_STANDALONE, i, o->twin[i]));
        o->samples[i] = cgsv_federation_samples(federation, i, o->counts[i]);
    }
}

static struct outcome run_on(const cgsv_config *config, const cgsv_dataset *data, int rounds)
{
    struct outcome o = {0};
    cgsv_device *device;
    cgsv_federation *federation;
    check(cgsv_device_open(&device, test_device(), 1));
    check(cgsv_federation_create(&federation, device, config, data));
    check(cgsv_federation_run(federation, 1));
    read_first_round(&o, federation, config->standalone);
    check(cgsv_federation_run(federation, rounds - 1));
    for (int t = 0; t < rounds; t++) check(cgsv_federation_round(federation, t, o.record[t]));
    cgsv_federation_free(federation);
    cgsv_device_close(device);
    return o;
}

static struct outcome run(const cgsv_config *config, int rounds)
{
    cgsv_dataset *data;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    struct outcome o = run_on(config, data, rounds);
    cgsv_dataset_free(data);
    return o;
}

static void release(struct outcome *o)
{
    for (int i = 0; i < AGENTS; i++) {
        free(o->update[i]);
        free(o->twin[i]);
    }
}

static double norm(const float *u, size_t count)
{
    double square = 0;
    for (size_t d = 0; d < count; d++) square += (double)u[d] * u[d];
    return sqrt(square);
}

/* ---- what they do, in the first round ---- */

/* `factor` times what honest training gives, for agent 0; agents that are honest are not touched. */
static void check_scaled(const char *adversaries, float factor)
{
    cgsv_config honest = config_with("none"), attacked = config_with(adversaries);
    honest.standalone = attacked.standalone = false;
    attacked.adversaries.factor = 3;
    struct outcome h = run(&honest, 1), a = run(&attacked, 1);
    for (size_t d = 0; d < h.dimension; d++) cr_assert_eq(a.update[0][d], factor * h.update[0][d]);
    for (int i = 1; i < AGENTS; i++)
        cr_expect_eq(memcmp(a.update[i], h.update[i], h.dimension * sizeof(float)), 0, "%s: agent %d", adversaries, i);
    cr_expect_float_eq(a.record[0][0].update_norm, norm(a.update[0], a.dimension), 1e-9);
    cr_expect_eq(a.record[0][0].train_loss, h.record[0][0].train_loss);
    release(&h);
    release(&a);
}

Test(adversary, zero_update) { check_scaled("zero-update:1", 0); }
Test(adversary, sign_flip) { check_scaled("sign-flip:1", -1); }
Test(adversary, rescaled) { check_scaled("rescaled:1", 3); }

Test(adversary, random_update)
{
    cgsv_config honest = config_with("none"), attacked = config_with("random-update:2");
    honest.standalone = attacked.standalone = false;
    struct outcome h = run(&honest, 1), a = run(&attacked, 1);
    const size_t D = a.dimension;
    for (size_t d = 0; d < D; d++) cr_assert(fabsf(a.update[0][d]) < 1);
    for (int i = 0; i < 2; i++) {
        const double n = norm(a.update[i], D);
        cr_expect_float_eq(n, sqrt((double)D / 3), 0.05 * n);
        cr_expect_float_eq(a.record[0][i].update_norm, n, 1e-9 * n);
    }
    cr_expect_neq(memcmp(a.update[0], a.update[1], D * sizeof(float)), 0, "two agents draw the same");
    cr_expect_eq(memcmp(a.update[2], h.update[2], D * sizeof(float)), 0, "an honest agent was touched");
    release(&h);
    release(&a);
}

/* The same bits as honest training on a set whose labels are all flipped; and others are not touched. */
Test(adversary, label_flip)
{
    cgsv_dataset *data;
    const cgsv_config honest = config_with("none"), attacked = config_with("label-flip:1");
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    struct outcome h = run_on(&honest, data, 1), a = run_on(&attacked, data, 1);
    for (int64_t i = 0; i < data->train.samples; i++) data->train.y[i] = CLASSES - 1 - data->train.y[i];
    struct outcome f = run_on(&honest, data, 1);
    const size_t bytes = a.dimension * sizeof(float);
    for (int i = 0; i < AGENTS; i++) {
        const struct outcome *same = i == 0 ? &f : &h, *other = i == 0 ? &h : &f;
        cr_expect_eq(memcmp(a.update[i], same->update[i], bytes), 0, "agent %d: update", i);
        cr_expect_eq(memcmp(a.twin[i], same->twin[i], bytes), 0, "agent %d: twin", i);
        cr_expect_neq(memcmp(a.update[i], other->update[i], bytes), 0);
        cr_expect_neq(memcmp(a.twin[i], other->twin[i], bytes), 0);
    }
    cgsv_dataset_free(data);
    release(&h);
    release(&a);
    release(&f);
}

/* Agents 0 and 1 hold agent 2's samples, and shuffle them by themselves. */
Test(adversary, replicated)
{
    cgsv_config honest = config_with("none"), attacked = config_with("replicated:2");
    honest.partition = attacked.partition = CGSV_PARTITION_POWERLAW;
    struct outcome h = run(&honest, 1), a = run(&attacked, 1);
    const size_t bytes = a.dimension * sizeof(float);
    cr_assert_lt(h.samples[0], h.samples[2]);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(a.samples[i], h.samples[2]);
        cr_expect_eq(memcmp(a.counts[i], h.counts[2], sizeof h.counts[2]), 0);
        cr_expect_neq(memcmp(a.update[i], a.update[2], bytes), 0, "agent %d shuffles as agent 2 does", i);
        cr_expect_neq(memcmp(a.twin[i], h.twin[i], bytes), 0, "agent %d: the twin has its own samples", i);
    }
    for (int i = 2; i < AGENTS; i++) {
        cr_expect_eq(memcmp(a.update[i], h.update[i], bytes), 0, "agent %d: update", i);
        cr_expect_eq(memcmp(a.twin[i], h.twin[i], bytes), 0, "agent %d: twin", i);
    }
    release(&h);
    release(&a);
}

/* ---- what the mechanism makes of them ---- */

static struct outcome run_mechanism(const char *adversaries)
{
    cgsv_config config = config_with(adversaries);
    config.standalone = false;
    struct outcome o = run(&config, ROUNDS);
    const cgsv_round_record *last = o.record[ROUNDS - 1];
    double sum = 0;
    for (int i = 0; i < AGENTS; i++) sum += last[i].importance;
    cr_expect_float_eq(sum, 1, 1e-12);
    return o;
}

static void expect_lowest(const char *adversaries)
{
    struct outcome o = run_mechanism(adversaries);
    for (int t = 0; t < ROUNDS; t++)
        for (int i = 1; i < AGENTS; i++) {
            cr_expect_lt(o.record[t][0].importance, o.record[t][i].importance, "%s: round %d", adversaries, t);
            cr_expect_lt(o.record[t][0].kept, o.record[t][i].kept, "%s: round %d", adversaries, t);
        }
    release(&o);
}

Test(adversary, attackers_are_valued_lowest)
{
    expect_lowest("random-update:1");
    expect_lowest("label-flip:1");
}

/* r_0 by the formula, and in the end far below the others'; returns how many rounds it spent at the floor. */
static int rounds_at_floor(const char *adversaries)
{
    const double alpha = 0.95, least = 1e-3;
    struct outcome o = run_mechanism(adversaries);
    int at_floor = 0;
    for (int t = 0; t < ROUNDS; t++) {
        double raw[AGENTS], sum = 0;
        for (int i = 0; i < AGENTS; i++) {
            raw[i] = alpha * (t ? o.record[t - 1][i].importance : 0) + (1 - alpha) * o.record[t][i].psi;
            if (i == 0) at_floor += raw[0] <= least;
            sum += raw[i] = fmax(raw[i], least);
        }
        cr_expect_float_eq(o.record[t][0].importance, raw[0] / sum, 1e-12, "%s: round %d", adversaries, t);
    }
    for (int i = 1; i < AGENTS; i++)
        cr_expect_lt(10 * o.record[ROUNDS - 1][0].importance, o.record[ROUNDS - 1][i].importance, "%s", adversaries);
    release(&o);
    return at_floor;
}

/* A flipped sign can be like an aggregate in which it has a fourth of the weight; that lasts some rounds,
 * then it stays at the floor. A zero update begins there, and what that is worth once importances are
 * scaled fades by α a round. */
Test(adversary, sign_flips_and_zeros_get_the_floor)
{
    cr_expect_geq(rounds_at_floor("sign-flip:1"), ROUNDS / 2);
    cr_expect_eq(rounds_at_floor("zero-update:1"), 1);
}

/* Updates are scaled to one length: ten times as long changes nothing but rounding. */
Test(adversary, rescaling_gains_nothing)
{
    struct outcome h = run_mechanism("none"), a = run_mechanism("rescaled:1");
    for (int i = 0; i < AGENTS; i++)
        cr_expect_float_eq(a.record[ROUNDS - 1][i].importance, h.record[ROUNDS - 1][i].importance, 1e-4);
    release(&h);
    release(&a);
}

/* With all samples in one batch, where the order of samples only rounds differently, a replica is worth
 * what its original is. In the mechanism as published both are worth more than the others, and together
 * more than without the replica: cosines favour directions that come twice. */
Test(adversary, a_replica_is_worth_its_original)
{
    cgsv_config honest = config_with("none"), attacked = config_with("replicated:1");
    honest.standalone = attacked.standalone = false;
    honest.batch = attacked.batch = 64;
    struct outcome h = run(&honest, ROUNDS), a = run(&attacked, ROUNDS);
    const cgsv_round_record *with = a.record[ROUNDS - 1], *without = h.record[ROUNDS - 1];
    for (int t = 0; t < ROUNDS; t++)
        cr_expect_float_eq(a.record[t][0].importance, a.record[t][1].importance, 1e-3, "round %d: %g, %g", t,
                           a.record[t][0].importance, a.record[t][1].importance);
    for (int i = 2; i < AGENTS; i++) cr_expect_lt(with[i].importance, with[1].importance);
    cr_expect_gt(with[0].importance + with[1].importance, without[0].importance + without[1].importance);
    release(&h);
    release(&a);
}

/* ---- the setting ---- */

Test(adversary, kinds_in_the_order_given)
{
    static const cgsv_adversary want[] = {CGSV_ZERO_UPDATE, CGSV_ZERO_UPDATE, CGSV_LABEL_FLIP, CGSV_HONEST};
    cgsv_adversaries a = {.factor = 7};
    char text[64], cut[8];
    check(cgsv_adversaries_parse(&a, "zero-update:2,label-flip:1"));
    for (int i = 0; i < 4; i++) cr_expect_eq(cgsv_adversary_of(&a, i), want[i], "agent %d", i);
    cgsv_adversaries_text(text, sizeof text, &a);
    cgsv_adversaries_text(cut, sizeof cut, &a);
    cr_expect_str_eq(text, "zero-update:2,label-flip:1");
    cr_expect_str_eq(cut, "zero-up");
    check(cgsv_adversaries_parse(&a, "none"));
    cr_expect_eq(cgsv_adversary_of(&a, 0), CGSV_HONEST);
    cr_expect_eq(a.factor, 7, "the factor is another setting");
    cgsv_adversaries_text(text, sizeof text, &a);
    cr_expect_str_eq(text, "none");
    for (int kind = 1; kind <= CGSV_ADVERSARY_KINDS; kind++) {
        snprintf(text, sizeof text, "%s:1", cgsv_adversary_name((cgsv_adversary)kind));
        check(cgsv_adversaries_parse(&a, text));
        cr_expect_eq(cgsv_adversary_of(&a, 0), (cgsv_adversary)kind);
    }
}

Test(adversary, refuses_what_cannot_be_read)
{
    static const char *const cases[][2] = {
        {"zero-updates:1", "unknown adversary 'zero-updates'; did you mean 'zero-update'? Known: label-flip, random"},
        {"honest:1", "unknown adversary 'honest'"},
        {"", "unknown adversary ''"},
        {"sign-flip:1,", "unknown adversary ''"},
        {"none,sign-flip:1", "unknown adversary 'none'"},
        {"sign-flip", "sign-flip needs a number of agents: sign-flip:1"},
        {"sign-flip:", "sign-flip: '' is no number of agents; expected a whole number from 1 to 10000"},
        {"sign-flip:0", "'0' is no number of agents"},
        {"sign-flip:-1", "'-1' is no number of agents"},
        {"sign-flip:+1", "'+1' is no number of agents"},
        {"sign-flip: 1", "' 1' is no number of agents"},
        {"sign-flip:1.5", "'1.5' is no number of agents"},
        {"sign-flip:two", "'two' is no number of agents"},
        {"sign-flip:10001", "'10001' is no number of agents"},
        {"sign-flip:99999999999999999999", "is no number of agents"},
        {"sign-flip:1:1", "'1:1' is no number of agents"},
        {"sign-flip:1,rescaled:1,sign-flip:2", "sign-flip stands twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cgsv_adversaries a = {.groups = 1, .group = {{CGSV_RESCALED, 3}}, .factor = 2};
        cr_expect_eq(cgsv_adversaries_parse(&a, cases[i][0]), CGSV_ERROR_ARGUMENT, "'%s' was taken", cases[i][0]);
        cr_expect(strstr(cgsv_last_error(), cases[i][1]), "%s: %s", cases[i][0], cgsv_last_error());
        cr_expect(a.groups == 1 && a.group[0].kind == CGSV_RESCALED && a.group[0].count == 3, "'%s' left traces",
                  cases[i][0]);
    }
}

static void expect_refused(const cgsv_config *config, const char *message)
{
    cgsv_dataset *data;
    cgsv_device *device;
    cgsv_memory_plan plan;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    check(cgsv_device_open(&device, test_device(), 1));
    cr_expect_eq(cgsv_federation_plan(&plan, device, config, data), CGSV_ERROR_ARGUMENT, "%s", message);
    cr_expect(strstr(cgsv_last_error(), message), "'%s', not '%s'", cgsv_last_error(), message);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

Test(adversary, refuses_what_cannot_be)
{
    cgsv_config config = config_with("sign-flip:3,label-flip:2");
    expect_refused(&config, "5 adversaries among 4 agents");
    config = config_with("sign-flip:3,replicated:1");
    expect_refused(&config, "replicated needs an honest agent to copy, and all 4 agents are adversaries");
    config = config_with("rescaled:1");
    for (int i = 0; i < 4; i++) {
        config.adversaries.factor = i == 0 ? 0 : i == 1 ? -1 : i == 2 ? NAN : INFINITY;
        expect_refused(&config, "adversary-factor is");
    }
    config = config_with("rescaled:1");
    config.adversaries.group[0].kind = (cgsv_adversary)99;
    expect_refused(&config, "adversary kind is 99");
    config.adversaries.groups = 7;
    expect_refused(&config, "adversary groups is 7");
}
