/* The server's passes over the updates: norms, then aggregate and dot products.
 *
 * Each block leaves partial sums in float64; contribution.cu adds them up in the order of
 * the columns. */
#include "kernels/sample.h"

enum { NORMS_AHEAD = 1024 }; /* columns */

/* Neighbouring pieces that blocks take of an agent before they turn to the next: memory streams well in long stretches,
 * but the cores shall meet the columns that they will take of all agents. */
enum { NORM_PIECES = 16 };

/* By parts, as a sum would wait for its last addition. */
template <typename stored>
DEVICE void add_squares(lanes_double *square, const stored *u, int64_t i, int64_t count)
{
    UNROLL for (int part = 0; part < DOUBLE_PARTS; part++)
    {
        const lanes_double v =
            lanes_double_load_part(u + i + part * DOUBLE_LANES, double_part_count(count, part));
        square[part] += v * v;
    }
}

/* Block: a piece of CHUNK_COLUMNS columns of an agent, a federation. ‖Δw‖² alone: what
 * float32 leaves of an update is known to the optimizer, and taken to be all of it here. */
template <typename stored>
KERNEL(server_norms, struct server_step s)
{
    const int64_t turn = BLOCK_X / NORM_PIECES, agent = turn % s.agents;
    const int64_t piece = turn / s.agents * NORM_PIECES + BLOCK_X % NORM_PIECES;
    const stored *u = update_row<stored>(s, BLOCK_Y, agent) + piece * CHUNK_COLUMNS;
    const int64_t width = piece_width(s.dimension, piece);
    if (piece >= s.pieces || (s.norms_given && uploads_raw(s.mechanism + BLOCK_Y))) return; /* all threads alike */
    lanes_double square[DOUBLE_PARTS] = {};
    WARP_FOR(strip, wide_strips_of(width))
    {
        const int64_t first = strip * WIDE_STRIP_COLUMNS;
        prefetch(u + first + NORMS_AHEAD, WIDE_STRIP_COLUMNS);
        WIDE_STRIP_OF_LANES(first, width, LANES, add_squares, square, u);
    }
    const double sum = block_sum(double_parts_own(square));
    double *partial = s.norm_partial + ((BLOCK_Y * s.agents + agent) * s.pieces + piece) * NORM_SUMS;
    BLOCK_FOR(k, NORM_SUMS) { partial[k] = sum; }
}

static const char *launch_server_norms(void *stream, struct server_step step)
{
    const int64_t turns = ((int64_t)step.pieces + NORM_PIECES - 1) / NORM_PIECES * step.agents;
    const struct grid grid = grid_of(turns * NORM_PIECES, step.federations, 1);
    return LAUNCH_BY_STORAGE(stream, grid, step.storage, server_norms, step);
}

/* Agents that a pass over a tile takes at once, at most: it then reads and writes the float64 sums,
 * or converts g, once for all of them. */
enum { TEAM_MOST = 4 };

template <typename stored>
struct agent_team {
    int count;
    int32_t agent[TEAM_MOST];
    double coefficient[TEAM_MOST];
    const stored *u[TEAM_MOST];
};

/* The next agents from *from on whose update is not faulty, of *left that there are: a faulty one is never read. Teams
 * are about as large as each other. */
template <typename stored>
DEVICE struct agent_team<stored> next_team(struct server_step s, int64_t federation, int *left, int *from)
{
    struct agent_team<stored> team = {0, {0}, {0}, {0}};
    const double *coefficient = s.coefficient + federation * s.agents;
    const int teams = (*left + TEAM_MOST - 1) / TEAM_MOST, count = (*left + teams - 1) / teams;
    for (; team.count < count; ++*from) {
        if (is_faulty(coefficient[*from])) continue;
        team.agent[team.count] = *from;
        team.coefficient[team.count] = coefficient[*from];
        team.u[team.count++] = update_row<stored>(s, federation, *from);
    }
    *left -= count;
    return team;
}

/* Calls body<count>(…) for the count of a team. */
#define BY_COUNT(team, body, ...)                     \
    do {                                              \
        switch ((team).count) {                       \
        case 1: body<1>(__VA_ARGS__); break;          \
        case 2: body<2>(__VA_ARGS__); break;          \
        case 3: body<3>(__VA_ARGS__); break;          \
        default: body<TEAM_MOST>(__VA_ARGS__); break; \
        }                                             \
    } while (0)

/* Sends for entries from `begin` on that are read later, half a strip: the sums send for one half of a tile, the dot
 * products for the other, so that the memory has something to do all the time. */
template <int COUNT, typename stored>
DEVICE void send_for_half_strip(const stored *const *u, int64_t begin)
{
    UNROLL for (int k = 0; k < COUNT; k++) prefetch(u[k] + begin, STRIP_COLUMNS / 2);
}

DEVICE void clear_lanes(double *sum, int64_t i, int64_t) { lanes_double_store(sum + i, lanes_double_of(0.0)); }

/* sum[i] += Σ coefficient u over `count` columns from i on. */
template <int COUNT, typename stored>
DEVICE void add_lanes(double *sum, const lanes_double *coefficient, const stored *const *u, int64_t i, int64_t count)
{
    lanes_double v = lanes_double_load_part(sum + i, DOUBLE_LANES);
    UNROLL for (int k = 0; k < COUNT; k++) v += coefficient[k] * lanes_double_load_part(u[k] + i, count);
    lanes_double_store(sum + i, v);
}

/* sum += Σ coefficient u over `width` columns from `begin` on. */
template <int COUNT, typename stored>
DEVICE void add_team(BLOCK_PARAM double *sum, const struct agent_team<stored> *team, int64_t begin, int64_t width,
                     int64_t ahead)
{
    lanes_double coefficient[TEAM_MOST];
    const stored *u[TEAM_MOST];
    UNROLL for (int k = 0; k < COUNT; k++)
    {
        coefficient[k] = lanes_double_of(team->coefficient[k]);
        u[k] = team->u[k] + begin;
    }
    WARP_FOR(strip, strips_of(width))
    {
        send_for_half_strip<COUNT>(u, ahead + strip * (STRIP_COLUMNS / 2));
        STRIP_OF_LANES(strip * STRIP_COLUMNS, width, DOUBLE_LANES, add_lanes<COUNT>, sum, coefficient, u);
    }
}

/* g = sum as float32, which `sum` is rounded to as well. */
DEVICE void round_lanes(lanes_double *square, float *g, double *sum, int64_t i, int64_t count)
{
    const lanes_double v = lanes_double_round(g + i, lanes_double_load_part(sum + i, DOUBLE_LANES), count);
    lanes_double_store(sum + i, v);
    *square += v * v;
}

template <int COUNT, typename stored>
DEVICE void dot_lanes(lanes_double *dot, const stored *const *u, const double *g, int64_t i, int64_t count)
{
    const lanes_double v = lanes_double_load_part(g + i, DOUBLE_LANES);
    UNROLL for (int k = 0; k < COUNT; k++) dot[k] += v * lanes_double_load_part(u[k] + i, count);
}

/* partial[agent] += <Δw, g> over `width` columns from `begin` on; g points at the first. */
template <int COUNT, typename stored>
DEVICE void dot_team(BLOCK_PARAM double *partial, const struct agent_team<stored> *team, const double *g, int64_t begin,
                     int64_t width, int64_t ahead)
{
    lanes_double dot[TEAM_MOST];
    const stored *u[TEAM_MOST];
    UNROLL for (int k = 0; k < COUNT; k++)
    {
        dot[k] = lanes_double_of(0.0);
        u[k] = team->u[k] + begin;
    }
    WARP_FOR(strip, strips_of(width))
    {
        send_for_half_strip<COUNT>(u, ahead + strip * (STRIP_COLUMNS / 2));
        STRIP_OF_LANES(strip * STRIP_COLUMNS, width, DOUBLE_LANES, dot_lanes<COUNT>, dot, u, g);
    }
    UNROLL for (int k = 0; k < COUNT; k++)
    {
        const double total = block_sum(lanes_double_own(dot[k]));
        if (THREAD_INDEX == 0) partial[team->agent[k]] += total;
    }
}

/* A tile of so many agents leaves the second-level cache before the next one is read: its columns are sent for while it
 * is read itself, for agents a little ahead. */
enum { MANY_AGENTS = 256, AGENTS_AHEAD = 8 };

/* Block: a chunk, a federation. g = Σ_i coefficient_i Δw_i tile by tile, then from the
 * same columns, still in cache, <Δw_i, g> and ‖g‖². A strip of sums is always the same warp's. */
template <typename stored>
KERNEL_BY(3, server_aggregate_and_dot, struct server_step s)
{
    SHARED(double, sum, TILE_COLUMNS);
    const struct chunk chunk = s.chunk[BLOCK_X];
    const int many = s.agents >= MANY_AGENTS;
    const int64_t tile = TILE_COLUMNS, half = tile / 2;
    const int64_t sums_ahead = many ? AGENTS_AHEAD * s.update_stride + half : tile;
    const int64_t dots_ahead = many ? tile : tile + half;
    double *partial = s.dot_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1);
    BLOCK_FOR(i, s.agents + 1) { partial[i] = 0; }
    int sound = 0;
    for (int i = 0; i < s.agents; i++) sound += !is_faulty(s.coefficient[BLOCK_Y * s.agents + i]);

    for (int64_t begin = chunk.begin; begin < chunk.end; begin += tile) {
        const int64_t width = smaller(chunk.end - begin, tile), strips = strips_of(width);
        float *g = s.aggregate + BLOCK_Y * s.ld + begin;
        WARP_FOR(strip, strips)
        {
            prefetch(g + strip * STRIP_COLUMNS, STRIP_COLUMNS); /* to be written */
            STRIP_OF_LANES(strip * STRIP_COLUMNS, width, DOUBLE_LANES, clear_lanes, sum);
        }
        for (int left = sound, agent = 0; left > 0;) {
            const struct agent_team<stored> team = next_team<stored>(s, BLOCK_Y, &left, &agent);
            BY_COUNT(team, add_team, BLOCK_PASS sum, &team, begin, width, sums_ahead);
        }
        lanes_double square = lanes_double_of(0.0);
        WARP_FOR(strip, strips)
        {
            STRIP_OF_LANES(strip * STRIP_COLUMNS, width, DOUBLE_LANES, round_lanes, &square, g, sum);
        }
        const double total = block_sum(lanes_double_own(square));
        if (THREAD_INDEX == 0) partial[s.agents] += total;
        for (int left = sound, agent = 0; left > 0;) {
            const struct agent_team<stored> team = next_team<stored>(s, BLOCK_Y, &left, &agent);
            BY_COUNT(team, dot_team, BLOCK_PASS partial, &team, sum, begin, width, dots_ahead);
        }
    }
    leave_sample(BLOCK_PASS s, chunk);
}

static const char *launch_server_aggregate_and_dot(void *stream, struct server_step step)
{
    const struct grid grid = grid_of(step.chunks, step.federations, 1);
    if (step.agents <= FEW_MOST) return LAUNCH_BY_STORAGE(stream, grid, step.storage, server_aggregate_few, step);
    if (step.agents <= SHARED_AGENTS_MOST)
        return LAUNCH_BY_STORAGE(stream, grid, step.storage, server_aggregate_shared, step);
    return LAUNCH_BY_STORAGE(stream, grid, step.storage, server_aggregate_and_dot, step);
}
