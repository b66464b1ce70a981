/* The study of estimates: against the same numbers put together by hand from cgsv_value and cgsv_compare. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "cgsv/cgsv.h"
#include "test_device.h"

enum { GAMES = 7, AGENTS = 6, COLUMNS = 300, METHODS = 3 };

static cgsv_device *device;
static double gram[GAMES * AGENTS * AGENTS];
static cgsv_study_row rows[1 + METHODS];
static const cgsv_method methods[METHODS] = {CGSV_METHOD_COSINE, CGSV_METHOD_PERMUTATION, CGSV_METHOD_EUCLIDEAN};
static cgsv_study_options options;

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static void make(cgsv_vectors kind, double parameter, int agents)
{
    const cgsv_vectors_options vectors = {.kind = kind, .parameter = parameter, .seed = 3};
    cgsv_gram *g;
    check(cgsv_gram_create(&g, device, GAMES, agents, 0, true));
    check(cgsv_gram_add_random(g, &vectors, 0, COLUMNS));
    check(cgsv_gram_read(g, gram, NULL));
    cgsv_gram_free(g);
}

static void start(void)
{
    check(cgsv_device_open(&device, test_device(), 1));
    options = (cgsv_study_options){methods, METHODS, {.budget = 20, .seed = 5}, false};
    make(CGSV_VECTORS_NORMAL, 0, AGENTS);
}
static void stop(void) { cgsv_device_close(device); }

TestSuite(study, .init = start, .fini = stop);

/* Mean and deviation of x[GAMES] by their definitions. */
static void expect_spread(const char *what, cgsv_spread actual, const double *x)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < GAMES; i++) mean += x[i] / GAMES;
    for (int i = 0; i < GAMES; i++) variance += (x[i] - mean) * (x[i] - mean) / (GAMES - 1);
    cr_expect_float_eq(actual.mean, mean, 1e-12 * fabs(mean) + 1e-15, "%s: mean %g, not %g", what, actual.mean, mean);
    cr_expect_float_eq(actual.deviation, sqrt(variance), 1e-6 * fabs(mean) + 1e-12, "%s: deviation %g, not %g", what,
                       actual.deviation, sqrt(variance));
}

static void value(double *values, cgsv_method method, const double *weight)
{
    cgsv_valuation_options o = options.valuation;
    o.method = method;
    check(cgsv_value(device, values, NULL, gram, weight, GAMES, AGENTS, &o, NULL));
}

Test(study, rows_are_means_over_games)
{
    double weight[GAMES * AGENTS], exact[GAMES * AGENTS], estimate[GAMES * AGENTS], x[6][GAMES];
    for (int i = 0; i < GAMES * AGENTS; i++) weight[i] = 1.0 / AGENTS;
    value(exact, CGSV_METHOD_EXACT, weight);
    check(cgsv_study(rows, device, gram, GAMES, AGENTS, &options));
    for (int k = 0; k <= METHODS; k++) {
        const cgsv_method method = k ? methods[k - 1] : CGSV_METHOD_EXACT;
        value(estimate, method, weight);
        for (int g = 0; g < GAMES; g++) {
            const cgsv_comparison c = cgsv_compare(estimate + g * AGENTS, exact + g * AGENTS, AGENTS);
            const cgsv_theorem1 t = cgsv_theorem1_measure(gram + g * AGENTS * AGENTS, weight, AGENTS);
            const double all[6] = {c.l1, c.l2, c.cosine, c.pearson, t.inverse_i, t.bound};
            for (int i = 0; i < 6; i++) x[i][g] = all[i];
        }
        cr_expect_eq(rows[k].method, method);
        cr_expect_eq(rows[k].undefined, 0);
        cr_expect(rows[k].seconds > 0 && rows[k].seconds < 1);
        expect_spread("l1", rows[k].l1, x[0]);
        expect_spread("l2", rows[k].l2, x[1]);
        expect_spread("cosine", rows[k].cosine, x[2]);
        expect_spread("pearson", rows[k].pearson, x[3]);
        expect_spread("1/I", rows[k].inverse_i, x[4]);
        expect_spread("bound", rows[k].bound, x[5]);
    }
    cr_expect_eq(rows[0].l1.mean, 0);
    cr_expect(rows[1].l1.mean > 0 && rows[2].l1.mean > 0, "estimates are no exact values");
}

/* Normalised updates are the same whatever their lengths were. */
Test(study, normalised)
{
    cgsv_study_row scaled[1 + METHODS];
    options.normalise = true;
    check(cgsv_study(rows, device, gram, GAMES, AGENTS, &options));
    for (int i = 0; i < GAMES * AGENTS; i++)
        for (int j = 0; j < AGENTS; j++) gram[i * AGENTS + j] *= (1 + i % AGENTS) * (1 + j);
    check(cgsv_study(scaled, device, gram, GAMES, AGENTS, &options));
    for (int k = 1; k <= METHODS; k++)
        cr_expect_float_eq(scaled[k].l1.mean, rows[k].l1.mean, 1e-7, "%d: %g, not %g", k, scaled[k].l1.mean,
                           rows[k].l1.mean);
    cr_expect_float_eq(scaled[0].bound.mean, rows[0].bound.mean, 1e-6 * rows[0].bound.mean);
    cr_expect_float_eq(rows[0].inverse_i.mean * rows[0].bound.mean, 1, 0.05, "the length is 1: 1/I times I 1^2");

    options.normalise = false;
    check(cgsv_study(scaled, device, gram, GAMES, AGENTS, &options));
    cr_expect(fabs(scaled[1].l1.mean - rows[1].l1.mean) > 1e-3, "lengths count where they are kept");
}

/* Two opposed agents are worth nothing together: no distance, no bound. */
Test(study, what_is_undefined)
{
    make(CGSV_VECTORS_OPPOSED, 0, 2);
    check(cgsv_study(rows, device, gram, GAMES, 2, &options));
    cr_expect_eq(rows[1].undefined, GAMES);
    cr_expect(isnan(rows[1].l1.mean) && isnan(rows[1].l1.deviation));
    cr_expect_eq(rows[1].inverse_i.mean, 0);
    cr_expect(isinf(rows[1].bound.mean));

    make(CGSV_VECTORS_NORMAL, 0, AGENTS);
    check(cgsv_study(rows, device, gram, 1, AGENTS, &options));
    cr_expect(rows[1].l1.mean > 0 && isnan(rows[1].l1.deviation), "one trial has no deviation");
}

Test(study, refusals)
{
    options.valuation.budget = -1;
    cr_expect_eq(cgsv_study(rows, device, gram, GAMES, AGENTS, &options), CGSV_ERROR_ARGUMENT);
    cr_expect_eq(cgsv_study(rows, device, gram, 0, AGENTS, &options), CGSV_ERROR_ARGUMENT);
    cr_expect_eq(cgsv_study(rows, device, gram, GAMES, 0, &options), CGSV_ERROR_ARGUMENT);
}
