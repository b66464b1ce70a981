/* Exact CGSV through the public interface; what all methods share. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "golden.h"
#include "reference_valuation.h"
#include "test_device.h"
#include "valuation_game.h"

enum { MOST = 24 };

TestSuite(valuation, .timeout = 120);

static void value_of(double *value, double *error, const double *gram, const double *weight, int games, int agents,
                     cgsv_valuation_options o)
{
    check(cgsv_value(device, value, error, gram, weight, games, agents, &o, NULL));
}

static void exact_of(double *value, struct game g, bool precise)
{
    double *gram = take((size_t)(g.agents * g.agents) * sizeof *gram);
    gram_of(gram, g.row, 1, g.agents, g.dimension, precise);
    value_of(value, NULL, gram, g.weight, 1, g.agents, options_of(CGSV_METHOD_EXACT, 0, 0));
    free(gram);
}

static void near(const double *got, const double *want, int n, double bound, const char *what)
{
    for (int i = 0; i < n; i++)
        cr_assert(fabs(got[i] - want[i]) <= bound, "%s, agent %d: %.15g, not %.15g ± %g", what, i, got[i], want[i],
                  bound);
}

/* ---- exact values ---- */

Test(valuation, golden, .init = open_device, .fini = close_device)
{
    struct safetensors *file = golden_open("shapley_exact.safetensors");
    for (int c = 0; c < 9; c++) {
        const struct safetensors_tensor *update = golden_get(file, "c%d.update", c);
        const struct safetensors_tensor *weight = golden_get(file, "c%d.weight", c);
        const int N = (int)update->shape[0];
        double shapley[MOST], psi[MOST], got[MOST];
        for (int i = 0; i < N; i++) {
            shapley[i] = golden_at(golden_get(file, "c%d.shapley", c), i);
            psi[i] = golden_at(golden_get(file, "c%d.psi", c), i);
        }
        for (int precise = 0; precise < 2; precise++) {
            const double bound = precise ? 1e-10 : 1e-5;
            double gram[MOST * MOST];
            gram_of(gram, update->data, 1, N, update->shape[1], precise);
            value_of(got, NULL, gram, weight->data, 1, N, options_of(CGSV_METHOD_EXACT, 0, 0));
            near(got, shapley, N, bound, "exact");
            value_of(got, NULL, gram, weight->data, 1, N, options_of(CGSV_METHOD_COSINE, 0, 0));
            near(got, psi, N, bound, "cosine");
        }
    }
    safetensors_close(file);
}

Test(valuation, brute_force, .init = open_device, .fini = close_device)
{
    for (int N = 1; N <= 12; N++)
        for (int kind = 0; kind <= CGSV_VECTORS_OPPOSED; kind++) {
            if (N > 9 && kind % 3) continue;
            struct game g = make_game(N, 23, (cgsv_vectors)kind, SEED + (uint64_t)N);
            double got[MOST], want[MOST], by_orders[MOST];
            if (kind == CGSV_VECTORS_OPPOSED) g.weight[N - 1] = g.weight[0];
            exact_of(got, g, true);
            reference_shapley(want, g.exact_row, g.weight, N, g.dimension);
            near(got, want, N, 1e-12, cgsv_vectors_name((cgsv_vectors)kind));
            if (N <= 8) {
                reference_shapley_orders(by_orders, g.exact_row, g.weight, N, g.dimension);
                near(got, by_orders, N, 1e-12, "all orders");
            }
            free_game(g);
        }
}

/* All three places of an agent: in the tile, walked through by a block, with blocks of its own.
 * Beyond brute force, a game of N agents and one without an update is a game of N. */
Test(valuation, every_split_of_the_agents, .init = open_device, .fini = close_device)
{
    static const int sizes[] = {11, 14, 15, 16, 17, 19, 21};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int N = sizes[k], small = 9;
        struct game g = make_game(N, 40, CGSV_VECTORS_NORMAL, SEED);
        struct game s = make_game(small, 40, CGSV_VECTORS_NORMAL, SEED);
        double got[MOST], want[MOST], small_value[MOST] = {0};
        reference_shapley(small_value, s.exact_row, s.weight, small, 40);
        memset(g.row, 0, (size_t)(N * 40) * sizeof *g.row);
        for (int i = 0; i < N; i++) want[i] = 0;
        for (int i = 0; i < small; i++) { /* spread over all places */
            const int at = i * (N - 1) / (small - 1);
            memcpy(g.row + at * 40, s.row + i * 40, 40 * sizeof *g.row);
            g.weight[at] = s.weight[i];
            want[at] = small_value[i];
        }
        exact_of(got, g, true);
        near(got, want, N, 1e-12, "with agents without updates");
        for (int i = 0; i < N; i++) cr_assert(want[i] != 0 || got[i] == 0, "no update, but %g", got[i]);
        free_game(g);
        free_game(s);
    }
}

Test(valuation, agents_change_places, .init = open_device, .fini = close_device)
{
    enum { N = 18, D = 64 };
    struct game g = make_game(N, D, CGSV_VECTORS_CORRELATED, SEED), turned = make_game(N, D, CGSV_VECTORS_NORMAL, SEED);
    double value[N], other[N];
    for (int i = 0; i < N; i++) {
        memcpy(turned.row + (i + 7) % N * D, g.row + i * D, D * sizeof *g.row);
        turned.weight[(i + 7) % N] = g.weight[i];
    }
    exact_of(value, g, true);
    exact_of(other, turned, true);
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += value[i];
        cr_assert_float_eq(value[i], other[(i + 7) % N], 1e-13);
    }
    cr_assert_float_eq(sum, 1, 1e-13, "efficiency: %.17g", sum);
    free_game(g);
    free_game(turned);
}

Test(valuation, twins_scale_rotation, .init = open_device, .fini = close_device)
{
    enum { N = 13, D = 30 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct game g = make_game(N, D, (cgsv_vectors)(seed % CGSV_VECTORS_FREE_RIDERS), seed);
        double value[N], other[N], householder[D], square = 0;
        memcpy(g.row + 11 * D, g.row + 2 * D, D * sizeof *g.row);
        g.weight[11] = g.weight[2];
        exact_of(value, g, true);
        cr_assert_float_eq(value[2], value[11], 1e-13, "twins: %g and %g", value[2], value[11]);

        for (int i = 0; i < N; i++) g.weight[i] *= 1e-9;
        exact_of(other, g, true);
        near(other, value, N, 1e-13, "other scale");

        for (int d = 0; d < D; d++) {
            householder[d] = g.row[(int)(seed % N) * D + d] + 0.1;
            square += householder[d] * householder[d];
        }
        double rotated[N * D], gram[N * N];
        for (int i = 0; i < N; i++) {
            double along = 0;
            for (int d = 0; d < D; d++) along += householder[d] * (double)g.row[i * D + d];
            for (int d = 0; d < D; d++) rotated[i * D + d] = g.row[i * D + d] - 2 * along / square * householder[d];
        }
        cgsv_gram *matrix;
        check(cgsv_gram_create(&matrix, device, 1, N, 0, true));
        check(cgsv_gram_add_double(matrix, rotated, D, D));
        check(cgsv_gram_read(matrix, gram, NULL));
        cgsv_gram_free(matrix);
        value_of(other, NULL, gram, g.weight, 1, N, options_of(CGSV_METHOD_EXACT, 0, 0));
        near(other, value, N, 1e-11, "rotated");
        free_game(g);
    }
}

/* A tiny agent's own coalition counts; opposed agents of any size cancel. */
Test(valuation, tiny_and_cancelling_agents, .init = open_device, .fini = close_device)
{
    const float row[4][2] = {{1, 0}, {-1, 0}, {1e-9f, 2e-9f}, {0, 1e-3f}}; /* two games of two */
    const double weight[4] = {1, 1, 1, 1};
    double exact_row[8], got[4], want[4], gram[16];
    for (int i = 0; i < 8; i++) exact_row[i] = row[i / 2][i % 2];
    reference_shapley(want, exact_row, weight, 2, 2);
    cr_assert(want[0] == 0 && want[1] == 0);
    for (int precise = 0; precise < 2; precise++) {
        gram_of(gram, *row, 1, 2, 2, precise);
        value_of(got, NULL, gram, weight, 1, 2, options_of(CGSV_METHOD_EXACT, 0, 0));
        cr_assert(got[0] == 0 && got[1] == 0, "opposed: %g, %g", got[0], got[1]);
    }
    const float nearly[2][2] = {{1, 0}, {-1, 1e-5f}}; /* not opposed: what is left is 1e-5 long */
    const double exact_nearly[4] = {1, 0, -1, nearly[1][1]};
    gram_of(gram, *nearly, 1, 2, 2, true);
    reference_shapley(want, exact_nearly, weight, 2, 2);
    value_of(got, NULL, gram, weight, 1, 2, options_of(CGSV_METHOD_EXACT, 0, 0));
    near(got, want, 2, 1e-5, "nearly opposed");
    cr_assert_float_eq(want[0] + want[1], 1, 1e-6);

    gram_of(gram, row[2], 1, 2, 2, true);
    reference_shapley(want, exact_row + 4, weight, 2, 2);
    value_of(got, NULL, gram, weight, 1, 2, options_of(CGSV_METHOD_EXACT, 0, 0));
    near(got, want, 2, 1e-12, "a million times smaller");
    cr_assert(want[0] > 0.1);
}

Test(valuation, same_bits_with_any_threads_and_in_batches, .init = open_device, .fini = close_device)
{
    enum { GAMES = 5, N = 17, D = 5000 };
    float *row = take(sizeof(float) * GAMES * N * D);
    double gram[GAMES * N * N], single_gram[N * N], weight[GAMES * N], value[GAMES * N], single[GAMES * N];
    const cgsv_vectors_options vectors = {CGSV_VECTORS_CORRELATED, 0.3, SEED, 0};
    check(cgsv_random_updates(device, row, GAMES, N, &vectors, 0, D));
    for (int i = 0; i < GAMES * N; i++) weight[i] = 1 + i % 3;
    gram_of(gram, row, GAMES, N, D, false);
    for (cgsv_method m = CGSV_METHOD_EXACT; m <= CGSV_METHOD_EUCLIDEAN; m++) {
        cgsv_valuation_options o = options_of(m, 33, SEED);
        value_of(value, NULL, gram, weight, GAMES, N, o);
        for (int threads = 1; threads <= 3; threads++) {
            cgsv_device *narrow = device;
            check(cgsv_device_open(&device, test_device(), threads));
            for (int game = 0; game < GAMES; game++) {
                o.first_game = game;
                gram_of(single_gram, row + game * N * D, 1, N, D, false);
                cr_assert_eq(memcmp(single_gram, gram + game * N * N, sizeof single_gram), 0, "Gram, %d threads",
                             threads);
                value_of(single + game * N, NULL, single_gram, weight + game * N, 1, N, o);
            }
            cgsv_device_close(device);
            device = narrow;
            cr_assert_eq(memcmp(value, single, sizeof value), 0, "%s, %d threads", cgsv_method_name(m), threads);
        }
    }
    free(row);
}

/* ---- refusals ---- */

#define REFUSED(call, status, words)                                              \
    do {                                                                          \
        cr_expect_eq(call, status, "%s", #call);                                  \
        cr_expect(strstr(cgsv_last_error(), words), "%s", cgsv_last_error());     \
    } while (0)

Test(valuation, refusals, .init = open_device, .fini = close_device)
{
    double gram[41 * 41] = {0}, weight[41], value[41];
    cgsv_gram *g;
    for (int i = 0; i < 41; i++) gram[i * 42] = weight[i] = 1;
    cgsv_valuation_options o = options_of(CGSV_METHOD_EXACT, 0, 0);
    REFUSED(cgsv_value(device, value, NULL, gram, weight, 1, 41, &o, NULL), CGSV_ERROR_ARGUMENT, "hours");
    REFUSED(cgsv_value(device, value, NULL, gram, weight, 1, 41, &o, NULL), CGSV_ERROR_ARGUMENT, "permutation");
    memset(gram, 0, sizeof gram);
    for (int i = 0; i < 3; i++) gram[i * 4] = 1;
#define VALUE(games, agents) cgsv_value(device, value, NULL, gram, weight, games, agents, &o, NULL)
    REFUSED(VALUE(1, 0), CGSV_ERROR_ARGUMENT, "agents is 0");
    REFUSED(VALUE(0, 3), CGSV_ERROR_ARGUMENT, "games is 0");
    o.method = CGSV_METHOD_PERMUTATION;
    o.budget = -1;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "budget is -1");
    o.budget = 0;
    o.epsilon = 1;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "epsilon is 1");
    o.epsilon = 1e-6;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "raise epsilon");
    o.epsilon = 0.1;
    o.delta = NAN;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "delta is");
    o.delta = 0.1;
    o.first_game = -1;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "first_game is -1");
    o.first_game = 0;
    gram[1] = gram[3] = NAN;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "agents 1 and 0");
    gram[1] = gram[3] = 1.5;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "at most 1");
    gram[1] = 0.5, gram[3] = 0.4;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "expected the same");
    gram[3] = 0.5, gram[8] = -1;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "agent 2: squared length");
    gram[8] = 1, weight[1] = -1;
    REFUSED(VALUE(1, 3), CGSV_ERROR_ARGUMENT, "agent 1: weight -1");

    float row[8] = {0};
    REFUSED(cgsv_gram_create(&g, device, 1, 0, 0, false), CGSV_ERROR_ARGUMENT, "agents is 0");
    REFUSED(cgsv_gram_create(&g, device, 60000, 32768, 0, false), CGSV_ERROR_MEMORY, "needs");
    REFUSED(cgsv_gram_create(&g, device, 1, 2, -1, false), CGSV_ERROR_ARGUMENT, "chunk_columns is -1");
    check(cgsv_gram_create(&g, device, 1, 2, 0, false));
    REFUSED(cgsv_gram_add(g, row, 3, 4), CGSV_ERROR_ARGUMENT, "3 apart");
    REFUSED(cgsv_gram_add(g, row, 4, -4), CGSV_ERROR_ARGUMENT, "-4 columns");
    REFUSED(cgsv_gram_add(g, row, INT64_MAX, 4), CGSV_ERROR_ARGUMENT, "address space");
    REFUSED(cgsv_gram_add_double(g, weight, 4, 4), CGSV_ERROR_ARGUMENT, "precise");
    const cgsv_vectors_options bad = {CGSV_VECTORS_CORRELATED, 1.5, 0, 0};
    REFUSED(cgsv_gram_add_random(g, &bad, 0, 4), CGSV_ERROR_ARGUMENT, "correlation in [0, 1]");
    cgsv_gram_free(g);

    cgsv_method method;
    REFUSED(cgsv_method_parse(&method, "permutaton"), CGSV_ERROR_ARGUMENT, "did you mean 'permutation'");
    cgsv_vectors kind;
    REFUSED(cgsv_vectors_parse(&kind, "normle"), CGSV_ERROR_ARGUMENT, "did you mean 'normal'");
    for (cgsv_method m = CGSV_METHOD_EXACT; m <= CGSV_METHOD_EUCLIDEAN; m++) {
        check(cgsv_method_parse(&method, cgsv_method_name(m)));
        cr_expect_eq(method, m);
    }
}
