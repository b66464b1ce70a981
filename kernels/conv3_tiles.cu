/* 3×3 convolution, forward and both gradients, as products of tiles whose inputs are rounded to tf32 or
 * bfloat16; shapes and results as in conv3.cu and conv3_gradient.cu.
 *
 * Forward, and for the gradient of the input, a block multiplies filters × terms by terms × samples for a few
 * pixels at once: a term is a tap of a channel, a warp has a pixel and WIDTH samples of it. Weights of
 * DEPTH channels stay in shared memory for all taps. For the gradient of the filters the terms are
 * samples of pixels, and columns are taps of channels as they lie in the weights. */
#include "kernels/conv3.h"
#include "kernels/tiles.h"

/* A warp's part, and what a block of eight warps takes; a CPU's caches, and ThreadSanitizer's patience, like less. */
#if defined(__CUDACC__)
enum { PRODUCT_PLANES = 64, PRODUCT_PIXELS = 8, WEIGHT_FILTERS = 64, WEIGHT_COLUMNS = 64 };
#elif defined(CGSV_BLOCK_IS_THREADS)
enum { PRODUCT_PLANES = 16, PRODUCT_PIXELS = 3, WEIGHT_FILTERS = 32, WEIGHT_COLUMNS = 32 };
#else
enum { PRODUCT_PLANES = 64, PRODUCT_PIXELS = 4, WEIGHT_FILTERS = 32, WEIGHT_COLUMNS = 64 };
#endif
enum {
    WIDTH = 32, /* samples, or columns, of a warp's sums: two tiles */
    DOWN = PRODUCT_PLANES / TILE_SIDE,
    ACROSS = WIDTH / TILE_SIDE,
    WEIGHT_TASKS = WEIGHT_FILTERS / TILE_SIDE * (WEIGHT_COLUMNS / WIDTH)
};
#define SUMS_OF_WARP(tasks) (LANES == 32 ? 1 : (tasks)) /* on the GPU a warp has one task */

/* The product out = w · x over taps and x's planes. */
struct conv3_product {
    float *out;            /* [R][B][planes][height][width][S] */
    const float *x;        /* [R][B][x_planes][x_height][x_width][S] */
    const float *weight;   /* of plane i, x's plane j and tap t of row r at r · w_stride + i · w_out + j · w_x + t */
    const float *shortcut; /* [R][B][…][x_height][x_width][S], added at pixels at multiples of `stride`; or NULL */
    int64_t x_stride, w_stride, w_out, w_x;
    int planes, height, width, x_planes, x_height, x_width;
    int stride, blocks, slots;
    int backward; /* x is the gradient of the output, `out` that of the input */
};

/* Where tap k of place `at` reads along a side of `size`: −1 outside, and between the places of a gradient. */
DEVICE int tap_place(int at, int k, int stride, int backward, int size)
{
    int from = backward ? at + 1 - k : at * stride + k - 1;
    if (from < 0 || (backward && from % stride)) return -1;
    if (backward) from /= stride;
    return from < size ? from : -1;
}

/* A tile's pixels are neighbours among those `step` apart, of which there are step² kinds: inside of the
 * image the same taps reach them all. */
HOST_AND_DEVICE int pixel_step(const struct conv3_product *p) { return p->backward ? p->stride : 1; }
HOST_AND_DEVICE int64_t tiles_of_kind(const struct conv3_product *p)
{
    const int step = pixel_step(p);
    const int64_t pixels = (int64_t)((p->height - 1) / step + 1) * ((p->width - 1) / step + 1);
    return (pixels + PRODUCT_PIXELS - 1) / PRODUCT_PIXELS;
}

struct pixel {
    int y, x; /* y −1: past the end */
};
DEVICE struct pixel pixel_of(const struct conv3_product *p, int64_t tile, int i)
{
    const int step = pixel_step(p), along = (p->width - 1) / step + 1;
    const int kind = (int)(tile / tiles_of_kind(p)), at = (int)(tile % tiles_of_kind(p)) * PRODUCT_PIXELS + i;
    struct pixel pixel = {at / along * step + kind / step, at % along * step + kind % step};
    if (pixel.y >= p->height || pixel.x >= p->width) pixel.y = -1;
    return pixel;
}

/* from[tap][pixel]: the pixel of x under each tap, or −1. */
DEVICE void find_taps(BLOCK_PARAM int *from, const struct conv3_product *p, int64_t tile)
{
    BLOCK_FOR(i, TAPS * PRODUCT_PIXELS)
    {
        const struct pixel at = pixel_of(p, tile, (int)(i % PRODUCT_PIXELS));
        const int tap = (int)(i / PRODUCT_PIXELS);
        const int y = at.y < 0 ? -1 : tap_place(at.y, tap / SIDE, p->stride, p->backward, p->x_height);
        const int x = at.y < 0 ? -1 : tap_place(at.x, tap % SIDE, p->stride, p->backward, p->x_width);
        from[i] = y < 0 || x < 0 ? -1 : y * p->x_width + x;
    }
}

/* to[tap][PRODUCT_PLANES][DEPTH + PAD] of x's planes `first` and on, zeros past the ends; neighbours in memory, which
 * are taps of the inner of the two planes, by neighbouring threads. */
template <typename kind>
DEVICE void load_weights(BLOCK_PARAM typename kind::stored *to, const struct conv3_product *p, const float *w,
                         int64_t plane0, int64_t first)
{
    UNROLL_BY(2) BLOCK_FOR(i, TAPS * PRODUCT_PLANES * kind::DEPTH)
    {
        const int64_t tap = i % TAPS, rest = i / TAPS;
        const int64_t plane = p->backward ? rest % PRODUCT_PLANES : rest / kind::DEPTH;
        const int64_t term = p->backward ? rest / PRODUCT_PLANES : rest % kind::DEPTH;
        const int inside = plane0 + plane < p->planes && first + term < p->x_planes;
        kind::put(to + (tap * PRODUCT_PLANES + plane) * (kind::DEPTH + kind::PAD) + term,
                  inside ? w[plane * p->w_out + (first + term) * p->w_x + tap] : 0.0f);
    }
}

/* to[DEPTH][PRODUCT_PIXELS · WIDTH + WIDE_PAD]: the pixels from[PRODUCT_PIXELS] of x's planes `first` and on. */
template <typename kind>
DEVICE void load_pixels(BLOCK_PARAM typename kind::stored *to, const struct conv3_product *p, const float *x,
                        const int *from, int64_t first)
{
    const int64_t plane = (int64_t)p->x_height * p->x_width;
    BLOCK_FOR(i, kind::DEPTH * PRODUCT_PIXELS * (WIDTH / QUAD))
    {
        const int64_t at = i % (PRODUCT_PIXELS * (WIDTH / QUAD)) * QUAD, term = i / (PRODUCT_PIXELS * (WIDTH / QUAD));
        const int pixel = from[at / WIDTH];
        struct quad q = {};
        if (pixel >= 0 && first + term < p->x_planes)
            q = quad_load(x + ((first + term) * plane + pixel) * p->slots + at % WIDTH);
        kind::put_quad(to + term * (PRODUCT_PIXELS * WIDTH + kind::WIDE_PAD) + at, q);
    }
}

/* sum += a tap's weights · pixels. */
template <typename kind>
DEVICE void multiply_pixels(tile_sum<kind> sum[DOWN][ACROSS], const typename kind::stored *w,
                            const typename kind::stored *x)
{
    tile_right<kind, terms_apart> right[ACROSS];
    UNROLL for (int j = 0; j < ACROSS; j++)
        tile_load(&right[j], x + j * TILE_SIDE, PRODUCT_PIXELS * WIDTH + kind::WIDE_PAD);
    UNROLL for (int i = 0; i < DOWN; i++)
    {
        tile_left<kind> left;
        tile_load(&left, w + i * TILE_SIDE * (kind::DEPTH + kind::PAD), kind::DEPTH + kind::PAD);
        UNROLL for (int j = 0; j < ACROSS; j++) tile_multiply_add(&sum[i][j], &left, &right[j]);
    }
}

/* Writes a warp's pixel, TILE_SIDE planes at a time by way of scratch[TILE_SIDE][WIDTH]. */
template <typename kind>
DEVICE void write_pixel(const tile_sum<kind> sum[DOWN][ACROSS], float *scratch, const struct conv3_product *p,
                        float *out, const float *shortcut, struct pixel at, int64_t plane0)
{
    const int64_t plane = (int64_t)p->height * p->width * p->slots;
    const int64_t shortcut_plane = (int64_t)p->x_height * p->x_width * p->slots;
    const int added = shortcut && at.y % p->stride == 0 && at.x % p->stride == 0;
    out += ((int64_t)at.y * p->width + at.x) * p->slots;
    if (added) shortcut += ((int64_t)at.y / p->stride * p->x_width + at.x / p->stride) * p->slots;
    UNROLL for (int i = 0; i < DOWN; i++)
    {
        UNROLL for (int j = 0; j < ACROSS; j++) tile_store(scratch + j * TILE_SIDE, WIDTH, &sum[i][j]);
        warp_sync();
        for (int64_t f = i * TILE_SIDE; f < smaller((i + 1) * TILE_SIDE, p->planes - plane0); f++)
            UNROLL for (int s = 0; s < WIDTH; s += LANES)
            {
                lanes v = lanes_load(scratch + (f - i * TILE_SIDE) * WIDTH + s);
                if (added) v += lanes_load(shortcut + (plane0 + f) * shortcut_plane + s);
                lanes_store(out + (plane0 + f) * plane + s, v);
            }
        warp_sync();
    }
}

/* Block: a tile of planes of a tile of pixels, WIDTH slots, a row. */
template <typename kind>
KERNEL_BY(2, conv3_product, struct conv3_product p)
{
    SHARED(typename kind::stored, w, TAPS *PRODUCT_PLANES *(kind::DEPTH + kind::PAD));
    SHARED(typename kind::stored, pixels, kind::DEPTH *(PRODUCT_PIXELS * WIDTH + kind::WIDE_PAD));
    SHARED(int, from, TAPS *PRODUCT_PIXELS);
    const int64_t row = BLOCK_Z, part = BLOCK_Y * WIDTH / p.slots, slot = BLOCK_Y * WIDTH % p.slots;
    const int64_t groups = (p.planes + PRODUCT_PLANES - 1) / PRODUCT_PLANES;
    const int64_t plane0 = BLOCK_X % groups * PRODUCT_PLANES, tile = BLOCK_X / groups;
    const float *weight = p.weight + row * p.w_stride + plane0 * p.w_out;
    const float *x = p.x + row * p.x_stride + part * p.x_planes * p.x_height * p.x_width * p.slots + slot;
    tile_sum<kind> sum[SUMS_OF_WARP(PRODUCT_PIXELS)][DOWN][ACROSS];
    find_taps(BLOCK_PASS from, &p, tile);
    UNROLL for (int n = 0; n < SUMS_OF_WARP(PRODUCT_PIXELS); n++)
        UNROLL for (int i = 0; i < DOWN; i++)
            UNROLL for (int j = 0; j < ACROSS; j++) tile_clear(&sum[n][i][j]);
    block_sync();
    for (int64_t first = 0; first < p.x_planes; first += kind::DEPTH) {
        load_weights<kind>(BLOCK_PASS w, &p, weight, plane0, first);
        UNROLL_BY(1) for (int tap = 0; tap < TAPS; tap++)
        {
            int reached = 0; /* by every thread for itself, with the same result */
            UNROLL_BY(1) for (int i = 0; i < PRODUCT_PIXELS; i++) reached |= from[tap * PRODUCT_PIXELS + i] >= 0;
            if (!reached) continue;
            load_pixels<kind>(BLOCK_PASS pixels, &p, x, from + tap * PRODUCT_PIXELS, first);
            block_sync();
            WARP_FOR(n, PRODUCT_PIXELS)
            multiply_pixels<kind>(sum[n % SUMS_OF_WARP(PRODUCT_PIXELS)],
                                  w + tap * PRODUCT_PLANES * (kind::DEPTH + kind::PAD), pixels + n * WIDTH);
            block_sync();
        }
    }
    /* The weights' room is free now. */
    static_assert(TAPS * PRODUCT_PLANES * (kind::DEPTH + kind::PAD) * sizeof *w >=
                      PRODUCT_PIXELS * TILE_SIDE * WIDTH * sizeof(float),
                  "scratch for every warp");
    float *scratch = (float *)w;
    const int64_t image = row * p.blocks + part, out_part = (int64_t)p.planes * p.height * p.width * p.slots;
    const int64_t shortcut_part = (int64_t)p.x_planes * p.x_height * p.x_width * p.slots;
    WARP_FOR(n, PRODUCT_PIXELS)
    {
        const struct pixel at = pixel_of(&p, tile, (int)n);
        if (at.y < 0) continue;
        write_pixel<kind>(sum[n % SUMS_OF_WARP(PRODUCT_PIXELS)], scratch + n * TILE_SIDE * WIDTH, &p,
                          p.out + image * out_part + slot,
                          p.shortcut ? p.shortcut + image * shortcut_part + slot : NULL, at, plane0);
    }
}

static const char *launch_conv3_product(void *stream, struct conv3_product p, int rows, cgsv_precision precision)
{
    const int64_t groups = (p.planes + PRODUCT_PLANES - 1) / PRODUCT_PLANES, step = pixel_step(&p);
    const struct grid grid = grid_of(groups * step * step * tiles_of_kind(&p), p.blocks * p.slots / WIDTH, rows);
    return precision == CGSV_PRECISION_TF32 ? LAUNCH(stream, grid, conv3_product<tf32>, p)
                                            : LAUNCH(stream, grid, conv3_product<bf16>, p);
}

static const char *launch_conv3_forward_rounded(void *stream, float *out, const float *x, int64_t x_stride,
                                                const float *weight, int64_t w_stride, struct conv3_shape s)
{
    struct conv3_product p = {};
    p.out = out;
    p.x = x;
    p.weight = weight;
    p.x_stride = x_stride;
    p.w_stride = w_stride;
    p.w_out = (int64_t)s.channels * TAPS;
    p.w_x = TAPS;
    p.planes = s.filters;
    p.height = OUT_HEIGHT(s);
    p.width = OUT_WIDTH(s);
    p.x_planes = s.channels;
    p.x_height = s.height;
    p.x_width = s.width;
    p.stride = s.stride;
    p.blocks = s.blocks;
    p.slots = s.slots;
    return launch_conv3_product(stream, p, s.rows, s.precision);
}

static const char *launch_conv3_input_gradient_rounded(void *stream, struct conv3_gradients g, struct conv3_shape s)
{
    struct conv3_product p = {};
    p.out = g.x_gradient;
    p.x = g.delta;
    p.weight = g.weight;
    p.shortcut = g.shortcut;
    p.w_stride = g.w_stride;
    p.w_out = TAPS;
    p.w_x = (int64_t)s.channels * TAPS;
    p.planes = s.channels;
    p.height = s.height;
    p.width = s.width;
    p.x_planes = s.filters;
    p.x_height = OUT_HEIGHT(s);
    p.x_width = OUT_WIDTH(s);
    p.x_stride = (int64_t)s.blocks * s.filters * p.x_height * p.x_width * s.slots;
    p.stride = s.stride;
    p.blocks = s.blocks;
    p.slots = s.slots;
    p.backward = 1;
    return launch_conv3_product(stream, p, s.rows, s.precision);
}

/* ---- gradient of the filters ---- */

/* to[WEIGHT_FILTERS][WIDTH + PAD]: delta at `pixel`, of filters from `first` on and WIDTH slots. */
template <typename kind>
DEVICE void load_deltas(BLOCK_PARAM typename kind::stored *to, const float *delta, int64_t first, int64_t pixel,
                        struct conv3_shape s)
{
    const int64_t plane = (int64_t)OUT_HEIGHT(s) * OUT_WIDTH(s);
    BLOCK_FOR(i, WEIGHT_FILTERS * (WIDTH / QUAD))
    {
        const int64_t filter = i / (WIDTH / QUAD), slot = i % (WIDTH / QUAD) * QUAD;
        struct quad q = {};
        if (first + filter < s.filters) q = quad_load(delta + ((first + filter) * plane + pixel) * s.slots + slot);
        kind::put_quad(to + filter * (WIDTH + kind::PAD) + slot, q);
    }
}

/* to[WEIGHT_COLUMNS][WIDTH + PAD]: of columns from `first` on x under the tap, at the output's pixel (oy, ox). */
template <typename kind>
DEVICE void load_patches(BLOCK_PARAM typename kind::stored *to, const float *x, int64_t first, int oy, int ox,
                         struct conv3_shape s)
{
    BLOCK_FOR(i, WEIGHT_COLUMNS * (WIDTH / QUAD))
    {
        const int64_t column = i / (WIDTH / QUAD), slot = i % (WIDTH / QUAD) * QUAD;
        const int channel = (int)(first + column) / TAPS, tap = (int)(first + column) % TAPS;
        const int from_y = tap_place(oy, tap / SIDE, s.stride, 0, s.height);
        const int from_x = tap_place(ox, tap % SIDE, s.stride, 0, s.width);
        struct quad q = {};
        if (channel < s.channels && from_y >= 0 && from_x >= 0)
            q = quad_load(x + (((int64_t)channel * s.height + from_y) * s.width + from_x) * s.slots + slot);
        kind::put_quad(to + column * (WIDTH + kind::PAD) + slot, q);
    }
}

/* sum += TILE_SIDE filters' deltas · WIDTH columns' patches. */
template <typename kind>
DEVICE void multiply_patches(tile_sum<kind> sum[ACROSS], const typename kind::stored *delta,
                             const typename kind::stored *patch)
{
    UNROLL for (int k = 0; k < WIDTH; k += kind::DEPTH)
    {
        tile_left<kind> left;
        tile_load(&left, delta + k, WIDTH + kind::PAD);
        UNROLL for (int j = 0; j < ACROSS; j++)
        {
            tile_right<kind, terms_together> right;
            tile_load(&right, patch + j * TILE_SIDE * (WIDTH + kind::PAD) + k, WIDTH + kind::PAD);
            tile_multiply_add(&sum[j], &left, &right);
        }
    }
}

/* Block: WEIGHT_FILTERS filters, WEIGHT_COLUMNS of the channels' taps, a row. Each row of pixels of a block of
 * samples is summed up on its own, then added: sums of so many terms would lose more than the rounding does. */
template <typename kind>
KERNEL(conv3_weight_gradient_rounded, struct conv3_gradients g, struct conv3_shape s)
{
    SHARED(typename kind::stored, delta, WEIGHT_FILTERS *(WIDTH + kind::PAD));
    SHARED(typename kind::stored, patch, WEIGHT_COLUMNS *(WIDTH + kind::PAD));
    SHARED(float, scratch, WEIGHT_TASKS *TILE_SIDE *WIDTH);
    const int64_t row = BLOCK_Z, filter0 = BLOCK_Y * WEIGHT_FILTERS, column0 = BLOCK_X * WEIGHT_COLUMNS;
    const int64_t S = s.slots, columns = (int64_t)s.channels * TAPS;
    const int OH = OUT_HEIGHT(s), OW = OUT_WIDTH(s), down = WEIGHT_FILTERS / TILE_SIDE;
    tile_sum<kind> sum[SUMS_OF_WARP(WEIGHT_TASKS)][ACROSS], total[SUMS_OF_WARP(WEIGHT_TASKS)][ACROSS];
    UNROLL for (int n = 0; n < SUMS_OF_WARP(WEIGHT_TASKS); n++)
        UNROLL for (int j = 0; j < ACROSS; j++) tile_clear(&total[n][j]);
    for (int64_t line = 0; line < (int64_t)s.blocks * OH; line++) {
        const int64_t part = line / OH;
        const int y = (int)(line % OH);
        const float *d = g.delta + (row * s.blocks + part) * s.filters * OH * OW * S;
        const float *x = g.x + row * g.x_stride + part * s.channels * s.height * s.width * S;
        UNROLL for (int n = 0; n < SUMS_OF_WARP(WEIGHT_TASKS); n++)
            UNROLL for (int j = 0; j < ACROSS; j++) tile_clear(&sum[n][j]);
        for (int64_t i = 0; i < OW * S; i += WIDTH) {
            const int ox = (int)(i / S);
            const int64_t slot = i % S;
            load_deltas<kind>(BLOCK_PASS delta, d + slot, filter0, y * OW + ox, s);
            load_patches<kind>(BLOCK_PASS patch, x + slot, column0, y, ox, s);
            block_sync();
            WARP_FOR(task, WEIGHT_TASKS)
            multiply_patches<kind>(sum[task % SUMS_OF_WARP(WEIGHT_TASKS)],
                                   delta + task % down * TILE_SIDE * (WIDTH + kind::PAD),
                                   patch + task / down * WIDTH * (WIDTH + kind::PAD));
            block_sync();
        }
        UNROLL for (int n = 0; n < SUMS_OF_WARP(WEIGHT_TASKS); n++)
            UNROLL for (int j = 0; j < ACROSS; j++) tile_add(&total[n][j], &sum[n][j]);
    }
    WARP_FOR(task, WEIGHT_TASKS)
    {
        float *own = scratch + task * TILE_SIDE * WIDTH;
        UNROLL for (int j = 0; j < ACROSS; j++)
            tile_store(own + j * TILE_SIDE, WIDTH, &total[task % SUMS_OF_WARP(WEIGHT_TASKS)][j]);
        warp_sync();
        const int64_t filter = filter0 + task % down * TILE_SIDE, column = column0 + task / down * WIDTH;
        for (int64_t f = 0; f < smaller(TILE_SIDE, s.filters - filter); f++)
            LANE_FOR(c, smaller(WIDTH, columns - column))
            g.weight_gradient[row * g.w_stride + (filter + f) * columns + column + c] = own[f * WIDTH + c];
    }
}

static const char *launch_conv3_gradients_rounded(void *stream, struct conv3_gradients g, struct conv3_shape s)
{
    const struct grid grid = grid_of(((int64_t)s.channels * TAPS + WEIGHT_COLUMNS - 1) / WEIGHT_COLUMNS,
                                     (s.filters + WEIGHT_FILTERS - 1) / WEIGHT_FILTERS, s.rows);
    const char *error = s.precision == CGSV_PRECISION_TF32
                            ? LAUNCH(stream, grid, conv3_weight_gradient_rounded<tf32>, g, s)
                            : LAUNCH(stream, grid, conv3_weight_gradient_rounded<bf16>, g, s);
    if (!error && g.x_gradient) error = launch_conv3_input_gradient_rounded(stream, g, s);
    return error;
}
