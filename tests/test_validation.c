/* The validation split, accuracies on it and the agents' own losses, against evaluations in float64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "small_federation.h"

/* ---- losses and accuracies ---- */

/* Row `row` of W, and what `update` adds to it; NULL: nothing. */
static void read_model(double *w, const struct fixture *x, int row, const float *update)
{
    const cgsv_fleet *fleet = x->f->fleet; /* on the CPU */
    const float *from = fleet->models + row * fleet->model.row_stride;
    for (int64_t d = 0; d < x->D; d++) w[d] = from[d] + (update ? update[d] : 0.0f);
}

static void expect_accuracy(double got, struct naive want, int64_t samples)
{
    cr_assert_leq(want.ambiguous, 1, "choose other samples");
    cr_expect_float_eq(got, want.correct / (double)samples, 1e-15 + want.ambiguous / (double)samples);
}

/* With and without twins between the agents' rows; agents' models differ, as do their shards. With `alone` they have
 * gone on from their own models when they are looked at. */
static void check_losses(bool standalone, bool alone, int threads)
{
    cgsv_config config = small_config();
    config.standalone = standalone;
    if (alone) check(cgsv_config_set_scheme(&config, "standalone"));
    struct fixture x = start(&config, threads);
    const struct partition *p = partition_of(&x);
    const int64_t ld = x.f->fleet->model.row_stride;
    double *loss = NULL, *w = take((size_t)x.D, sizeof *w);
    check(x.device->backend->allocate(x.device, (void **)&loss, (N + 1) * sizeof *loss));
    check(cgsv_federation_run(x.f, 1));

    check(local_losses(x.f->fleet, loss));
    for (int i = 0; i < N; i++) {
        read_model(w, &x, i, NULL);
        const struct naive want = naive_evaluation(&x, w, p->index + p->first[i], p->first[i + 1] - p->first[i]);
        cr_expect_float_eq(loss[i], want.loss, 1e-6 * (1 + want.loss), "agent %d: loss %g, not %g", i, loss[i],
                           want.loss);
    }
    check(local_training(x.f->fleet));
    check(trained_accuracy(x.f, x.score, loss));
    for (int i = 0; i < N; i++) {
        read_model(w, &x, i, alone ? NULL : (const float *)x.f->fleet->updates + i * ld);
        const struct naive want = naive_evaluation(&x, w, p->validation, p->validation_samples);
        expect_accuracy(x.score[i], want, p->validation_samples);
        cr_expect_float_eq(loss[i], want.loss, 1e-6 * (1 + want.loss));
    }
    check(validation_accuracy(x.f, x.score, NULL, x.f->fleet->models, N + 1));
    for (int i = 0; i <= N; i++) {
        read_model(w, &x, i, NULL);
        const struct naive want = naive_evaluation(&x, w, p->validation, p->validation_samples);
        expect_accuracy(x.score[i], want, p->validation_samples);
    }
    x.device->backend->release(x.device, loss);
    free(w);
    stop(&x);
}

Test(validation, losses_and_accuracies) { check_losses(true, false, 1); }
Test(validation, losses_and_accuracies_without_twins) { check_losses(false, false, 2); }
Test(validation, losses_and_accuracies_alone) { check_losses(true, true, 1); }

Test(validation, needs_validation_samples)
{
    cgsv_config config = small_config();
    config.validation_fraction = 0;
    struct fixture x = start(&config, 1);
    refused(validation_accuracy(x.f, x.score, NULL, x.f->fleet->models, N), "validation-fraction");
    refused(trained_accuracy(x.f, x.score, NULL), "validation-fraction");
    config.validation_samples = -1;
    cgsv_federation *none;
    refused(cgsv_federation_create(&none, x.device, &config, x.data), "validation-samples");
    stop(&x);
}

/* ---- the split ---- */

/* The samples kept aside are in nobody's shard, none twice, the same for every partition and cap of the pool;
 * those that a cap leaves are the first of them. */
Test(validation, validation_is_disjoint)
{
    enum { M = 1000, CLASSES = 10 };
    static const double fractions[] = {0.05, 0.1, 0.5};
    int32_t labels[M];
    for (int i = 0; i < M; i++) labels[i] = i * 7 % CLASSES;
    cgsv_config config;
    cgsv_config_defaults(&config, "mnist");
    for (int k = 0; k < 3; k++) {
        int32_t first[M];
        config.validation_fraction = fractions[k];
        for (int kind = CGSV_PARTITION_UNIFORM; kind <= CGSV_PARTITION_DIRICHLET; kind++)
            for (int cap = 0; cap <= 60; cap += 60) {
                int uses[M] = {0};
                struct partition p, capped;
                config.partition = (cgsv_partition)kind;
                config.samples_per_agent = cap;
                config.validation_samples = 0;
                check(partition_create(&p, &config, labels, M, CLASSES));
                cr_assert_eq(p.validation_samples, lround(M * fractions[k]));
                cr_expect_eq(partition_validation_size(&config, M), p.validation_samples);
                for (int64_t s = 0; s < p.validation_samples; s++) uses[p.validation[s]]++;
                for (int i = 0; i < M; i++) cr_assert_leq(uses[i], 1, "sample %d twice", i);
                for (int64_t s = 0; s < p.first[p.agents]; s++)
                    cr_assert_eq(uses[p.index[s]], 0, "sample %d is trained on", p.index[s]);
                const size_t bytes = (size_t)p.validation_samples * sizeof *p.validation;
                if (kind == CGSV_PARTITION_UNIFORM && cap == 0) memcpy(first, p.validation, bytes);
                cr_expect_eq(memcmp(first, p.validation, bytes), 0, "partition %d has others", kind);
                config.validation_samples = 17;
                check(partition_create(&capped, &config, labels, M, CLASSES));
                cr_expect_eq(capped.validation_samples, 17);
                cr_expect_eq(memcmp(first, capped.validation, 17 * sizeof *first), 0);
                partition_free(&capped);
                partition_free(&p);
            }
    }
    config.validation_fraction = 0;
    struct partition p;
    check(partition_create(&p, &config, labels, M, CLASSES));
    cr_expect_eq(p.validation_samples, 0);
    cr_expect_null(p.validation);
    partition_free(&p);
}
