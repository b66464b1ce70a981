/* Convolution with bias, 2×2 max pooling and activation, forward and backward, for
 * every row at once, straight from the activations: no im2col.
 *
 * The batch is the innermost dimension, so a warp takes LANES samples of one output
 * pixel; weights are the same for all of them. Since tanh and ReLU do not decrease,
 * max(act(x)) = act(max(x)): pooling comes first, and a quarter of the activations are
 * computed. Backward, only the winner of each window carries a gradient. */
#include "kernels/activation.h"
#include "kernels/portable.h"

enum {
    FILTER_TILE = 4,  /* filters that a warp computes together */
    TAP_TILE = 5,     /* taps (kernel positions) of a weight gradient computed together */
    CHANNEL_TILE = 8  /* input channels of an input gradient computed together */
};

/* Sizes that follow from a shape. */
#define POOLED_HEIGHT(s) (((s).height - (s).kernel + 1) / 2)
#define POOLED_WIDTH(s) (((s).width - (s).kernel + 1) / 2)

static int64_t tiles_of(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

/* Block: a tile of filters, LANES slots, a row. */
KERNEL(conv_pool_forward, float *out, uint8_t *winner, const float *x, int64_t x_stride, const float *weight,
       const float *bias, int64_t w_stride, struct conv_shape s)
{
    const int64_t S = s.slots, W = s.width, plane = s.height * W * S;
    const int64_t taps = s.kernel * s.kernel, PW = POOLED_WIDTH(s), pixels = POOLED_HEIGHT(s) * PW;
    const int64_t filter0 = BLOCK_X * FILTER_TILE, row = BLOCK_Z;
    const float *w[FILTER_TILE];
    UNROLL for (int i = 0; i < FILTER_TILE; i++)
    {
        /* A tile that reaches past the last filter repeats it and stores nothing. */
        int64_t filter = filter0 + i < s.filters ? filter0 + i : s.filters - 1;
        w[i] = weight + row * w_stride + filter * s.channels * taps;
    }
    x += row * x_stride + BLOCK_Y * LANES;
    WARP_FOR(pixel, pixels)
    {
        const int64_t py = pixel / PW, px = pixel % PW;
        lanes sum[FILTER_TILE][4];
        UNROLL for (int i = 0; i < FILTER_TILE; i++) UNROLL for (int p = 0; p < 4; p++) sum[i][p] = lanes_of(0.0f);

        int64_t tap = 0;
        for (int64_t c = 0; c < s.channels; c++)
            for (int ky = 0; ky < s.kernel; ky++) {
                const float *at = x + c * plane + ((2 * py + ky) * W + 2 * px) * S;
                for (int kx = 0; kx < s.kernel; kx++, tap++, at += S) {
                    const lanes x0 = lanes_load(at), x1 = lanes_load(at + S);
                    const lanes x2 = lanes_load(at + W * S), x3 = lanes_load(at + (W + 1) * S);
                    UNROLL for (int i = 0; i < FILTER_TILE; i++)
                    {
                        const float v = w[i][tap];
                        sum[i][0] += v * x0;
                        sum[i][1] += v * x1;
                        sum[i][2] += v * x2;
                        sum[i][3] += v * x3;
                    }
                }
            }

        UNROLL for (int i = 0; i < FILTER_TILE; i++)
        {
            if (filter0 + i >= s.filters) continue;
            lanes best = sum[i][0];
            lanes_int from = lanes_int_of(0);
            UNROLL for (int p = 1; p < 4; p++)
            {
                /* A NaN wins, as it must not be hidden. */
                const lanes_int wins = (sum[i][p] > best) | (sum[i][p] != sum[i][p]);
                from = lanes_select_int(wins, lanes_int_of(p), from);
                best = lanes_select(wins, sum[i][p], best);
            }
            best += bias[row * w_stride + filter0 + i];
            const int64_t at = ((row * s.filters + filter0 + i) * pixels + pixel) * S + BLOCK_Y * LANES;
            lanes_store(out + at, lanes_activate(best, s.activation));
            if (winner) lanes_store_byte(winner + at, from);
        }
    }
}

static const char *launch_conv_pool_forward(void *stream, float *out, uint8_t *winner, const float *x,
                                            int64_t x_stride, const float *weight, const float *bias,
                                            int64_t w_stride, struct conv_shape shape)
{
    return LAUNCH(stream, grid_of(tiles_of(shape.filters, FILTER_TILE), shape.slots / LANES, shape.rows),
                  conv_pool_forward, out, winner, x, x_stride, weight, bias, w_stride, shape);
}

/* Block: a tile of filters, an input channel, a row. A warp takes TAP_TILE taps of that
 * channel and sums over all pooled pixels and slots. */
KERNEL(conv_pool_weight_gradient, float *weight_gradient, int64_t w_stride, const float *delta,
       const uint8_t *winner, const float *x, int64_t x_stride, struct conv_shape s)
{
    const int64_t S = s.slots, W = s.width, plane = s.height * W * S;
    const int64_t taps = s.kernel * s.kernel, PW = POOLED_WIDTH(s), pixels = POOLED_HEIGHT(s) * PW;
    const int64_t filter0 = BLOCK_X * FILTER_TILE, channel = BLOCK_Y, row = BLOCK_Z;
    int64_t from[FILTER_TILE];
    UNROLL for (int i = 0; i < FILTER_TILE; i++)
    {
        int64_t filter = filter0 + i < s.filters ? filter0 + i : s.filters - 1;
        from[i] = (row * s.filters + filter) * pixels * S;
    }
    x += row * x_stride + channel * plane;
    WARP_FOR(tile, (taps + TAP_TILE - 1) / TAP_TILE)
    {
        int64_t offset[TAP_TILE];
        UNROLL for (int t = 0; t < TAP_TILE; t++)
        {
            int64_t tap = tile * TAP_TILE + t < taps ? tile * TAP_TILE + t : taps - 1;
            offset[t] = (tap / s.kernel * W + tap % s.kernel) * S;
        }
        lanes sum[FILTER_TILE][TAP_TILE];
        UNROLL for (int i = 0; i < FILTER_TILE; i++)
            UNROLL for (int t = 0; t < TAP_TILE; t++) sum[i][t] = lanes_of(0.0f);

        for (int64_t pixel = 0; pixel < pixels; pixel++)
            for (int64_t slot = 0; slot < S; slot += LANES) {
                lanes d[4][FILTER_TILE];
                UNROLL for (int i = 0; i < FILTER_TILE; i++)
                {
                    const lanes di = lanes_load(delta + from[i] + pixel * S + slot);
                    const lanes_int won = lanes_load_byte(winner + from[i] + pixel * S + slot);
                    UNROLL for (int p = 0; p < 4; p++) d[p][i] = lanes_select(won == p, di, lanes_of(0.0f));
                }
                const float *at = x + (2 * (pixel / PW) * W + 2 * (pixel % PW)) * S + slot;
                UNROLL for (int p = 0; p < 4; p++)
                    UNROLL for (int t = 0; t < TAP_TILE; t++)
                    {
                        const lanes v = lanes_load(at + offset[t] + (p / 2 * W + p % 2) * S);
                        UNROLL for (int i = 0; i < FILTER_TILE; i++) sum[i][t] += d[p][i] * v;
                    }
            }

        UNROLL for (int i = 0; i < FILTER_TILE; i++)
            UNROLL for (int t = 0; t < TAP_TILE; t++)
            {
                const float total = lanes_sum(sum[i][t]);
                const int64_t tap = tile * TAP_TILE + t;
                if (LANE_ZERO && tap < taps && filter0 + i < s.filters)
                    weight_gradient[row * w_stride + ((filter0 + i) * s.channels + channel) * taps + tap] = total;
            }
    }
}

static const char *launch_conv_pool_weight_gradient(void *stream, float *weight_gradient, int64_t w_stride,
                                                    const float *delta, const uint8_t *winner, const float *x,
                                                    int64_t x_stride, struct conv_shape shape)
{
    return LAUNCH(stream, grid_of(tiles_of(shape.filters, FILTER_TILE), shape.channels, shape.rows),
                  conv_pool_weight_gradient, weight_gradient, w_stride, delta, winner, x, x_stride, shape);
}

/* Block: a filter, a row. */
KERNEL(unpool, float *spread, const float *delta, const uint8_t *winner, struct conv_shape s)
{
    const int64_t S = s.slots, PW = POOLED_WIDTH(s), pixels = POOLED_HEIGHT(s) * PW, groups = S / LANES;
    const int64_t plane = BLOCK_Z * s.filters + BLOCK_X;
    WARP_FOR(i, pixels * groups)
    {
        const int64_t pixel = i / groups, slot = i % groups * LANES;
        const lanes d = lanes_load(delta + (plane * pixels + pixel) * S + slot);
        const lanes_int won = lanes_load_byte(winner + (plane * pixels + pixel) * S + slot);
        float *at = spread + (plane * 4 * pixels + 2 * (pixel / PW) * 2 * PW + 2 * (pixel % PW)) * S + slot;
        UNROLL for (int p = 0; p < 4; p++)
            lanes_store(at + (p / 2 * 2 * PW + p % 2) * S, lanes_select(won == p, d, lanes_of(0.0f)));
    }
}

static const char *launch_unpool(void *stream, float *spread, const float *delta, const uint8_t *winner,
                                 struct conv_shape shape)
{
    return LAUNCH(stream, grid_of(shape.filters, 1, shape.rows), unpool, spread, delta, winner, shape);
}

/* Block: a tile of input channels, LANES slots, a row. */
KERNEL(conv_input_gradient, float *x_gradient, const float *spread, const float *weight, int64_t w_stride,
       struct conv_shape s)
{
    const int64_t S = s.slots, H = s.height, W = s.width, K = s.kernel, taps = K * K;
    const int64_t OH = 2 * POOLED_HEIGHT(s), OW = 2 * POOLED_WIDTH(s);
    const int64_t channel0 = BLOCK_X * CHANNEL_TILE, row = BLOCK_Z;
    int64_t from[CHANNEL_TILE];
    UNROLL for (int i = 0; i < CHANNEL_TILE; i++)
        from[i] = (channel0 + i < s.channels ? channel0 + i : s.channels - 1) * taps;
    weight += row * w_stride;
    spread += row * s.filters * OH * OW * S + BLOCK_Y * LANES;
    WARP_FOR(pixel, H * W)
    {
        const int64_t y = pixel / W, x = pixel % W;
        const int64_t ky_begin = y < OH ? 0 : y - OH + 1, ky_end = y < K ? y + 1 : K;
        const int64_t kx_begin = x < OW ? 0 : x - OW + 1, kx_end = x < K ? x + 1 : K;
        lanes sum[CHANNEL_TILE];
        UNROLL for (int i = 0; i < CHANNEL_TILE; i++) sum[i] = lanes_of(0.0f);

        for (int64_t f = 0; f < s.filters; f++)
            for (int64_t ky = ky_begin; ky < ky_end; ky++) {
                const float *w = weight + f * s.channels * taps + ky * K;
                const float *at = spread + ((f * OH + y - ky) * OW + x) * S;
                for (int64_t kx = kx_begin; kx < kx_end; kx++) {
                    const lanes d = lanes_load(at - kx * S);
                    UNROLL for (int i = 0; i < CHANNEL_TILE; i++) sum[i] += w[from[i] + kx] * d;
                }
            }

        UNROLL for (int i = 0; i < CHANNEL_TILE; i++)
            if (channel0 + i < s.channels)
                lanes_store(x_gradient + ((row * s.channels + channel0 + i) * H * W + pixel) * S + BLOCK_Y * LANES,
                            sum[i]);
    }
}

static const char *launch_conv_input_gradient(void *stream, float *x_gradient, const float *spread,
                                              const float *weight, int64_t w_stride, struct conv_shape shape)
{
    return LAUNCH(stream, grid_of(tiles_of(shape.channels, CHANNEL_TILE), shape.slots / LANES, shape.rows),
                  conv_input_gradient, x_gradient, spread, weight, w_stride, shape);
}
