/* Every allocation in turn fails, of everything that the library does: the call says so and leaks
 * nothing (which AddressSanitizer's build sees), or it does without and gives the numbers it
 * always gives; and right afterwards it gives them. */
#include <criterion/criterion.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "core/error.h"
#include "few_pictures.h"
#include "in_turn.h"
#include "text_files.h"

enum { SAMPLES = 40, AGENTS = 3, ROUNDS = 2 };

/* ---- federations ---- */

static cgsv_config configs[2]; /* what the calls below train */
static int config_count;
static cgsv_dataset *data;     /* what they train on, where it is not made anew */

static void set_config(int number, const char *scheme, bool standalone)
{
    cgsv_config *config = &configs[number];
    cgsv_config_defaults(config, "pictures");
    config->agents = AGENTS;
    config->rounds = ROUNDS;
    config->batch = 4;
    config->partition = CGSV_PARTITION_POWERLAW;
    config->standalone = standalone;
    config->validation_fraction = 0.2;
    config->seed = 3 + (uint64_t)number;
    cr_assert_eq(cgsv_config_set_scheme(config, scheme), CGSV_OK, "%s", cgsv_last_error());
    config_count = number + 1;
}

static cgsv_status take_in_results(cgsv_federation *f)
{
    cgsv_round_record records[AGENTS];
    cgsv_evaluation agents[AGENTS], standalone[AGENTS], server;
    const size_t count = (size_t)cgsv_federation_parameters(f);
    const int N = configs[0].agents;
    for (int round = 0; round < configs[0].rounds; round++) {
        TRY(cgsv_federation_round(f, round, records));
        take_in(records, (size_t)N * sizeof *records);
    }
    TRY(cgsv_federation_evaluation(f, agents, standalone, &server));
    take_in(agents, (size_t)N * sizeof *agents);
    take_in(standalone, (size_t)N * sizeof *standalone);
    take_in(&server, sizeof server);
    float *w = malloc(count * sizeof *w);
    if (!w) return error_set(CGSV_ERROR_MEMORY, "no memory");
    cgsv_status status = cgsv_federation_model(f, CGSV_AGENT, 0, w);
    if (status == CGSV_OK) take_in(w, count * sizeof *w);
    free(w);
    TRY(status);
    return cgsv_federation_save_model(f, CGSV_SERVER, 0, temporary_path("server.safetensors"));
}

static cgsv_status train(cgsv_device *device, const cgsv_dataset *set)
{
    cgsv_federation *f = NULL;
    cgsv_status status = cgsv_federation_create(&f, device, &configs[0], set);
    if (status == CGSV_OK) status = cgsv_federation_run(f, configs[0].rounds);
    if (status == CGSV_OK) status = cgsv_federation_evaluate(f);
    if (status == CGSV_OK) status = take_in_results(f);
    cgsv_federation_free(f);
    return status;
}

static cgsv_status federation(void)
{
    cgsv_dataset *set = data;
    cgsv_device *device = NULL;
    cgsv_status status = CGSV_OK;
    if (!set)
        status = few_pictures(&set, SAMPLES);
    if (status == CGSV_OK) status = cgsv_device_open(&device, "cpu", 1);
    if (status == CGSV_OK) status = train(device, set);
    cgsv_device_close(device);
    if (set != data) cgsv_dataset_free(set);
    return status;
}

static cgsv_status on_a_device(cgsv_status (*work)(cgsv_device *device))
{
    cgsv_device *device;
    TRY(cgsv_device_open(&device, "cpu", 1));
    const cgsv_status status = work(device);
    cgsv_device_close(device);
    return status;
}

TestSuite(allocations, .init = temporary_make, .fini = temporary_remove, .timeout = 300);

Test(allocations, of_a_federation_of_every_scheme)
{
    for (int i = 0; i < cgsv_scheme_count(); i++) {
        set_config(0, cgsv_scheme_name(i), true);
        if (i == 0)
            turn_by_turn(cgsv_scheme_name(i), federation);
        else
            each_in_turn(cgsv_scheme_name(i), federation, FAIL_ONE);
    }
    report("federations");
}

Test(allocations, of_a_federation_with_adversaries)
{
    set_config(0, "cgsv", true);
    cr_assert_eq(cgsv_adversaries_parse(&configs[0].adversaries, "replicated:1,sign-flip:1"), CGSV_OK);
    configs[0].optimizer = CGSV_OPTIMIZER_ADAM;
    turn_by_turn("adversaries", federation);
    report("adversaries");
}

/* Of models whose training takes long: rounds allocate nothing. */
static cgsv_status creation(void)
{
    cgsv_federation *f = NULL;
    cgsv_device *device = NULL;
    cgsv_status status = cgsv_device_open(&device, "cpu", 1);
    if (status == CGSV_OK) status = cgsv_federation_create(&f, device, &configs[0], data);
    cgsv_federation_free(f);
    cgsv_device_close(device);
    return status;
}

static void create(const char *name, cgsv_model model)
{
    set_config(0, "cgsv", false);
    cgsv_config_set_model(&configs[0], model);
    configs[0].agents = configs[0].batch = 1;
    configs[0].validation_fraction = 0;
    each_in_turn(name, creation, FAIL_ONE);
    cgsv_dataset_free(data);
}

Test(allocations, of_sentences_and_of_a_residual_network)
{
    enum { PIXELS = 3 * 32 * 32, FEW = 2 };
    static float large[FEW * PIXELS];
    const int32_t labels[FEW] = {0, 1};
    mallopt(M_MMAP_MAX, 0); /* keep pages once they are there: most of the time went into asking for them */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    text_put_reviews(20);
    cr_assert_eq(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_OK, "%s", cgsv_last_error());
    create("sentences", CGSV_MODEL_TEXT_CNN);
    cr_assert_eq(cgsv_dataset_create(&data, "large", 3, 32, 32, FEW, FEW, large, labels, FEW, large, labels), CGSV_OK,
                 "%s", cgsv_last_error());
    create("residual network", CGSV_MODEL_CIFAR_RESNET);
    report("sentences, residual network");
}

static cgsv_status train_fleet(cgsv_device *device)
{
    cgsv_fleet *fleet = NULL;
    cgsv_status status = cgsv_fleet_create(&fleet, device, configs, config_count, data);
    if (status == CGSV_OK) status = cgsv_fleet_run(fleet, ROUNDS);
    if (status == CGSV_OK) status = cgsv_fleet_evaluate(fleet);
    for (int i = 0; i < config_count && status == CGSV_OK; i++)
        status = take_in_results(cgsv_fleet_federation(fleet, i));
    cgsv_fleet_free(fleet);
    return status;
}

static cgsv_status fleet(void) { return on_a_device(train_fleet); }

Test(allocations, of_a_fleet)
{
    cr_assert_eq(few_pictures(&data, SAMPLES), CGSV_OK);
    set_config(0, "cgsv", true);
    set_config(1, "cgsv-exact", true);
    turn_by_turn("fleet", fleet);
    cgsv_dataset_free(data);
    report("fleet");
}

/* ---- checkpoints ---- */

static cgsv_status save(cgsv_device *device)
{
    cgsv_federation *f = NULL;
    cgsv_status status = cgsv_federation_create(&f, device, &configs[0], data);
    if (status == CGSV_OK) status = cgsv_federation_run(f, 1);
    if (status == CGSV_OK) status = cgsv_federation_save_checkpoint(f, temporary_path("checkpoint.safetensors"));
    cgsv_federation_free(f);
    return status;
}

static cgsv_status go_on(cgsv_device *device)
{
    cgsv_federation *f = NULL;
    cgsv_status status = cgsv_federation_create(&f, device, &configs[0], data);
    if (status == CGSV_OK) status = cgsv_federation_load_checkpoint(f, temporary_path("checkpoint.safetensors"), 0);
    if (status == CGSV_OK) status = cgsv_federation_run(f, 1);
    if (status == CGSV_OK) status = cgsv_federation_evaluate(f);
    if (status == CGSV_OK) status = take_in_results(f);
    cgsv_federation_free(f);
    return status;
}

static cgsv_status checkpoint_saved(void) { return on_a_device(save); }
static cgsv_status checkpoint_loaded(void) { return on_a_device(go_on); }

Test(allocations, of_checkpoints)
{
    cr_assert_eq(few_pictures(&data, SAMPLES), CGSV_OK);
    set_config(0, "cgsv", true);
    turn_by_turn("saving a checkpoint", checkpoint_saved);
    turn_by_turn("loading a checkpoint", checkpoint_loaded);
    cgsv_dataset_free(data);
    report("checkpoints");
}

/* ---- the server's half ---- */

enum { DIMENSION = 50 };
static float updates[AGENTS * DIMENSION];

static cgsv_status step(cgsv_device *device)
{
    const int64_t tensor_begin[] = {0, 20, DIMENSION};
    float models[AGENTS * DIMENSION] = {0}, value[DIMENSION];
    int64_t index[DIMENSION], count;
    cgsv_server_config config;
    cgsv_server *server = NULL;
    cgsv_server_config_defaults(&config, AGENTS, DIMENSION);
    config.tensors = 2;
    config.tensor_begin = tensor_begin;
    cgsv_status status = cgsv_server_create(&server, device, &config);
    if (status == CGSV_OK)
        status = cgsv_server_step(server, updates, DIMENSION, models, DIMENSION, NULL, NULL);
    for (int i = 0; i < AGENTS && status == CGSV_OK; i++) {
        status = cgsv_server_reward(server, i, DIMENSION, index, value, &count);
        if (status == CGSV_OK) take_in(value, (size_t)count * sizeof *value);
    }
    take_in(models, sizeof models);
    cgsv_server_free(server);
    return status;
}

/* ---- valuation ---- */

static cgsv_status value_by(cgsv_device *device, const double *matrix, cgsv_method method)
{
    const double weight[AGENTS] = {0.2, 0.3, 0.5};
    double value[AGENTS], error[AGENTS];
    cgsv_valuation_options options;
    cgsv_valuation_defaults(&options);
    options.method = method;
    options.budget = 4; /* fewer than there are orders */
    TRY(cgsv_value(device, value, error, matrix, weight, 1, AGENTS, &options, NULL));
    take_in(value, sizeof value);
    return CGSV_OK;
}

static cgsv_status valuation(cgsv_device *device)
{
    const cgsv_method methods[] = {CGSV_METHOD_COSINE, CGSV_METHOD_PERMUTATION};
    double matrix[AGENTS * AGENTS];
    cgsv_study_row rows[3];
    cgsv_study_options study = {.methods = methods, .method_count = 2};
    cgsv_vectors_options random = {.seed = 1};
    cgsv_gram *gram = NULL;
    cgsv_valuation_defaults(&study.valuation);
    cgsv_status status = cgsv_gram_create(&gram, device, 1, AGENTS, 0, false);
    if (status == CGSV_OK) status = cgsv_gram_add(gram, updates, DIMENSION, DIMENSION);
    if (status == CGSV_OK) status = cgsv_gram_add_random(gram, &random, 0, 100);
    if (status == CGSV_OK) status = cgsv_gram_read(gram, matrix, NULL);
    for (int m = 0; m <= CGSV_METHOD_EUCLIDEAN && status == CGSV_OK; m++)
        status = value_by(device, matrix, (cgsv_method)m);
    if (status == CGSV_OK) status = cgsv_study(rows, device, matrix, 1, AGENTS, &study);
    if (status == CGSV_OK) take_in(&rows[2].l1, sizeof rows[2].l1);
    cgsv_gram_free(gram);
    return status;
}

static cgsv_status server_step(void) { return on_a_device(step); }
static cgsv_status values(void) { return on_a_device(valuation); }

Test(allocations, of_a_server_step_and_of_valuations)
{
    for (int i = 0; i < AGENTS * DIMENSION; i++) updates[i] = (float)(i * 37 % 101) - 50;
    turn_by_turn("server step", server_step);
    turn_by_turn("valuation", values);
    report("server step, valuation");
}
