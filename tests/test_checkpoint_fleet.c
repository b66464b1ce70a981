/* Checkpoints of fleets: one that goes on gives the bits of an unbroken one, in all its federations; refusals. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "checkpoint_files.h"
#include "checkpoint_setup.h"
#include "outcome.h"
#include "text_files.h"

enum { ROUNDS = 3, MOST_MEMBERS = 16 };

static cgsv_config small_config(const char *scheme) { return checkpoint_config(scheme, 3, ROUNDS, 1); }

static void run_to(cgsv_fleet *f, const cgsv_config *c, int rounds)
{
    for (int t = cgsv_federation_rounds_done(cgsv_fleet_federation(f, 0)) + 1; t <= rounds; t++) {
        check(cgsv_fleet_run(f, 1));
        if (t % c->eval_every == 0) check(cgsv_fleet_evaluate(f));
    }
}

static void finish(struct outcome *o, cgsv_fleet *f, const cgsv_config *configs, int count)
{
    run_to(f, configs, configs->rounds);
    for (int m = 0; m < count; m++) outcome_read(&o[m], cgsv_fleet_federation(f, m), &configs[m]);
    cgsv_fleet_free(f);
}

static void expect_all_same(struct outcome *got, const struct outcome *expected, int count, const char *what, int round)
{
    for (int m = 0; m < count; m++) {
        outcome_expect_equal(&got[m], &expected[m], what, round);
        outcome_free(&got[m]);
    }
}

/* An unbroken fleet, one that saves after every round, and one with `threads` that goes on from each of these. */
static void expect_same_bits(const cgsv_config *configs, int count, const cgsv_dataset *data, int threads,
                             const char *what)
{
    struct outcome unbroken[MOST_MEMBERS], resumed[MOST_MEMBERS];
    cgsv_device *device = open_device(1), *other = open_device(threads);
    const int rounds = configs->rounds;
    cgsv_fleet *f;
    char path[64];
    check(cgsv_fleet_create(&f, device, configs, count, data));
    finish(unbroken, f, configs, count);

    check(cgsv_fleet_create(&f, device, configs, count, data));
    for (int t = 0; t < rounds; t++) {
        run_to(f, configs, t);
        check(cgsv_fleet_save_checkpoint(f, checkpoint_path(path, t)));
    }
    finish(resumed, f, configs, count);
    expect_all_same(resumed, unbroken, count, what, -1);

    for (int t = 0; t < rounds; t++) {
        check(cgsv_fleet_create(&f, other, configs, count, data));
        check(cgsv_fleet_load_checkpoint(f, checkpoint_path(path, t), 0));
        cr_expect_eq(cgsv_federation_rounds_done(cgsv_fleet_federation(f, count - 1)), t);
        finish(resumed, f, configs, count);
        expect_all_same(resumed, unbroken, count, what, t);
        unlink(path);
    }
    for (int m = 0; m < count; m++) outcome_free(&unbroken[m]);
    cgsv_device_close(device);
    cgsv_device_close(other);
}

/* ---- the same bits ---- */

/* All those that one fleet may hold. */
Test(checkpoint_fleet, every_named_scheme)
{
    cgsv_dataset *data = load_pictures(300, 60);
    bool done[MOST_MEMBERS * 4] = {false};
    const int schemes = cgsv_scheme_count();
    cr_assert_leq(schemes, (int)(sizeof done / sizeof *done));
    for (int first = 0; first < schemes; first++) {
        cgsv_config configs[MOST_MEMBERS];
        int count = 0;
        for (int s = first; s < schemes && count < MOST_MEMBERS; s++) {
            cgsv_config *c = &configs[count];
            *c = small_config(cgsv_scheme_name(s));
            c->scheme.removal_round = c->scheme.removal_round > 1 ? 1 : c->scheme.removal_round;
            c->standalone = s % 3 == 0;
            if (done[s] || cgsv_fleet_alike(&configs[0], c) != CGSV_OK) continue;
            done[s] = true;
            count++;
        }
        if (count > 0) expect_same_bits(configs, count, data, 2, cgsv_scheme_name(first));
    }
    cgsv_dataset_free(data);
}

/* Twins that are shared and that are not; rows of which none is where its agent is. */
Test(checkpoint_fleet, optimizers_and_twins)
{
    cgsv_dataset *data = load_pictures(300, 60);
    for (int adam = 0; adam < 2; adam++) {
        cgsv_config configs[4];
        for (int m = 0; m < 4; m++) {
            configs[m] = small_config("cgsv");
            configs[m].optimizer = adam ? CGSV_OPTIMIZER_ADAM : CGSV_OPTIMIZER_SGD;
            configs[m].momentum = adam ? 0 : 0.9;
            configs[m].lr = adam ? 0.003 : 0.05;
            configs[m].weight_decay = 1e-3;
            configs[m].beta = m + 1;
            configs[m].partition = m % 2 ? CGSV_PARTITION_POWERLAW : CGSV_PARTITION_UNIFORM;
            configs[m].seed = m < 3 ? 1 : 2;
            configs[m].standalone = m != 1;
        }
        expect_same_bits(configs, 4, data, 2, adam ? "adam" : "momentum");
    }
    cgsv_dataset_free(data);
}

Test(checkpoint_fleet, adversaries_and_removals)
{
    static const char *const adversaries[] = {"none", "label-flip:1,random-update:1", "sign-flip:1", "replicated:2"};
    cgsv_dataset *data = load_pictures(300, 60);
    cgsv_config configs[4];
    for (int m = 0; m < 4; m++) {
        configs[m] = small_config("rffl");
        configs[m].scheme.removal = 0.9;
        configs[m].scheme.removal_round = m % 2;
        check(cgsv_adversaries_parse(&configs[m].adversaries, adversaries[m]));
    }
    expect_same_bits(configs, 4, data, 2, "adversaries");
    cgsv_dataset_free(data);
}

Test(checkpoint_fleet, sampled_indices_and_stored_updates)
{
    cgsv_dataset *data = load_pictures(300, 60);
    cgsv_config configs[3];
    for (int m = 0; m < 3; m++) {
        configs[m] = small_config(m < 2 ? "eci-one-round" : "eci");
        configs[m].scheme.permutations = 2;
        configs[m].scheme.reward = CGSV_REWARD_RANDOM;
        configs[m].scheme.quota = m == 0 ? CGSV_QUOTA_RANDOM : configs[m].scheme.quota;
        configs[m].update_storage = CGSV_STORAGE_BF16;
        configs[m].seed = (uint64_t)m;
    }
    expect_same_bits(configs, 3, data, 2, "indices");
    cgsv_dataset_free(data);
}

Test(checkpoint_fleet, sentences)
{
    cgsv_dataset *data;
    cgsv_config configs[2];
    temporary_make();
    text_put_reviews(60);
    check(cgsv_dataset_load(&data, "mr", temporary_folder()));
    for (int m = 0; m < 2; m++) {
        cgsv_config *c = &configs[m];
        cgsv_config_defaults(c, "mr");
        c->agents = 2;
        c->rounds = 2;
        c->local_epochs = 1;
        c->samples_per_agent = 6;
        c->batch = 2;
        c->eval_every = 2;
        c->optimizer = CGSV_OPTIMIZER_ADAM;
        c->seed = (uint64_t)m;
        c->standalone = m > 0;
    }
    expect_same_bits(configs, 2, data, 2, "text_cnn");
    cgsv_dataset_free(data);
    temporary_remove();
}

/* ---- what is not taken ---- */

struct fixture {
    cgsv_dataset *data;
    cgsv_device *device;
    cgsv_config config[3];
    char path[64];
};

/* Saved after a round: a fleet of config[0] and config[1]. */
static struct fixture open_fixture(void)
{
    struct fixture x = {.data = load_pictures(300, 60), .device = open_device(1)};
    cgsv_fleet *f;
    for (int m = 0; m < 3; m++) {
        x.config[m] = small_config("cgsv");
        x.config[m].standalone = false;
        x.config[m].beta = m + 1;
    }
    check(cgsv_fleet_create(&f, x.device, x.config, 2, x.data));
    check(cgsv_fleet_run(f, 1));
    check(cgsv_fleet_save_checkpoint(f, checkpoint_path(x.path, 0)));
    cgsv_fleet_free(f);
    return x;
}

static void close_fixture(struct fixture *x)
{
    unlink(x->path);
    cgsv_device_close(x->device);
    cgsv_dataset_free(x->data);
}

/* `part`: of the message; the fleet can still be run from its start. */
static void refused(const struct fixture *x, const cgsv_config *configs, int count, cgsv_status expected,
                    const char *part)
{
    cgsv_fleet *f;
    check(cgsv_fleet_create(&f, x->device, configs, count, x->data));
    cr_expect_eq(cgsv_fleet_load_checkpoint(f, x->path, 0), expected, "%s", part);
    cr_expect_not_null(strstr(cgsv_last_error(), part), "'%s' lacks '%s'", cgsv_last_error(), part);
    cr_expect_eq(cgsv_federation_rounds_done(cgsv_fleet_federation(f, 0)), 0);
    check(cgsv_fleet_run(f, configs->rounds));
    cgsv_fleet_free(f);
}

Test(checkpoint_fleet, another_fleet_is_named_with_both_values)
{
    struct fixture x = open_fixture();
    const cgsv_config swapped[] = {x.config[1], x.config[0]}, other[] = {x.config[0], x.config[2]};
    cgsv_config alike[] = {x.config[0], x.config[0]}, longer[] = {x.config[0], x.config[1]};
    longer[0].rounds = longer[1].rounds = 4;
    refused(&x, swapped, 2, CGSV_ERROR_ARGUMENT, "whose federation 0 has beta 1, and here it has 2");
    refused(&x, other, 2, CGSV_ERROR_ARGUMENT, "whose federation 1 has beta 2, and here it has 3");
    refused(&x, alike, 2, CGSV_ERROR_ARGUMENT, "whose federation 1 has beta 2, and here it has 1");
    refused(&x, longer, 2, CGSV_ERROR_ARGUMENT, "is of a run with rounds 3, and this one has 4");
    refused(&x, x.config, 3, CGSV_ERROR_ARGUMENT, "is of 2 federations, and here there are 3");
    refused(&x, x.config, 1, CGSV_ERROR_ARGUMENT, "is of 2 federations, and here there are 1");
    x.data->train.samples--;
    refused(&x, x.config, 2, CGSV_ERROR_ARGUMENT, "is of a run with training_samples 300, and this one has 299");
    x.data->train.samples++;
    checkpoint_replace(x.path, "\"rounds_done\":\"1\"", "\"rounds_done\":\"4\"");
    refused(&x, x.config, 2, CGSV_ERROR_DATA, "claims 4 rounds of 3");
    close_fixture(&x);
}

/* A federation alone is a fleet of one. */
Test(checkpoint_fleet, of_one_federation_alone)
{
    struct fixture x = open_fixture();
    cgsv_federation *alone;
    cgsv_fleet *f;
    check(cgsv_federation_create(&alone, x.device, x.config, x.data));
    check(cgsv_federation_run(alone, 2));
    check(cgsv_federation_save_checkpoint(alone, x.path));
    cgsv_federation_free(alone);
    refused(&x, x.config, 2, CGSV_ERROR_ARGUMENT, "is of 1 federations, and here there are 2");
    check(cgsv_fleet_create(&f, x.device, x.config, 1, x.data));
    check(cgsv_fleet_load_checkpoint(f, x.path, 0));
    cr_expect_eq(cgsv_federation_rounds_done(cgsv_fleet_federation(f, 0)), 2);
    cr_expect_eq(cgsv_fleet_load_checkpoint(f, x.path, 0), CGSV_ERROR_ARGUMENT);
    cr_expect_not_null(strstr(cgsv_last_error(), "2 rounds are done"), "%s", cgsv_last_error());
    cgsv_fleet_free(f);
    close_fixture(&x);
}
