/* Checks of a round's records: all schemes pass them, and each field that is wrong is found out. */
#include <criterion/criterion.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "io/json.h"
#include "test_device.h"

enum { AGENTS = 3, ROUNDS = 3, MOST_TENSORS = 8 };

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

/* A run, the records of its rounds, and what they are held against. */
struct run {
    cgsv_config config;
    int64_t tensor_begin[MOST_TENSORS + 1];
    cgsv_checked_run checked;
    cgsv_round_record record[ROUNDS][AGENTS];
};

static struct run train(cgsv_device *device, const cgsv_dataset *data, const char *scheme, cgsv_reward reward)
{
    struct run run = {0};
    cgsv_federation *f;
    const cgsv_tensor *tensor;
    cgsv_config_defaults(&run.config, "synthetic");
    run.config.model = CGSV_MODEL_MLP;
    run.config.agents = AGENTS;
    run.config.rounds = ROUNDS;
    run.config.local_epochs = 1;
    run.config.samples_per_agent = 40;
    run.config.validation_samples = 50;
    run.config.standalone = false;
    check(cgsv_config_set_scheme(&run.config, scheme));
    if (run.config.scheme.reward == CGSV_REWARD_LAYER) run.config.scheme.reward = reward;
    check(cgsv_federation_create(&f, device, &run.config, data));
    check(cgsv_federation_run(f, ROUNDS));
    run.checked = (cgsv_checked_run){.tensors = cgsv_federation_tensors(f, &tensor), .models = true};
    for (int t = 0; t < run.checked.tensors; t++) run.tensor_begin[t] = tensor[t].offset;
    run.tensor_begin[run.checked.tensors] = cgsv_federation_parameters(f);
    for (int round = 0; round < ROUNDS; round++) check(cgsv_federation_round(f, round, run.record[round]));
    cgsv_federation_free(f);
    return run;
}

static cgsv_checks checks_of(struct run *run)
{
    cgsv_checks checks = {0};
    run->checked.config = &run->config; /* set here, as the struct has been copied */
    run->checked.tensor_begin = run->tensor_begin;
    for (int round = 0; round < ROUNDS; round++)
        cgsv_check_round(&checks, &run->checked, round + 1, run->record[round]);
    return checks;
}

static void expect_none_failed(struct run *run, const char *scheme)
{
    const cgsv_checks checks = checks_of(run);
    cr_expect_gt(checks.made, ROUNDS * AGENTS * 9, "%s: %d checks", scheme, (int)checks.made);
    cr_expect_eq(checks.failed, 0, "%s, round %d, agent %d: %s is %.17g; expected %.17g to %.17g", scheme,
                 checks.first.round, checks.first.agent, checks.first.what, checks.first.value, checks.first.least,
                 checks.first.most);
}

struct fixture {
    cgsv_device *device;
    cgsv_dataset *data;
};

static struct fixture start(void)
{
    struct fixture x;
    check(cgsv_dataset_load(&x.data, "synthetic", NULL));
    check(cgsv_device_open(&x.device, test_device(), 1));
    return x;
}

static void stop(struct fixture *x)
{
    cgsv_device_close(x->device);
    cgsv_dataset_free(x->data);
}

Test(checks, every_scheme_passes)
{
    struct fixture x = start();
    for (int s = 0; s < cgsv_scheme_count(); s++) {
        struct run run = train(x.device, x.data, cgsv_scheme_name(s), CGSV_REWARD_LAYER);
        expect_none_failed(&run, cgsv_scheme_name(s));
    }
    struct run run = train(x.device, x.data, "cgsv", CGSV_REWARD_GLOBAL);
    expect_none_failed(&run, "cgsv, global");
    stop(&x);
}

#define FIELD(name) #name, offsetof(cgsv_round_record, name)

/* One field of one agent in the second round is wrong, and only the check of that name, or `found`, says so
 * first. */
static const struct corruption {
    const char *field;
    size_t offset;
    enum { SET, ADD, SCALE } how;
    double by;
    const char *found;
} corruptions[] = {
    {FIELD(update_norm), SET, NAN, "update_norm"},
    {FIELD(update_norm), SET, INFINITY, "update_norm"},
    {FIELD(update_norm), SET, -1, "update_norm"},
    {FIELD(update_norm), SET, 0, "update_norm"},
    {FIELD(psi), SET, NAN, "psi"},
    {FIELD(psi), SET, 1.0001, "psi"},
    {FIELD(psi), SET, -1.0001, "psi"},
    {FIELD(importance), SET, NAN, "importance"},
    {FIELD(importance), SET, -0.1, "importance"},
    {FIELD(importance), SCALE, 1 + 1e-12, "sum of importance"},
    {FIELD(keep_ratio), SET, NAN, "keep_ratio"},
    {FIELD(keep_ratio), SCALE, 1 - 1e-12, "keep_ratio"},
    {FIELD(kept), ADD, 1, "kept"},
    {FIELD(kept), ADD, -1, "kept"},
    {FIELD(kept), SET, NAN, "kept"},
    {FIELD(reward_cos), SET, NAN, "reward_cos"},
    {FIELD(reward_cos), SET, 1.0001, "reward_cos"},
    {FIELD(reward_cos), SET, -0.1, "reward_cos"},
    {FIELD(reward_error), SET, NAN, "reward_error"},
    {FIELD(reward_error), SET, 0.6, "reward_error"}, /* Γ is 0.5 */
    {FIELD(distance), SET, NAN, "distance"},
    {FIELD(distance), SET, -1, "distance"},
    {FIELD(distance), SET, 0, "distance_last_layer"},
    {FIELD(distance_last_layer), SET, NAN, "distance_last_layer"},
    {FIELD(server_norm), SET, INFINITY, "server_norm"},
    {FIELD(train_loss), SET, NAN, "train_loss"},
    {FIELD(train_loss), SET, -1, "train_loss"},
    {FIELD(fault), SET, NAN, "fault"},
    {FIELD(fault), SET, 8, "fault"},
    {FIELD(fault), SET, CGSV_FAULT_ZERO, "update_norm"},
    {FIELD(fault), SET, CGSV_FAULT_NOT_FINITE, "update_norm is finite"},
};

Test(checks, each_wrong_field_is_found)
{
    struct fixture x = start();
    const struct run sound = train(x.device, x.data, "cgsv", CGSV_REWARD_LAYER);
    for (size_t k = 0; k < sizeof corruptions / sizeof *corruptions; k++)
        for (int agent = 0; agent < AGENTS; agent++) {
            const struct corruption *c = &corruptions[k];
            struct run run = sound;
            if (c->offset == offsetof(cgsv_round_record, distance) && run.record[1][agent].distance == 0 && c->by == 0)
                continue; /* the best agent's */
            double *field = (double *)((char *)&run.record[1][agent] + c->offset);
            *field = c->how == SET ? c->by : c->how == ADD ? *field + c->by : *field * c->by;
            const cgsv_checks checks = checks_of(&run);
            cr_expect_gt(checks.failed, 0, "agent %d: %s by %g passes", agent, c->field, c->by);
            if (checks.failed == 0) continue;
            cr_expect_str_eq(checks.first.what, c->found, "agent %d: %s by %g", agent, c->field, c->by);
            cr_expect_eq(checks.first.round, 2);
            cr_expect(checks.first.agent == agent || checks.first.agent == -1);
        }
    stop(&x);
}

/* The best agent gets all of g: a cosine of 1 and no error. */
Test(checks, a_whole_reward_is_the_aggregate)
{
    struct fixture x = start();
    const struct run sound = train(x.device, x.data, "cgsv", CGSV_REWARD_GLOBAL);
    int best = 0;
    for (int i = 0; i < AGENTS; i++) best = sound.record[1][i].keep_ratio == 1 ? i : best;
    struct run run = sound;
    run.record[1][best].reward_cos = 1 - 1e-6;
    cr_expect_str_eq(checks_of(&run).first.what, "reward_cos");
    run = sound;
    run.record[1][best].reward_error = 1e-3;
    cr_expect_str_eq(checks_of(&run).first.what, "reward_error");
    stop(&x);
}

Test(checks, exact_values_sum_to_one)
{
    struct fixture x = start();
    struct run run = train(x.device, x.data, "cgsv-exact", CGSV_REWARD_LAYER);
    run.record[0][1].psi += 1e-5;
    const cgsv_checks checks = checks_of(&run);
    cr_expect_eq(checks.failed, 1);
    cr_expect_str_eq(checks.first.what, "sum of exact values");
    cr_expect_eq(checks.first.agent, -1);
    stop(&x);
}

Test(checks, values_are_counted_and_the_first_failure_kept)
{
    cgsv_checks checks = {0};
    cgsv_check_value(&checks, 1, 0, "sound", 1, 1, 1);
    cgsv_check_value(&checks, 2, 4, "first", NAN, 0, 1);
    cgsv_check_value(&checks, 3, 5, "second", 2, 0, 1);
    cr_expect_eq(checks.made, 3);
    cr_expect_eq(checks.failed, 2);
    cr_expect_str_eq(checks.first.what, "first");
    cr_expect_eq(checks.first.round, 2);
    cr_expect_eq(checks.first.agent, 4);
    cr_expect(isnan(checks.first.value));
}

static void told(const cgsv_checks *checks, const char *message, const char *json)
{
    char *text;
    cJSON *root = cJSON_CreateObject();
    cr_expect_eq(cgsv_checks_status(checks), CGSV_ERROR_DEVICE);
    cr_expect_not_null(strstr(cgsv_last_error(), message), "'%s' lacks '%s'", cgsv_last_error(), message);
    check(json_print(&text, root, json_add_checks(root, checks)));
    cJSON *parsed = cJSON_Parse(text);
    char *printed = cJSON_PrintUnformatted(parsed);
    cr_expect_str_eq(printed, json);
    cJSON_Delete(parsed);
    free(printed);
    free(text);
}

Test(checks, a_failure_is_told)
{
    cgsv_checks checks = {0};
    cgsv_check_value(&checks, 1, 0, "sound", 1, 1, 1);
    check(cgsv_checks_status(&checks));
    cgsv_check_value(&checks, 2, 4, "kept", 7, 8, 8);
    told(&checks, "1 of 2 checks failed, the first in round 2, agent 4: kept is 7; expected 8.",
         "{\"checks\":{\"made\":2,\"failed\":1,\"first_failure\":{\"round\":2,\"agent\":4,\"what\":\"kept\","
         "\"value\":7,\"least\":8,\"most\":8}}}");
    checks = (cgsv_checks){0};
    cgsv_check_value(&checks, 3, -1, "sum", NAN, 0, 1);
    told(&checks, "round 3: sum is nan; expected 0 to 1.",
         "{\"checks\":{\"made\":1,\"failed\":1,\"first_failure\":{\"round\":3,\"agent\":null,\"what\":\"sum\","
         "\"value\":null,\"least\":0,\"most\":1}}}");
}
