/* Checkpoints: a federation that goes on from one gives the bits of an unbroken run, under every scheme,
 * optimizer, model and adversary; what lies in the file is all that there is. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "checkpoint_files.h"
#include "checkpoint_setup.h"
#include "outcome.h"
#include "text_files.h"

enum { ROUNDS = OUTCOME_ROUNDS };

static cgsv_config small_config(const char *scheme) { return checkpoint_config(scheme, 4, ROUNDS, 2); }

/* Rounds done + 1 … rounds, evaluated where the settings say so. */
static void run_to(cgsv_federation *f, const cgsv_config *c, int rounds)
{
    for (int t = cgsv_federation_rounds_done(f) + 1; t <= rounds; t++) {
        check(cgsv_federation_run(f, 1));
        if (t % c->eval_every == 0) check(cgsv_federation_evaluate(f));
    }
}

static void finish(struct outcome *o, cgsv_federation *f, const cgsv_config *c)
{
    run_to(f, c, c->rounds);
    outcome_read(o, f, c);
    cgsv_federation_free(f);
}

/* An unbroken run, one that saves after every round, and one with `threads` that goes on from each of these. */
static void expect_same_bits(const cgsv_config *c, const cgsv_dataset *data, int threads, const char *what)
{
    cgsv_device *device = open_device(1), *other = open_device(threads);
    struct outcome unbroken, resumed;
    cgsv_federation *f;
    char path[64];
    check(cgsv_federation_create(&f, device, c, data));
    finish(&unbroken, f, c);

    check(cgsv_federation_create(&f, device, c, data));
    for (int t = 0; t <= c->rounds; t++) {
        run_to(f, c, t);
        check(cgsv_federation_save_checkpoint(f, checkpoint_path(path, t)));
    }
    outcome_read(&resumed, f, c);
    outcome_expect_equal(&resumed, &unbroken, what, -1);
    outcome_free(&resumed);
    cgsv_federation_free(f);

    for (int t = 0; t < c->rounds; t++) {
        int rounds;
        check(cgsv_checkpoint_check(checkpoint_path(path, t), &rounds));
        cr_expect_eq(rounds, t);
        check(cgsv_federation_create(&f, other, c, data));
        check(cgsv_federation_load_checkpoint(f, path, 0));
        cr_expect_eq(cgsv_federation_rounds_done(f), t);
        finish(&resumed, f, c);
        outcome_expect_equal(&resumed, &unbroken, what, t);
        outcome_free(&resumed);
        unlink(path);
    }
    unlink(checkpoint_path(path, c->rounds));
    outcome_free(&unbroken);
    cgsv_device_close(device);
    cgsv_device_close(other);
}

/* ---- the same bits ---- */

Test(checkpoint, every_named_scheme)
{
    cgsv_dataset *data = load_pictures(400, 100);
    for (int s = 0; s < cgsv_scheme_count(); s++) {
        cgsv_config c = small_config(cgsv_scheme_name(s));
        c.scheme.removal_round = c.scheme.removal_round > 1 ? 1 : c.scheme.removal_round;
        c.standalone = s % 2;
        expect_same_bits(&c, data, 2, cgsv_scheme_name(s));
    }
    cgsv_dataset_free(data);
}

Test(checkpoint, agents_that_a_scheme_removes_stay_removed)
{
    cgsv_dataset *data = load_pictures(400, 100);
    cgsv_config c = small_config("rffl");
    c.scheme.removal = 0.9;
    c.scheme.removal_round = 0;
    check(cgsv_adversaries_parse(&c.adversaries, "sign-flip:1"));
    expect_same_bits(&c, data, 2, "removal");
    cgsv_dataset_free(data);
}

Test(checkpoint, optimizers)
{
    static const struct {
        const char *name;
        cgsv_optimizer optimizer;
        double momentum, weight_decay;
        cgsv_decay decay;
    } optimizers[] = {
        {"sgd", CGSV_OPTIMIZER_SGD, 0, 0, CGSV_DECAY_EPOCH},
        {"momentum", CGSV_OPTIMIZER_SGD, 0.9, 1e-3, CGSV_DECAY_ROUND},
        {"adam", CGSV_OPTIMIZER_ADAM, 0, 1e-3, CGSV_DECAY_EPOCH},
    };
    static const char *const schemes[] = {"cgsv", "standalone"};
    cgsv_dataset *data = load_pictures(400, 100);
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        for (int s = 0; s < 2; s++) {
            cgsv_config c = small_config(schemes[s]);
            c.optimizer = optimizers[i].optimizer;
            c.momentum = optimizers[i].momentum;
            c.weight_decay = optimizers[i].weight_decay;
            c.decay_per = optimizers[i].decay;
            c.lr_decay = 0.9;
            c.lr = c.optimizer == CGSV_OPTIMIZER_ADAM ? 0.003 : 0.1;
            c.partition = CGSV_PARTITION_POWERLAW; /* rows are not in the agents' order */
            expect_same_bits(&c, data, 2, optimizers[i].name);
        }
    cgsv_dataset_free(data);
}

Test(checkpoint, adversaries_of_every_kind)
{
    cgsv_dataset *data = load_pictures(400, 100);
    cgsv_config c = small_config("cffl");
    c.agents = 6;
    check(cgsv_adversaries_parse(&c.adversaries, "label-flip:1,random-update:1,zero-update:1,rescaled:1,replicated:1"));
    expect_same_bits(&c, data, 2, "adversaries");
    cgsv_dataset_free(data);
}

Test(checkpoint, indices_from_samples_and_random_choices)
{
    cgsv_dataset *data = load_pictures(400, 100);
    cgsv_config c = small_config("eci-one-round");
    c.scheme.permutations = 2;
    c.scheme.quota = CGSV_QUOTA_RANDOM;
    c.scheme.reward = CGSV_REWARD_RANDOM;
    expect_same_bits(&c, data, 2, "permutations");
    c = small_config("eci");
    c.scheme.contribution = CGSV_CONTRIBUTION_LEAVE_ONE_OUT;
    c.scheme.upload = 0.3;
    c.update_storage = CGSV_STORAGE_BF16;
    c.precision = CGSV_PRECISION_TF32;
    expect_same_bits(&c, data, 2, "leave-one-out");
    cgsv_dataset_free(data);
}

Test(checkpoint, convolutions)
{
    cgsv_dataset *data = load_pictures(400, 100);
    cgsv_config c = small_config("cgsv");
    c.model = CGSV_MODEL_MNIST_CNN;
    c.agents = 2;
    c.local_epochs = 1;
    expect_same_bits(&c, data, 2, "mnist_cnn");
    cgsv_dataset_free(data);
}

/* Words' vectors are made up for at the end of a round, and some words have met no gradient yet. Three rows train
 * together on two threads, and one by one on one. */
Test(checkpoint, sentences)
{
    cgsv_dataset *data;
    cgsv_config c;
    temporary_make();
    text_put_reviews(60);
    check(cgsv_dataset_load(&data, "mr", temporary_folder()));
    cgsv_config_defaults(&c, "mr");
    c.agents = 3;
    c.rounds = 3;
    c.local_epochs = 1;
    c.samples_per_agent = 6;
    c.batch = 2;
    c.eval_every = 2;
    c.optimizer = CGSV_OPTIMIZER_ADAM;
    expect_same_bits(&c, data, 2, "text_cnn, adam");
    c.optimizer = CGSV_OPTIMIZER_SGD;
    c.momentum = 0.5;
    c.standalone = false;
    expect_same_bits(&c, data, 2, "text_cnn, momentum");
    cgsv_dataset_free(data);
    temporary_remove();
}

/* ---- what is there once it is loaded, and what is not ---- */

Test(checkpoint, what_is_there_before_the_next_round)
{
    cgsv_dataset *data = load_pictures(400, 100);
    cgsv_device *device = open_device(1);
    cgsv_config c = small_config("fedavg");
    cgsv_evaluation before[OUTCOME_AGENTS], after[OUTCOME_AGENTS], server_before, server_after;
    cgsv_federation *f, *g;
    char path[64];
    check(cgsv_federation_create(&f, device, &c, data));
    run_to(f, &c, 2);
    check(cgsv_federation_save_checkpoint(f, checkpoint_path(path, 0)));
    check(cgsv_federation_create(&g, device, &c, data));
    check(cgsv_federation_load_checkpoint(g, path, 0));
    float *update = malloc((size_t)cgsv_federation_parameters(g) * sizeof *update);
    cr_assert_not_null(update);
    cr_expect_eq(cgsv_federation_update(g, 0, update), CGSV_ERROR_ARGUMENT);
    cr_expect_not_null(strstr(cgsv_last_error(), "run a round first"), "%s", cgsv_last_error());

    for (int again = 0; again < 2; again++) { /* the latest evaluation is there, and can be repeated */
        memset(before, 0, sizeof before);
        memset(after, 0, sizeof after);
        check(cgsv_federation_evaluation(f, before, NULL, &server_before));
        check(cgsv_federation_evaluation(g, after, NULL, &server_after));
        cr_expect_eq(memcmp(before, after, sizeof before), 0);
        cr_expect_eq(memcmp(&server_before, &server_after, sizeof server_after), 0);
        check(cgsv_federation_local_evaluation(f, before));
        check(cgsv_federation_local_evaluation(g, after));
        cr_expect(memcmp(before, after, sizeof before) == 0 && before[0].accuracy > 0);
        check(cgsv_federation_evaluate(f));
        check(cgsv_federation_evaluate(g));
    }
    check(cgsv_federation_run(g, 1));
    check(cgsv_federation_update(g, 0, update));
    free(update);
    unlink(path);
    cgsv_federation_free(f);
    cgsv_federation_free(g);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

Test(checkpoint, seconds_go_on)
{
    cgsv_dataset *data = load_pictures(400, 100);
    cgsv_device *device = open_device(1);
    const cgsv_config c = small_config("cgsv");
    cgsv_seconds saved, loaded, later;
    cgsv_federation *f;
    char path[64];
    check(cgsv_federation_create(&f, device, &c, data));
    run_to(f, &c, 2);
    check(cgsv_federation_save_checkpoint(f, checkpoint_path(path, 0)));
    check(cgsv_federation_seconds(f, &saved));
    cgsv_federation_free(f);
    check(cgsv_federation_create(&f, device, &c, data));
    check(cgsv_federation_load_checkpoint(f, path, 0));
    check(cgsv_federation_seconds(f, &loaded));
    run_to(f, &c, 3);
    check(cgsv_federation_seconds(f, &later));
    cr_expect_eq(memcmp(&saved, &loaded, sizeof saved), 0);
    cr_expect(saved.training > 0 && saved.server > 0 && saved.evaluation > 0);
    cr_expect(later.training > loaded.training && later.evaluation == loaded.evaluation);
    unlink(path);
    cgsv_federation_free(f);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}
