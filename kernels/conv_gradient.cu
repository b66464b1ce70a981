/* Gradients of a convolution with 2×2 max pooling, for every row at once.
 *
 * Only the winner of a window carries a gradient, and ReLU stops half of those: at least
 * three quarters of the products of the plain formulas are with zero. Which ones are not
 * differs from sample to sample, so the vector cannot run over samples, as it does
 * forward. Where a kernel row with its channels, a run, fills a warp, it runs along that:
 *
 *   1. list_gradients   lists, for each sample and filter, the windows with a gradient d
 *                       and where the winner's patch begins in the input;
 *   2. to_samples       lays the input out by samples, channels innermost, so that a run
 *                       is contiguous;
 *   3. sparse_weight_gradient  adds d · patch to the filter's gradient, in registers;
 *   4. input_gradient   adds d · weights to the patch of the input's gradient, and
 *      from_samples     turns that back into the order of x.
 *
 * The weight gradient of a shorter run, as first layers have, is dense. */
#include "kernels/conv.h"

/* Floats of one sample's input. */
#define INPUT_SIZE(s) ((int64_t)(s).channels * (s).height * (s).width)

enum {
    LIST_SLOTS = 128,
    TILES_PER_BLOCK = 8,
    FILTERS_AT_ONCE = 2, /* dense: filters, and */
    TAPS_AT_ONCE = 9     /* kernel positions that a warp computes together */
};

/* Block: a filter, LIST_SLOTS samples, a block of samples. */
KERNEL(list_gradients, struct conv_scratch scratch, const float *delta, const uint8_t *winner, struct conv_shape s)
{
    SHARED(int32_t, end, LIST_SLOTS); /* of each sample's list; a thread keeps to its samples */
    const int64_t S = s.slots, PW = POOLED_WIDTH(s), windows = WINDOWS(s), slot0 = BLOCK_Y * LIST_SLOTS;
    const int64_t slots = smaller(S - slot0, LIST_SLOTS), plane = BLOCK_Z * s.filters + BLOCK_X;
    float *value = scratch.value + (plane * S + slot0) * windows;
    int32_t *patch = scratch.patch + (plane * S + slot0) * windows;
    const int32_t down = s.width * s.channels, right = s.channels;
    delta += plane * windows * S + slot0;
    winner += plane * windows * S + slot0;
    BLOCK_FOR(slot, slots) { end[slot] = (int32_t)(slot * windows); }
    for (int64_t window = 0; window < windows; window++, delta += S, winner += S) {
        const int32_t corner = (int32_t)(2 * (window / PW) * down + 2 * (window % PW) * right);
        BLOCK_FOR(slot, slots)
        {
            /* Without branches, since nothing here can be foreseen. */
            const int32_t to = end[slot], won = winner[slot];
            value[to] = delta[slot];
            patch[to] = corner + (won >> 1) * down + (won & 1) * right;
            end[slot] = to + (delta[slot] != 0.0f);
        }
    }
    BLOCK_FOR(slot, slots) { scratch.count[plane * S + slot0 + slot] = end[slot] - (int32_t)(slot * windows); }
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
    return grid_of(tiles_of(INPUT_SIZE(s), TILES_PER_BLOCK * LANES), s.slots / LANES, s.rows * s.blocks);
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

/* Tiles of a weight gradient that registers can hold: number, kernel rows, vectors of a run. */
#define SMALL_TILES(X) X(0, 1, 1) X(1, 3, 1) X(2, 5, 1) X(3, 1, 5) X(4, 1, 10) X(5, 1, 14)
#if LANES >= 16 /* and as many registers */
#define TILES(X) SMALL_TILES(X) X(6, 5, 5)
#else
#define TILES(X) SMALL_TILES(X)
#endif
struct tile_kind {
    int number, rows, vectors;
};
#define TILE_ROW(number, rows, vectors) {number, rows, vectors},
static const struct tile_kind tile_table[] = {TILES(TILE_ROW)};
enum { TILE_KINDS = sizeof tile_table / sizeof *tile_table, TILE_REGISTERS = 25 };

/* taps += Σ_i value_i · patch_i over the tile that begins at kernel row `row` and vector
 * `vector`. A tile at the end reaches back over its neighbour, whose sums it leaves alone. */
DEVICE void add_tile(float *taps, int64_t run, const float *x, int64_t x_row, const float *value,
                     const int32_t *patch, int count, int64_t row, int64_t vector, int64_t rows, int64_t vectors,
                     const int TR, const int TV)
{
    const int64_t row0 = smaller(row, rows - TR), vector0 = smaller(vector, vectors - TV);
    lanes sum[TILE_REGISTERS];
    UNROLL for (int r = 0; r < TR; r++) UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] = lanes_of(0.0f);
    x += row0 * x_row + vector0 * LANES;
    for (int i = 0; i < count; i++) {
        const lanes d = lanes_of(value[i]);
        const float *at = x + patch[i];
        UNROLL for (int r = 0; r < TR; r++)
            UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] += d * lanes_load(at + r * x_row + v * LANES);
    }
    UNROLL for (int r = 0; r < TR; r++)
        UNROLL for (int v = 0; v < TV; v++)
        {
            float *to = taps + (row0 + r) * run + (vector0 + v) * LANES;
            if (row0 + r >= row && vector0 + v >= vector) lanes_store(to, lanes_load(to) + sum[r * TV + v]);
        }
}

/* Filters that a block takes while a sample's input is in cache; more blocks for a GPU. */
enum { GRADIENT_FILTERS = LANES == 32 ? 1 : 4 };

/* Block: GRADIENT_FILTERS filters, a row. */
KERNEL(sparse_weight_gradient, struct conv_scratch scratch, struct conv_shape s, struct tile_kind kind)
{
    const int64_t S = s.slots, F = s.filters, K = s.kernel, run = CONV_RUN(s), windows = WINDOWS(s), row = BLOCK_Z;
    const int64_t x_row = (int64_t)s.width * s.channels, vectors = tiles_of(K * s.channels, LANES);
    const int64_t first = BLOCK_X * GRADIENT_FILTERS, last = smaller(first + GRADIENT_FILTERS, F);
    const int64_t across = tiles_of(vectors, kind.vectors), tiles = tiles_of(K, kind.rows) * across;

    BLOCK_FOR(i, (last - first) * K * run) { scratch.taps[(row * F + first) * K * run + i] = 0.0f; }
    block_sync();
    for (int64_t sample = row * s.blocks * S; sample < (row + 1) * s.blocks * S; sample++)
        for (int64_t filter = first; filter < last; filter++) {
            const int64_t list = (sample / S * F + filter) * S + sample % S;
            const int count = scratch.count[list];
            const float *value = scratch.value + list * windows, *x = scratch.samples + sample * CONV_SAMPLE(s);
            const int32_t *patch = scratch.patch + list * windows;
            float *taps = scratch.taps + (row * F + filter) * K * run;
            if (count == 0) continue;
            WARP_FOR(tile, tiles)
            {
                const int64_t ky = tile / across * kind.rows, vector = tile % across * kind.vectors;
#define ADD_TILE(number, tile_rows, tile_vectors)                                                             \
    case number:                                                                                              \
        add_tile(taps, run, x, x_row, value, patch, count, ky, vector, K, vectors, tile_rows, tile_vectors); \
        break;
                switch (kind.number) { TILES(ADD_TILE) }
#undef ADD_TILE
            }
        }
}

/* The kind of tile with the fewest products in vain, or with none; of these the largest. */
static struct tile_kind best_tile(int64_t rows, int64_t vectors, int exact)
{
    int best = 0;
    int64_t least = INT64_MAX;
    for (int i = 0; i < TILE_KINDS; i++) {
        const struct tile_kind kind = tile_table[i];
        const int64_t products = tiles_of(rows, kind.rows) * kind.rows * tiles_of(vectors, kind.vectors) * kind.vectors;
        if (kind.rows > rows || kind.vectors > vectors || products > least) continue;
        if (exact && products > rows * vectors) continue;
        best = i;
        least = products;
    }
    return tile_table[best];
}

/* Block: a tile of filters, an input channel, a row. A warp takes TAPS_AT_ONCE taps of that
 * channel and sums over all pooled pixels and slots. */
KERNEL(dense_weight_gradient, float *weight_gradient, int64_t w_stride, const float *delta,
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

/* x += value · taps over a tile. */
DEVICE void add_patch(float *x, int64_t x_row, const float *__restrict__ taps, int64_t run, lanes value, const int TR,
                      const int TV)
{
    UNROLL for (int r = 0; r < TR; r++)
        UNROLL for (int v = 0; v < TV; v++)
        {
            float *to = x + r * x_row + v * LANES;
            lanes_store(to, lanes_load(to) + value * lanes_load(taps + r * run + v * LANES));
        }
}

/* Block: a sample, a block of samples. Patches overlap, so the block takes them one by one. */
KERNEL(input_gradient, struct conv_scratch scratch, struct conv_shape s, struct tile_kind kind)
{
    const int64_t F = s.filters, K = s.kernel, run = CONV_RUN(s), windows = WINDOWS(s), size = INPUT_SIZE(s);
    const int64_t x_row = (int64_t)s.width * s.channels, across = K * s.channels / LANES / kind.vectors;
    const int64_t tiled = across * kind.vectors * LANES, left = K * s.channels - tiled;
    float *x_gradient = scratch.samples + (BLOCK_Z * s.slots + BLOCK_X) * CONV_SAMPLE(s);
    BLOCK_FOR(i, size) { x_gradient[i] = 0.0f; }
    block_sync();
    for (int64_t filter = 0; filter < F; filter++) {
        const int64_t list = (BLOCK_Z * F + filter) * s.slots + BLOCK_X;
        const float *taps = scratch.taps + (BLOCK_Z / s.blocks * F + filter) * K * run;
        for (int i = 0; i < scratch.count[list]; i++) {
            const float value = scratch.value[list * windows + i];
            float *patch = x_gradient + scratch.patch[list * windows + i];
            WARP_FOR(tile, K / kind.rows * across)
            {
                const int64_t ky = tile / across * kind.rows, j = tile % across * kind.vectors * LANES;
#define ADD_PATCH(number, tile_rows, tile_vectors)                                                               \
    case number:                                                                                                 \
        add_patch(patch + ky * x_row + j, x_row, taps + ky * run + j, run, lanes_of(value), tile_rows, tile_vectors); \
        break;
                switch (kind.number) { TILES(ADD_PATCH) }
#undef ADD_PATCH
            }
            WARP_FOR(ky, left ? K : 0)
            {
                const int64_t j = tiled;
                LANE_FOR(lane, left) { patch[ky * x_row + j + lane] += value * taps[ky * run + j + lane]; }
            }
            block_sync();
        }
    }
}

static const char *sparse_gradients(void *stream, struct conv_gradients g, struct conv_shape s, int sparse_weights)
{
    const struct grid filters = grid_of(s.filters, 1, s.rows);
    const int64_t used = (int64_t)s.kernel * s.channels;
    const struct grid lists = grid_of(s.filters, tiles_of(s.slots, LIST_SLOTS), s.rows * s.blocks);
    const char *error = LAUNCH(stream, lists, list_gradients, g.scratch, g.delta, g.winner, s);
    if (sparse_weights) {
        if (!error) error = LAUNCH(stream, sample_grid(s), to_samples, g.scratch.samples, g.x, g.x_stride, s);
        if (!error)
            error = LAUNCH(stream, grid_of(tiles_of(s.filters, GRADIENT_FILTERS), 1, s.rows), sparse_weight_gradient,
                           g.scratch, s, best_tile(s.kernel, tiles_of(used, LANES), 0));
        if (!error) error = LAUNCH(stream, filters, taps_to_weights, g.weight_gradient, g.w_stride, g.scratch.taps, s);
    }
    if (g.x_gradient) {
        if (!error) error = LAUNCH(stream, filters, weights_to_taps, g.scratch.taps, g.weight, g.w_stride, s);
        if (!error)
            error = LAUNCH(stream, grid_of(s.slots, 1, s.rows * s.blocks), input_gradient, g.scratch, s,
                           best_tile(s.kernel, used / LANES, 1));
        if (!error) error = LAUNCH(stream, sample_grid(s), from_samples, g.x_gradient, g.scratch.samples, s);
    }
    return error;
}

static const char *launch_conv_gradients(void *stream, struct conv_gradients g, struct conv_shape s)
{
    const int sparse_weights = s.kernel * s.channels >= SLOT_MULTIPLE;
    const char *error = NULL;
    if (!sparse_weights)
        error = LAUNCH(stream, grid_of(tiles_of(s.filters, FILTERS_AT_ONCE), s.channels, s.rows), dense_weight_gradient,
                       g.weight_gradient, g.w_stride, g.delta, g.winner, g.x, g.x_stride, s);
    if (!error && (sparse_weights || g.x_gradient)) error = sparse_gradients(stream, g, s, sparse_weights);
    return error;
}
