/* What a federation does not go on from: checkpoints that are damaged, and those of another run. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "checkpoint_files.h"
#include "device/device.h"
#include "federation/settings.h"

enum { AGENTS = 3, ROUNDS = 4, SAMPLES = 60, TESTS = 10, PIXELS = 4, CLASSES = 2 };

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static void refused(cgsv_status got, cgsv_status expected, const char *part)
{
    cr_assert_eq(got, expected, "status %d, not %d: %s", got, expected, part);
    cr_expect_not_null(strstr(cgsv_last_error(), part), "'%s' lacks '%s'", cgsv_last_error(), part);
}

static float train_x[SAMPLES * PIXELS], test_x[TESTS * PIXELS];
static int32_t train_y[SAMPLES], test_y[TESTS];

static void make_samples(float *x, int32_t *y, int samples)
{
    for (int i = 0; i < samples; i++) {
        y[i] = i % CLASSES;
        for (int p = 0; p < PIXELS; p++) x[i * PIXELS + p] = (float)((i * 7 + p * 3) % 11) / 11 + (float)y[i];
    }
}

static cgsv_dataset *make_data(int samples)
{
    cgsv_dataset *data;
    check(cgsv_dataset_create(&data, "tiny", 1, 2, 2, CLASSES, samples, train_x, train_y, TESTS, test_x, test_y));
    return data;
}

/* A run of two rounds, saved in `path`. */
struct fixture {
    cgsv_device *device;
    cgsv_dataset *data;
    cgsv_config config;
    char path[64];
};

static struct fixture x;

static void save(const cgsv_config *config)
{
    cgsv_federation *f;
    check(cgsv_federation_create(&f, x.device, config, x.data));
    check(cgsv_federation_run(f, 2));
    check(cgsv_federation_save_checkpoint(f, x.path));
    cgsv_federation_free(f);
}

static void start(void)
{
    make_samples(train_x, train_y, SAMPLES);
    make_samples(test_x, test_y, TESTS);
    x.data = make_data(SAMPLES);
    check(cgsv_device_open(&x.device, "cpu", 1));
    cgsv_config_defaults(&x.config, "tiny");
    x.config.agents = AGENTS;
    x.config.rounds = ROUNDS;
    x.config.local_epochs = 1;
    x.config.samples_per_agent = 10;
    x.config.standalone = false;
    checkpoint_path(x.path, 0);
    save(&x.config);
}

static void stop(void)
{
    unlink(x.path);
    cgsv_device_close(x.device);
    cgsv_dataset_free(x.data);
}

TestSuite(checkpoint_refusals, .init = start, .fini = stop);

static cgsv_status load_into(const cgsv_config *config, const cgsv_dataset *data, unsigned flags)
{
    cgsv_federation *f;
    check(cgsv_federation_create(&f, x.device, config, data));
    const cgsv_status status = cgsv_federation_load_checkpoint(f, x.path, flags);
    if (status != CGSV_OK) {
        cr_expect_eq(cgsv_federation_rounds_done(f), 0);
        check(cgsv_federation_run(f, config->rounds)); /* it is as it was */
    }
    cgsv_federation_free(f);
    return status;
}

static cgsv_status load(void) { return load_into(&x.config, x.data, 0); }

/* ---- damage ---- */

/* One bit of every byte, each in turn. */
Test(checkpoint_refusals, a_flipped_bit_is_found_wherever_it_is)
{
    size_t size;
    char *bytes = checkpoint_read(x.path, &size);
    FILE *stream = fopen(x.path, "r+b");
    cr_assert_not_null(stream);
    setvbuf(stream, NULL, _IONBF, 0);
    for (size_t at = 0; at < size; at++) {
        const char flipped = (char)(bytes[at] ^ 1 << at % 8);
        fseek(stream, (long)at, SEEK_SET);
        fwrite(&flipped, 1, 1, stream);
        cr_expect_eq(cgsv_checkpoint_check(x.path, NULL), CGSV_ERROR_DATA, "bit %zu of byte %zu", at % 8, at);
        cr_expect_not_null(strstr(cgsv_last_error(), x.path), "%s", cgsv_last_error());
        fseek(stream, (long)at, SEEK_SET);
        fwrite(bytes + at, 1, 1, stream);
    }
    fclose(stream);
    check(load());
    free(bytes);
}

Test(checkpoint_refusals, a_file_cut_short_anywhere)
{
    size_t size;
    free(checkpoint_read(x.path, &size));
    for (size_t left = size; left-- > 0;) {
        cr_assert_eq(truncate(x.path, (off_t)left), 0);
        cr_expect_eq(cgsv_checkpoint_check(x.path, NULL), CGSV_ERROR_DATA, "%zu bytes of %zu", left, size);
    }
    refused(load(), CGSV_ERROR_DATA, "is empty");
}

Test(checkpoint_refusals, what_is_no_checkpoint)
{
    size_t size;
    char *bytes = checkpoint_read(x.path, &size);
    bytes[size] = 0;
    checkpoint_put(x.path, bytes, size + 1);
    refused(load(), CGSV_ERROR_DATA, "bytes of data; its tensors have");
    free(bytes);

    cgsv_federation *f; /* safetensors of another kind */
    check(cgsv_federation_create(&f, x.device, &x.config, x.data));
    check(cgsv_federation_save_model(f, CGSV_SERVER, 0, x.path));
    cgsv_federation_free(f);
    refused(load(), CGSV_ERROR_DATA, "is not a checkpoint of cgsv");

    unlink(x.path);
    refused(load(), CGSV_ERROR_IO, "No such file");
}

/* Files whose checksum is right, and which yet are not what this version writes. */
Test(checkpoint_refusals, a_whole_file_of_another_making)
{
    static const struct {
        const char *old, *now, *part;
        cgsv_status status;
    } cases[] = {
        {"\"checkpoint_version\":\"1\"", "\"checkpoint_version\":\"2\"", "of format 2; this cgsv reads format 1",
         CGSV_ERROR_DATA},
        {"\"cgsv_version\":\"0", "\"cgsv_version\":\"9", "is of a run with cgsv_version 9", CGSV_ERROR_ARGUMENT},
        {"\"rounds_done\":\"2\"", "\"rounds_done\":\"5\"", "claims 5 rounds of 4", CGSV_ERROR_DATA},
        {"\"rounds_done\":\"2\"", "\"rounds_done\":\"3\"", "lacks 'records', F64 of 1 x 108", CGSV_ERROR_DATA},
        {"\"rounds_done\":\"2\"", "\"rounds_done\":\"x\"", "'rounds_done' is x; expected a whole number",
         CGSV_ERROR_DATA},
        {"\"rounds_done\":\"2\"", "\"rounds_gone\":\"2\"", "'rounds_done' is missing", CGSV_ERROR_DATA},
        {"\"trained_round\":\"2\"", "\"trained_round\":\"3\"", "'trained_round' is 3; expected a whole number from 0",
         CGSV_ERROR_DATA},
        {"\"evaluated_round\":\"-1\"", "\"evaluated_round\":\"-2\"", "'evaluated_round' is -2", CGSV_ERROR_DATA},
        {"\"beta\":", "\"bela\":", "is of a run with beta (unknown)", CGSV_ERROR_ARGUMENT},
        {"\"models\":", "\"modelz\":", "lacks 'models', F32 of 4 x", CGSV_ERROR_DATA},
        {"\"I32\"", "\"F32\"", "lacks 'removed', I32 of 1 x 3", CGSV_ERROR_DATA},
        {"\"checksum\":", "\"checksam\":", "does not end in a checksum", CGSV_ERROR_DATA},
    };
    size_t size;
    char *bytes = checkpoint_read(x.path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint_put(x.path, bytes, size);
        checkpoint_replace(x.path, cases[i].old, cases[i].now);
        refused(load(), cases[i].status, cases[i].part);
    }
    free(bytes);
}

/* ---- another run's ---- */

/* Each setting but those that the others forbid; written into the member that the table names. */
Test(checkpoint_refusals, another_setting_is_named_with_both_values)
{
    static const struct {
        const char *name;
        double value;
    } others[] = {
        {"partition", CGSV_PARTITION_UNIFORM}, {"dirichlet-concentration", 2}, {"agents", 2}, {"samples-per-agent", 9},
        {"validation-fraction", 0.3}, {"validation-samples", 5}, {"adversary-factor", 3}, {"rounds", 5},
        {"local-epochs", 2}, {"batch", 4}, {"optimizer", CGSV_OPTIMIZER_ADAM}, {"momentum", 0.5}, {"weight-decay", 0.1},
        {"precision", CGSV_PRECISION_TF32}, {"updates", CGSV_STORAGE_BF16}, {"lr", 0.5}, {"lr-decay", 0.5},
        {"decay-per", CGSV_DECAY_EPOCH}, {"gamma", 0.25}, {"alpha", 0.5}, {"beta", 2},
        {"normalise", CGSV_NORMALISE_NONE}, {"weights", CGSV_WEIGHTS_SIZE}, {"contribution", CGSV_CONTRIBUTION_SIZE},
        {"similarity", CGSV_SIMILARITY_SHARE}, {"importance", CGSV_IMPORTANCE_FIXED}, {"quota", CGSV_QUOTA_LINEAR},
        {"realise", CGSV_REWARD_GLOBAL}, {"own-update", CGSV_OWN_KEPT}, {"mu", 0.5}, {"q", 1}, {"lipschitz", 1},
        {"clip", 1}, {"upload", 0.5}, {"sinh-scale", 1}, {"sinh-growth", 1}, {"removal", 0.1}, {"removal-round", 1},
        {"permutations", 3}, {"standalone", true}, {"standalone-lr", 0.5}, {"eval-every", 3}, {"seed", 99},
    };
    const struct setting_field *fields;
    const int count = setting_fields(&fields);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        int k = 0;
        while (k < count && strcmp(fields[k].name, others[i].name) != 0) k++;
        cr_assert_lt(k, count, "no setting '%s'", others[i].name);
        cgsv_config c = x.config;
        char *member = (char *)&c + fields[k].offset, before[SETTING_LENGTH], after[SETTING_LENGTH];
        char expected[2 * SETTING_LENGTH + 64];
        fields[k].show(before, sizeof before, member);
        if (fields[k].size == sizeof(bool))
            *(bool *)member = others[i].value != 0;
        else if (fields[k].size == sizeof(int))
            *(int *)member = (int)others[i].value;
        else if (strcmp(others[i].name, "seed") == 0)
            *(uint64_t *)member = (uint64_t)others[i].value;
        else
            *(double *)member = others[i].value;
        fields[k].show(after, sizeof after, member);
        snprintf(expected, sizeof expected, "is of a run with %s %s, and this one has %s", others[i].name, before,
                 after);
        refused(load_into(&c, x.data, 0), CGSV_ERROR_ARGUMENT, expected);
    }
    cgsv_config c = x.config;
    check(cgsv_adversaries_parse(&c.adversaries, "sign-flip:1"));
    refused(load_into(&c, x.data, 0), CGSV_ERROR_ARGUMENT, "adversary none, and this one has sign-flip:1");
}

/* Every byte of cgsv_config belongs to a setting, or is padding in front of a member of 8 bytes. */
Test(checkpoint_refusals, no_setting_is_forgotten)
{
    const struct setting_field *fields;
    const int count = setting_fields(&fields);
    bool covered[sizeof(cgsv_config) + 8] = {false};
    for (int i = 0; i < count; i++) memset(covered + fields[i].offset, true, fields[i].size);
    for (size_t at = 0, begin; at < sizeof(cgsv_config); at++) {
        if (covered[at]) continue;
        for (begin = at; at < sizeof(cgsv_config) && !covered[at]; at++) {}
        cr_expect(at % 8 == 0 && at - begin < 8,
                  "bytes %zu to %zu of cgsv_config: a new member? Then add it to src/federation/settings.c", begin, at);
    }
}

Test(checkpoint_refusals, other_data)
{
    cgsv_dataset *fewer = make_data(SAMPLES - 1);
    refused(load_into(&x.config, fewer, 0), CGSV_ERROR_ARGUMENT, "training_samples 60, and this one has 59");
    cgsv_dataset_free(fewer);

    train_x[7] += 1e-3f;
    cgsv_dataset *moved = make_data(SAMPLES);
    refused(load_into(&x.config, moved, 0), CGSV_ERROR_ARGUMENT, "is of a run with data_checksum");
    cgsv_dataset_free(moved);
    train_x[7] -= 1e-3f;

    test_y[TESTS - 1] ^= 1;
    cgsv_dataset *relabelled = make_data(SAMPLES);
    refused(load_into(&x.config, relabelled, 0), CGSV_ERROR_ARGUMENT, "is of a run with data_checksum");
    cgsv_dataset_free(relabelled);
    check(load());
}

/* The same machine with the vectors of another. */
Test(checkpoint_refusals, another_device_unless_it_is_allowed)
{
    const struct kernels *best = x.device->kernels;
    if (best == &kernels_cpu) cr_skip_test("this machine has but one instruction set");
    x.device->kernels = &kernels_cpu;
    refused(load(), CGSV_ERROR_ARGUMENT, "where the bits would differ");
    cr_expect(strstr(cgsv_last_error(), best->name) && strstr(cgsv_last_error(), kernels_cpu.name), "%s",
              cgsv_last_error());
    check(load_into(&x.config, x.data, CGSV_CHECKPOINT_OTHER_DEVICE));
    x.device->kernels = best;
    check(load());
}

Test(checkpoint_refusals, a_federation_that_has_run_or_is_part_of_a_fleet)
{
    cgsv_federation *f;
    cgsv_fleet *fleet;
    check(cgsv_federation_create(&f, x.device, &x.config, x.data));
    check(cgsv_federation_run(f, 1));
    refused(cgsv_federation_load_checkpoint(f, x.path, 0), CGSV_ERROR_ARGUMENT, "1 rounds are done");
    cgsv_federation_free(f);
    check(cgsv_fleet_create(&fleet, x.device, &x.config, 1, x.data));
    f = cgsv_fleet_federation(fleet, 0);
    refused(cgsv_federation_load_checkpoint(f, x.path, 0), CGSV_ERROR_ARGUMENT, "call cgsv_fleet_load_checkpoint");
    refused(cgsv_federation_save_checkpoint(f, x.path), CGSV_ERROR_ARGUMENT, "call cgsv_fleet_save_checkpoint");
    cgsv_fleet_free(fleet);
}

Test(checkpoint_refusals, a_folder_that_cannot_be_written)
{
    cgsv_federation *f;
    check(cgsv_federation_create(&f, x.device, &x.config, x.data));
    refused(cgsv_federation_save_checkpoint(f, "/nowhere/at/all"), CGSV_ERROR_IO, "/nowhere/at/all");
    check(cgsv_federation_run(f, ROUNDS));
    cgsv_federation_free(f);
}
