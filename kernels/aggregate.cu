/* The server's passes over the updates: norms, then aggregate and dot products.
 *
 * Each block leaves partial sums in float64; contribution.cu adds them up in the order of
 * the columns. */
#include "kernels/server.h"

/* Block: a piece of CHUNK_COLUMNS columns, an agent, a federation. ‖Δw‖² alone: what
 * float32 leaves of an update is known to the optimizer, and taken to be all of it here. */
template <typename stored>
KERNEL(server_norms, struct server_step s)
{
    const stored *u = update_row<stored>(s, BLOCK_Z, BLOCK_Y) + BLOCK_X * CHUNK_COLUMNS;
    const int64_t width = piece_width(s.dimension, BLOCK_X);
    if (s.norms_given && uploads_raw(s.mechanism + BLOCK_Z)) return; /* all threads alike */
    double square = 0;
    for (int64_t begin = 0; begin < width; begin += TILE_COLUMNS) {
        const stored *tile = u + begin;
        const int64_t n = smaller(width - begin, TILE_COLUMNS);
        prefetch(tile + 4 * TILE_COLUMNS, TILE_COLUMNS);
        SIMD_SUM(square)
        BLOCK_FOR(i, n)
        {
            const double entry = widened(tile[i]);
            square += entry * entry;
        }
    }
    square = block_sum(square);
    double *partial = s.norm_partial + ((BLOCK_Z * s.agents + BLOCK_Y) * s.pieces + BLOCK_X) * NORM_SUMS;
    BLOCK_FOR(k, NORM_SUMS) { partial[k] = square; }
}

static const char *launch_server_norms(void *stream, struct server_step step)
{
    const struct grid grid = grid_of(step.pieces, step.agents, step.federations);
    return LAUNCH_BY_STORAGE(stream, grid, step.storage, server_norms, step);
}

/* Agents that a pass over a tile takes at once: it then reads and writes the float64 sums,
 * or converts g, a quarter as often. */
enum { AGENTS_AT_ONCE = 4 };

template <typename stored>
struct agent_team {
    int count;
    int32_t agent[AGENTS_AT_ONCE];
    double coefficient[AGENTS_AT_ONCE];
    const stored *u[AGENTS_AT_ONCE];
};

/* The next agents from *from on whose update is not faulty (a faulty one is never read);
 * where fewer are left, places repeat the first with coefficient 0. */
template <typename stored>
DEVICE struct agent_team<stored> next_team(struct server_step s, int64_t federation, int *from)
{
    struct agent_team<stored> team = {0, {0}, {0}, {0}};
    const double *coefficient = s.coefficient + federation * s.agents;
    for (; *from < s.agents && team.count < AGENTS_AT_ONCE; ++*from) {
        if (is_faulty(coefficient[*from])) continue;
        team.agent[team.count] = *from;
        team.coefficient[team.count] = coefficient[*from];
        team.u[team.count++] = update_row<stored>(s, federation, *from);
    }
    for (int k = team.count; k < AGENTS_AT_ONCE; k++) {
        team.agent[k] = team.agent[0];
        team.coefficient[k] = 0;
        team.u[k] = team.u[0];
    }
    return team;
}

/* Sends for half of a later tile. The sums send for its first half, the dot products for its second:
 * the memory then has something to do all the time, and not more at once than it can take. */
template <typename stored>
DEVICE void send_for_half(const struct agent_team<stored> *team, int64_t begin, int half)
{
    const int64_t at = begin + 2 * TILE_COLUMNS + half * (TILE_COLUMNS / 2);
    for (int k = 0; k < team->count; k++) prefetch(team->u[k] + at, TILE_COLUMNS / 2);
}

/* sum += Σ coefficient u over `width` columns from `begin` on. */
template <typename stored>
DEVICE void add_team(BLOCK_PARAM double *sum, const struct agent_team<stored> *team, int64_t begin, int64_t width)
{
    const stored *u0 = team->u[0] + begin, *u1 = team->u[1] + begin, *u2 = team->u[2] + begin, *u3 = team->u[3] + begin;
    const double c0 = team->coefficient[0], c1 = team->coefficient[1], c2 = team->coefficient[2],
                 c3 = team->coefficient[3];
    send_for_half(team, begin, 0);
    SIMD BLOCK_FOR(i, width)
    {
        sum[i] += (c0 * widened(u0[i]) + c1 * widened(u1[i])) + (c2 * widened(u2[i]) + c3 * widened(u3[i]));
    }
}

/* partial[agent] += <Δw, g> over `width` columns from `begin` on; g points at the first. */
template <typename stored>
DEVICE void dot_team(BLOCK_PARAM double *partial, const struct agent_team<stored> *team, const float *g, int64_t begin,
                     int64_t width)
{
    const stored *u0 = team->u[0] + begin, *u1 = team->u[1] + begin, *u2 = team->u[2] + begin, *u3 = team->u[3] + begin;
    double d0 = 0, d1 = 0, d2 = 0, d3 = 0;
    send_for_half(team, begin, 1);
    SIMD_SUM(d0, d1, d2, d3)
    BLOCK_FOR(i, width)
    {
        const double v = g[i];
        d0 += v * widened(u0[i]);
        d1 += v * widened(u1[i]);
        d2 += v * widened(u2[i]);
        d3 += v * widened(u3[i]);
    }
    const double dot[AGENTS_AT_ONCE] = {block_sum(d0), block_sum(d1), block_sum(d2), block_sum(d3)};
    if (THREAD_INDEX == 0)
        for (int k = 0; k < team->count; k++) partial[team->agent[k]] += dot[k];
}

/* Block: a chunk, a federation. g = Σ_i coefficient_i Δw_i tile by tile, then from the
 * same columns, still in cache, <Δw_i, g> and ‖g‖². */
template <typename stored>
KERNEL(server_aggregate_and_dot, struct server_step s)
{
    SHARED(double, sum, TILE_COLUMNS);
    const struct chunk chunk = s.chunk[BLOCK_X];
    double *partial = s.dot_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1);
    BLOCK_FOR(i, s.agents + 1) { partial[i] = 0; }

    for (int64_t begin = chunk.begin; begin < chunk.end; begin += TILE_COLUMNS) {
        const int64_t width = smaller(chunk.end - begin, TILE_COLUMNS);
        float *g = s.aggregate + BLOCK_Y * s.ld + begin;
        BLOCK_FOR(i, width) { sum[i] = 0.0; }
        for (int agent = 0; agent < s.agents;) {
            const struct agent_team<stored> team = next_team<stored>(s, BLOCK_Y, &agent);
            if (team.count) add_team(BLOCK_PASS sum, &team, begin, width);
        }
        double square = 0;
        SIMD_SUM(square)
        BLOCK_FOR(i, width)
        {
            g[i] = (float)sum[i];
            square += (double)g[i] * g[i];
        }
        square = block_sum(square);
        if (THREAD_INDEX == 0) partial[s.agents] += square;
        for (int agent = 0; agent < s.agents;) {
            const struct agent_team<stored> team = next_team<stored>(s, BLOCK_Y, &agent);
            if (team.count) dot_team(BLOCK_PASS partial, &team, g, begin, width);
        }
    }
}

static const char *launch_server_aggregate_and_dot(void *stream, struct server_step step)
{
    const struct grid grid = grid_of(step.chunks, step.federations, 1);
    return LAUNCH_BY_STORAGE(stream, grid, step.storage, server_aggregate_and_dot, step);
}
