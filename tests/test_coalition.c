/* The contribution index, against models built one by one and evaluated in float64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "counting_device.h"
#include "small_federation.h"

/* Runs round t; the index's inputs as they were at its contribution stage. */
static struct coalition_inputs run_round(struct fixture *x, int t)
{
    const struct device_backend *backend = x->device->backend;
    check(cgsv_federation_model(x->f, CGSV_SERVER, 0, x->start));
    check(backend->upload(x->device, x->device_start, x->start, (size_t)x->D * sizeof *x->start));
    check(backend->upload(x->device, x->round, &t, sizeof t));
    check(cgsv_federation_run(x->f, 1));
    struct coalition_inputs in = coalition_inputs_of(x->f, &x->f->fleet->server);
    in.model = x->device_start;
    in.round = x->round;
    return in;
}

static void index_of(struct fixture *x, struct coalition *c, const struct coalition_inputs *in, double *score)
{
    check(coalition_index(c, x->score, 0, in));
    check(x->device->backend->download(x->device, score, x->score, N * sizeof *score));
}

static void total_of(struct fixture *x, const struct coalition *c, double *total)
{
    check(x->device->backend->download(x->device, total, c->total, N * sizeof *total));
}

static struct coalition make(struct fixture *x, struct coalition_options options)
{
    struct coalition c;
    if (options.discount == 0) options.discount = 1;
    check(coalition_create(&c, x->device, &x->f->fleet->model, 1, N, &options));
    return c;
}

/* ---- the oracle ---- */

/* Correct validation samples of M_S = M + Σ (n_i / n_S) Δ_i, agents in `out` never being members. */
static double naive_utility(const struct fixture *x, const float *from, const float *update, int members, int out,
                            int *ambiguous)
{
    double *w = take((size_t)x->D, sizeof *w), whole = 0;
    members &= ~out;
    for (int i = 0; i < N; i++) whole += members >> i & 1 ? x->size[i] : 0;
    for (int64_t d = 0; d < x->D; d++) {
        w[d] = from[d];
        for (int i = 0; i < N; i++)
            if (members >> i & 1) w[d] += x->size[i] / whole * update[i * x->D + d];
    }
    const struct partition *p = partition_of(x);
    const struct naive result = naive_evaluation(x, w, p->validation, p->validation_samples);
    *ambiguous += result.ambiguous;
    free(w);
    return result.correct;
}

/* Utilities of all coalitions as shares of the validation samples. Returns how far a score may be off since a
 * sample lies so near a tie that float32 sees it otherwise: 0 unless a rare one does, then exact agreement
 * cannot be asked for. */
static double naive_utilities(double *utility, const struct fixture *x, const float *from, const float *update,
                              int out)
{
    const double samples = (double)partition_of(x)->validation_samples;
    int most = 0;
    for (int s = 0; s <= ALL; s++) {
        int ambiguous = 0;
        utility[s] = naive_utility(x, from, update, s, out, &ambiguous) / samples;
        if (ambiguous > most) most = ambiguous;
    }
    cr_assert_leq(most, 1, "%d outcomes of one model hang on rounding: choose other samples", most);
    return 2 * most / samples;
}

static double factorial(int n) { return tgamma(n + 1.0); }

static void naive_shapley(double *value, const double *utility)
{
    for (int i = 0; i < N; i++) {
        value[i] = 0;
        for (int s = 0; s <= ALL; s++) {
            if (s >> i & 1) continue;
            int size = 0;
            for (int j = 0; j < N; j++) size += s >> j & 1;
            value[i] += factorial(size) * factorial(N - size - 1) / factorial(N) * (utility[s | 1 << i] - utility[s]);
        }
    }
}

static float *host_updates(const struct fixture *x)
{
    float *update = take((size_t)(N * x->D), sizeof *update);
    for (int i = 0; i < N; i++) check(cgsv_federation_update(x->f, i, update + i * x->D));
    return update;
}

static void expect_near(const double *got, const double *want, double bound, const char *what)
{
    for (int i = 0; i < N; i++)
        cr_expect(fabs(got[i] - want[i]) <= bound, "%s of agent %d: %.17g, not %.17g", what, i, got[i], want[i]);
}

/* ---- the index ---- */

/* Every round's values, leave-one-out, and the discounted totals; the same bits however many models are made
 * at once. */
Test(coalition, matches_brute_force)
{
    const cgsv_config config = small_config();
    struct fixture x = start(&config, 1);
    struct coalition index = make(&x, (struct coalition_options){.discount = 0.8});
    struct coalition without = make(&x, (struct coalition_options){.index = COALITION_INDEX_LEAVE_ONE_OUT});
    static const int models[] = {1, 2, 8, 16, 64};
    double total[N] = {0}, got[N], want[N], utility[ALL + 1], spread = 0, total_slack = 0;
    for (int t = 0; t < ROUNDS; t++) {
        const struct coalition_inputs in = run_round(&x, t);
        float *update = host_updates(&x);
        const double slack = naive_utilities(utility, &x, x.start, update, 0);
        naive_shapley(want, utility);
        index_of(&x, &index, &in, got);
        expect_near(got, want, 1e-14 + slack, "index");
        double sum = 0;
        for (int i = 0; i < N; i++) sum += got[i];
        cr_expect_float_eq(sum, utility[ALL] - utility[0], 1e-14 + slack, "efficiency");
        total_slack += (N + 1) * slack / fabs(sum);
        for (int i = 0; i < N; i++) total[i] += sum > 0 ? pow(0.8, t) * want[i] / sum : 0;
        spread = fmax(spread, fabs(want[0] - want[N - 1]));

        for (int m = 0; m < 5; m++) {
            double again[N];
            struct coalition other = make(&x, (struct coalition_options){.models = models[m]});
            index_of(&x, &other, &in, again);
            cr_expect_eq(memcmp(again, got, sizeof got), 0, "%d models at once differ", models[m]);
            coalition_free(&other);
        }
        index_of(&x, &without, &in, got);
        for (int i = 0; i < N; i++) want[i] = utility[ALL] - utility[ALL - (1 << i)];
        expect_near(got, want, 1e-14 + slack, "leave-one-out");
        free(update);
    }
    cr_expect_gt(spread, 0.01, "all agents alike: nothing is tested");
    total_of(&x, &index, got);
    expect_near(got, total, 1e-12 + total_slack, "total");
    coalition_free(&index);
    coalition_free(&without);
    stop(&x);
}

/* Exact and sampled values of the second round, with 1 and 2 threads. */
Test(coalition, same_bits_for_any_threads)
{
    const cgsv_config config = small_config();
    double got[2][2][N];
    for (int threads = 1; threads <= 2; threads++) {
        struct fixture x = start(&config, threads);
        struct coalition exact = make(&x, (struct coalition_options){0});
        struct coalition sampled = make(&x, (struct coalition_options){.permutations = 4});
        run_round(&x, 0);
        const struct coalition_inputs in = run_round(&x, 1);
        index_of(&x, &exact, &in, got[threads - 1][0]);
        index_of(&x, &sampled, &in, got[threads - 1][1]);
        coalition_free(&exact);
        coalition_free(&sampled);
        stop(&x);
    }
    cr_expect_eq(memcmp(got[0], got[1], sizeof got[0]), 0, "1 and 2 threads differ");
    cr_expect_neq(memcmp(got[0][0], got[0][1], sizeof got[0][0]), 0, "sampled values are the exact ones");
}

/* One round for all: the index of G_i = Σ_t Δ_i^t from the first model, where agent 1's last update is faulty and
 * its earlier ones count. Raw: N times as much. */
Test(coalition, one_round_of_sums)
{
    const cgsv_config config = small_config();
    struct fixture x = start(&config, 1);
    struct coalition index = make(&x, (struct coalition_options){.index = COALITION_INDEX_ONE_ROUND, .raw = true});
    float *first = take((size_t)x.D, sizeof *first), *sum = take((size_t)(N * x.D), sizeof *sum);
    double got[N], want[N], utility[ALL + 1], norm[N] = {1, 1, 1, 1}, *device_norm = NULL;
    const struct device_backend *backend = x.device->backend;
    check(backend->allocate(x.device, (void **)&device_norm, sizeof norm));
    for (int t = 0; t < ROUNDS; t++) {
        struct coalition_inputs in = run_round(&x, t);
        if (t == ROUNDS - 1) norm[1] = NAN;
        check(backend->upload(x.device, device_norm, norm, sizeof norm));
        in.norm = device_norm;
        float *update = host_updates(&x);
        if (t == 0) memcpy(first, x.start, (size_t)x.D * sizeof *first);
        for (int64_t d = 0; d < N * x.D; d++) sum[d] += isnan(norm[d / x.D]) ? 0 : update[d];
        index_of(&x, &index, &in, got);
        free(update);
    }
    const double slack = naive_utilities(utility, &x, first, sum, 0);
    naive_shapley(want, utility);
    for (int i = 0; i < N; i++) want[i] *= N;
    expect_near(got, want, 1e-13 + N * slack, "raw index");
    backend->release(x.device, device_norm);
    free(first);
    free(sum);
    coalition_free(&index);
    stop(&x);
}

/* Twins get the same; an agent with a zero update, or one that is not finite, gets 0 and changes nothing. */
Test(coalition, twins_and_faulty_agents)
{
    const cgsv_config config = small_config();
    struct fixture x = start(&config, 1);
    struct coalition_inputs in = run_round(&x, 0);
    const struct device_backend *backend = x.device->backend;
    const int64_t ld = x.f->fleet->model.row_stride;
    float *row = x.f->fleet->updates;
    double *norm = NULL, *size = NULL, got[N], want[N], utility[ALL + 1];
    check(backend->allocate(x.device, (void **)&norm, N * sizeof *norm));
    check(backend->allocate(x.device, (void **)&size, N * sizeof *size));
    for (int i = 0; i < N; i++) norm[i] = 1, size[i] = x.size[i];
    in.norm = norm;
    in.size = size;
    struct coalition index = make(&x, (struct coalition_options){0});
    struct coalition without = make(&x, (struct coalition_options){.index = COALITION_INDEX_LEAVE_ONE_OUT});

    memcpy(row + ld, row, (size_t)x.D * sizeof *row);
    size[1] = x.size[1] = size[0];
    index_of(&x, &index, &in, got);
    cr_expect_eq(got[0], got[1], "twins: %.17g and %.17g", got[0], got[1]);
    cr_expect_neq(got[0], got[3]);

    const float faulty[] = {0, NAN};
    for (int k = 0; k < 2; k++) {
        for (int64_t d = 0; d < x.D; d++) row[2 * ld + d] = faulty[k];
        norm[2] = faulty[k];
        float *update = host_updates(&x);
        const double slack = naive_utilities(utility, &x, x.start, update, 1 << 2);
        naive_shapley(want, utility);
        index_of(&x, &index, &in, got);
        expect_near(got, want, 1e-14 + slack, "index beside a faulty agent");
        cr_expect_eq(got[2], 0, "faulty: %.17g", got[2]);
        index_of(&x, &without, &in, got);
        cr_expect_eq(got[2], 0, "faulty, left out: %.17g", got[2]);
        free(update);
    }
    backend->release(x.device, norm);
    backend->release(x.device, size);
    coalition_free(&index);
    coalition_free(&without);
    stop(&x);
}

/* Orders of a round add up to U(N) − U(∅); over many rounds they average to the exact values; where they are so
 * many that exact values cost no more, these are taken. */
Test(coalition, sampled_orders)
{
    enum { TIMES = 300, ORDERS = 3 };
    cgsv_config config = small_config();
    config.validation_samples = 40;
    struct fixture x = start(&config, 1);
    const struct coalition_inputs in = run_round(&x, 0);
    struct coalition exact = make(&x, (struct coalition_options){0});
    struct coalition enough = make(&x, (struct coalition_options){.permutations = 5});
    struct coalition sampled = make(&x, (struct coalition_options){.permutations = ORDERS, .seed = 7});
    cr_assert_eq(sampled.coalitions, ORDERS * (N - 1) + 2);
    cr_assert_eq(enough.coalitions, 1 << N);
    double want[N], got[N], mean[N] = {0}, square[N] = {0}, gain = 0;
    index_of(&x, &exact, &in, want);
    index_of(&x, &enough, &in, got);
    cr_expect_eq(memcmp(got, want, sizeof got), 0, "as many orders as exact values take");
    for (int i = 0; i < N; i++) gain += want[i];
    for (int t = 0; t < TIMES; t++) {
        double again[N], sum = 0;
        check(x.device->backend->upload(x.device, x.round, &t, sizeof t));
        index_of(&x, &sampled, &in, got);
        for (int i = 0; i < N; i++) {
            sum += got[i];
            mean[i] += got[i] / TIMES;
            square[i] += got[i] * got[i] / TIMES;
        }
        cr_expect_float_eq(sum, gain, 1e-13, "efficiency in round %d", t);
        if (t > 0) continue;
        struct coalition small = make(&x, (struct coalition_options){.permutations = ORDERS, .seed = 7, .models = 2});
        index_of(&x, &small, &in, again);
        cr_expect_eq(memcmp(again, got, sizeof got), 0, "2 models at once differ");
        coalition_free(&small);
    }
    for (int i = 0; i < N; i++) {
        const double error = sqrt((square[i] - mean[i] * mean[i]) / TIMES);
        cr_expect_gt(error, 0, "agent %d: every sample is the same", i);
        cr_expect_lt(fabs(mean[i] - want[i]), 4 * error, "agent %d: %g, not %g ± %g", i, mean[i], want[i], error);
    }
    coalition_free(&exact);
    coalition_free(&enough);
    coalition_free(&sampled);
    stop(&x);
}

/* What is planned is what is taken. */
Test(coalition, bytes)
{
    const cgsv_config config = small_config();
    struct fixture x = start(&config, 1);
    static const struct coalition_options options[] = {
        {.discount = 1},
        {.discount = 1, .index = COALITION_INDEX_ONE_ROUND, .models = 7},
        {.discount = 1, .index = COALITION_INDEX_LEAVE_ONE_OUT},
        {.discount = 1, .permutations = 4},
    };
    for (int i = 0; i < 4; i++) {
        struct coalition c;
        count_allocations(x.device);
        check(coalition_create(&c, x.device, &x.f->fleet->model, 3, N, &options[i]));
        cr_expect_eq(allocations_counted(x.device),
                     coalition_bytes(x.device, &x.f->fleet->model, 3, N, &options[i]), "options %d", i);
        coalition_free(&c);
    }
    validation_free(x.f->fleet);
    count_allocations(x.device);
    check(validation_create(x.f->fleet));
    cr_expect_eq(allocations_counted(x.device), validation_bytes(x.f->fleet, x.data->train.samples));
    stop(&x);
}

Test(coalition, needs_validation_samples)
{
    cgsv_config config = small_config();
    config.validation_fraction = 0;
    struct fixture x = start(&config, 1);
    struct coalition index = make(&x, (struct coalition_options){0});
    const struct coalition_inputs in = coalition_inputs_of(x.f, &x.f->fleet->server);
    refused(coalition_index(&index, x.score, 0, &in), "validation-fraction");
    coalition_free(&index);
    stop(&x);
}

Test(coalition, refusals)
{
    struct coalition_options options = {.discount = 1};
    check(coalition_check(&options, 10));
    refused(coalition_check(&options, 11), "permutations");
    refused(coalition_check(&options, 0), "agents");
    options.permutations = 100;
    check(coalition_check(&options, 11));
    options.permutations = 1000000;
    refused(coalition_check(&options, 11), "permutations");
    options.permutations = -1;
    refused(coalition_check(&options, 11), "permutations");
    options.permutations = 0;
    options.models = 65;
    refused(coalition_check(&options, 4), "models at once");
    options.models = 0;
    static const double discounts[] = {0, -1, 1.5, NAN, INFINITY};
    for (int i = 0; i < 5; i++) {
        options.discount = discounts[i];
        refused(coalition_check(&options, 4), "discount");
    }
    options.discount = 1;
    options.index = COALITION_INDEX_LEAVE_ONE_OUT;
    check(coalition_check(&options, 1000));
    options.raw = true;
    refused(coalition_check(&options, 4), "raw");
    options.raw = false;
    options.permutations = 3;
    refused(coalition_check(&options, 4), "permutations");
}
