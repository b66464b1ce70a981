/* Estimators of the Shapley value against exact values. Copies of one game in a batch are
 * independent trials, since a game's draws depend on its number. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference_valuation.h"
#include "valuation_game.h"

enum { AGENTS = 8, DIMENSION = 200 };

TestSuite(estimators, .timeout = 120);

static double gram[AGENTS * AGENTS], weight[AGENTS], exact[AGENTS];

static void make(cgsv_vectors kind)
{
    float row[AGENTS * DIMENSION];
    double exact_row[AGENTS * DIMENSION];
    const cgsv_vectors_options options = {kind, cgsv_vectors_parameter(kind), SEED, 0};
    check(cgsv_random_updates(device, row, 1, AGENTS, &options, 0, DIMENSION));
    for (int i = 0; i < AGENTS * DIMENSION; i++) exact_row[i] = row[i];
    for (int i = 0; i < AGENTS; i++) weight[i] = 1 + i % 3;
    reference_gram(gram, exact_row, AGENTS, DIMENSION);
    reference_shapley(exact, exact_row, weight, AGENTS, DIMENSION);
}

static void start(void)
{
    open_device();
    make(CGSV_VECTORS_NORMAL);
}

/* Over `trials` estimates: per agent their mean and mean squared error, and the mean of their squared
 * standard errors. */
static void trials_of(cgsv_method method, int64_t budget, int trials, double *mean, double *error, double *claimed)
{
    const size_t count = (size_t)trials * AGENTS;
    double *grams = malloc(count * AGENTS * sizeof *grams), *weights = malloc(count * sizeof *weights);
    double *value = malloc(count * sizeof *value), *standard_error = malloc(count * sizeof *standard_error);
    cr_assert(grams && weights && value && standard_error);
    for (int t = 0; t < trials; t++) {
        memcpy(grams + (size_t)t * AGENTS * AGENTS, gram, sizeof gram);
        memcpy(weights + (size_t)t * AGENTS, weight, sizeof weight);
    }
    const cgsv_valuation_options o = options_of(method, budget, SEED);
    check(cgsv_value(device, value, standard_error, grams, weights, trials, AGENTS, &o, NULL));
    for (int i = 0; i < AGENTS; i++) {
        mean[i] = error[i] = claimed[i] = 0;
        for (int t = 0; t < trials; t++) {
            const double x = value[t * AGENTS + i], s = standard_error[t * AGENTS + i];
            mean[i] += x / trials;
            error[i] += (x - exact[i]) * (x - exact[i]) / trials;
            claimed[i] += s * s / trials;
        }
    }
    free(grams);
    free(weights);
    free(value);
    free(standard_error);
}

static double mean_of(const double *x)
{
    double sum = 0;
    for (int i = 0; i < AGENTS; i++) sum += x[i] / AGENTS;
    return sum;
}

static const cgsv_method sampling[] = {CGSV_METHOD_PERMUTATION, CGSV_METHOD_ANTITHETIC, CGSV_METHOD_STRATIFIED,
                                       CGSV_METHOD_OWEN};
enum { SAMPLING = 4 };

/* Also where a unit is one of few, and with more than one launch of units. */
Test(estimators, unbiased, .init = start, .fini = close_device)
{
    static const int64_t budgets[] = {1, 3, 16, 61};
    enum { TRIALS = 20000 };
    for (int kind = CGSV_VECTORS_NORMAL; kind <= CGSV_VECTORS_OPPOSED; kind += CGSV_VECTORS_OPPOSED) {
        make((cgsv_vectors)kind);
        for (int m = 0; m < SAMPLING; m++)
            for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
                double mean[AGENTS], error[AGENTS], claimed[AGENTS];
                trials_of(sampling[m], budgets[b], TRIALS, mean, error, claimed);
                for (int i = 0; i < AGENTS; i++)
                    cr_expect(fabs(mean[i] - exact[i]) <= 4 * sqrt(error[i] / TRIALS),
                              "%s, budget %d, agent %d: mean %g, not %g ± %g", cgsv_method_name(sampling[m]),
                              (int)budgets[b], i, mean[i], exact[i], sqrt(error[i] / TRIALS));
            }
    }
}

/* Of independent units the squared standard error is unbiased. Of stratified ones it errs upwards
 * where neighbours differ in size, the less so the more there are to a size. */
Test(estimators, standard_errors, .init = start, .fini = close_device)
{
    static const int64_t budgets[] = {40, 42, 640}; /* 42: an odd number of pairs, and of draws */
    for (int m = 0; m < SAMPLING; m++)
        for (int b = 0; b < 3; b++) {
            const bool stratified = sampling[m] == CGSV_METHOD_STRATIFIED || sampling[m] == CGSV_METHOD_OWEN;
            const int trials = b < 2 ? 16000 : 4000;
            double mean[AGENTS], error[AGENTS], claimed[AGENTS];
            trials_of(sampling[m], budgets[b], trials, mean, error, claimed);
            for (int i = 0; i < AGENTS; i++) {
                const double ratio = claimed[i] / error[i];
                const double most = !stratified || b == 2 ? 1.12 : 3;
                cr_expect(ratio > 0.88 && ratio < most, "%s, budget %d, agent %d: %g of the squared error",
                          cgsv_method_name(sampling[m]), (int)budgets[b], i, ratio);
            }
        }
}

static double root_error(cgsv_method method, int64_t budget)
{
    double mean[AGENTS], error[AGENTS], claimed[AGENTS];
    trials_of(method, budget, 1000, mean, error, claimed);
    return sqrt(mean_of(error));
}

Test(estimators, error_falls_as_one_over_root_of_budget, .init = start, .fini = close_device)
{
    enum { BUDGETS = 5 };
    for (int m = 0; m < SAMPLING; m++) {
        double x[BUDGETS], y[BUDGETS], xx = 0, xy = 0, mean_x = 0, mean_y = 0;
        for (int b = 0; b < BUDGETS; b++) {
            x[b] = log(64 << b);
            y[b] = log(root_error(sampling[m], 64 << b));
            mean_x += x[b] / BUDGETS;
            mean_y += y[b] / BUDGETS;
        }
        for (int b = 0; b < BUDGETS; b++) {
            xx += (x[b] - mean_x) * (x[b] - mean_x);
            xy += (x[b] - mean_x) * (y[b] - mean_y);
        }
        cr_log_info("%s: slope %.3f, error %.3g at 64 permutations", cgsv_method_name(sampling[m]), xy / xx, exp(y[0]));
        cr_expect(xy / xx > -0.6 && xy / xx < -0.4, "%s: slope %g", cgsv_method_name(sampling[m]), xy / xx);
    }
}

/* A marginal contribution falls with the size of the coalition, steeply: so a permutation and its
 * reverse are negatively correlated, and the size explains most of the variance. */
Test(estimators, better_than_plain_permutations, .init = start, .fini = close_device)
{
    for (int kind = CGSV_VECTORS_NORMAL; kind <= CGSV_VECTORS_CORRELATED; kind++) {
        make((cgsv_vectors)kind);
        const double plain = root_error(CGSV_METHOD_PERMUTATION, 160);
        for (int m = 1; m < SAMPLING; m++) {
            const double other = root_error(sampling[m], 160);
            cr_log_info("%s, %s: %.3g of permutation's error", cgsv_vectors_name((cgsv_vectors)kind),
                        cgsv_method_name(sampling[m]), other / plain);
            cr_expect(other < plain, "%s: %g, permutation: %g", cgsv_method_name(sampling[m]), other, plain);
        }
    }
}

Test(estimators, every_order_is_exact, .init = start, .fini = close_device)
{
    double value[AGENTS], error[AGENTS];
    for (int m = 0; m < 2; m++) {
        const cgsv_valuation_options all = options_of(sampling[m], 40320, SEED);
        const cgsv_valuation_options fewer = options_of(sampling[m], 40319, SEED);
        check(cgsv_value(device, value, error, gram, weight, 1, AGENTS, &all, NULL));
        for (int i = 0; i < AGENTS; i++) cr_expect(fabs(value[i] - exact[i]) < 1e-12 && error[i] == 0);
        check(cgsv_value(device, value, error, gram, weight, 1, AGENTS, &fewer, NULL));
        for (int i = 0; i < AGENTS; i++) cr_expect(error[i] > 0);
    }
}

/* From the definitions, ν(N∖i) summed from the vectors. */
Test(estimators, without_sampling, .init = start, .fini = close_device)
{
    float row[AGENTS * DIMENSION];
    double exact_row[AGENTS * DIMENSION], value[AGENTS];
    const cgsv_vectors_options vectors = {CGSV_VECTORS_NORMAL, 0, SEED, 0};
    check(cgsv_random_updates(device, row, 1, AGENTS, &vectors, 0, DIMENSION));
    for (int i = 0; i < AGENTS * DIMENSION; i++) exact_row[i] = row[i];
    cgsv_valuation_options o = options_of(CGSV_METHOD_LEAVE_ONE_OUT, 0, SEED);
    check(cgsv_value(device, value, NULL, gram, weight, 1, AGENTS, &o, NULL));
    for (int i = 0; i < AGENTS; i++)
        cr_expect_float_eq(value[i],
                           1 - reference_coalition(exact_row, weight, AGENTS, DIMENSION, 255 - (UINT64_C(1) << i)),
                           1e-13);
    o.method = CGSV_METHOD_EUCLIDEAN;
    for (int rescaled = 0; rescaled < 2; rescaled++) {
        o.gamma = rescaled ? 0.5 : 0;
        check(cgsv_value(device, value, NULL, gram, weight, 1, AGENTS, &o, NULL));
        for (int i = 0; i < AGENTS; i++) {
            const double scale = rescaled ? 0.5 / sqrt(gram[i * AGENTS + i]) : 1;
            double square = 0;
            for (int d = 0; d < DIMENSION; d++) {
                double away = -scale * exact_row[i * DIMENSION + d];
                for (int j = 0; j < AGENTS; j++) away += weight[j] * exact_row[j * DIMENSION + d];
                square += away * away;
            }
            cr_expect_float_eq(value[i], 1 / (1 + sqrt(square)), 1e-13);
        }
    }
}

/* A coalition that a huge agent leaves is not what rounding leaves of it. */
Test(estimators, huge_agent, .init = start, .fini = close_device)
{
    float row[AGENTS * DIMENSION];
    double exact_row[AGENTS * DIMENSION], mean[AGENTS], error[AGENTS], claimed[AGENTS];
    const cgsv_vectors_options vectors = {CGSV_VECTORS_NORMAL, 0, SEED, 0};
    check(cgsv_random_updates(device, row, 1, AGENTS, &vectors, 0, DIMENSION));
    for (int i = 0; i < AGENTS * DIMENSION; i++) exact_row[i] = i / DIMENSION == 3 ? 1e9 * row[i] : row[i];
    reference_gram(gram, exact_row, AGENTS, DIMENSION);
    reference_shapley(exact, exact_row, weight, AGENTS, DIMENSION);
    for (int m = 0; m < SAMPLING; m++) {
        trials_of(sampling[m], 40, 2000, mean, error, claimed);
        for (int i = 0; i < AGENTS; i++)
            cr_expect(fabs(mean[i] - exact[i]) <= 4 * sqrt(error[i] / 2000) + 1e-8, "%s, agent %d: %g, not %g",
                      cgsv_method_name(sampling[m]), i, mean[i], exact[i]);
    }
    double value[AGENTS];
    const cgsv_valuation_options o = options_of(CGSV_METHOD_LEAVE_ONE_OUT, 0, SEED);
    check(cgsv_value(device, value, NULL, gram, weight, 1, AGENTS, &o, NULL));
    cr_expect_float_eq(value[3], 1 - reference_coalition(exact_row, weight, AGENTS, DIMENSION, 255 - 8), 1e-9);
}

Test(estimators, budget)
{
    int64_t permutations;
    cgsv_valuation_options o = options_of(CGSV_METHOD_PERMUTATION, 0, SEED);
    check(cgsv_valuation_budget(&permutations, &o));
    cr_expect_eq(permutations, 150);
    o.epsilon = 0.01;
    o.delta = 0.05;
    check(cgsv_valuation_budget(&permutations, &o));
    cr_expect_eq(permutations, 18445);
    o.budget = 7;
    check(cgsv_valuation_budget(&permutations, &o));
    cr_expect_eq(permutations, 7);
}

Test(estimators, plan)
{
    /* A unit of antithetic is 2 orders, of stratified 2 evaluations for each agent, of owen N + 1 in all. */
    static const struct {
        cgsv_method method;
        int agents, budget;
        double evaluations;
        bool every_order;
    } cases[] = {
        {CGSV_METHOD_EXACT, 8, 0, 256, false},         {CGSV_METHOD_COSINE, 8, 0, 0, false},
        {CGSV_METHOD_PERMUTATION, 8, 100, 800, false}, {CGSV_METHOD_ANTITHETIC, 8, 101, 800, false},
        {CGSV_METHOD_STRATIFIED, 8, 100, 800, false},  {CGSV_METHOD_OWEN, 8, 100, 792, false},
        {CGSV_METHOD_PERMUTATION, 5, 120, 32, true},   {CGSV_METHOD_PERMUTATION, 5, 119, 595, false},
        {CGSV_METHOD_LEAVE_ONE_OUT, 8, 0, 9, false},   {CGSV_METHOD_EUCLIDEAN, 8, 0, 0, false},
        {CGSV_METHOD_EXACT, 40, 0, 0x1p40, false},
    };
    cgsv_valuation_cost cost;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const cgsv_valuation_options o = options_of(cases[k].method, cases[k].budget, SEED);
        check(cgsv_valuation_plan(&cost, cases[k].agents, &o));
        cr_expect_eq(cost.evaluations, cases[k].evaluations, "%s: %g evaluations", cgsv_method_name(o.method),
                     cost.evaluations);
        cr_expect(cost.permutations == cases[k].budget && cost.every_order == cases[k].every_order);
    }
    cgsv_valuation_options o = options_of(CGSV_METHOD_EXACT, 0, SEED);
    cr_expect_eq(cgsv_valuation_plan(&cost, 41, &o), CGSV_ERROR_ARGUMENT);
    cr_expect(strstr(cgsv_last_error(), "41 agents need 2.2e+12 coalitions"), "%s", cgsv_last_error());
    cr_expect_eq(cgsv_valuation_plan(&cost, 0, &o), CGSV_ERROR_ARGUMENT);
    o = options_of(CGSV_METHOD_OWEN, -1, SEED);
    cr_expect_eq(cgsv_valuation_plan(&cost, 8, &o), CGSV_ERROR_ARGUMENT);
}

Test(estimators, measures)
{
    const double estimate[] = {2, 2, 4}, against[] = {0.2, 0.3, 0.5}, none[] = {1, -1, 0};
    const cgsv_comparison c = cgsv_compare(estimate, against, 3);
    cr_expect_float_eq(c.l1, 0.1, 1e-15);
    cr_expect_float_eq(c.l2, sqrt(2) * 0.05, 1e-15);
    cr_expect_float_eq(c.cosine, 0.375 / sqrt(0.375 * 0.38), 1e-15);
    cr_expect_float_eq(c.pearson, cgsv_pearson(estimate, against, 3), 1e-15);
    cr_expect(isnan(cgsv_compare(none, against, 3).l1) && isnan(cgsv_compare(against, none, 3).pearson));

    const double matrix[] = {4, 1, 1, 9}, by[] = {0.5, 0.25}, r[] = {0.6, 0.4};
    const cgsv_theorem1 t = cgsv_theorem1_measure(matrix, by, 2);
    cr_expect_float_eq(t.inverse_i, 2.25, 1e-15);
    cr_expect_float_eq(t.gamma, 3, 1e-15);
    cr_expect_float_eq(t.bound, 4, 1e-15);
    double normalised[2];
    const double with_zero[] = {0, 0, 0, 9};
    cgsv_normalised_weights(normalised, with_zero, r, 0.5, 1, 2);
    cr_expect_eq(normalised[0], 0);
    cr_expect_float_eq(normalised[1], 0.4 * 0.5 / (3 + 1e-7), 1e-15);
}
