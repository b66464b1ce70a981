/* Exact Shapley values of the cosine game, from Gram matrices, for a batch of games.
 *
 * With W(s) = (s−1)! (N−s−1)! / (N−1)! for 0 < s < N and W(N) = 1/N, h(S) = W(|S|) ν(S) and
 * H_i = Σ_{S∋i} h(S), the definition (the paper's section 3.1) becomes
 *
 *     φ_i = H_i − mean_j H_j + ν(N) / N,
 *
 * since W(s) = w(s−1) + w(s) and w(s) = W(s) s / N with w(s) = s! (N−s−1)! / N!. So every
 * coalition adds one number, to its members.
 *
 * 1. games_prepare makes <a_i, a_j>, <a_i, u_N> and ‖u_N‖, scaled so that the longest a_i has
 *    length 1.
 * 2. shapley_tiles: a block takes all coalitions with the same top agents. It goes through the
 *    subsets of the middle agents; for each, through a tile of 2^tile subsets of the lowest
 *    agents. ‖u_{M∪L}‖² = ‖u_M‖² + ‖u_L‖² + 2 Σ_{i∈L} <a_i, u_M>, where ‖u_L‖² is tabulated and
 *    the last sum comes from two tables, for the lower and the upper half of the tile's agents.
 * 3. The tile's h are summed over the middle subsets; folding that sum in half, once for each
 *    agent, leaves each low agent's H_i. A middle or top agent's is that of whole tiles.
 * 4. shapley_finish adds up the blocks in their order. */
#include "kernels/games.h"

/* Block: a game. */
KERNEL(games_prepare, struct games g)
{
    const int64_t N = g.agents;
    const double *gram = g.gram + BLOCK_X * N * N, *weight = g.weight + BLOCK_X * N;
    double *product = g.product + BLOCK_X * N * N, *dot = g.dot + BLOCK_X * N;
    double longest = 0;
    for (int64_t i = 0; i < N; i++) longest = fmax(longest, fabs(weight[i]) * sqrt(gram[i * N + i]));

    double square = 0, members = 0;
    BLOCK_FOR(i, N)
    {
        const double own = longest > 0 ? weight[i] / longest : 0.0;
        double sum = 0;
        for (int64_t j = 0; j < N; j++) {
            const double other = longest > 0 ? weight[j] / longest : 0.0;
            product[i * N + j] = own == 0 || other == 0 ? 0.0 : own * (gram[i * N + j] * other);
            sum += product[i * N + j];
        }
        dot[i] = sum;
        square += sum;
        members += product[i * N + i];
    }
    square = block_sum(square);
    members = block_sum(members);
    if (THREAD_INDEX == 0) {
        g.length[BLOCK_X] = square > CANCELLED * members ? sqrt(square) : 0.0;
        g.longest[BLOCK_X] = longest;
    }
}

static const char *launch_games_prepare(void *stream, struct games games)
{
    return LAUNCH(stream, grid_of(games.games, 1, 1), games_prepare, games);
}

enum {
    HALF_BITS = SHAPLEY_TILE_BITS / 2,
    TILE = 1 << SHAPLEY_TILE_BITS,
    HALF_TILE = 1 << HALF_BITS
};

/* The subsets of the lowest `bits` agents, tabulated: each is a smaller one and its highest
 * member, whose products with the smaller one's members double in the same way. */
DEVICE void tabulate_tile(BLOCK_PARAM double *square, double *dot, double *members, double *cross, struct game game,
                          int bits)
{
    if (THREAD_INDEX == 0) square[0] = dot[0] = members[0] = cross[0] = 0;
    for (int b = 0; b < bits; b++) {
        const double *row = game.product + (int64_t)b * game.agents;
        for (int c = 0; c < b; c++) {
            block_sync();
            SIMD BLOCK_FOR(l, 1 << c) { cross[(1 << c) + l] = cross[l] + row[c]; }
        }
        block_sync();
        SIMD BLOCK_FOR(l, 1 << b)
        {
            square[(1 << b) + l] = square[l] + row[b] + 2 * cross[l];
            dot[(1 << b) + l] = dot[l] + game.dot[b];
            members[(1 << b) + l] = members[l] + row[b];
        }
    }
    block_sync();
}

/* The coalition of agents `first` + each bit of `high`. */
DEVICE struct coalition coalition_of_bits(struct game game, int64_t high, int first)
{
    struct coalition c = {0, 0, 0};
    for (int i = first; i < game.agents; i++) {
        if (!(high >> (i - first) & 1)) continue;
        double cross = 0;
        for (int j = first; j < i; j++)
            cross += high >> (j - first) & 1 ? game.product[(int64_t)i * game.agents + j] : 0.0;
        c = coalition_with(c, game, i, cross);
    }
    return c;
}

/* 2 Σ_{i∈L} <a_i, u_M> for subsets L of the tile's lowest `low` agents, and of its others. The empty
 * ones' stay 0. */
DEVICE void tabulate_cross(BLOCK_PARAM double *below, double *above, double *cross, struct game game, int64_t high,
                           int low, int tile)
{
    BLOCK_FOR(i, tile)
    {
        double sum = 0;
        for (int j = tile; j < game.agents; j++)
            sum += high >> (j - tile) & 1 ? game.product[(int64_t)j * game.agents + i] : 0.0;
        cross[i] = 2 * sum;
    }
    for (int b = 0; b < HALF_BITS; b++) {
        block_sync();
        if (b < low) BLOCK_FOR(l, 1 << b) { below[(1 << b) + l] = below[l] + cross[b]; }
        if (b < tile - low) BLOCK_FOR(l, 1 << b) { above[(1 << b) + l] = above[l] + cross[low + b]; }
    }
    block_sync();
}

/* Block: the coalitions of a game that have the same top agents. */
KERNEL_BY(3, shapley_tiles, struct shapley s)
{
    SHARED(double, square, TILE);
    SHARED(double, dot, TILE);
    SHARED(double, members, TILE);
    SHARED(double, sum, TILE); /* of h, over the middle subsets */
    SHARED(double, below, HALF_TILE);
    SHARED(double, above, HALF_TILE);
    SHARED(double, cross, SHAPLEY_TILE_BITS);
    const int tile = s.tile_bits, low = tile < HALF_BITS ? tile : HALF_BITS, middle = s.middle_bits;
    const int64_t top = BLOCK_X & ((INT64_C(1) << s.top_bits) - 1);
    const struct game game = game_of(s.games, BLOCK_X >> s.top_bits);
    double *partial = s.partial + BLOCK_X * game.agents;
    tabulate_tile(BLOCK_PASS square, dot, members, sum, game, tile);
    BLOCK_FOR(l, 1 << tile) { sum[l] = 0; }
    if (THREAD_INDEX == 0) below[0] = above[0] = 0;

    double total = 0, of_middle[SHAPLEY_MIDDLE_BITS];
    for (int b = 0; b < middle; b++) of_middle[b] = 0;
    for (int64_t m = 0; m < INT64_C(1) << middle; m++) {
        const int64_t high = top << middle | m;
        const struct coalition outer = coalition_of_bits(game, high, tile);
        int size = 0;
        for (int64_t rest = high; rest; rest &= rest - 1) size++;
        tabulate_cross(BLOCK_PASS below, above, cross, game, high, low, tile);

        const double *weight = s.weight + ((int64_t)size << tile);
        double of_tile = 0;
        WARP_FOR(row, 1 << (tile - low))
        {
            const int64_t first = row << low;
            const double base = outer.square + above[row];
            SIMD_SUM(of_tile) LANE_FOR(l, 1 << low)
            {
                const double h = weight[first + l] * coalition_projection(square[first + l] + (base + below[l]),
                                                                          dot[first + l] + outer.dot,
                                                                          members[first + l] + outer.members);
                sum[first + l] += h;
                of_tile += h;
            }
        }
        for (int b = 0; b < middle; b++) of_middle[b] += m >> b & 1 ? of_tile : 0.0;
        total += of_tile;
    }

    block_sync();
    for (int b = tile - 1; b >= 0; b--) {
        double with = 0;
        SIMD_SUM(with) BLOCK_FOR(l, 1 << b)
        {
            with += sum[(1 << b) + l];
            sum[l] += sum[(1 << b) + l];
        }
        with = block_sum(with); /* which waits for all threads */
        if (THREAD_INDEX == 0) partial[b] = with;
    }
    for (int b = 0; b < middle; b++) {
        const double with = block_sum(of_middle[b]);
        if (THREAD_INDEX == 0) partial[tile + b] = with;
    }
    total = block_sum(total);
    if (THREAD_INDEX == 0)
        for (int b = 0; b < s.top_bits; b++) partial[tile + middle + b] = top >> b & 1 ? total : 0.0;
}

/* Block: a game. An agent without an update gets exactly 0. */
KERNEL(shapley_finish, struct shapley s)
{
    const struct game game = game_of(s.games, BLOCK_X);
    const int64_t N = game.agents, blocks = INT64_C(1) << s.top_bits;
    double *value = s.value + BLOCK_X * N, all = 0;
    for (int64_t i = 0; i < N; i++) {
        double sum = 0;
        BLOCK_FOR(part, blocks) { sum += s.partial[(BLOCK_X * blocks + part) * N + i]; }
        sum = block_sum(sum);
        all += sum;
        if (THREAD_INDEX == 0) value[i] = sum;
    }
    block_sync();
    BLOCK_FOR(i, N)
    {
        const double centred = (value[i] - all / (double)N) / game.length + 1.0 / (double)N;
        value[i] = game.length > 0 && game.product[i * N + i] > 0 ? centred : 0.0;
    }
}

static const char *launch_shapley_exact(void *stream, struct shapley s)
{
    const char *error = LAUNCH(stream, grid_of((int64_t)s.games.games << s.top_bits, 1, 1), shapley_tiles, s);
    return error ? error : LAUNCH(stream, grid_of(s.games.games, 1, 1), shapley_finish, s);
}
