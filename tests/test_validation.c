/* The validation split, accuracies on it and the agents' own losses, against evaluations in float64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "small_federation.h"

/* ---- losses and accuracies ---- */

/* Row of an agent among the models in training. */
static int row_of(const struct fixture *x, int agent)
{
    int r = 0;
    while (x->f->fleet->row[r].agent != agent) r++;
    return r;
}

static void read_model(double *w, const struct fixture *x, const float *from)
{
    float *copy = take((size_t)x->D, sizeof *copy);
    check(x->device->backend->download(x->device, copy, from, (size_t)x->D * sizeof *copy));
    for (int64_t d = 0; d < x->D; d++) w[d] = copy[d];
    free(copy);
}

static void expect_accuracy(double got, struct naive want, int64_t samples)
{
    cr_assert_leq(want.ambiguous, 1, "choose other samples");
    cr_expect_float_eq(got, want.correct / (double)samples, 1e-15 + want.ambiguous / (double)samples);
}

/* With and without twins between the agents' rows; agents' models differ, as do their shards. */
static void check_losses(bool standalone)
{
    cgsv_config config = small_config();
    config.standalone = standalone;
    struct fixture x = start(&config, 1);
    const struct partition *p = partition_of(&x);
    const int64_t ld = x.f->fleet->model.row_stride;
    double *loss = NULL, *w = take((size_t)x.D, sizeof *w);
    check(x.device->backend->allocate(x.device, (void **)&loss, (N + 1) * sizeof *loss));
    check(cgsv_federation_run(x.f, 1));

    check(local_losses(x.f->fleet, loss));
    for (int i = 0; i < N; i++) {
        read_model(w, &x, x.f->fleet->work + row_of(&x, i) * ld);
        const struct naive want = naive_evaluation(&x, w, p->index + p->first[i], p->first[i + 1] - p->first[i]);
        cr_expect_float_eq(loss[i], want.loss, 1e-6 * (1 + want.loss), "agent %d: loss %g, not %g", i, loss[i],
                           want.loss);
    }
    check(trained_accuracy(x.f, x.score, loss));
    for (int i = 0; i < N; i++) {
        read_model(w, &x, x.f->fleet->work + row_of(&x, i) * ld);
        const struct naive want = naive_evaluation(&x, w, p->validation, p->validation_samples);
        expect_accuracy(x.score[i], want, p->validation_samples);
        cr_expect_float_eq(loss[i], want.loss, 1e-6 * (1 + want.loss));
    }
    check(validation_accuracy(x.f, x.score, NULL, x.f->fleet->models, N + 1));
    for (int i = 0; i <= N; i++) {
        read_model(w, &x, x.f->fleet->models + i * ld);
        const struct naive want = naive_evaluation(&x, w, p->validation, p->validation_samples);
        expect_accuracy(x.score[i], want, p->validation_samples);
    }
    x.device->backend->release(x.device, loss);
    free(w);
    stop(&x);
}

Test(validation, losses_and_accuracies) { check_losses(true); }
Test(validation, losses_and_accuracies_without_twins) { check_losses(false); }

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
