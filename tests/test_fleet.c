/* Fleets: every federation gives the bits that it gives alone; twins are shared; refusals. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "outcome.h"
#include "test_device.h"

enum { MOST_MEMBERS = 16 };

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static cgsv_config small_config(cgsv_model model)
{
    cgsv_config config;
    cgsv_config_defaults(&config, "synthetic");
    config.model = model;
    config.rounds = 2;
    config.local_epochs = 2;
    config.samples_per_agent = 40;
    config.validation_fraction = 0;
    return config;
}

static void run_alone(struct outcome *o, cgsv_device *device, const cgsv_config *config, const cgsv_dataset *data)
{
    cgsv_federation *federation;
    check(cgsv_federation_create(&federation, device, config, data));
    check(cgsv_federation_run(federation, config->rounds));
    check(cgsv_federation_evaluate(federation));
    outcome_read(o, federation, config);
    cgsv_federation_free(federation);
}

static void check_same_bits(const cgsv_config *configs, int count, int twin_sets)
{
    cgsv_dataset *data;
    cgsv_device *device;
    cgsv_fleet *fleet;
    cgsv_memory_plan plan;
    struct outcome together[MOST_MEMBERS], alone;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    check(cgsv_device_open(&device, test_device(), 0));
    check(cgsv_fleet_plan(&plan, device, configs, count, data));
    cr_assert_eq(plan.rows, (count + twin_sets) * configs->agents, "%d rows", plan.rows);
    check(cgsv_fleet_create(&fleet, device, configs, count, data));
    check(cgsv_fleet_run(fleet, 1));
    check(cgsv_fleet_evaluate(fleet)); /* in the middle, it must leave no trace */
    check(cgsv_fleet_run(fleet, configs->rounds - 1));
    check(cgsv_fleet_evaluate(fleet));
    for (int f = 0; f < count; f++) outcome_read(&together[f], cgsv_fleet_federation(fleet, f), &configs[f]);
    cgsv_fleet_free(fleet);
    for (int f = 0; f < count; f++) {
        run_alone(&alone, device, &configs[f], data);
        outcome_expect_equal(&together[f], &alone, "federation", f);
        outcome_free(&alone);
        outcome_free(&together[f]);
    }
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

/* Settings of all kinds, in an order in which neighbours share nothing; more models than are
 * evaluated at a time. */
Test(fleet, same_bits_as_alone)
{
    const double betas[] = {0.5, 1, 1e7};
    const cgsv_partition partitions[] = {CGSV_PARTITION_POWERLAW, CGSV_PARTITION_CLASSIMBALANCE};
    cgsv_config configs[MOST_MEMBERS];
    int count = 0;
    for (int b = 0; b < 3; b++)
        for (int seed = 1; seed <= 2; seed++)
            for (int p = 0; p < 2; p++, count++) {
                configs[count] = small_config(CGSV_MODEL_MLP);
                configs[count].beta = betas[b];
                configs[count].seed = (uint64_t)seed;
                configs[count].partition = partitions[p];
            }
    configs[1].standalone = false;         /* the others' twins of its split stay */
    configs[2].lr = 0.05;                  /* twins of its own */
    configs[3].alpha = 0.5;
    configs[4].standalone_lr = 0.02;       /* twins of its own */
    configs[5].gamma = 0.2;
    configs[6].samples_per_agent = 60;     /* a split and twins of its own */
    configs[7].partition = CGSV_PARTITION_UNIFORM; /* likewise */
    check_same_bits(configs, count, 4 + 4);
}

/* Each has its own adversaries; twins are shared where these leave the data as they are. */
Test(fleet, same_bits_as_alone_with_adversaries)
{
    static const char *const adversaries[] = {"none",          "label-flip:2",    "random-update:1,zero-update:1",
                                              "sign-flip:3",   "replicated:2",    "label-flip:1,replicated:1",
                                              "label-flip:2"};
    enum { COUNT = sizeof adversaries / sizeof *adversaries };
    cgsv_config configs[COUNT];
    for (int f = 0; f < COUNT; f++) {
        configs[f] = small_config(CGSV_MODEL_MLP);
        configs[f].beta = f + 1;
        check(cgsv_adversaries_parse(&configs[f].adversaries, adversaries[f]));
    }
    check_same_bits(configs, COUNT, 4);
}

Test(fleet, same_bits_as_alone_adam_global)
{
    cgsv_config configs[3];
    for (int f = 0; f < 3; f++) {
        configs[f] = small_config(CGSV_MODEL_MLP);
        configs[f].optimizer = CGSV_OPTIMIZER_ADAM;
        configs[f].lr = 1e-3;
        configs[f].scheme.reward = CGSV_REWARD_GLOBAL;
        configs[f].agents = 3;
        configs[f].beta = f + 1;
        configs[f].standalone = f > 0;
        configs[f].partition = CGSV_PARTITION_DIRICHLET;
        configs[f].dirichlet_concentration = f == 2 ? 5 : 0.5;
    }
    check_same_bits(configs, 3, 2);
}

Test(fleet, same_bits_as_alone_convolutions)
{
    cgsv_config configs[3];
    for (int f = 0; f < 3; f++) {
        configs[f] = small_config(CGSV_MODEL_MNIST_CNN);
        configs[f].agents = 2;
        configs[f].momentum = 0.9;
        configs[f].local_epochs = 1;
        configs[f].beta = f == 1 ? 1e7 : 0.5;
        configs[f].seed = f == 2 ? 3 : 1;
    }
    check_same_bits(configs, 3, 2);
}

/* Rows side by side on one core each, or in the same launches where cores outnumber them. */
Test(fleet, same_bits_for_few_and_many_threads)
{
    const int threads[] = {1, 3, 16};
    cgsv_config config = small_config(CGSV_MODEL_MNIST_CNN);
    cgsv_dataset *data;
    struct outcome first, other;
    config.agents = 2;
    config.local_epochs = 1;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    for (int i = 0; i < 3; i++) {
        cgsv_device *device;
        check(cgsv_device_open(&device, test_device(), threads[i]));
        run_alone(i ? &other : &first, device, &config, data);
        if (i) {
            outcome_expect_equal(&other, &first, "threads", threads[i]);
            outcome_free(&other);
        }
        cgsv_device_close(device);
    }
    outcome_free(&first);
    cgsv_dataset_free(data);
}

struct fixture {
    cgsv_dataset *data;
    cgsv_device *device;
};

static struct fixture open_fixture(void)
{
    struct fixture x;
    check(cgsv_dataset_load(&x.data, "synthetic", NULL));
    check(cgsv_device_open(&x.device, test_device(), 1));
    return x;
}

static void close_fixture(struct fixture x)
{
    cgsv_device_close(x.device);
    cgsv_dataset_free(x.data);
}

static void expect_refused(cgsv_status status, const char *named)
{
    cr_expect_eq(status, CGSV_ERROR_ARGUMENT, "%s: status %d", named, (int)status);
    cr_expect(strstr(cgsv_last_error(), named), "'%s' does not name '%s'", cgsv_last_error(), named);
}

Test(fleet, refusals_name_the_setting)
{
    const struct fixture x = open_fixture();
    const cgsv_config base = small_config(CGSV_MODEL_MLP);
    cgsv_config pair[2] = {base, base};
    cgsv_fleet *fleet;
#define REFUSED(field, value, named)                                                             \
    do {                                                                                         \
        pair[1] = base;                                                                          \
        pair[1].field = value;                                                                   \
        expect_refused(cgsv_fleet_create(&fleet, x.device, pair, 2, x.data), named);             \
        cr_expect_null(fleet);                                                                   \
    } while (0)
    REFUSED(model, CGSV_MODEL_MNIST_CNN, "model");
    REFUSED(agents, 4, "agents");
    REFUSED(rounds, 3, "rounds");
    REFUSED(local_epochs, 1, "local-epochs");
    REFUSED(batch, 16, "batch");
    REFUSED(optimizer, CGSV_OPTIMIZER_ADAM, "optimizer");
    REFUSED(momentum, 0.5, "momentum");
    REFUSED(weight_decay, 0.5, "weight-decay");
    REFUSED(augment, CGSV_AUGMENT_CROP_FLIP, "augment");
    REFUSED(lr_decay, 1, "lr-decay");
    REFUSED(decay_per, CGSV_DECAY_EPOCH, "decay-per");
    REFUSED(scheme.reward, CGSV_REWARD_GLOBAL, "reward");
    REFUSED(eval_every, 1, "eval-every");
    REFUSED(beta, -1, "beta");
    REFUSED(samples_per_agent, -1, "samples-per-agent");
    expect_refused(cgsv_fleet_create(&fleet, x.device, pair, 0, x.data), "federations is 0");
    close_fixture(x);
}

Test(fleet, members_are_only_read)
{
    const struct fixture x = open_fixture();
    const cgsv_config pair[2] = {small_config(CGSV_MODEL_MLP), small_config(CGSV_MODEL_MLP)};
    cgsv_fleet *fleet;
    cgsv_seconds seconds;
    cgsv_evaluation server;
    check(cgsv_fleet_create(&fleet, x.device, pair, 2, x.data));
    cr_expect_null(cgsv_fleet_federation(fleet, 2));
    cr_expect_null(cgsv_fleet_federation(fleet, -1));
    cgsv_federation *member = cgsv_fleet_federation(fleet, 1);
    expect_refused(cgsv_federation_run(member, 1), "cgsv_fleet_run");
    expect_refused(cgsv_federation_evaluate(member), "cgsv_fleet_evaluate");
    expect_refused(cgsv_federation_evaluation(member, NULL, NULL, &server), "evaluated");
    expect_refused(cgsv_fleet_run(fleet, 3), "rounds");
    cgsv_federation_free(member);
    check(cgsv_fleet_run(fleet, 1));
    check(cgsv_fleet_seconds(fleet, &seconds));
    cr_expect_gt(seconds.training, 0);
    cr_expect_gt(seconds.server, 0);
    cgsv_fleet_free(fleet);
    cgsv_fleet_free(NULL);
    close_fixture(x);
}
