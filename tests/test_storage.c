/* Federations whose updates are stored as bfloat16. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "small_federation.h"

/* The nearest number of 8 bits, by float64's rounding to even. */
static float nearest(float x)
{
    int exponent;
    frexpf(x, &exponent);
    const double spacing = ldexp(1, exponent - 8);
    return (float)(rint((double)x / spacing) * spacing);
}

struct outcome {
    float *update[N], *server;
    int64_t dimension;
    cgsv_round_record record[ROUNDS][N];
};

static struct outcome run(cgsv_config config, cgsv_storage storage, int rounds, int threads)
{
    struct outcome o;
    config.update_storage = storage;
    struct fixture f = start(&config, threads);
    check(cgsv_federation_run(f.f, rounds));
    o.dimension = f.D;
    for (int i = 0; i < N; i++) {
        o.update[i] = take((size_t)f.D, sizeof(float));
        check(cgsv_federation_update(f.f, i, o.update[i]));
    }
    o.server = take((size_t)f.D, sizeof(float));
    check(cgsv_federation_model(f.f, CGSV_SERVER, 0, o.server));
    for (int t = 0; t < rounds; t++) check(cgsv_federation_round(f.f, t, o.record[t]));
    stop(&f);
    return o;
}

static void release(struct outcome *o)
{
    for (int i = 0; i < N; i++) free(o->update[i]);
    free(o->server);
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t d = 0; d < n; d++) sum += (double)a[d] * b[d];
    return sum;
}

/* Training does not know of it: a first round's updates are those of float32, rounded once. Norms, weights and
 * contributions are of what is stored: those of a server that is given the rounded updates. */
Test(storage, first_round)
{
    cgsv_config config = small_config();
    struct outcome exact = run(config, CGSV_STORAGE_FLOAT32, 1, 1), o = run(config, CGSV_STORAGE_BF16, 1, 1);
    struct fixture begun = start(&config, 1);
    const int64_t D = o.dimension;
    float *before = take((size_t)D, sizeof(float));
    double *g = take((size_t)D, sizeof *g), samples = 0, g_square = 0;
    int moved = 0;
    check(cgsv_federation_model(begun.f, CGSV_SERVER, 0, before));
    for (int i = 0; i < N; i++) samples += begun.size[i];
    for (int i = 0; i < N; i++) {
        const double norm = sqrt(dot(o.update[i], o.update[i], D));
        for (int64_t d = 0; d < D; d++) {
            cr_assert_eq(o.update[i][d], nearest(exact.update[i][d]), "agent %d, entry %lld", i, (long long)d);
            moved += o.update[i][d] != exact.update[i][d];
            g[d] += begun.size[i] / samples * config.gamma / (norm + 1e-7) * o.update[i][d];
        }
        cr_expect_float_eq(o.record[0][i].update_norm, norm, 1e-12 * norm);
        cr_expect_eq(o.record[0][i].train_loss, exact.record[0][i].train_loss);
    }
    cr_expect_gt(moved, D, "nothing was rounded");
    for (int64_t d = 0; d < D; d++) {
        g_square += g[d] * g[d];
        cr_assert_float_eq(o.server[d], before[d] + g[d], 2e-7 * (fabs(before[d]) + fabs(g[d])) + 1e-12);
    }
    for (int i = 0; i < N; i++) {
        double along = 0;
        for (int64_t d = 0; d < D; d++) along += o.update[i][d] * g[d];
        cr_expect_float_eq(o.record[0][i].psi, along / sqrt(g_square) / o.record[0][i].update_norm, 1e-6);
        cr_expect_neq(o.record[0][i].psi, exact.record[0][i].psi, "agent %d is valued by what was not stored", i);
    }
    stop(&begun);
    free(before), free(g);
    release(&exact), release(&o);
}

/* Every way in which a scheme reads updates: contributions stay near those of float32, and runs repeat bit for bit. */
Test(storage, schemes_and_adversaries)
{
    static const struct {
        const char *scheme, *adversaries;
        cgsv_contribution contribution;
        double bound;
    } cases[] = {{"cgsv", NULL, CGSV_CONTRIBUTION_COSINE, 1e-3},
                 {"cgsv", NULL, CGSV_CONTRIBUTION_EXACT, 1e-2},
                 {"rffl", NULL, CGSV_CONTRIBUTION_COSINE, 1e-3},
                 {"fedavg", NULL, CGSV_CONTRIBUTION_SIZE, 1e-12},
                 {"cgsv", "rescaled:1,random-update:1", CGSV_CONTRIBUTION_COSINE, 1e-2},
                 {"cgsv", NULL, CGSV_CONTRIBUTION_INDEX, 0.1}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        cgsv_config config = small_config();
        check(cgsv_config_set_scheme(&config, cases[c].scheme));
        config.scheme.contribution = cases[c].contribution;
        if (cases[c].adversaries) check(cgsv_adversaries_parse(&config.adversaries, cases[c].adversaries));
        struct outcome exact = run(config, CGSV_STORAGE_FLOAT32, 1, 1), o = run(config, CGSV_STORAGE_BF16, ROUNDS, 1);
        struct outcome again = run(config, CGSV_STORAGE_BF16, ROUNDS, 2);
        for (int i = 0; i < N; i++) {
            cr_expect_float_eq(o.record[0][i].psi, exact.record[0][i].psi, cases[c].bound, "case %zu, agent %d: %g, %g",
                               c, i, o.record[0][i].psi, exact.record[0][i].psi);
            cr_expect_eq(memcmp(o.update[i], again.update[i], (size_t)o.dimension * sizeof(float)), 0, "case %zu", c);
            for (int64_t d = 0; d < o.dimension; d++)
                cr_assert_eq(o.update[i][d], nearest(o.update[i][d]), "case %zu: an update of more than 8 bits", c);
        }
        cr_expect_eq(memcmp(o.server, again.server, (size_t)o.dimension * sizeof(float)), 0, "case %zu: server", c);
        release(&exact), release(&o), release(&again);
    }
}

Test(storage, half_the_memory)
{
    cgsv_config config = small_config();
    cgsv_memory_plan whole, half;
    struct fixture f = start(&config, 1);
    check(cgsv_fleet_plan(&whole, f.device, &config, 1, f.data));
    config.update_storage = CGSV_STORAGE_BF16;
    check(cgsv_fleet_plan(&half, f.device, &config, 1, f.data));
    cr_expect_eq(2 * half.updates, whole.updates);
    stop(&f);
}
