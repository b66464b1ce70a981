/* 3×3 convolution with padding 1, stride 1 or 2, forward and the gradient of its input, for
 * every row at once, straight from the activations.
 *
 * A warp takes LANES samples of TILE_PIXELS neighbouring pixels for TILE_FILTERS filters: a
 * loaded vector serves three kernel columns and all filters, a weight all pixels. The
 * gradient of the input is a convolution too, of the gradient of the output with the
 * filters transposed and turned by 180°: out of stride 1 by the same code; out of stride 2
 * with an output between whose columns and rows zeros would stand, which are left out. */
#include "kernels/conv3.h"

/* An image seen by a tile: `columns` from column `first` on, of which some lie outside. */
struct window {
    const float *x; /* of channel 0 */
    int64_t plane;  /* floats from one channel to the next */
    int64_t S;
    int channels, height, width;
    int first;
};

/* Weight of filter i, channel c and tap t at w[i · filter + c · channel + t]. */
struct weights {
    const float *w[TILE_FILTERS];
    int64_t channel;
};

/* Filters first, first + 1, … of a row; past the last it is repeated, for nothing. */
DEVICE struct weights weights_of(const float *w, int64_t first, int64_t filters, int64_t filter, int64_t channel)
{
    struct weights to;
    to.channel = channel;
    UNROLL for (int i = 0; i < TILE_FILTERS; i++) to.w[i] = w + smaller(first + i, filters - 1) * filter;
    return to;
}

/* v[columns] of channel c's row y, zero outside. */
DEVICE void load_columns(lanes *v, const struct window *in, int64_t c, int y, const int columns)
{
    const float *at = in->x + c * in->plane + ((int64_t)y * in->width + in->first) * in->S;
    UNROLL for (int j = 0; j < columns; j++)
        v[j] = in->first + j >= 0 && in->first + j < in->width ? lanes_load(at + j * in->S) : lanes_of(0.0f);
}

/* sum[i][p] += Σ over channels and kernel rows and columns; the tile's first row is y.
 * turned: by 180°. */
DEVICE void convolve(lanes sum[TILE_FILTERS][TILE_PIXELS], const struct window *in, const struct weights *weights,
                     int y, const int stride, const int turned)
{
    for (int64_t c = 0; c < in->channels; c++)
        UNROLL for (int ky = 0; ky < SIDE; ky++)
        {
            const int from = y + ky;
            lanes v[(TILE_PIXELS - 1) * 2 + SIDE];
            if (from < 0 || from >= in->height) continue;
            load_columns(v, in, c, from, (TILE_PIXELS - 1) * stride + SIDE);
            UNROLL for (int i = 0; i < TILE_FILTERS; i++)
                UNROLL for (int kx = 0; kx < SIDE; kx++)
                {
                    const int tap = ky * SIDE + kx;
                    const float w = weights->w[i][c * weights->channel + (turned ? TAPS - 1 - tap : tap)];
                    UNROLL for (int p = 0; p < TILE_PIXELS; p++) sum[i][p] += w * v[p * stride + kx];
                }
        }
}

/* The input of a stride-2 convolution at row y and TILE_PIXELS columns from an even one on:
 * x = 2 o + k − 1, so that even rows and columns meet tap 1 of output x / 2, odd ones tap 2
 * of output (x − 1) / 2 and tap 0 of the next. `in` is the output's gradient. */
DEVICE void convolve_apart(lanes sum[TILE_FILTERS][TILE_PIXELS], const struct window *in,
                           const struct weights *weights, int y)
{
    for (int64_t c = 0; c < in->channels; c++)
        for (int ky = 1 - y % 2; ky < SIDE; ky += 2) {
            const int from = (y + 1 - ky) / 2;
            lanes v[TILE_PIXELS / 2 + 1];
            if (from >= in->height) continue;
            load_columns(v, in, c, from, TILE_PIXELS / 2 + 1);
            UNROLL for (int i = 0; i < TILE_FILTERS; i++)
            {
                const float *w = weights->w[i] + c * weights->channel + ky * SIDE;
                UNROLL for (int p = 0; p < TILE_PIXELS; p += 2)
                {
                    sum[i][p] += w[1] * v[p / 2];
                    sum[i][p + 1] += w[2] * v[p / 2];
                    sum[i][p + 1] += w[0] * v[p / 2 + 1];
                }
            }
        }
}

DEVICE void clear_sums(lanes sum[TILE_FILTERS][TILE_PIXELS])
{
    UNROLL for (int i = 0; i < TILE_FILTERS; i++)
        UNROLL for (int p = 0; p < TILE_PIXELS; p++) sum[i][p] = lanes_of(0.0f);
}

/* Block: a tile of filters of a band of the output, LANES slots, a row. */
KERNEL(conv3_forward, float *out, const float *x, int64_t x_stride, const float *weight, int64_t w_stride,
       struct conv3_shape s)
{
    const int64_t S = s.slots, row = BLOCK_Z, part = BLOCK_Y * LANES / S, slot = BLOCK_Y * LANES % S;
    const int64_t groups = (s.filters + TILE_FILTERS - 1) / TILE_FILTERS, filter0 = BLOCK_X % groups * TILE_FILTERS;
    const int64_t OW = OUT_WIDTH(s), pixels = OUT_HEIGHT(s) * OW, along = (OW + TILE_PIXELS - 1) / TILE_PIXELS;
    const int64_t tile0 = BLOCK_X / groups * BAND_TILES, tiles = smaller(OUT_HEIGHT(s) * along - tile0, BAND_TILES);
    const struct weights weights =
        weights_of(weight + row * w_stride, filter0, s.filters, (int64_t)s.channels * TAPS, TAPS);
    const int64_t plane = (int64_t)s.height * s.width * S;
    x += row * x_stride + part * s.channels * plane + slot;
    out += ((row * s.blocks + part) * s.filters + filter0) * pixels * S + slot;
    WARP_FOR(i, tiles)
    {
        const int64_t y = (tile0 + i) / along, x0 = (tile0 + i) % along * TILE_PIXELS;
        const struct window in = {x, plane, S, s.channels, s.height, s.width, (int)x0 * s.stride - 1};
        lanes sum[TILE_FILTERS][TILE_PIXELS];
        clear_sums(sum);
        if (s.stride == 1)
            convolve(sum, &in, &weights, (int)y - 1, 1, 0);
        else
            convolve(sum, &in, &weights, (int)y * 2 - 1, 2, 0);
        UNROLL for (int f = 0; f < TILE_FILTERS; f++)
            UNROLL for (int p = 0; p < TILE_PIXELS; p++)
                if (filter0 + f < s.filters && x0 + p < OW)
                    lanes_store(out + (f * pixels + y * OW + x0 + p) * S, sum[f][p]);
    }
}

static const char *launch_conv3_forward(void *stream, float *out, const float *x, int64_t x_stride,
                                        const float *weight, int64_t w_stride, struct conv3_shape s)
{
    if (s.precision != CGSV_PRECISION_FLOAT32)
        return launch_conv3_forward_rounded(stream, out, x, x_stride, weight, w_stride, s);
    const int64_t groups = (s.filters + TILE_FILTERS - 1) / TILE_FILTERS;
    return LAUNCH(stream, grid_of(groups * bands_of(OUT_HEIGHT(s), OUT_WIDTH(s)), s.blocks * s.slots / LANES, s.rows),
                  conv3_forward, out, x, x_stride, weight, w_stride, s);
}

/* Block: a tile of channels of a band of the input, LANES slots, a row. */
KERNEL(conv3_input_gradient, struct conv3_gradients g, struct conv3_shape s)
{
    const int64_t S = s.slots, row = BLOCK_Z, part = BLOCK_Y * LANES / S, slot = BLOCK_Y * LANES % S;
    const int64_t groups = (s.channels + TILE_FILTERS - 1) / TILE_FILTERS, channel0 = BLOCK_X % groups * TILE_FILTERS;
    const int64_t W = s.width, pixels = s.height * W, along = (W + TILE_PIXELS - 1) / TILE_PIXELS;
    const int64_t tile0 = BLOCK_X / groups * BAND_TILES, tiles = smaller(s.height * along - tile0, BAND_TILES);
    const struct weights weights =
        weights_of(g.weight + row * g.w_stride, channel0, s.channels, TAPS, (int64_t)s.channels * TAPS);
    const int OH = OUT_HEIGHT(s), OW = OUT_WIDTH(s);
    const int64_t plane = (int64_t)OH * OW * S, image = (row * s.blocks + part) * s.filters * plane + slot;
    float *to = g.x_gradient + ((row * s.blocks + part) * s.channels + channel0) * pixels * S + slot;
    const float *shortcut = g.shortcut ? g.shortcut + image + channel0 * plane : NULL;
    WARP_FOR(i, tiles)
    {
        const int64_t y = (tile0 + i) / along, x0 = (tile0 + i) % along * TILE_PIXELS;
        const struct window in = {g.delta + image, plane, S, s.filters, OH, OW,
                                  s.stride == 1 ? (int)x0 - 1 : (int)x0 / 2};
        lanes sum[TILE_FILTERS][TILE_PIXELS];
        clear_sums(sum);
        if (s.stride == 1)
            convolve(sum, &in, &weights, (int)y - 1, 1, 1);
        else
            convolve_apart(sum, &in, &weights, (int)y);
        UNROLL for (int c = 0; c < TILE_FILTERS; c++)
            UNROLL for (int p = 0; p < TILE_PIXELS; p++)
            {
                if (channel0 + c >= s.channels || x0 + p >= W) continue;
                if (shortcut && y % s.stride == 0 && (x0 + p) % s.stride == 0)
                    sum[c][p] += lanes_load(shortcut + c * plane + (y / s.stride * OW + (x0 + p) / s.stride) * S);
                lanes_store(to + (c * pixels + y * W + x0 + p) * S, sum[c][p]);
            }
    }
}

static const char *launch_conv3_input_gradient(void *stream, struct conv3_gradients g, struct conv3_shape s)
{
    const int64_t groups = (s.channels + TILE_FILTERS - 1) / TILE_FILTERS;
    return LAUNCH(stream, grid_of(groups * bands_of(s.height, s.width), s.blocks * s.slots / LANES, s.rows),
                  conv3_input_gradient, g, s);
}
