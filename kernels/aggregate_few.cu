/* The server's pass over the updates of few agents: an entry of each is in registers at once, so that the aggregate and
 * its dot products with the updates take one reading. aggregate.cu does the same for many agents. */
#include "kernels/sample.h"

enum { FEW_MOST = 10, FEW_AHEAD = 512 }; /* agents; columns that are sent for before they are read */

/* g = Σ coefficient u as float32 over `count` columns from i on, and onto the sums <u, g> and, the last, ‖g‖². */
template <int COUNT, typename stored>
DEVICE void few_lanes(lanes_double *dot, const lanes_double *coefficient, const stored *const *u, float *g, int64_t i,
                      int64_t count)
{
    lanes_double sum = lanes_double_of(0.0), v[FEW_MOST] = {};
    UNROLL for (int k = 0; k < COUNT; k++)
    {
        v[k] = lanes_double_load_part(u[k] + i, count);
        sum += coefficient[k] * v[k];
    }
    sum = lanes_double_round(g + i, sum, count);
    UNROLL for (int k = 0; k < COUNT; k++) dot[k] += v[k] * sum;
    dot[COUNT] += sum * sum;
}

/* A chunk, for the `COUNT` agents whose updates are sound. */
template <int COUNT, typename stored>
DEVICE void few_columns(BLOCK_PARAM struct server_step s, struct chunk chunk, const int32_t *agent, double *partial)
{
    const stored *u[FEW_MOST];
    lanes_double coefficient[FEW_MOST], dot[FEW_MOST + 1] = {};
    float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    UNROLL for (int k = 0; k < COUNT; k++)
    {
        u[k] = update_row<stored>(s, BLOCK_Y, agent[k]) + chunk.begin;
        coefficient[k] = lanes_double_of(s.coefficient[BLOCK_Y * s.agents + agent[k]]);
    }
    const int64_t width = chunk.end - chunk.begin;
    WARP_FOR(strip, strips_of(width))
    {
        const int64_t ahead = strip * STRIP_COLUMNS + FEW_AHEAD;
        UNROLL for (int k = 0; k < COUNT; k++) prefetch(u[k] + ahead, STRIP_COLUMNS);
        prefetch(g + ahead, STRIP_COLUMNS);
        STRIP_OF_LANES(strip * STRIP_COLUMNS, width, DOUBLE_LANES, few_lanes<COUNT>, dot, coefficient, u, g);
    }
    UNROLL for (int k = 0; k <= COUNT; k++)
    {
        const double total = block_sum(lanes_double_own(dot[k]));
        if (THREAD_INDEX == 0) partial[k < COUNT ? agent[k] : s.agents] = total;
    }
}

/* Block: a chunk, a federation. As server_aggregate_and_dot. */
template <typename stored>
KERNEL_BY(2, server_aggregate_few, struct server_step s)
{
    const struct chunk chunk = s.chunk[BLOCK_X];
    double *partial = s.dot_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1);
    int32_t agent[FEW_MOST];
    int sound = 0;
    for (int i = 0; i < s.agents; i++) {
        if (!is_faulty(s.coefficient[BLOCK_Y * s.agents + i]))
            agent[sound++] = i;
        else if (THREAD_INDEX == 0)
            partial[i] = 0;
    }
#define FEW(count) case count: few_columns<count, stored>(BLOCK_PASS s, chunk, agent, partial); break
    switch (sound) {
        FEW(0); FEW(1); FEW(2); FEW(3); FEW(4); FEW(5); FEW(6); FEW(7); FEW(8); FEW(9); FEW(10);
    }
#undef FEW
    leave_sample(BLOCK_PASS s, chunk);
}
