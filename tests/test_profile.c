/* The profile of a run: bytes and operations against counts by hand, seconds against the stopwatch, and
 * that a run which is watched computes the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/work.h"
#include "small_federation.h"

static void expect(struct work work, double bytes, double flops)
{
    cr_assert_eq(work.bytes, bytes, "%.0f bytes; expected %.0f", work.bytes, bytes);
    cr_assert_eq(work.flops, flops, "%.0f operations; expected %.0f", work.flops, flops);
}

/* fc1: 6 inputs, 64 units, 448 parameters; fc2: 4 units, 260. Two models with 5 samples together. */
Test(profile, dense_layers_by_hand)
{
    const struct work_size size = {.rows = 2, .samples = 5};
    struct model model;
    check(model_create(&model, CGSV_MODEL_MLP, 1, 2, 3, 4));
    expect(work_gather(&model, 5), 4 * 2 * 5 * (6 + 1), 0);
    expect(work_forward(&model, 0, size), 4 * (5 * (6 + 64) + 2 * 448), 2 * 5 * 64 * 6);
    expect(work_backward(&model, 0, size), 4 * (5 * (64 + 64 + 6) + 2 * 448), 2 * 5 * 64 * 6);
    expect(work_forward(&model, 1, size), 4 * (5 * (64 + 4) + 2 * 260), 2 * 5 * 4 * 64);
    expect(work_backward(&model, 1, size), 4 * (5 * (4 + 4 + 64 + 64) + 2 * 2 * 260), 2 * 2 * 5 * 4 * 64);
    expect(work_loss(&model, 5), 4 * 2 * 5 * 4, 5 * 5 * 4);
    expect(work_begin(&model, 3, 2), 4 * (2 * 3 + 2) * 708, 0);
    /* Two agents and a twin. */
    const struct work_size three = {.rows = 3};
    expect(work_optimizer(&model, three, 2, 0), 4 * 708 * (5 + 5 + 3), 708 * (3 + 3 + 2));
    expect(work_optimizer(&model, three, 2, 2), 4 * 708 * (9 + 9 + 7), 708 * (13 + 13 + 12));
}

/* Counts a convolution's multiply-adds tap by tap. */
static double taps(int channels, int filters, int kernel, int height, int width)
{
    double count = 0;
    for (int f = 0; f < filters; f++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < channels; c++)
                    for (int tap = 0; tap < kernel * kernel; tap++) count++;
    return count;
}

/* mnist_cnn: conv1 1×32×32 to 64×30×30, pooled 64×15×15, 640 parameters; conv2 to 16×8×8 of 9×9, pooled 16×4×4,
 * 50,192 parameters. */
Test(profile, convolutions_by_hand)
{
    const struct work_size one = {.rows = 1, .samples = 1};
    struct model model;
    check(model_create(&model, CGSV_MODEL_MNIST_CNN, 1, 32, 32, 10));
    expect(work_forward(&model, 0, one), 4 * (1024 + 14400 + 640) + 14400, 2 * taps(1, 64, 3, 30, 30));
    expect(work_forward(&model, 1, one), 4 * (14400 + 256 + 50192) + 256, 2 * taps(64, 16, 7, 8, 8));
    expect(work_backward(&model, 0, one), 4 * (1024 + 2 * 14400 + 640) + 14400, 2 * taps(1, 64, 3, 15, 15));
    expect(work_backward(&model, 1, one), 4 * (2 * 14400 + 2 * 256 + 2 * 50192) + 256, 4 * taps(64, 16, 7, 4, 4));
}

/* cifar_resnet: the stem 3×32×32 to 32×32×32, its normalisation, and the first block's first convolution to
 * 64×16×16. */
Test(profile, residual_layers_by_hand)
{
    const struct work_size one = {.rows = 1, .samples = 1};
    struct model model;
    check(model_create(&model, CGSV_MODEL_CIFAR_RESNET, 3, 32, 32, 10));
    expect(work_forward(&model, 0, one), 4 * (3072 + 32768 + 864), 2 * taps(3, 32, 3, 32, 32));
    expect(work_backward(&model, 0, one), 4 * (3072 + 2 * 32768 + 864), 2 * taps(3, 32, 3, 32, 32));
    expect(work_forward(&model, 1, one), 4 * (2 * 32768 + 64), 8 * 32768);
    expect(work_forward(&model, 2, one), 4 * (32768 + 16384 + 18432), 2 * taps(32, 64, 3, 16, 16));
    expect(work_backward(&model, 2, one), 4 * (2 * 32768 + 2 * 16384 + 2 * 18432), 4 * taps(32, 64, 3, 16, 16));
}

/* 7 words of 300 values, a batch of 3 sentences, 384 filters over 3 words. */
Test(profile, sentences_by_hand)
{
    static const int most_words[2] = {9, 9};
    const struct work_size size = {.rows = 1, .samples = 3, .words = 7};
    const double weights = 384 * 900 + 384;
    struct model model;
    check(model_create_text(&model, 20, 5, most_words, 2));
    expect(work_gather(&model, 3), 4 * 2 * 3 * (5 + 1), 0);
    expect(work_forward(&model, 0, size), 4 * (2 * 7 * 300 + 2 * 7 * 3 * 384 + weights + 3 * 384), 2. * 7 * 900 * 384);
    expect(work_backward(&model, 0, size), 4 * (2 * 3 * 384 + 2 * (7 * 300 + weights)), 4. * 3 * 384 * 900);
}

/* Two federations of 3 agents, 10 parameters: one piece of columns each. */
Test(profile, server_step_by_hand)
{
    expect(work_norms(2, 3, 10), 4 * 60, 120);
    expect(work_aggregate(2, 3, 10), 4 * 2 * (30 + 10), 2 * (60 + 60 + 20));
    expect(work_contribution(2, 3, 10), 8 * 8, 8);
    expect(work_select(2, 10), 4 * 3 * 20, 0);
    expect(work_download(2, 3, 10), 4 * 2 * (10 + 2 * 40), 80);
}

Test(profile, floor_is_the_longer)
{
    const struct profile profile = {.copy_bandwidth = 10, .product_rate = 100};
    cr_assert_eq(profile_floor(&profile, (struct work){50, 100}), 5);
    cr_assert_eq(profile_floor(&profile, (struct work){50, 1000}), 10);
    cr_assert(isnan(profile_convolutions(&profile)));
}

/* The server's model after all rounds; seconds by the stopwatch. */
static void train(float **w, cgsv_seconds *seconds, struct profile *profile, int threads)
{
    const cgsv_config config = small_config();
    struct fixture fixture = start(&config, threads);
    *w = take((size_t)fixture.D, sizeof **w);
    fixture.device->profile = profile;
    check(cgsv_federation_run(fixture.f, ROUNDS));
    check(cgsv_federation_evaluate(fixture.f));
    check(cgsv_federation_seconds(fixture.f, seconds));
    check(cgsv_federation_model(fixture.f, CGSV_SERVER, 0, *w));
    if (profile) {
        double samples = 0;
        const struct model *model = &fixture.f->fleet->model;
        for (int i = 0; i < N; i++) samples += fixture.size[i];
        samples *= (config.standalone ? 2 : 1) * config.local_epochs * ROUNDS;
        double forward = 0;
        for (int i = 0; i < model->layers; i++)
            forward += 2 * samples * model->layer[i].units * model->layer[i].channels;
        cr_assert_eq(profile->stage[STAGE_FORWARD + LAYER_DENSE].work.flops, forward);
        cr_assert_eq(profile->stage[STAGE_GATHER].work.bytes, work_gather(model, (int64_t)samples).bytes);
        cr_assert_eq(profile->stage[STAGE_SELECT].work.bytes, ROUNDS * work_select(1, fixture.D).bytes);
        cr_assert_gt(profile->stage[STAGE_EVALUATION].work.flops, 0);
    }
    stop(&fixture);
}

/* On one core, and with rows side by side on two. */
Test(profile, same_bits_and_all_seconds)
{
    float *plain, *watched;
    cgsv_seconds seconds;
    const int64_t D = 1024 * 64 + 64 + 650;
    train(&plain, &seconds, NULL, 1);
    for (int threads = 1; threads <= 2; threads++) {
        struct profile profile = {.copy_bandwidth = 1, .product_rate = 1};
        double sum = 0;
        train(&watched, &seconds, &profile, threads);
        cr_assert_eq(memcmp(plain, watched, (size_t)D * sizeof *plain), 0);
        for (int i = 0; i < STAGES; i++) {
            sum += profile.stage[i].seconds;
            cr_assert_geq(profile.stage[i].seconds, -1e-4, "%s", stage_names[i]);
        }
        const double all = seconds.training + seconds.server + seconds.evaluation;
        cr_assert_float_eq(sum, all, 1e-3 * all + 1e-6, "stages %g s, stopwatch %g s", sum, all);
        free(watched);
    }
    free(plain);
}
