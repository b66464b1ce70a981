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
    TERM_SLOTS = 128,
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
    float *value = scratch.value + list * length;
    int32_t *patch = scratch.patch + list * length, column = 0, corner = 0, end[LANES];
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
            end[i] += lanes_compress(value + i * length + end[i], patch + i * length + end[i], d[i], lanes_bits(at[i]));
    }
    UNROLL for (int i = 0; i < LANES; i++)
        if (LANE_ZERO) scratch.count[list + i] = end[i];
}

enum { NO_TERM = 4, TERM_KINDS = 8 };

/* Which winner's list a gradient belongs to; without a branch, since nothing here can be foreseen. */
DEVICE int term_kind(float delta, uint8_t winner) { return winner + NO_TERM * (delta == 0.0f); }

/* Terms of the input's gradient, sorted by winner through counting. Block: a window, TERM_SLOTS
 * samples, a block of samples. A thread keeps to its samples. */
KERNEL(list_terms, struct conv_scratch scratch, const float *delta, const uint8_t *winner, struct conv_shape s)
{
    SHARED(int32_t, end, TERM_KINDS * TERM_SLOTS);
    const int64_t S = s.slots, F = s.filters, plane = WINDOWS(s) * S, slot0 = BLOCK_Y * TERM_SLOTS;
    const int64_t slots = smaller(S - slot0, TERM_SLOTS), first = BLOCK_Z * plane + BLOCK_X * S + slot0;
    const int32_t taps = (int32_t)(s.kernel * CONV_RUN(s));
    struct conv_term *term = scratch.term + first * F;
    delta += BLOCK_Z * F * plane + BLOCK_X * S + slot0;
    winner += BLOCK_Z * F * plane + BLOCK_X * S + slot0;
    BLOCK_FOR(i, slots)
    {
        for (int kind = 0; kind < TERM_KINDS; kind++) end[TERM_KINDS * i + kind] = 0;
    }
    for (int64_t f = 0; f < F; f++) {
        prefetch(delta + f * plane + S, slots); /* of the next window */
        BLOCK_FOR(i, slots) { end[TERM_KINDS * i + term_kind(delta[f * plane + i], winner[f * plane + i])]++; }
    }
    BLOCK_FOR(i, slots)
    {
        int32_t before = 0;
        for (int kind = 0; kind < TERM_KINDS; kind++) {
            const int32_t count = end[TERM_KINDS * i + kind];
            end[TERM_KINDS * i + kind] = before;
            before += count;
        }
    }
    for (int64_t f = 0; f < F; f++)
        BLOCK_FOR(i, slots)
        {
            const float d = delta[f * plane + i];
            struct conv_term *to = term + i * F + end[TERM_KINDS * i + term_kind(d, winner[f * plane + i])]++;
            to->value = d;
            to->taps = (int32_t)f * taps;
        }
    BLOCK_FOR(i, slots)
    {
        for (int kind = 0; kind < NO_TERM; kind++) scratch.terms[4 * (first + i) + kind] = end[TERM_KINDS * i + kind];
    }
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
        UNROLL for (int r = 0; r < TR; r++, at += x_row)
            UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] += d * lanes_load(at + v * LANES);
    }
    UNROLL for (int r = 0; r < TR; r++)
        UNROLL for (int v = 0; v < TV; v++)
        {
            float *to = taps + (row0 + r) * run + (vector0 + v) * LANES;
            if (row0 + r >= row && vector0 + v >= vector) lanes_store(to, lanes_load(to) + sum[r * TV + v]);
        }
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
            add_tile(taps + filter * K * run, run, x, x_row, scratch.value + list * CONV_LIST(s),
                     scratch.patch + list * CONV_LIST(s), scratch.count[list], ky, vector, K,
                     tiles_of(K * s.channels, LANES), TR, TV);
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

/* x += Σ_i value_i · taps_i over a tile, whose vectors hold `part` floats. */
DEVICE void add_terms(float *x, int64_t x_row, const float *taps, int64_t run, const struct conv_term *term, int terms,
                      int64_t part, const int TR, const int TV)
{
    lanes sum[TILE_REGISTERS];
    UNROLL for (int r = 0; r < TR; r++)
        UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] = lanes_load_part(x + r * x_row + v * LANES, part);
    for (int i = 0; i < terms; i++) {
        const lanes d = lanes_of(term[i].value);
        const float *at = taps + term[i].taps;
        UNROLL for (int r = 0; r < TR; r++, at += run)
            UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] += d * lanes_load(at + v * LANES);
    }
    UNROLL for (int r = 0; r < TR; r++)
        UNROLL for (int v = 0; v < TV; v++) lanes_store_part(x + r * x_row + v * LANES, sum[r * TV + v], part);
}

/* The input's gradient of sample `slot` of a block of samples. Patches overlap, so the block takes
 * them one by one, as many tiles of each as it has warps. */
DEVICE void add_patches(BLOCK_PARAM float *x_gradient, struct conv_scratch scratch, int64_t part, int64_t slot,
                        const float *taps, struct conv_shape s, const int TR, const int TV)
{
    const int64_t K = s.kernel, C = s.channels, F = s.filters, run = CONV_RUN(s), x_row = s.width * C;
    const int64_t across = K * C / LANES / TV, tiled = across * TV * LANES, left = K * C - tiled;
    const int64_t whole = K / TR * across, tiles = whole + (left ? K : 0), PW = POOLED_WIDTH(s), windows = WINDOWS(s);
    for (int64_t first = 0; first < tiles; first += WARPS)
        for (int64_t y = 0, x = 0, pixel = 0; pixel < 4 * windows; pixel++) {
            const int64_t list = (part * windows + pixel / 4) * s.slots + slot, won = pixel % 4;
            const int begin = won ? scratch.terms[4 * list + won - 1] : 0, terms = scratch.terms[4 * list + won] - begin;
            const struct conv_term *term = scratch.term + list * F + begin;
            float *patch = x_gradient + (y + won / 2) * x_row + (x + won % 2) * C;
            if (won == 3) {
                prefetch((const float *)(scratch.term + (list + s.slots) * F), 2 * F); /* of the next window */
                x = x + 2 < 2 * PW ? x + 2 : 0;
                y += x == 0 ? 2 : 0;
            }
            if (terms == 0) continue;
            WARP_FOR(i, smaller(WARPS, tiles - first))
            {
                const int64_t tile = first + i, ky = across == 1 ? tile * TR : tile / across * TR;
                const int64_t j = across == 1 ? 0 : tile % across * TV * LANES;
                if (tile < whole)
                    add_terms(patch + ky * x_row + j, x_row, taps + ky * run + j, run, term, terms, LANES, TR, TV);
                else
                    add_terms(patch + (tile - whole) * x_row + tiled, x_row, taps + (tile - whole) * run + tiled, run,
                              term, terms, left, 1, 1);
            }
            block_sync();
        }
}

/* Block: a sample, a block of samples. */
KERNEL(input_gradient, struct conv_scratch scratch, struct conv_shape s, struct tile_kind kind)
{
    float *x_gradient = scratch.samples + (BLOCK_Z * s.slots + BLOCK_X) * CONV_SAMPLE(s);
    const float *taps = scratch.taps + BLOCK_Z / s.blocks * s.filters * s.kernel * CONV_RUN(s);
    BLOCK_FOR(i, INPUT_SIZE(s)) { x_gradient[i] = 0.0f; }
    block_sync();
#define ADD_PATCHES(number, tile_rows, tile_vectors)                                             \
    case number:                                                                                 \
        add_patches(BLOCK_PASS x_gradient, scratch, BLOCK_Z, BLOCK_X, taps, s, tile_rows, tile_vectors); \
        break;
    switch (kind.number) { TILES(ADD_PATCHES) }
#undef ADD_PATCHES
}

static const char *sparse_gradients(void *stream, struct conv_gradients g, struct conv_shape s, int sparse_weights)
{
    const struct grid filters = grid_of(s.filters, 1, s.rows);
    const int64_t used = (int64_t)s.kernel * s.channels;
    const struct grid lists = grid_of(WINDOWS(s), tiles_of(s.slots, TERM_SLOTS), s.rows * s.blocks);
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
            error = LAUNCH(stream, grid_of(s.slots, 1, s.rows * s.blocks), input_gradient, g.scratch, s,
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
