/* The server's pass over the updates of few agents: an entry of each is in registers at once, so that the aggregate and
 * its dot products with the updates take one reading. aggregate.cu does the same for many agents. */
#include "kernels/sample.h"

enum { FEW_MOST = 10, FEW_AHEAD = 512 }; /* agents; columns that are sent for before they are read */

/* Vectors of each agent that are loaded before any is used: one on a CPU, whose loads overlap anyway; as many on a GPU
 * as make up FEW_LOADS in all, since a thread waits for all of its loads at once. */
#if defined(__CUDACC__)
enum { FEW_LOADS = 2 * FEW_MOST, FEW_VECTORS_MOST = 4 };
#else
enum { FEW_LOADS = FEW_MOST, FEW_VECTORS_MOST = 1 };
#endif
HOST_AND_DEVICE constexpr int few_vectors(int agents)
{
    return agents * FEW_VECTORS_MOST <= FEW_LOADS ? FEW_VECTORS_MOST : FEW_LOADS / agents;
}

/* g = Σ coefficient u as float32 over `count` columns from i on, and onto the sums <u, g> and, the last, ‖g‖². */
template <int COUNT, typename stored>
DEVICE void few_lanes(lanes_double *dot, const double *coefficient, const stored *const *u, float *g, int64_t i,
                      int64_t count)
{
    constexpr int VECTORS = few_vectors(COUNT);
    lanes_raw<stored> raw[FEW_VECTORS_MOST][FEW_MOST] = {};
    UNROLL for (int v = 0; v < VECTORS; v++)
        UNROLL for (int k = 0; k < COUNT; k++)
            raw[v][k] = lanes_raw_load(u[k] + i + v * DOUBLE_LANES, count - v * DOUBLE_LANES);
    UNROLL for (int v = 0; v < VECTORS; v++)
    {
        lanes_double sum = lanes_double_of(0.0);
        UNROLL for (int k = 0; k < COUNT; k++)
            sum += lanes_double_of(coefficient[k]) * lanes_raw_double(raw[v][k]);
        sum = lanes_double_round(g + i + v * DOUBLE_LANES, sum, count - v * DOUBLE_LANES);
        UNROLL for (int k = 0; k < COUNT; k++) dot[k] += lanes_raw_double(raw[v][k]) * sum;
        dot[COUNT] += sum * sum;
    }
}

/* A chunk, for the `COUNT` agents whose updates are sound. */
template <int COUNT, typename stored>
DEVICE void few_columns(BLOCK_PARAM struct server_step s, struct chunk chunk, const int *agent,
                        const double *coefficient, double *partial)
{
    constexpr int STEP = few_vectors(COUNT) * DOUBLE_LANES, COLUMNS = STEP > STRIP_COLUMNS ? STEP : STRIP_COLUMNS;
    const stored *u[FEW_MOST];
    lanes_double dot[FEW_MOST + 1] = {};
    float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    UNROLL for (int k = 0; k < COUNT; k++) u[k] = update_row<stored>(s, BLOCK_Y, agent[k]) + chunk.begin;
    const int64_t width = chunk.end - chunk.begin;
    WARP_FOR(part, (width + COLUMNS - 1) / COLUMNS)
    {
        const int64_t ahead = part * COLUMNS + FEW_AHEAD;
        UNROLL for (int k = 0; k < COUNT; k++) prefetch(u[k] + ahead, COLUMNS);
        prefetch(g + ahead, COLUMNS);
        COLUMNS_OF_LANES(COLUMNS, part * COLUMNS, width, STEP, few_lanes<COUNT>, dot, coefficient, u, g);
    }
    SHARED(double, warp_dot, WARPS * (FEW_MOST + 1)); /* a barrier for all sums, not some for each */
    WARP_FOR(warp, WARPS)
    {
        UNROLL for (int k = 0; k <= COUNT; k++)
        {
            const double sum = lanes_double_sum(dot[k]);
            if (LANE_ZERO) warp_dot[warp * (FEW_MOST + 1) + k] = sum;
        }
    }
    block_sync();
    BLOCK_FOR(k, COUNT + 1)
    {
        double total = 0;
        for (int64_t warp = 0; warp < WARPS; warp++) total += warp_dot[warp * (FEW_MOST + 1) + k];
        partial[k < COUNT ? agent[k] : s.agents] = total;
    }
}

/* Block: a chunk, a federation. As server_aggregate_and_dot. */
template <typename stored>
KERNEL_BY(2, server_aggregate_few, struct server_step s)
{
    const struct chunk chunk = s.chunk[BLOCK_X];
    double *partial = s.dot_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1);
    SHARED(int, agent, FEW_MOST);
    SHARED(double, coefficient, FEW_MOST);
    int sound = 0;
    for (int i = 0; i < s.agents; i++) {
        const double own = s.coefficient[BLOCK_Y * s.agents + i];
        if (THREAD_INDEX == 0) {
            partial[i] = 0;
            agent[sound] = i;
            coefficient[sound] = own;
        }
        sound += !is_faulty(own);
    }
    block_sync();
    static_assert(FEW_MOST == 10, "a case for each count");
#define FEW(count) case count: few_columns<count, stored>(BLOCK_PASS s, chunk, agent, coefficient, partial); break
    switch (sound) {
        FEW(0); FEW(1); FEW(2); FEW(3); FEW(4); FEW(5); FEW(6); FEW(7); FEW(8); FEW(9); FEW(10);
    }
#undef FEW
    leave_sample(BLOCK_PASS s, s.chunk[BLOCK_X]); /* read anew, as a GPU's registers are full until here */
}
