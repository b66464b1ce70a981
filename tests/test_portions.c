/* Rows that share launches train in portions, one after the other: the same bits as all at once, and side by side. */
#include <criterion/criterion.h>

#include "federation/internal.h"
#include "outcome.h"
#include "sharing_device.h"
#include "text_files.h"

enum { AGENTS = 5, MOST_MEMBERS = 4 };

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

/* Shards of many sizes: within a portion, rows end one after the other. */
static cgsv_config small_config(const char *data_set, cgsv_model model)
{
    cgsv_config config;
    cgsv_config_defaults(&config, data_set);
    config.model = model;
    config.agents = AGENTS;
    config.rounds = 2;
    config.local_epochs = 2;
    config.batch = 16;
    config.samples_per_agent = 40;
    config.partition = CGSV_PARTITION_POWERLAW;
    config.validation_samples = 30;
    return config;
}

static cgsv_dataset *load_pictures(void)
{
    cgsv_dataset *data;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    data->test.samples = 200;
    return data;
}

/* Returns how many rows trained at a time. */
static int train(struct outcome *outcome, cgsv_device *device, const cgsv_config *configs, int count,
                 const cgsv_dataset *data)
{
    cgsv_fleet *fleet;
    check(cgsv_fleet_create(&fleet, device, configs, count, data));
    check(cgsv_fleet_run(fleet, configs->rounds));
    check(cgsv_fleet_evaluate(fleet));
    for (int m = 0; m < count; m++) outcome_read(&outcome[m], cgsv_fleet_federation(fleet, m), &configs[m]);
    const int at_a_time = groups_rows(fleet);
    cgsv_fleet_free(fleet);
    return at_a_time;
}

static void expect_same(const char *what, const struct outcome *expected, cgsv_device *device, int at_a_time,
                        const cgsv_config *configs, int count, const cgsv_dataset *data)
{
    struct outcome outcome[MOST_MEMBERS];
    const int found = train(outcome, device, configs, count, data);
    cr_assert_eq(found, at_a_time, "%s: %d rows at a time, expected %d", what, found, at_a_time);
    for (int m = 0; m < count; m++) {
        outcome_expect_equal(&outcome[m], &expected[m], what, m);
        outcome_free(&outcome[m]);
    }
}

/* Side by side; all at once; in halves; and, as not even one fits, in quarters. */
static void check_same_bits(const char *what, const cgsv_config *configs, int count, const cgsv_dataset *data)
{
    cgsv_device *device;
    cgsv_memory_plan plan;
    struct outcome expected[MOST_MEMBERS];
    check(cgsv_device_open(&device, "cpu", 1));
    check(cgsv_fleet_plan(&plan, device, configs, count, data));
    cr_assert_eq(train(expected, device, configs, count, data), 1);
    const int R = plan.rows, half = (R + 1) / 2, quarter = (R + 3) / 4;
    const size_t arrays = configs->update_storage == CGSV_STORAGE_BF16 ? 3 : 2;
    const size_t row = arrays * (size_t)plan.row_stride * sizeof(float);
    share_launches(device, 0);
    expect_same(what, expected, device, R, configs, count, data);
    share_launches(device, (size_t)half * row);
    expect_same(what, expected, device, half, configs, count, data);
    share_launches(device, 1);
    expect_same(what, expected, device, quarter, configs, count, data);
    for (int m = 0; m < count; m++) outcome_free(&expected[m]);
    cgsv_device_close(device);
}

Test(portions, same_bits_of_optimizers)
{
    cgsv_dataset *data = load_pictures();
    const cgsv_model models[] = {CGSV_MODEL_MLP, CGSV_MODEL_MNIST_CNN};
    for (int i = 0; i < 2; i++) {
        cgsv_config config = small_config("synthetic", models[i]);
        check_same_bits("SGD", &config, 1, data);
        config.update_storage = CGSV_STORAGE_BF16;
        check_same_bits("rounded updates", &config, 1, data);
        config.momentum = 0.9;
        config.standalone = false;
        check_same_bits("momentum, no twins", &config, 1, data);
        config.optimizer = CGSV_OPTIMIZER_ADAM;
        config.update_storage = CGSV_STORAGE_FLOAT32;
        config.momentum = 0;
        config.standalone = true;
        config.augment = CGSV_AUGMENT_CROP_FLIP;
        check_same_bits("Adam", &config, 1, data);
    }
    cgsv_dataset_free(data);
}

Test(portions, same_bits_of_sentences)
{
    cgsv_dataset *data;
    temporary_make();
    text_put_reviews(150);
    check(cgsv_dataset_load(&data, "mr", temporary_folder()));
    temporary_remove();
    cgsv_config config = small_config("mr", CGSV_MODEL_TEXT_CNN);
    check_same_bits("sentences", &config, 1, data);
    config.optimizer = CGSV_OPTIMIZER_SGD;
    config.momentum = 0.9;
    check_same_bits("sentences, momentum", &config, 1, data);
    cgsv_dataset_free(data);
}

/* Of four federations with three sets of twins: losses before the round, uploads measured in the memory of training,
 * and flipped labels. */
Test(portions, same_bits_of_a_fleet)
{
    cgsv_dataset *data = load_pictures();
    cgsv_config configs[MOST_MEMBERS];
    for (int m = 0; m < MOST_MEMBERS; m++) configs[m] = small_config("synthetic", CGSV_MODEL_MLP);
    check(cgsv_config_set_scheme(&configs[1], "qffl"));
    check(cgsv_config_set_scheme(&configs[2], "cffl"));
    for (int m = 0; m < MOST_MEMBERS; m++) configs[m].scheme.reward = CGSV_REWARD_GLOBAL;
    configs[2].seed = 2;
    check(cgsv_adversaries_parse(&configs[3].adversaries, "label-flip:2"));
    check_same_bits("federation", configs, MOST_MEMBERS, data);
    cgsv_dataset_free(data);
}
