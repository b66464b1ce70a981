/* Gradients of a convolution with 2×2 max pooling, for every row at once.
 *
 * Only the winner of a window carries a gradient, and ReLU stops half of those: at least
 * three quarters of the products of the plain formulas are with zero. Which ones are not
 * differs from sample to sample, so the vector cannot run over samples, as it does
 * forward. Where a kernel row with its channels, a run, fills half of a warp or more, it runs
 * along that:
 *
 *   1. to_samples       lays the input out by samples, channels innermost, so that a run
 *                       is contiguous;
 *   2. sparse_weight_gradient  lists, for each sample and filter, the windows with a gradient d
 *                       and where the winner's patch begins in the input, and adds d · patch
 *                       to the filter's gradient, in registers;
 *   3. input_gradient   (conv_input.cu) adds d · weights to the patch of the input's gradient, and
 *      from_samples     turns that back into the order of x.
 *
 * The weight gradient of a shorter run is dense. */
#include "kernels/conv.h"

enum {
    TILES_PER_BLOCK = 8,
    FILTERS_AT_ONCE = 2, /* dense: filters, and */
    TAPS_AT_ONCE = 9     /* kernel positions that a warp computes together */
};

/* Lists of LANES samples of a filter, by a warp; list: number of the first in the scratch, pooled:
 * of its first gradient. */
DEVICE void list_gradients(struct conv_scratch scratch, int64_t list, const float *delta, const uint8_t *winner,
                           int64_t pooled, struct conv_shape s)
{
    const int64_t S = s.slots, windows = WINDOWS(s), length = CONV_LIST(s);
    const int32_t down = s.width * s.channels, right = s.channels, row_end = POOLED_WIDTH(s) * 2 * right;
    const struct conv_list first = list_at(scratch.filter, list * length);
    int32_t column = 0, corner = 0, end[LANES];
    delta += pooled;
    winner += pooled;
    UNROLL for (int i = 0; i < LANES; i++) end[i] = 0;
    for (int64_t window0 = 0; window0 < windows; window0 += LANES) {
        lanes d[LANES], at[LANES];
        UNROLL for (int i = 0; i < LANES; i++)
        {
            const int64_t window = smaller(window0 + i, windows - 1);
            const lanes_int won = lanes_load_byte(winner + window * S);
            prefetch(delta + (window0 + i + 2 * LANES) * S, 1);
            d[i] = window0 + i < windows ? lanes_load(delta + window * S) : lanes_of(0.0f);
            at[i] = lanes_of_bits(corner + column + (won >> 1) * down + (won & 1) * right);
            column += 2 * right;
            corner += column < row_end ? 0 : 2 * down;
            column = column < row_end ? column : 0;
        }
        lanes_transpose(d);
        lanes_transpose(at);
        UNROLL for (int i = 0; i < LANES; i++)
        {
            const struct conv_list to = list_at(first, i * length + end[i]);
            end[i] += lanes_compress(to.value, to.place, d[i], lanes_bits(at[i]));
        }
    }
    UNROLL for (int i = 0; i < LANES; i++)
        if (LANE_ZERO) scratch.count[list + i] = end[i];
}

/* A tile of LANES floats of a sample × LANES samples, transposed on its way between
 * x[R][B][C][pixels][S] and samples[R][B][S][pixels][C]. Float m of a sample is channel m % C of
 * pixel m / C. */
DEVICE int64_t plane_of(int64_t m, struct conv_shape s)
{
    return m % s.channels * s.height * s.width + m / s.channels;
}

/* Block: TILES_PER_BLOCK tiles, LANES samples, a block of samples. */
KERNEL(to_samples, float *samples, const float *x, int64_t x_stride, struct conv_shape s)
{
    const int64_t size = INPUT_SIZE(s), slot0 = BLOCK_Y * LANES;
    x += BLOCK_Z / s.blocks * x_stride + BLOCK_Z % s.blocks * size * s.slots + slot0;
    samples += (BLOCK_Z * s.slots + slot0) * CONV_SAMPLE(s);
    WARP_FOR(tile, TILES_PER_BLOCK)
    {
        const int64_t m = (BLOCK_X * TILES_PER_BLOCK + tile) * LANES;
        lanes v[LANES];
        if (m >= size) continue;
        UNROLL for (int i = 0; i < LANES; i++) v[i] = lanes_load(x + plane_of(smaller(m + i, size - 1), s) * s.slots);
        lanes_transpose(v);
        UNROLL for (int i = 0; i < LANES; i++) lanes_store(samples + i * CONV_SAMPLE(s) + m, v[i]);
    }
}

/* The way back. */
KERNEL(from_samples, float *x, const float *samples, struct conv_shape s)
{
    const int64_t size = INPUT_SIZE(s), slot0 = BLOCK_Y * LANES;
    x += BLOCK_Z * size * s.slots + slot0;
    samples += (BLOCK_Z * s.slots + slot0) * CONV_SAMPLE(s);
    WARP_FOR(tile, TILES_PER_BLOCK)
    {
        const int64_t m = (BLOCK_X * TILES_PER_BLOCK + tile) * LANES;
        lanes v[LANES];
        if (m >= size) continue;
        UNROLL for (int i = 0; i < LANES; i++) v[i] = lanes_load(samples + i * CONV_SAMPLE(s) + m);
        lanes_transpose(v);
        UNROLL for (int i = 0; i < LANES; i++)
            if (m + i < size) lanes_store(x + plane_of(m + i, s) * s.slots, v[i]);
    }
}

static struct grid sample_grid(struct conv_shape s)
{
    return grid_of(tiles_of(INPUT_SIZE(s), TILES_PER_BLOCK * LANES), s.slots / LANES, (int64_t)s.rows * s.blocks);
}

/* taps[R][F][K][run] from weight[R][F][C][K][K]. Block: a filter, a row. */
KERNEL(weights_to_taps, float *taps, const float *weight, int64_t w_stride, struct conv_shape s)
{
    const int64_t C = s.channels, K = s.kernel;
    weight += BLOCK_Z * w_stride + BLOCK_X * C * K * K;
    taps += (BLOCK_Z * s.filters + BLOCK_X) * K * CONV_RUN(s);
    WARP_FOR(tap, K * K)
    {
        float *run = taps + tap / K * CONV_RUN(s) + tap % K * C;
        LANE_FOR(c, C) { run[c] = weight[c * K * K + tap]; }
    }
}

/* The way back. */
KERNEL(taps_to_weights, float *weight, int64_t w_stride, const float *taps, struct conv_shape s)
{
    const int64_t C = s.channels, K = s.kernel;
    weight += BLOCK_Z * w_stride + BLOCK_X * C * K * K;
    taps += (BLOCK_Z * s.filters + BLOCK_X) * K * CONV_RUN(s);
    WARP_FOR(tap, K * K)
    {
        const float *run = taps + tap / K * CONV_RUN(s) + tap % K * C;
        LANE_FOR(c, C) { weight[c * K * K + tap] = run[c]; }
    }
}

/* taps += Σ_i value_i · patch_i over the tile that begins at kernel row `row` and vector
 * `vector`. A tile at the end reaches back over its neighbour, whose sums it leaves alone. */
DEVICE void add_tile(float *taps, int64_t run, const float *x, int64_t x_row, struct conv_list list, int count,
                     int64_t row, int64_t vector, int64_t rows, int64_t vectors, const int TR, const int TV)
{
    const int64_t row0 = smaller(row, rows - TR), vector0 = smaller(vector, vectors - TV);
    lanes sum[TILE_REGISTERS];
    sum_tiles(sum, x + row0 * x_row + vector0 * LANES, x_row, list, count, TR, TV);
    taps += row0 * run + vector0 * LANES;
    const int whole = row0 == row && vector0 == vector; /* and no sum needs to be chosen */
    UNROLL for (int r = 0; r < TR; r++, taps += run)
        UNROLL for (int v = 0; v < TV; v++)
            if (whole || (row0 + r >= row && vector0 + v >= vector))
                lanes_store(taps + v * LANES, lanes_load(taps + v * LANES) + sum[r * TV + v]);
}

/* Filters that a block takes while a sample's input is in cache; more blocks for a GPU. */
enum { GRADIENT_FILTERS = LANES == 32 ? 1 : 8 };

/* A tile of a sample's gradient of `filters` filters, from their lists. */
DEVICE void add_tiles(float *taps, const float *x, struct conv_scratch scratch, int64_t list, int64_t filters,
                      int64_t ky, int64_t vector, struct conv_shape s, const int TR, const int TV)
{
    const int64_t K = s.kernel, run = CONV_RUN(s), x_row = (int64_t)s.width * s.channels;
    for (int64_t filter = 0; filter < filters; filter++, list += s.slots)
        if (scratch.count[list])
            add_tile(taps + filter * K * run, run, x, x_row, list_at(scratch.filter, list * CONV_LIST(s)),
                     scratch.count[list], ky, vector, K, tiles_of(K * s.channels, LANES), TR, TV);
}

/* Block: GRADIENT_FILTERS filters, a row. It lists a block of samples at a time, so that the lists
 * stay in cache. */
KERNEL(sparse_weight_gradient, struct conv_scratch scratch, const float *delta, const uint8_t *winner,
       struct conv_shape s, struct tile_kind kind)
{
    const int64_t S = s.slots, F = s.filters, K = s.kernel, row = BLOCK_Z;
    const int64_t first = BLOCK_X * GRADIENT_FILTERS, filters = smaller(F - first, GRADIENT_FILTERS);
    const int64_t across = tiles_of(tiles_of(K * s.channels, LANES), kind.vectors);
    const int64_t tiles = tiles_of(K, kind.rows) * across, list0 = (row * F + first) * S;
    float *taps = scratch.taps + (row * F + first) * K * CONV_RUN(s);

    BLOCK_FOR(i, filters * K * CONV_RUN(s)) { taps[i] = 0.0f; }
    for (int64_t part = row * s.blocks; part < (row + 1) * s.blocks; part++) {
        WARP_FOR(i, filters * S / LANES)
        {
            const int64_t filter = i * LANES / S, slot = i * LANES % S;
            list_gradients(scratch, list0 + filter * S + slot, delta, winner,
                           (part * F + first + filter) * WINDOWS(s) * S + slot, s);
        }
        block_sync();
        for (int64_t slot = 0; slot < S; slot++)
            WARP_FOR(tile, tiles)
            {
                const int64_t ky = tile / across * kind.rows, vector = tile % across * kind.vectors;
                const float *x = scratch.samples + (part * S + slot) * CONV_SAMPLE(s);
#define ADD_TILES(number, tile_rows, tile_vectors)                                                            \
    case number:                                                                                              \
        add_tiles(taps, x, scratch, list0 + slot, filters, ky, vector, s, tile_rows, tile_vectors);           \
        break;
                switch (kind.number) { TILES(ADD_TILES) }
#undef ADD_TILES
            }
        block_sync();
    }
}

/* Block: a tile of filters, an input channel, a row. A warp takes TAPS_AT_ONCE taps of that
 * channel and sums over all pooled pixels and slots. */
KERNEL_BY(2, dense_weight_gradient, float *weight_gradient, int64_t w_stride, const float *delta,
       const uint8_t *winner, const float *x, int64_t x_stride, struct conv_shape s)
{
    const int64_t S = s.slots, W = s.width, plane = s.height * W * S;
    const int64_t taps = s.kernel * s.kernel, PW = POOLED_WIDTH(s), pixels = POOLED_HEIGHT(s) * PW;
    const int64_t filter0 = BLOCK_X * FILTERS_AT_ONCE, channel = BLOCK_Y, row = BLOCK_Z;
    int64_t from[FILTERS_AT_ONCE];
    UNROLL for (int i = 0; i < FILTERS_AT_ONCE; i++)
    {
        int64_t filter = filter0 + i < s.filters ? filter0 + i : s.filters - 1;
        from[i] = (row * s.blocks * s.filters + filter) * pixels * S;
    }
    x += row * x_stride + channel * plane;
    WARP_FOR(tile, (taps + TAPS_AT_ONCE - 1) / TAPS_AT_ONCE)
    {
        int64_t offset[TAPS_AT_ONCE];
        UNROLL for (int t = 0; t < TAPS_AT_ONCE; t++)
        {
            int64_t tap = tile * TAPS_AT_ONCE + t < taps ? tile * TAPS_AT_ONCE + t : taps - 1;
            offset[t] = (tap / s.kernel * W + tap % s.kernel) * S;
        }
        lanes sum[FILTERS_AT_ONCE][TAPS_AT_ONCE];
        UNROLL for (int i = 0; i < FILTERS_AT_ONCE; i++)
            UNROLL for (int t = 0; t < TAPS_AT_ONCE; t++) sum[i][t] = lanes_of(0.0f);

        for (int64_t i = 0; i < s.blocks * pixels; i++) {
            const int64_t part = i / pixels, pixel = i % pixels, corner = 2 * (pixel / PW) * W + 2 * (pixel % PW);
            const int64_t pooled = (part * s.filters * pixels + pixel) * S;
            const float *patch = x + part * s.channels * plane + corner * S;
            for (int64_t slot = 0; slot < S; slot += LANES) {
                lanes d[4][FILTERS_AT_ONCE];
                UNROLL for (int f = 0; f < FILTERS_AT_ONCE; f++)
                {
                    const lanes df = lanes_load(delta + from[f] + pooled + slot);
                    const lanes_int won = lanes_load_byte(winner + from[f] + pooled + slot);
                    UNROLL for (int p = 0; p < 4; p++) d[p][f] = lanes_select(won == p, df, lanes_of(0.0f));
                }
                UNROLL for (int p = 0; p < 4; p++)
                    UNROLL for (int t = 0; t < TAPS_AT_ONCE; t++)
                    {
                        const lanes v = lanes_load(patch + offset[t] + (p / 2 * W + p % 2) * S + slot);
                        UNROLL for (int f = 0; f < FILTERS_AT_ONCE; f++) sum[f][t] += d[p][f] * v;
                    }
            }
        }

        UNROLL for (int i = 0; i < FILTERS_AT_ONCE; i++)
            UNROLL for (int t = 0; t < TAPS_AT_ONCE; t++)
            {
                const float total = lanes_sum(sum[i][t]);
                const int64_t tap = tile * TAPS_AT_ONCE + t;
                if (LANE_ZERO && tap < taps && filter0 + i < s.filters)
                    weight_gradient[row * w_stride + ((filter0 + i) * s.channels + channel) * taps + tap] = total;
            }
    }
}

static const char *sparse_gradients(void *stream, struct conv_gradients g, struct conv_shape s, int sparse_weights)
{
    const struct grid filters = grid_of(s.filters, 1, s.rows);
    const int64_t used = (int64_t)s.kernel * s.channels;
    const struct grid lists = grid_of(WINDOWS(s), tiles_of(s.slots, TERM_SLOTS), (int64_t)s.rows * s.blocks);
    const char *error = NULL;
    if (sparse_weights) {
        error = LAUNCH(stream, sample_grid(s), to_samples, g.scratch.samples, g.x, g.x_stride, s);
        if (!error)
            error = LAUNCH(stream, grid_of(tiles_of(s.filters, GRADIENT_FILTERS), 1, s.rows), sparse_weight_gradient,
                           g.scratch, g.delta, g.winner, s, best_tile(s.kernel, tiles_of(used, LANES), 0));
        if (!error) error = LAUNCH(stream, filters, taps_to_weights, g.weight_gradient, g.w_stride, g.scratch.taps, s);
    }
    if (g.x_gradient) {
        if (!error) error = LAUNCH(stream, lists, list_terms, g.scratch, g.delta, g.winner, s);
        if (!error) error = LAUNCH(stream, filters, weights_to_taps, g.scratch.taps, g.weight, g.w_stride, s);
        if (!error)
            error = LAUNCH(stream, grid_of(s.slots, 1, (int64_t)s.rows * s.blocks), input_gradient, g.scratch, s,
                           best_tile(s.kernel, used / LANES, 1));
        if (!error) error = LAUNCH(stream, sample_grid(s), from_samples, g.x_gradient, g.scratch.samples, s);
    }
    return error;
}

static const char *launch_conv_gradients(void *stream, struct conv_gradients g, struct conv_shape s)
{
    const int sparse_weights = 2 * s.kernel * s.channels > LANES;
    const char *error = NULL;
    if (!sparse_weights)
        error = LAUNCH(stream, grid_of(tiles_of(s.filters, FILTERS_AT_ONCE), s.channels, s.rows), dense_weight_gradient,
                       g.weight_gradient, g.w_stride, g.delta, g.winner, g.x, g.x_stride, s);
    if (!error && (sparse_weights || g.x_gradient)) error = sparse_gradients(stream, g, s, sparse_weights);
    return error;
}
