/* The server's pass over the updates where a block's shared memory holds a tile of columns of all agents: it is read
 * once for the aggregate and the dot products with it. For more agents than aggregate_few.cu takes; aggregate.cu does
 * the same where a tile lies in a CPU's caches, or is read twice. */
#include "kernels/sample.h"

enum { TILE_STRIP = 32 }; /* a tile has a multiple of so many columns */
enum { SHARED_AGENTS_MOST = SHARED_ENTRIES / (TILE_STRIP + 1) };

/* Columns of a tile. Its rows are one entry longer, so that neighbouring threads, with a row each, read different
 * banks. */
DEVICE int shared_columns(int agents) { return (SHARED_ENTRIES / agents - 1) / TILE_STRIP * TILE_STRIP; }

/* Rows are the agents whose updates are sound. */
struct shared_tile {
    float *u;
    int row, sound; /* entries from a row to the next; rows */
    const int *agent;
};

/* `width` columns of the updates from `begin` on. */
template <typename stored>
DEVICE void fill_tile(BLOCK_PARAM struct server_step s, const struct shared_tile *tile, int64_t begin, int width)
{
    WARP_FOR(k, tile->sound)
    {
        const stored *u = update_row<stored>(s, BLOCK_Y, tile->agent[k]) + begin;
        float *row = tile->u + k * tile->row;
        UNROLL_BY(4) for (int i = 0; i < width; i += LANES) lanes_copy_begin(row + i, u + i, width - i);
    }
    copies_end();
}

/* g = Σ coefficient u of the tile's columns as float32, also into `held`. Returns the thread's part of ‖g‖². */
DEVICE double sum_tile(BLOCK_PARAM float *g, float *held, const struct shared_tile *tile, const double *coefficient,
                       int width)
{
    double square = 0;
    BLOCK_FOR(i, width)
    {
        double sum = 0;
        const float *u = tile->u + i;
        for (int k = 0; k < tile->sound; k++, u += tile->row) sum += coefficient[k] * (double)*u;
        const float rounded = (float)sum;
        g[i] = held[i] = rounded;
        square += (double)rounded * (double)rounded;
    }
    return square;
}

/* Onto dot[part][k] the terms of <u, g> in every `parts`th column from `part` on. */
DEVICE void dot_tile(BLOCK_PARAM double *dot, const struct shared_tile *tile, const float *g, int parts, int width)
{
    BLOCK_FOR(i, parts * tile->sound)
    {
        const int part = (int)i / tile->sound;
        const float *u = tile->u + ((int)i - part * tile->sound) * tile->row;
        double sum = dot[i];
        for (int column = part; column < width; column += parts) sum += (double)u[column] * (double)g[column];
        dot[i] = sum;
    }
}

/* Block: a chunk, a federation. As server_aggregate_and_dot. */
template <typename stored>
KERNEL_BY(4, server_aggregate_shared, struct server_step s)
{
    SHARED(float, u, SHARED_ENTRIES);
    SHARED(float, held, SHARED_ENTRIES / FEW_MOST);
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
    const int columns = shared_columns(s.agents), parts = (int)larger(THREAD_COUNT / larger(*sound, 1), 1);
    const struct shared_tile tile = {u, columns + 1, *sound, agent};
    BLOCK_FOR(i, parts * tile.sound) { dot[i] = 0; }
    double square = 0;
    for (int64_t begin = chunk.begin; begin < chunk.end; begin += columns) {
        const int width = (int)smaller(chunk.end - begin, columns);
        fill_tile<stored>(BLOCK_PASS s, &tile, begin, width);
        block_sync();
        square += sum_tile(BLOCK_PASS s.aggregate + BLOCK_Y * s.ld + begin, held, &tile, coefficient, width);
        block_sync();
        dot_tile(BLOCK_PASS dot, &tile, held, parts, width);
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
