/* Gram matrices and random updates through the public interface. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference_valuation.h"
#include "test_device.h"
#include "valuation_game.h"

TestSuite(gram, .timeout = 120);

Test(gram, in_pieces, .init = open_device, .fini = close_device)
{
    enum { N = 7, D = 9001 };
    struct game g = make_game(N, D, CGSV_VECTORS_HEAVY_TAILED, SEED);
    double want[N * N], once[N * N], pieces[N * N];
    reference_gram(want, g.exact_row, N, D);
    for (int precise = 0; precise < 2; precise++)
        for (int chunk = 0; chunk < 2; chunk++) {
            static const int64_t even[] = {2048, 4096, 2857}, odd[] = {1, 3000, 6000};
            cgsv_gram *gram;
            gram_of(once, g.row, 1, N, D, precise);
            check(cgsv_gram_create(&gram, device, 1, N, chunk ? 1 : 0, precise));
            int64_t done = 0;
            for (int i = 0; i < 3; done += (chunk ? odd : even)[i], i++)
                check(cgsv_gram_add(gram, g.row + done, D, (chunk ? odd : even)[i]));
            cr_assert_eq(done, D);
            check(cgsv_gram_read(gram, pieces, NULL));
            cgsv_gram_free(gram);
            if (!chunk && test_device_is_cpu())
                cr_assert_eq(memcmp(once, pieces, sizeof once), 0, "pieces that end at runs");
            for (int i = 0; i < N * N; i++) {
                const double size = sqrt(want[i / N * (N + 1)] * want[i % N * (N + 1)]);
                cr_assert_float_eq(pieces[i], want[i], (precise ? 1e-13 : 1e-6) * size);
                cr_assert_float_eq(once[i], want[i], (precise ? 1e-13 : 1e-6) * size);
            }
        }
    free_game(g);
}

Test(gram, names_a_faulty_agent, .init = open_device, .fini = close_device)
{
    enum { N = 6, D = 3000 };
    struct game g = make_game(N, D, CGSV_VECTORS_NORMAL, SEED);
    double matrix[N * N];
    int faulty[N];
    cgsv_gram *gram;
    g.row[2 * D + 7] = NAN;
    g.row[2 * D + 2999] = INFINITY;
    g.row[4 * D] = 1e30f;
    check(cgsv_gram_create(&gram, device, 1, N, 0, false));
    check(cgsv_gram_add(gram, g.row, D, D));
    cr_assert_eq(cgsv_gram_read(gram, matrix, NULL), CGSV_ERROR_DATA);
    cr_assert(strstr(cgsv_last_error(), "agent 2") && strstr(cgsv_last_error(), "2 of 3000"), "%s", cgsv_last_error());
    check(cgsv_gram_read(gram, matrix, faulty));
    for (int i = 0; i < N; i++) {
        cr_assert_eq(faulty[i], i == 2 ? 2 : i == 4 ? -1 : 0, "agent %d: %d", i, faulty[i]);
        for (int j = 0; j < N; j++) cr_assert_eq(matrix[i * N + j] == 0, faulty[i] || faulty[j]);
    }
    cgsv_gram_free(gram);
    free_game(g);
}

Test(gram, random_updates_depend_on_their_place_alone, .init = open_device, .fini = close_device)
{
    enum { GAMES = 3, N = 5, D = 4001, FIRST = 1234, PIECE = 77 };
    float *all = take(sizeof(float) * GAMES * N * D), piece[N * PIECE];
    for (cgsv_vectors kind = CGSV_VECTORS_NORMAL; kind <= CGSV_VECTORS_OPPOSED; kind++) {
        cgsv_vectors_options o = {kind, cgsv_vectors_parameter(kind), SEED, 0};
        if (kind == CGSV_VECTORS_FREE_RIDERS) o.parameter = 0.01;
        check(cgsv_random_updates(device, all, GAMES, N, &o, 0, D));
        o.first_game = 2;
        check(cgsv_random_updates(device, piece, 1, N, &o, FIRST, PIECE));
        for (int i = 0; i < N; i++)
            cr_assert_eq(memcmp(piece + i * PIECE, all + (2 * N + i) * D + FIRST, sizeof(float) * PIECE), 0);

        cgsv_gram *gram;
        double made[GAMES * N * N], added[GAMES * N * N];
        o.first_game = 0;
        gram_of(added, all, GAMES, N, D, false);
        check(cgsv_gram_create(&gram, device, GAMES, N, 2048, false));
        check(cgsv_gram_add_random(gram, &o, 0, D));
        check(cgsv_gram_read(gram, made, NULL));
        cgsv_gram_free(gram);
        cr_assert_eq(memcmp(made, added, sizeof made), 0, "%s", cgsv_vectors_name(kind));

        /* Moments over games and agents of what the kind promises, within 5 standard errors or so. */
        const int last = N - 1;
        for (int game = 0; game < GAMES; game++) {
            const double *G = made + game * N * N, tolerance = 8 / sqrt(D);
            const double square = G[N + 1] / D, cross = G[1] / D, corner = G[last] / D, tail = G[N * N - 1] / D;
            const double expected = kind == CGSV_VECTORS_SPARSE ? 0.1 : 1;
            if (kind != CGSV_VECTORS_HEAVY_TAILED) cr_assert_float_eq(square, expected, tolerance, "%g", square);
            if (kind == CGSV_VECTORS_HEAVY_TAILED) cr_assert(square > 1.5 && square < 20, "%g", square);
            if (kind != CGSV_VECTORS_HEAVY_TAILED)
                cr_assert_float_eq(cross, kind == CGSV_VECTORS_CORRELATED ? 0.5 : 0, tolerance, "%g", cross);
            if (kind == CGSV_VECTORS_OPPOSED) cr_assert_eq(corner, -G[0] / D);
            if (kind == CGSV_VECTORS_FREE_RIDERS) cr_assert_float_eq(tail, 1e-4, 1e-5, "%g", tail);
        }
    }
    free(all);
}
