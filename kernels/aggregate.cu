/* The server's passes over the updates: norms, then aggregate and dot products.
 *
 * Blocks take CHUNK_COLUMNS columns of one parameter tensor. Each leaves partial sums in
 * float64; contribution.cu adds them up in the order of the chunks. */
#include "kernels/server.h"

/* Block: a chunk, an agent, a federation. ‖Δw‖², the count of entries that are not
 * finite, and what float32 leaves of the update once it is added to the model:
 * m = fl(w + Δw) − w, as <m, Δw> and ‖m‖². */
KERNEL(server_norms, struct server_step s)
{
    const struct chunk chunk = s.chunk[BLOCK_X];
    const int64_t agent = BLOCK_Z * s.agents + BLOCK_Y, width = chunk.end - chunk.begin;
    const float *u = s.update + agent * s.ld + chunk.begin;
    const float *w = s.model + (BLOCK_Z * (s.agents + 1) + BLOCK_Y) * s.ld + chunk.begin;
    double square = 0, faulty = 0, moved_dot = 0, moved_square = 0;
    SIMD_SUM(square, faulty, moved_dot, moved_square)
    BLOCK_FOR(i, width)
    {
        const float moved = (w[i] + u[i]) - w[i];
        square += (double)u[i] * u[i];
        faulty += fabsf(u[i]) <= 3.4028234664e38f ? 0.0 : 1.0;
        moved_dot += (double)moved * u[i];
        moved_square += (double)moved * moved;
    }
    double *partial = s.norm_partial + (agent * s.chunks + BLOCK_X) * NORM_SUMS;
    square = block_sum(square);
    faulty = block_sum(faulty);
    moved_dot = block_sum(moved_dot);
    moved_square = block_sum(moved_square);
    if (THREAD_INDEX == 0) {
        partial[NORM_SQUARE] = square;
        partial[NORM_FAULTY] = faulty;
        partial[NORM_MOVED_DOT] = moved_dot;
        partial[NORM_MOVED_SQUARE] = moved_square;
    }
}

static const char *launch_server_norms(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.chunks, step.agents, step.federations), server_norms, step);
}

/* Block: a chunk, a federation. g = Σ_i coefficient_i Δw_i for the chunk, then from the
 * same columns, still in cache, <Δw_i, g> and ‖g‖². A faulty update has coefficient 0 and
 * is not read. */
KERNEL(server_aggregate_and_dot, struct server_step s)
{
    SHARED(double, sum, CHUNK_COLUMNS);
    const struct chunk chunk = s.chunk[BLOCK_X];
    const int64_t width = chunk.end - chunk.begin;
    const float *update = s.update + BLOCK_Y * s.agents * s.ld + chunk.begin;
    const double *coefficient = s.coefficient + BLOCK_Y * s.agents;
    float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    double *partial = s.dot_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1);

    BLOCK_FOR(i, width) { sum[i] = 0.0; }
    for (int agent = 0; agent < s.agents; agent++) {
        const double c = coefficient[agent];
        const float *u = update + agent * s.ld;
        if (c == 0) continue;
        SIMD BLOCK_FOR(i, width) { sum[i] += c * u[i]; }
    }
    double square = 0;
    SIMD_SUM(square)
    BLOCK_FOR(i, width)
    {
        g[i] = (float)sum[i];
        square += (double)g[i] * g[i];
    }
    square = block_sum(square);
    if (THREAD_INDEX == 0) partial[s.agents] = square;

    for (int agent = 0; agent < s.agents; agent++) {
        const float *u = update + agent * s.ld;
        double dot = 0;
        if (coefficient[agent] != 0) {
            SIMD_SUM(dot)
            BLOCK_FOR(i, width) { dot += (double)u[i] * g[i]; }
        }
        dot = block_sum(dot);
        if (THREAD_INDEX == 0) partial[agent] = dot;
    }
}

static const char *launch_server_aggregate_and_dot(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.chunks, step.federations, 1), server_aggregate_and_dot, step);
}
