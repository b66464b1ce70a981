/* Estimates of the Shapley values of the cosine game, for a batch of games.
 *
 * Sampling methods make units: rows of N numbers, one for each agent, each unbiased for the
 * agent's value (taken together with the other units where their sizes are stratified). A unit
 * depends on (seed, game, number of the unit) alone. Moments are taken over units in their order.
 *
 *   permutation  all marginal contributions along a random permutation (Castro et al., 2009)
 *   antithetic   the mean over a permutation and its reverse (Mitchell et al., 2022)
 *   stratified   for every agent the marginal contribution to a random coalition without it; of m
 *                units, number k takes the size (k + U(0, 1)) / m of the way from 0 to N−1
 *   owen         a random coalition that holds each agent with probability (k + U(0, 1)) / m; every
 *                agent joins it or leaves it (multilinear extension; Owen, 1972; Okhrati and
 *                Lipani, 2020) */
#include "kernels/games.h"
#include "kernels/random.h"

/* The game and the random numbers of one agent's (or 0: all agents') part of a unit. */
struct unit {
    struct game game;
    struct draws draws;
    int64_t number;
};

DEVICE struct unit unit_of(struct sampling s, int64_t task, int agent)
{
    const int64_t index = task / s.units, number = s.first + task % s.units;
    struct unit unit = {game_of(s.games, index),
                        draws_start(s.seed, RANDOM_USE_COALITIONS, (uint32_t)agent << 16, (uint32_t)number,
                                    (uint32_t)(s.first_game + index)),
                        number};
    return unit;
}

DEVICE void add_marginals(double *row, struct game game, const uint16_t *order, double scale)
{
    struct coalition c = {0, 0, 0};
    double before = 0;
    for (int k = 0; k < game.agents; k++) {
        const int i = order[k];
        c = coalition_with(c, game, i, coalition_cross(game, order, k, i, -1));
        const double value = coalition_value(c, game.length);
        row[i] += scale * (value - before);
        before = value;
    }
}

/* A task: one permutation, and with `reverse` its reverse. */
KERNEL(sample_permutations, struct sampling s, int reverse)
{
    const int N = s.games.agents;
    GRID_FOR(task, s.games.games * s.units)
    {
        struct unit unit = unit_of(s, task, 0);
        double *row = s.sample + task * N;
        uint16_t *order = s.order + task * N;
        for (int i = 0; i < N; i++) {
            order[i] = (uint16_t)i;
            row[i] = 0;
        }
        shuffle(order, N, N - 1, &unit.draws);
        add_marginals(row, unit.game, order, reverse ? 0.5 : 1.0);
        if (!reverse) continue;
        for (int i = 0; i < N / 2; i++) {
            const uint16_t other = order[i];
            order[i] = order[N - 1 - i];
            order[N - 1 - i] = other;
        }
        add_marginals(row, unit.game, order, 0.5);
    }
}

/* A task: one agent of one unit. */
KERNEL(sample_strata, struct sampling s)
{
    const int N = s.games.agents;
    GRID_FOR(task, s.games.games * s.units * N)
    {
        const int i = (int)(task % N);
        struct unit unit = unit_of(s, task / N, i);
        const int drawn = (int)(((double)unit.number + draws_uniform(&unit.draws)) / (double)s.total * N);
        const int size = drawn < N ? drawn : N - 1; /* 1 may be the quotient, rounded */
        uint16_t *other = s.order + task * N;
        for (int j = 0; j < N - 1; j++) other[j] = (uint16_t)(j + (j >= i));
        shuffle(other, N - 1, size, &unit.draws);
        const struct coalition without = coalition_of(unit.game, other, size, -1);
        const double cross = coalition_cross(unit.game, other, size, i, -1);
        const struct coalition with = coalition_with(without, unit.game, i, cross);
        s.sample[task] = coalition_value(with, unit.game.length) - coalition_value(without, unit.game.length);
    }
}

/* What agent i adds to the others of a coalition, whose members are listed in order. */
DEVICE double marginal(struct coalition c, struct game game, const uint16_t *member, int count, int i, int inside)
{
    const double cross = coalition_cross(game, member, count, i, -1), value = coalition_value(c, game.length);
    if (!inside) return coalition_value(coalition_with(c, game, i, cross), game.length) - value;
    return value - coalition_value(coalition_without(c, game, member, count, i, cross), game.length);
}

/* A task: one unit. */
KERNEL_BY(3, sample_owen, struct sampling s)
{
    const int N = s.games.agents;
    GRID_FOR(task, s.games.games * s.units)
    {
        struct unit unit = unit_of(s, task, 0);
        const double probability = ((double)unit.number + draws_uniform(&unit.draws)) / (double)s.total;
        uint16_t *member = s.order + task * N;
        int count = 0, next = 0;
        for (int i = 0; i < N; i++)
            if (draws_uniform(&unit.draws) < probability) member[count++] = (uint16_t)i;
        const struct coalition c = coalition_of(unit.game, member, count, -1);
        for (int i = 0; i < N; i++) {
            const int inside = next < count && member[next] == i;
            s.sample[task * N + i] = marginal(c, unit.game, member, count, i, inside);
            next += inside;
        }
    }
}

/* Mean (Welford) and spread of an agent's numbers so far. Units are independent, or stratified
 * one to a stratum; then neighbours' differences tell their spread (Cochran, 1977, 5A.12). */
KERNEL(sample_moments, struct sampling s, int stratified)
{
    const int N = s.games.agents;
    GRID_FOR(at, (int64_t)s.games.games * N)
    {
        const double *sample = s.sample + at / N * s.units * N + at % N;
        double mean = s.first ? s.mean[at] : 0.0, spread = s.first ? s.spread[at] : 0.0;
        for (int64_t k = 0; k < s.units; k++) {
            const double x = sample[k * N], away = x - mean;
            const double difference = k > 0 ? x - sample[(k - 1) * N] : 0.0;
            mean += away / (double)(s.first + k + 1);
            if (!stratified)
                spread += away * (x - mean);
            else if (k % 2 == 1)
                spread += difference * difference;
            else if (s.first + k + 1 == s.total) /* one left over */
                spread += difference * difference / 2;
        }
        s.mean[at] = mean;
        s.spread[at] = spread;
        if (s.first + s.units < s.total) continue;
        const double m = (double)s.total, scale = stratified ? m * m : m * (m - 1);
        s.error[at] = m > 1 ? sqrt(spread / scale) : NAN;
    }
}

/* Additions that a block is worth starting for: each costs microseconds. */
#define BLOCK_ADDITIONS 65536.0
#define MOST_BLOCKS INT64_C(65536)

/* Blocks for GRID_FOR over tasks of so many additions. */
static struct grid grid_for_tasks(int64_t tasks, double additions)
{
    const double blocks = ceil((double)tasks * additions / BLOCK_ADDITIONS);
    const int64_t most = tasks < MOST_BLOCKS ? tasks : MOST_BLOCKS;
    return grid_of(blocks < (double)most ? (int64_t)blocks : most, 1, 1);
}

static const char *launch_sample(void *stream, struct sampling s)
{
    const double N = s.games.agents;
    const int64_t units = s.games.games * s.units;
    const int stratified = s.method == CGSV_METHOD_STRATIFIED || s.method == CGSV_METHOD_OWEN;
    const char *error;
    if (s.method == CGSV_METHOD_STRATIFIED)
        error = LAUNCH(stream, grid_for_tasks(units * s.games.agents, N * N), sample_strata, s);
    else if (s.method == CGSV_METHOD_OWEN)
        error = LAUNCH(stream, grid_for_tasks(units, N * N), sample_owen, s);
    else
        error = LAUNCH(stream, grid_for_tasks(units, N * N), sample_permutations, s,
                       s.method == CGSV_METHOD_ANTITHETIC);
    if (error) return error;
    return LAUNCH(stream, grid_for_tasks((int64_t)s.games.games * s.games.agents, (double)s.units), sample_moments, s,
                  stratified);
}

/* Estimates without sampling. gamma > 0: the Euclidean similarity rescales each update to it.
 *
 *   cosine         ψ_i = cos(u_i, u_N) (the paper's section 3.2)
 *   leave-one-out  ν(N) − ν(N∖i)
 *   euclidean      1 / (1 + ‖u_i − u_N‖)                                            */
KERNEL(closed_form, double *value, uint16_t *everyone, struct games g, enum cgsv_method method, double gamma)
{
    const int N = g.agents;
    const struct game game = game_of(g, BLOCK_X);
    const double *gram = g.gram + BLOCK_X * N * N, *weight = g.weight + BLOCK_X * N;
    const double aggregate = game.length * g.longest[BLOCK_X];
    uint16_t *all = everyone + BLOCK_X * N;
    BLOCK_FOR(i, N) { all[i] = (uint16_t)i; }
    block_sync();
    struct coalition whole = {0, 0, 0};
    if (method == CGSV_METHOD_LEAVE_ONE_OUT) whole = coalition_of(game, all, N, -1);
    BLOCK_FOR(i, N)
    {
        const double norm = sqrt(gram[i * N + i]);
        double dot = 0, estimate = 0; /* <u_i, u_N>, u_i unweighted */
        for (int j = 0; j < N; j++) dot += weight[j] == 0 ? 0.0 : weight[j] * gram[i * N + j];
        if (method == CGSV_METHOD_COSINE) {
            estimate = norm > 0 && aggregate > 0 ? dot / norm / aggregate : 0.0;
        } else if (method == CGSV_METHOD_LEAVE_ONE_OUT) {
            estimate = marginal(whole, game, all, N, (int)i, 1);
        } else {
            const double scale = gamma > 0 ? norm > 0 ? gamma / norm : 0.0 : 1.0;
            const double square = scale * norm * scale * norm + aggregate * aggregate - 2 * scale * dot;
            estimate = 1 / (1 + sqrt(fmax(square, 0.0)));
        }
        value[BLOCK_X * N + i] = estimate;
    }
}

static const char *launch_closed_form(void *stream, double *value, uint16_t *everyone, struct games games,
                                      enum cgsv_method method, double gamma)
{
    return LAUNCH(stream, grid_of(games.games, 1, 1), closed_form, value, everyone, games, method, gamma);
}
