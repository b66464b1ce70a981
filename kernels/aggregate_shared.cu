/* The server's pass over the updates where a block's shared memory holds a tile of columns of all agents: it is read
 * once for the aggregate and the dot products with it. For more agents than aggregate_few.cu takes; aggregate.cu does
 * the same where a tile lies in a CPU's caches, or is read twice. */
#include "kernels/quads.h"
#include "kernels/sample.h"

/* Columns of a tile are a power of two, so that they share a block's threads out evenly. A row of a tile is a quad
 * longer: so that eight threads that load a quad each, of a row each, reach all banks. */
enum { TILE_LOG_LEAST = 5, TILE_LOG_MOST = 9, SHARED_AGENTS_MOST = SHARED_ENTRIES / ((1 << TILE_LOG_LEAST) + QUAD) };

/* Its logarithm. */
DEVICE int tile_log(int agents)
{
    int log = TILE_LOG_LEAST;
    while (log < TILE_LOG_MOST && agents * ((2 << log) + QUAD) <= SHARED_ENTRIES) log++;
    return log;
}

/* Columns of the updates in shared memory, rows are the agents whose updates are sound. Column `begin` is at `shift`,
 * so that quads lie in it as in the updates; what is beside the columns is zero. */
struct shared_tile {
    float *u;
    int log, row; /* of a row's columns; entries from a row to the next */
    int sound;    /* rows */
    const int *agent;
    int64_t begin;
    int shift, width;
};

/* Quads of a row that hold columns. */
DEVICE int tile_quads(const struct shared_tile *tile) { return (tile->shift + tile->width + QUAD - 1) / QUAD; }

template <typename stored>
DEVICE void fill_tile(BLOCK_PARAM struct server_step s, const struct shared_tile *tile)
{
    const int log = tile->log - QUAD_LOG, first = tile->shift, last = tile->shift + tile->width;
    const stored *u = update_row<stored>(s, BLOCK_Y, 0) + tile->begin - tile->shift;
    const bool whole = first == 0 && last % QUAD == 0 && s.update_stride % QUAD == 0;
    BLOCK_FOR(i, tile->sound << log)
    {
        const int k = (int)i >> log, at = ((int)i - (k << log)) * QUAD;
        if (at >= last) continue;
        float *to = tile->u + k * tile->row + at;
        const stored *from = u + tile->agent[k] * s.update_stride + at;
        if (whole)
            quad_copy_begin(to, from);
        else
            quad_copy_begin_part(to, from, first - at, last - at);
    }
    copies_end();
}

/* sum[group][column] = Σ coefficient u over a group of the rows. */
DEVICE void sum_groups(BLOCK_PARAM double *sum, const struct shared_tile *tile, const double *coefficient, int groups)
{
    BLOCK_FOR(i, groups << tile->log)
    {
        const int group = (int)i >> tile->log, column = (int)i - (group << tile->log);
        const int end = tile->sound * (group + 1) / groups;
        double total = 0;
        if (column < tile_quads(tile) * QUAD)
            for (int k = tile->sound * group / groups; k < end; k++)
                total += coefficient[k] * (double)tile->u[k * tile->row + column];
        sum[i] = total;
    }
}

/* g = the sums of all groups as float32, to memory and, in place of the first group's, as float64. Returns the thread's
 * part of ‖g‖². */
DEVICE double round_sums(BLOCK_PARAM float *g, double *sum, const struct shared_tile *tile, int groups)
{
    double square = 0;
    BLOCK_FOR(column, 1 << tile->log)
    {
        double total = sum[column];
        for (int group = 1; group < groups; group++) total += sum[(group << tile->log) + column];
        const float rounded = (float)total;
        const int64_t at = column - tile->shift;
        if (at >= 0 && at < tile->width) g[at] = rounded;
        sum[column] = rounded;
        square += (double)rounded * (double)rounded;
    }
    return square;
}

/* Onto dot[part][k] the terms of <u, g> in every `parts`th quad from `part` on. */
DEVICE void dot_tile(BLOCK_PARAM double *dot, const struct shared_tile *tile, const double *g, int parts)
{
    BLOCK_FOR(i, parts * tile->sound)
    {
        const int part = (int)i / tile->sound;
        const float *row = tile->u + ((int)i - part * tile->sound) * tile->row;
        double total = dot[i];
        UNROLL_BY(4) for (int q = part; q < tile_quads(tile); q += parts)
        {
            const struct quad u = quad_load(row + q * QUAD);
            const struct double_quad of_g = double_quad_load(g + q * QUAD);
            for (int j = 0; j < QUAD; j++) total += (double)u.v[j] * of_g.v[j];
        }
        dot[i] = total;
    }
}

/* Block: a chunk, a federation. As server_aggregate_and_dot. */
template <typename stored>
KERNEL_BY(4, server_aggregate_shared, struct server_step s)
{
    SHARED(float, u, SHARED_ENTRIES);
    SHARED(double, sum, 1 << TILE_LOG_MOST);
    SHARED(double, coefficient, SHARED_AGENTS_MOST);
    SHARED(double, dot, SHARED_AGENTS_MOST + THREAD_COUNT);
    SHARED(int, agent, SHARED_AGENTS_MOST);
    SHARED(int, sound, 1);
    const struct chunk chunk = s.chunk[BLOCK_X];
    double *partial = s.dot_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1);
    BLOCK_FOR(i, s.agents)
    {
        coefficient[i] = s.coefficient[BLOCK_Y * s.agents + i];
        partial[i] = 0;
    }
    block_sync();
    if (THREAD_INDEX == 0) {
        int found = 0;
        for (int i = 0; i < s.agents; i++) {
            if (is_faulty(coefficient[i])) continue;
            agent[found] = i;
            coefficient[found++] = coefficient[i];
        }
        *sound = found;
    }
    block_sync();
    const int parts = (int)larger(THREAD_COUNT / larger(*sound, 1), 1);
    BLOCK_FOR(i, parts * *sound) { dot[i] = 0; }
    const int log = tile_log(s.agents), columns = 1 << log, groups = (int)larger(THREAD_COUNT >> log, 1);
    struct shared_tile tile = {u, log, columns + QUAD, *sound, agent, 0, 0, 0};
    double square = 0;
    for (tile.begin = chunk.begin; tile.begin < chunk.end; tile.begin += tile.width) {
        tile.shift = quad_shift((const stored *)s.update + tile.begin);
        tile.width = (int)smaller(chunk.end - tile.begin, columns - tile.shift);
        fill_tile<stored>(BLOCK_PASS s, &tile);
        block_sync();
        sum_groups(BLOCK_PASS sum, &tile, coefficient, groups);
        block_sync();
        square += round_sums(BLOCK_PASS s.aggregate + BLOCK_Y * s.ld + tile.begin, sum, &tile, groups);
        block_sync();
        dot_tile(BLOCK_PASS dot, &tile, sum, parts);
        block_sync();
    }
    square = block_sum(square);
    if (THREAD_INDEX == 0) partial[s.agents] = square;
    BLOCK_FOR(k, tile.sound)
    {
        double sum = 0;
        for (int part = 0; part < parts; part++) sum += dot[part * tile.sound + k];
        partial[agent[k]] = sum;
    }
    leave_sample(BLOCK_PASS s, chunk);
}
