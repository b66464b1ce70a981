/* src/device/cuda.c against a fake runtime, in which one call after the other fails: a federation of two rounds, the
 * second one captured as graphs, ends with an error that names the call, or did not need it; nothing stays behind. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "device/device.h"
#include "fake_cuda.h"
#include "few_pictures.h"

enum { SAMPLES = 40, AGENTS = 3, ROUNDS = 2 };

struct results {
    cgsv_round_record record[ROUNDS][AGENTS];
    cgsv_evaluation agent[AGENTS], server;
};

static cgsv_dataset *data;
static cgsv_config config;

static void set_up(void)
{
    cr_assert_eq(few_pictures(&data, SAMPLES), CGSV_OK);
    cgsv_config_defaults(&config, "pictures");
    config.agents = AGENTS;
    config.rounds = ROUNDS;
    config.batch = 4;
}

static void tear_down(void) { cgsv_dataset_free(data); }

TestSuite(cuda_calls, .init = set_up, .fini = tear_down, .timeout = 200);

static cgsv_status read_results(struct results *r, cgsv_federation *f)
{
    cgsv_seconds seconds;
    TRY(cgsv_federation_evaluate(f));
    TRY(cgsv_federation_evaluation(f, r->agent, NULL, &r->server));
    for (int t = 0; t < ROUNDS; t++) TRY(cgsv_federation_round(f, t, r->record[t]));
    return cgsv_federation_seconds(f, &seconds);
}

/* in_portions: of a quarter of the rows. */
static cgsv_status train(struct results *r, const char *name, bool in_portions)
{
    struct device_backend backend;
    cgsv_device *device = NULL;
    cgsv_federation *f = NULL;
    memset(r, 0, sizeof *r);
    cgsv_status status = cgsv_device_open(&device, name, 1);
    if (status == CGSV_OK && in_portions) {
        backend = *device->backend;
        backend.scratch_bytes = 1;
        device->backend = &backend;
    }
    if (status == CGSV_OK) status = cgsv_federation_create(&f, device, &config, data);
    if (status == CGSV_OK) status = cgsv_federation_run(f, ROUNDS);
    if (status == CGSV_OK) status = read_results(r, f);
    cgsv_federation_free(f);
    cgsv_device_close(device);
    return status;
}

static void expect_told(long number, cgsv_status status)
{
    const char *message = cgsv_last_error(), *call = fake_cuda_failed();
    if (status != CGSV_ERROR_DEVICE && status != CGSV_ERROR_MEMORY)
        cr_expect(false, "call %ld, %s: status %d, '%s'", number, call, (int)status, message);
    if (status == CGSV_ERROR_DEVICE && !strstr(message, "made to fail"))
        cr_expect(false, "call %ld, %s: '%s' lacks the reason", number, call, message);
    if (status == CGSV_ERROR_DEVICE && !strstr(message, call) && !strstr(message, "cannot be used"))
        cr_expect(false, "call %ld, %s: '%s' lacks the call", number, call, message);
}

Test(cuda_calls, fail_one_after_the_other)
{
    struct results expected, found;
    long failed = 0, harmless = 0;
    fake_cuda_watch(0);
    cr_assert_eq(train(&expected, "cuda", false), CGSV_OK, "%s", cgsv_last_error());
    const long all = fake_cuda_calls();
    cr_expect_eq(fake_cuda_alive(), 0, "%ld objects stay behind", fake_cuda_alive());
    for (long number = 1; number <= all; number++) {
        fake_cuda_watch(number);
        const cgsv_status status = train(&found, "cuda", false);
        failed += fake_cuda_failed() != NULL;
        if (status != CGSV_OK)
            expect_told(number, status);
        else if (memcmp(&found, &expected, sizeof found) != 0)
            cr_expect(false, "call %ld, %s: other numbers", number, fake_cuda_failed());
        else
            harmless++;
        if (fake_cuda_alive() != 0) {
            cr_expect(false, "call %ld, %s: %ld objects stay behind", number, fake_cuda_failed(), fake_cuda_alive());
            return;
        }
    }
    fake_cuda_watch(0);
    cr_assert_eq(train(&found, "cuda", false), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(memcmp(&found, &expected, sizeof found), 0, "other numbers afterwards");
    cr_expect_eq(failed, all);
    fprintf(stderr, "%ld calls of CUDA and cuBLAS failed in turn, %ld of them did no harm\n", failed, harmless);
}

/* The fake's work is the CPU's, so that the numbers are nearly those of the CPU (products are summed otherwise). */
Test(cuda_calls, that_succeed_compute_what_the_cpu_does)
{
    struct results cuda, cpu;
    cr_assert_eq(train(&cuda, "cuda", false), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(train(&cpu, "cpu", false), CGSV_OK, "%s", cgsv_last_error());
    for (int t = 0; t < ROUNDS; t++)
        for (int i = 0; i < AGENTS; i++) {
            const cgsv_round_record *a = &cuda.record[t][i], *b = &cpu.record[t][i];
            cr_expect(fabs(a->update_norm - b->update_norm) <= 1e-4 * b->update_norm, "round %d, agent %d: %g and %g",
                      t, i, a->update_norm, b->update_norm);
            cr_expect(fabs(a->psi - b->psi) <= 1e-4, "round %d, agent %d: %g and %g", t, i, a->psi, b->psi);
        }
}

/* Graphs hold one portion after the other; the bits are those of all rows at once. */
Test(cuda_calls, in_portions_compute_the_same)
{
    struct results together, portions;
    cr_assert_eq(train(&together, "cuda", false), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(train(&portions, "cuda", true), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(memcmp(&together, &portions, sizeof portions), 0);
}

/* Beside what keeps a GPU busy, or half an array, there are at most four arrays of agents × parameters. */
Test(cuda_calls, four_arrays_are_planned_at_most)
{
    cgsv_device *device;
    cgsv_dataset *pictures;
    cgsv_memory_plan plan;
    config.optimizer = CGSV_OPTIMIZER_ADAM;
    cr_assert_eq(cgsv_device_open(&device, "cuda", 1), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(cgsv_dataset_load(&pictures, "synthetic", NULL), CGSV_OK, "%s", cgsv_last_error());
    for (config.agents = 1; config.agents <= 10000; config.agents *= 10) {
        cr_assert_eq(cgsv_federation_plan(&plan, device, &config, pictures), CGSV_OK, "%s", cgsv_last_error());
        const size_t row = (size_t)plan.row_stride * sizeof(float), array = (size_t)plan.rows * row;
        const size_t half = array / 2 + 2 * row, busy = device->backend->scratch_bytes;
        cr_expect_leq(plan.models + plan.updates + plan.optimizer, 4 * array + row, "%d agents", config.agents);
        cr_expect_leq(plan.training, half > busy ? half : busy, "%d agents: %zu", config.agents, plan.training);
    }
    cgsv_dataset_free(pictures);
    cgsv_device_close(device);
}
