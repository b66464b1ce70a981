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
#include "data/readers.h"
#include "failing_allocations.h"
#include "io/updates.h"
#include "text_files.h"
#include "updates_files.h"

enum { SAMPLES = 40, SIDE = 4, CLASSES = 3, AGENTS = 3, ROUNDS = 2 };

/* FNV-1a of all that a call computes. */
static uint64_t digest;

static void take_in(const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) digest = (digest ^ at[i]) * 1099511628211u;
}

/* The first allocations that fail, and those that a whole call makes. */
static long failed, tolerated;

static cgsv_status watched(cgsv_status (*call)(void), long number, enum failing_mode mode, long *made)
{
    digest = 14695981039346656037u;
    allocations_watch(number, mode);
    const cgsv_status status = call();
    *made = allocations_end();
    return status;
}

static void expect_told(const char *name, cgsv_status status, long number)
{
    const char *message = cgsv_last_error();
    if (status != CGSV_ERROR_MEMORY && status != CGSV_ERROR_IO)
        cr_expect(false, "%s, allocation %ld: status %d, '%s'", name, number, (int)status, message);
    if (!strstr(message, "memory")) cr_expect(false, "%s, allocation %ld: '%s'", name, number, message);
}

static void each_in_turn(const char *name, cgsv_status (*call)(void), enum failing_mode mode)
{
    long made;
    cr_assert_eq(watched(call, 0, mode, &made), CGSV_OK, "%s: %s", name, cgsv_last_error());
    const uint64_t expected = digest;
    const long all = made;
    cr_assert_gt(all, 0, "%s allocates nothing", name);
    for (long number = 1; number <= all; number++) {
        error_say("no message");
        const cgsv_status status = watched(call, number, mode, &made);
        failed++;
        if (status != CGSV_OK)
            expect_told(name, status, number);
        else if (digest != expected)
            cr_expect(false, "%s: other numbers without allocation %ld", name, number);
        else
            tolerated++;
    }
    cr_assert_eq(watched(call, 0, mode, &made), CGSV_OK, "%s: %s", name, cgsv_last_error());
    cr_expect_eq(digest, expected, "%s: other numbers afterwards", name);
    cr_expect_not(allocations_leaked(), "%s leaks", name);
}

static void turn_by_turn(const char *name, cgsv_status (*call)(void))
{
    each_in_turn(name, call, FAIL_ONE);
    each_in_turn(name, call, FAIL_ONWARDS);
}

static void report(const char *what)
{
    fprintf(stderr, "%s: %ld allocations failed in turn, %ld of them did no harm\n", what, failed, tolerated);
}

/* ---- federations ---- */

static float pictures[SAMPLES * SIDE * SIDE];
static int32_t labels[SAMPLES];
static cgsv_config configs[2]; /* what the calls below train */
static int config_count;
static cgsv_dataset *data;     /* what they train on, where it is not made anew */

static void fill_pictures(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i * 7 / 3 % CLASSES;
        for (int j = 0; j < SIDE * SIDE; j++)
            pictures[i * SIDE * SIDE + j] = (float)((i * 31 + j * 17) % 29) / 29 + (float)(j % CLASSES == labels[i]);
    }
}

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
        status = cgsv_dataset_create(&set, "pictures", 1, SIDE, SIDE, CLASSES, SAMPLES, pictures, labels, SAMPLES,
                                     pictures, labels);
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
    fill_pictures();
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
    fill_pictures();
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
    mallopt(M_MMAP_MAX, 0); /* keep pages once they are there: most of the time went into asking for them */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    text_put_reviews(20);
    cr_assert_eq(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_OK, "%s", cgsv_last_error());
    create("sentences", CGSV_MODEL_TEXT_CNN);
    cr_assert_eq(cgsv_dataset_create(&data, "large", 3, 32, 32, CLASSES, FEW, large, labels, FEW, large, labels),
                 CGSV_OK);
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
    fill_pictures();
    cr_assert_eq(cgsv_dataset_create(&data, "pictures", 1, SIDE, SIDE, CLASSES, SAMPLES, pictures, labels, SAMPLES,
                                     pictures, labels), CGSV_OK);
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
    fill_pictures();
    cr_assert_eq(cgsv_dataset_create(&data, "pictures", 1, SIDE, SIDE, CLASSES, SAMPLES, pictures, labels, SAMPLES,
                                     pictures, labels), CGSV_OK);
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

/* ---- files ---- */

static const char *set_name;

static cgsv_status load(void)
{
    cgsv_dataset *set = NULL;
    cgsv_status status = cgsv_dataset_load(&set, set_name, temporary_folder());
    if (status == CGSV_OK && set->vocabulary > 0)
        status = cgsv_dataset_read_vectors(set, temporary_path("vectors.txt.gz"), NULL);
    if (status == CGSV_OK) {
        const size_t samples = (size_t)set->train.samples, width = (size_t)set->width;
        take_in(set->train.y, samples * sizeof *set->train.y);
        if (set->vocabulary > 0)
            take_in(set->word_vector, (size_t)set->vocabulary * CGSV_WORD_VALUES * sizeof *set->word_vector);
        else
            take_in(set->train.x, samples * width * (size_t)(set->height * set->channels) * sizeof *set->train.x);
    }
    cgsv_dataset_free(set);
    return status;
}

static void put_idx(const char *name, int dimensions)
{
    unsigned char bytes[16 + 12 * 28 * 28] = {0, 0, 8, (unsigned char)dimensions, 0, 0, 0, 12, 0, 0, 0, 28,
                                              0, 0, 0, 28};
    const size_t head = 4 + 4 * (size_t)dimensions, body = dimensions == 1 ? 12 : 12 * 28 * 28;
    for (size_t i = 0; i < body; i++) bytes[head + i] = (unsigned char)(i * 7 % 10);
    temporary_put(name, (const char *)bytes, head + body);
}

enum { RECORDS = 3 }; /* of a file of CIFAR-10's, in the test */

static cgsv_status load_cifar(void)
{
    cgsv_dataset *set = calloc(1, sizeof *set);
    if (!set) return error_set(CGSV_ERROR_MEMORY, "no memory");
    cgsv_status status = cifar_load(set, temporary_folder(), RECORDS);
    if (status == CGSV_OK) take_in(set->train.x, 5 * RECORDS * 3 * 32 * 32 * sizeof *set->train.x);
    cgsv_dataset_free(set);
    return status;
}

static void put_cifar(const char *name)
{
    char bytes[RECORDS][1 + 3 * 32 * 32];
    for (int i = 0; i < RECORDS; i++) memset(bytes[i], i, sizeof bytes[i]);
    temporary_put(name, bytes[0], sizeof bytes);
}

static void put_vectors(void)
{
    char line[2 * CGSV_WORD_VALUES + 32] = "", *at = line;
    at += sprintf(at, "good");
    for (int i = 0; i < CGSV_WORD_VALUES; i++) at += sprintf(at, " %d", i % 3);
    at += sprintf(at, "\n");
    temporary_put("vectors.txt.gz", line, (size_t)(at - line));
}

Test(allocations, of_data_sets)
{
    static const char trees[] = "(3 (2 it) (4 (2 is) (4 good)))\n(1 (2 it) (0 (2 is) (0 bad)))\n";
    static const char *const parts[] = {"train.txt", "dev.txt", "test.txt"};
    put_idx("train-images-idx3-ubyte", 3);
    put_idx("train-labels-idx1-ubyte.gz", 1);
    put_idx("t10k-images-idx3-ubyte.gz", 3);
    put_idx("t10k-labels-idx1-ubyte", 1);
    put_vectors();
    text_put_reviews(20);
    for (int i = 0; i < 3; i++) temporary_put(parts[i], trees, sizeof trees - 1);
    static const char *const sets[] = {"mnist", "mr", "sst"};
    for (int i = 0; i < 3; i++) {
        set_name = sets[i];
        turn_by_turn(set_name, load);
    }
    for (char name[] = "data_batch_1.bin"; name[11] <= '5'; name[11]++) put_cifar(name);
    put_cifar("test_batch.bin");
    turn_by_turn("cifar10", load_cifar);
    set_name = "synthetic";
    each_in_turn(set_name, load, FAIL_ONE);
    report("data sets");
}

static const char *update_file;

static cgsv_status read_updates(void)
{
    struct updates *u;
    float numbers[24];
    TRY(updates_open(&u, &update_file, 1, NULL));
    cgsv_status status = updates_columns(u, 0, 0, 4, numbers, 4);
    if (status == CGSV_OK) take_in(numbers, (size_t)updates_agents(u) * 4 * sizeof *numbers);
    updates_close(u);
    return status;
}

Test(allocations, of_updates)
{
    static const char *const names[] = {"agent_0", "agent_10", "agent_2"};
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
    const int64_t shape[] = {4};
    float numbers[12];
    fill(numbers, ELEMENT_FLOAT32, 12);
    update_file = put_npy("updates.npy", 1, header, numbers, sizeof numbers);
    turn_by_turn("a .npy file", read_updates);
    update_file = put_tensors("updates.safetensors", names, 3, 1, shape);
    turn_by_turn("a .safetensors file", read_updates);
    report("updates");
}
