/* Gram matrices G_ij = <u_i, u_j> of the updates of many games, in one pass over them.
 *
 * 1. gram_…: a block takes one run of columns of one game. A warp takes a tile of G, whose
 *    sums it keeps in registers while it walks the run; tiles below the diagonal are left out.
 *    A run is short enough that float32 sums stay exact to about 1e-7 of its squared length.
 * 2. gram_sum adds the runs up in float64, in their order, onto what G held before. So a caller
 *    may hand over the columns piece by piece.
 *
 * Entry (i, j) is summed in the same order wherever its tile lies: equal rows give equal
 * bits, and a row and its negative give opposite ones. */
#include "kernels/portable.h"

/* Rows and columns of a tile: as many sums as registers hold. */
#define GRAM_DOWN 4
#define GRAM_ACROSS (LANES >= 16 ? 4 : 2)
#define LARGEST_DOUBLE 1.7976931348623157e308

DEVICE int64_t gram_pairs(int agents) { return (int64_t)agents * (agents + 1) / 2; }

/* Place of (i, j), i <= j, among the entries on and above the diagonal. */
DEVICE int64_t gram_pair(int64_t i, int64_t j, int agents) { return i * agents - i * (i - 1) / 2 + j - i; }

/* The two arithmetics: how entries are loaded and their products summed. */
struct gram_float32 {
    typedef lanes vector;
    enum { WIDTH = LANES };
    DEVICE lanes load(const float *p, int64_t count) { return lanes_load_part(p, count); }
    DEVICE double sum(lanes v) { return (double)lanes_sum(v); }
};
struct gram_float64 {
    typedef lanes_double vector;
    enum { WIDTH = DOUBLE_LANES };
    template <typename real>
    DEVICE lanes_double load(const real *p, int64_t count)
    {
        return lanes_double_load_part(p, count);
    }
    DEVICE double sum(lanes_double v) { return lanes_double_sum(v); }
};

/* Adds the products of `count` columns from d on to a tile's sums. */
template <typename arithmetic, typename real>
DEVICE void gram_step(typename arithmetic::vector (*sum)[GRAM_ACROSS], const real *const *left,
                      const real *const *right, int64_t d, int64_t count)
{
    typename arithmetic::vector a[GRAM_DOWN];
    UNROLL for (int i = 0; i < GRAM_DOWN; i++) a[i] = arithmetic::load(left[i] + d, count);
    UNROLL for (int j = 0; j < GRAM_ACROSS; j++)
    {
        const typename arithmetic::vector b = arithmetic::load(right[j] + d, count);
        UNROLL for (int i = 0; i < GRAM_DOWN; i++) sum[i][j] += a[i] * b;
    }
}

/* The tile whose first entry is (top, side); rows past the last agent repeat it. */
template <typename arithmetic, typename real>
DEVICE void gram_tile(double *partial, const real *row, int64_t stride, int64_t width, int agents, int64_t top,
                      int64_t side)
{
    typename arithmetic::vector sum[GRAM_DOWN][GRAM_ACROSS] = {};
    const real *left[GRAM_DOWN], *right[GRAM_ACROSS];
    UNROLL for (int i = 0; i < GRAM_DOWN; i++) left[i] = row + (top + i < agents ? top + i : agents - 1) * stride;
    UNROLL for (int j = 0; j < GRAM_ACROSS; j++) right[j] = row + (side + j < agents ? side + j : agents - 1) * stride;

    int64_t d = 0;
    for (; d + arithmetic::WIDTH <= width; d += arithmetic::WIDTH)
        gram_step<arithmetic>(sum, left, right, d, (int64_t)arithmetic::WIDTH);
    if (d < width) gram_step<arithmetic>(sum, left, right, d, width - d);

    UNROLL for (int i = 0; i < GRAM_DOWN; i++)
        UNROLL for (int j = 0; j < GRAM_ACROSS; j++)
        {
            const double total = arithmetic::sum(sum[i][j]);
            if (LANE_ZERO && top + i <= side + j && side + j < agents)
                partial[gram_pair(top + i, side + j, agents)] = total;
        }
}

/* Block: a run of a game. Entries that are not finite are counted only where a squared
 * length says that there may be some. */
template <typename arithmetic, typename real>
DEVICE void gram_run(BLOCK_PARAM struct gram g, const real *row)
{
    const int64_t runs = gram_runs(g.columns), game = BLOCK_X / runs, begin = BLOCK_X % runs * GRAM_RUN;
    const int64_t width = g.columns - begin < GRAM_RUN ? g.columns - begin : GRAM_RUN;
    const int64_t down = (g.agents + GRAM_DOWN - 1) / GRAM_DOWN, across = (g.agents + GRAM_ACROSS - 1) / GRAM_ACROSS;
    double *partial = g.partial + BLOCK_X * gram_pairs(g.agents);
    row += game * g.agents * g.stride + begin;
    WARP_FOR(tile, down * across)
    {
        const int64_t top = tile / across * GRAM_DOWN, side = tile % across * GRAM_ACROSS;
        if (side + GRAM_ACROSS > top)
            gram_tile<arithmetic>(partial, row, g.stride, width, g.agents, top, side);
    }
    block_sync();
    BLOCK_FOR(i, g.agents)
    {
        int count = 0;
        if (!(partial[gram_pair(i, i, g.agents)] <= LARGEST_DOUBLE))
            for (int64_t d = 0; d < width; d++) count += !(fabs((double)row[i * g.stride + d]) <= LARGEST_DOUBLE);
        if (count) grid_add(&g.not_finite[game * g.agents + i], count);
    }
}

KERNEL_BY(2, gram_singles, struct gram g) { gram_run<gram_float32>(BLOCK_PASS g, g.row); }
KERNEL(gram_widened, struct gram g) { gram_run<gram_float64>(BLOCK_PASS g, g.row); }
KERNEL(gram_doubles, struct gram g) { gram_run<gram_float64>(BLOCK_PASS g, g.row_double); }

/* Block: `rows` rows of one G. */
KERNEL(gram_sum, struct gram g, int64_t rows)
{
    const int64_t N = g.agents, parts = (N + rows - 1) / rows, game = BLOCK_X / parts, first = BLOCK_X % parts * rows;
    const int64_t runs = gram_runs(g.columns), pairs = gram_pairs(g.agents);
    double *gram = g.gram + game * N * N;
    const double *partial = g.partial + game * runs * pairs;
    for (int64_t i = first; i < N && i < first + rows; i++)
        for (int64_t j = i; j < N; j++) {
            double sum = THREAD_INDEX == 0 ? gram[i * N + j] : 0.0;
            BLOCK_FOR(run, runs) { sum += partial[run * pairs + gram_pair(i, j, g.agents)]; }
            sum = block_sum(sum);
            if (THREAD_INDEX == 0) gram[i * N + j] = gram[j * N + i] = sum;
        }
}

/* Terms that a block of gram_sum is worth starting for. */
enum { SUM_TERMS = 4096 };

static const char *launch_gram_add(void *stream, struct gram gram)
{
    const struct grid runs = grid_of((int64_t)gram.games * gram_runs(gram.columns), 1, 1);
    const char *error = gram.row_double ? LAUNCH(stream, runs, gram_doubles, gram)
                        : gram.precise  ? LAUNCH(stream, runs, gram_widened, gram)
                                        : LAUNCH(stream, runs, gram_singles, gram);
    const int64_t N = gram.agents, few = SUM_TERMS / (N * gram_runs(gram.columns));
    const int64_t rows = few < 1 ? 1 : few < N ? few : N;
    const struct grid sums = grid_of(gram.games * ((N + rows - 1) / rows), 1, 1);
    return error ? error : LAUNCH(stream, sums, gram_sum, gram, rows);
}
