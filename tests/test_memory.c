/* The memory of a federation: what is planned is what is taken, and arrays of N × D are few. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "cgsv/cgsv.h"
#include "counting_device.h"
#include "sharing_device.h"
#include "text_files.h"

enum { AGENTS = 3, OPTIMIZERS = 3 };

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static cgsv_device *open_cpu(int threads)
{
    cgsv_device *device;
    check(cgsv_device_open(&device, "cpu", threads));
    return device;
}

static cgsv_config small_config(const char *data_set, cgsv_model model)
{
    cgsv_config config;
    cgsv_config_defaults(&config, data_set);
    config.model = model;
    config.agents = AGENTS;
    config.rounds = 2;
    config.samples_per_agent = 40;
    return config;
}

/* SGD, SGD with momentum, Adam. */
static void set_optimizer(cgsv_config *config, int number)
{
    config->optimizer = number == 2 ? CGSV_OPTIMIZER_ADAM : CGSV_OPTIMIZER_SGD;
    config->momentum = number == 1 ? 0.9 : 0;
}

static void expect_planned_on(const char *what, cgsv_device *device, const cgsv_config *configs, int count,
                              const cgsv_dataset *data)
{
    cgsv_memory_plan plan;
    cgsv_fleet *fleet;
    check(cgsv_fleet_plan(&plan, device, configs, count, data));
    count_allocations(device);
    check(cgsv_fleet_create(&fleet, device, configs, count, data));
    const size_t created = allocations_counted(device);
    cr_expect_eq(created, plan.total, "%s, %d threads: %zu bytes taken, %zu planned", what, device->cores, created,
                 plan.total);
    count_allocations(device);
    check(cgsv_fleet_run(fleet, configs->rounds));
    check(cgsv_fleet_evaluate(fleet));
    cr_expect_eq(allocations_counted(device), 0, "%s: rounds allocate", what);
    cgsv_fleet_free(fleet);
}

static void expect_planned(const char *what, const cgsv_config *configs, int count, const cgsv_dataset *data,
                           int threads)
{
    cgsv_device *device = open_cpu(threads);
    expect_planned_on(what, device, configs, count, data);
    cgsv_device_close(device);
}

static cgsv_dataset *load_pictures(void)
{
    cgsv_dataset *data;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    data->test.samples = 200;
    return data;
}

/* With rows all together, side by side, and some of either. */
Test(memory, planned_is_taken)
{
    cgsv_dataset *data = load_pictures();
    cgsv_config pair[2] = {small_config("synthetic", CGSV_MODEL_MLP), small_config("synthetic", CGSV_MODEL_MLP)};
    pair[1].seed = 2;
    pair[1].standalone = false;
    for (int number = 0; number < OPTIMIZERS; number++)
        for (int threads = 1; threads <= 4; threads++) {
            for (int m = 0; m < 2; m++) set_optimizer(&pair[m], number);
            expect_planned("twins", pair, 1, data, threads);
            expect_planned("no twins", pair + 1, 1, data, threads);
            expect_planned("a fleet", pair, 2, data, threads);
        }
    cgsv_config pictures = small_config("synthetic", CGSV_MODEL_MNIST_CNN);
    pictures.local_epochs = 1;
    expect_planned("convolutions", &pictures, 1, data, 2);
    cgsv_dataset_free(data);
}

Test(memory, planned_is_taken_in_portions)
{
    cgsv_dataset *data = load_pictures();
    cgsv_device *device = open_cpu(2);
    cgsv_config config = small_config("synthetic", CGSV_MODEL_MLP);
    share_launches(device, 1);
    for (int number = 0; number < OPTIMIZERS; number++) {
        set_optimizer(&config, number);
        expect_planned_on("portions", device, &config, 1, data);
        config.update_storage = CGSV_STORAGE_BF16;
        expect_planned_on("portions, rounded updates", device, &config, 1, data);
        config.update_storage = CGSV_STORAGE_FLOAT32;
    }
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

Test(memory, planned_is_taken_by_every_scheme)
{
    cgsv_dataset *data = load_pictures();
    for (int i = 0; i <= cgsv_scheme_count(); i++) {
        cgsv_config config = small_config("synthetic", CGSV_MODEL_MLP);
        check(cgsv_config_set_scheme(&config, cgsv_scheme_name(i % cgsv_scheme_count())));
        config.validation_samples = 30;
        if (i == cgsv_scheme_count()) config.scheme.contribution = CGSV_CONTRIBUTION_RANK;
        expect_planned(cgsv_scheme_name(i % cgsv_scheme_count()), &config, 1, data, 1);
    }
    cgsv_dataset_free(data);
}

Test(memory, planned_is_taken_by_sentences)
{
    cgsv_dataset *data;
    temporary_make();
    text_put_reviews(50);
    check(cgsv_dataset_load(&data, "mr", temporary_folder()));
    temporary_remove();
    for (int number = 0; number < OPTIMIZERS; number++) {
        cgsv_config config = small_config("mr", CGSV_MODEL_TEXT_CNN);
        config.local_epochs = 1;
        set_optimizer(&config, number);
        expect_planned("sentences", &config, 1, data, 1);
    }
    cgsv_dataset_free(data);
}

/* Beside activations, at most four arrays of N × D with any optimizer, and rows whose number does not grow with N: the
 * server's model, and models in training and gradients of as many rows as train at a time, at most 2 cores − 1. */
Test(memory, at_most_four_arrays_of_models)
{
    cgsv_dataset *data = load_pictures();
    for (int number = 0; number < OPTIMIZERS; number++)
        for (int threads = 1; threads <= 4; threads++)
            for (int agents = 10; agents <= 100; agents += 45) {
                cgsv_device *device = open_cpu(threads);
                cgsv_config config = small_config("synthetic", CGSV_MODEL_MLP);
                cgsv_memory_plan plan;
                set_optimizer(&config, number);
                config.agents = agents;
                config.standalone = false;
                check(cgsv_federation_plan(&plan, device, &config, data));
                const size_t few = 1 + 2 * (2 * (size_t)threads - 1), row = (size_t)plan.row_stride * sizeof(float);
                const size_t taken = plan.models + plan.updates + plan.training + plan.optimizer;
                cr_expect_leq(taken, (4 * (size_t)agents + few) * row, "optimizer %d, %d threads, %d agents: %g rows",
                              number, threads, agents, (double)taken / (double)row);
                cgsv_device_close(device);
            }
    cgsv_dataset_free(data);
}

/* Where rows share launches: W, U and moments are at most four arrays of R × D; models in training and gradients come
 * to what the device asks for, or to half an array. */
static void expect_few_arrays(const cgsv_config *config, size_t scratch_bytes, const cgsv_dataset *data)
{
    cgsv_device *device = open_cpu(1);
    cgsv_memory_plan plan;
    share_launches(device, scratch_bytes);
    check(cgsv_federation_plan(&plan, device, config, data));
    const size_t row = (size_t)plan.row_stride * sizeof(float), array = (size_t)plan.rows * row, server = row;
    const size_t quarters = 2 * (((size_t)plan.rows + 3) / 4) * row, all = 2 * array;
    const size_t most = scratch_bytes > quarters ? scratch_bytes : quarters;
    cr_expect_leq(plan.models + plan.updates + plan.optimizer, 4 * array + server, "%d rows, %zu bytes", plan.rows,
                  plan.models + plan.updates + plan.optimizer);
    cr_expect_leq(plan.training, most, "%d rows train in %zu bytes of %zu", plan.rows, plan.training, scratch_bytes);
    if (all <= scratch_bytes) cr_expect_eq(plan.training, all, "%d rows could train at once", plan.rows);
    cgsv_device_close(device);
}

Test(memory, at_most_four_arrays_where_rows_share_launches)
{
    cgsv_dataset *data = load_pictures();
    for (int number = 0; number < OPTIMIZERS; number++)
        for (int twins = 0; twins < 2; twins++)
            for (int agents = 1; agents <= 1000; agents *= 10)
                for (size_t mib = 0; mib <= 256; mib += 64) {
                    cgsv_config config = small_config("synthetic", CGSV_MODEL_MLP);
                    set_optimizer(&config, number);
                    config.agents = agents;
                    config.standalone = twins;
                    expect_few_arrays(&config, (mib << 20) + 1, data);
                }
    cgsv_dataset_free(data);
}

/* Portions are even: of ten rows, as many at a time as are listed where so many fit. */
Test(memory, portions_are_even)
{
    static const int at_a_time[] = {3, 3, 3, 3, 4, 5, 5, 5, 5, 5, 10, 10};
    cgsv_dataset *data = load_pictures();
    cgsv_device *device = open_cpu(1);
    cgsv_config config = small_config("synthetic", CGSV_MODEL_MLP);
    cgsv_memory_plan plan;
    config.agents = 5;
    check(cgsv_federation_plan(&plan, device, &config, data));
    const size_t row = 2 * (size_t)plan.row_stride * sizeof(float);
    for (size_t fit = 0; fit < sizeof at_a_time / sizeof *at_a_time; fit++) {
        share_launches(device, fit * row + 1);
        check(cgsv_federation_plan(&plan, device, &config, data));
        cr_expect_eq(plan.training, (size_t)at_a_time[fit] * row, "%zu of %d rows fit: %zu train at a time", fit,
                     plan.rows, plan.training / row);
    }
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

/* An evaluation holds the activations of some models only: of so many that a GiB holds them. */
Test(memory, evaluations_of_many_large_models)
{
    static float x[2 * 3 * 32 * 32];
    static const int32_t y[2];
    cgsv_dataset *data;
    cgsv_device *device = open_cpu(1);
    cgsv_memory_plan one, many;
    check(cgsv_dataset_create(&data, "pictures", 3, 32, 32, 10, 2, x, y, 2, x, y));
    cgsv_config config = small_config("pictures", CGSV_MODEL_CIFAR_RESNET);
    config.agents = 1;
    config.standalone = false;
    check(cgsv_federation_plan(&one, device, &config, data));
    config.agents = 100;
    check(cgsv_federation_plan(&many, device, &config, data));
    cr_expect_leq(many.activations, one.activations + ((size_t)1 << 30), "%zu bytes, of one agent %zu",
                  many.activations, one.activations);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}
