/* Gradients of the filters of a 3×3 convolution: for each filter, channel and tap the sum of
 * delta · x over samples and pixels. A warp keeps the nine taps of one channel for
 * PAIR_FILTERS filters in registers, and goes through all pixels and samples once. */
#include "kernels/conv3.h"

/* On the GPU a block has a warp for each of its tasks; on the CPU the deltas of a block's
 * filters stay in cache from channel to channel. */
enum {
    PAIR_FILTERS = LANES >= 16 ? 2 : 1,
    PAIRS = 4,
    PAIR_CHANNELS = LANES == 32 ? 2 : 4,
    TASKS_OF_WARP = LANES == 32 ? 1 : PAIRS * PAIR_CHANNELS
};

/* sum += delta · x at one pixel, for LANES slots: filters' deltas are `apart` floats from each
 * other; x lies under tap 0, and some taps may lie outside. */
DEVICE void add_pixel(lanes sum[PAIR_FILTERS][TAPS], const float *delta, int64_t apart, const float *x, int64_t line,
                      int64_t S, int above, int below, const int left, const int right)
{
    lanes d[PAIR_FILTERS];
    UNROLL for (int f = 0; f < PAIR_FILTERS; f++) d[f] = lanes_load(delta + f * apart);
    UNROLL for (int ky = 0; ky < SIDE; ky++)
    {
        if ((ky == 0 && !above) || (ky == 2 && !below)) continue;
        UNROLL for (int kx = 0; kx < SIDE; kx++)
        {
            if ((kx == 0 && !left) || (kx == 2 && !right)) continue;
            lanes v = lanes_load(x + ky * line + kx * S);
            HOLD(v);
            UNROLL for (int f = 0; f < PAIR_FILTERS; f++) sum[f][ky * SIDE + kx] += d[f] * v;
        }
    }
}

/* The images of a block of samples. */
struct images {
    const float *delta; /* of the first filter; */
    int64_t apart;      /* the next filter's */
    const float *x;
};

DEVICE void add_images(lanes to[PAIR_FILTERS][TAPS], struct images in, struct conv3_shape s)
{
    const int64_t S = s.slots, line = s.width * S, OH = OUT_HEIGHT(s), OW = OUT_WIDTH(s);
    /* Columns whose taps do not reach past the right edge: all, or all but the last. */
    const int64_t inner = (OW - 1) * s.stride + 1 < s.width ? OW : OW - 1;
    const float *x = in.x - line - S, *delta = in.delta;
    lanes sum[PAIR_FILTERS][TAPS];
    UNROLL for (int f = 0; f < PAIR_FILTERS; f++) UNROLL for (int t = 0; t < TAPS; t++) sum[f][t] = to[f][t];
    for (int64_t y = 0; y < OH; y++, x += s.stride * line, delta += OW * S) {
        const int above = y > 0, below = y * s.stride + 1 < s.height;
        for (int64_t slot = 0; slot < S; slot += LANES) {
            const float *at = x + slot, *d = delta + slot;
            add_pixel(sum, d, in.apart, at, line, S, above, below, 0, inner > 0);
            for (int64_t p = 1; p < inner; p++) {
                at += s.stride * S;
                d += S;
                add_pixel(sum, d, in.apart, at, line, S, above, below, 1, 1);
            }
            if (inner < OW && OW > 1) add_pixel(sum, d + S, in.apart, at + s.stride * S, line, S, above, below, 1, 0);
        }
    }
    UNROLL for (int f = 0; f < PAIR_FILTERS; f++) UNROLL for (int t = 0; t < TAPS; t++) to[f][t] = sum[f][t];
}

/* Block: PAIR_CHANNELS channels, PAIRS × PAIR_FILTERS filters, a row. */
KERNEL_BY(2, conv3_weight_gradient, struct conv3_gradients g, struct conv3_shape s)
{
    const int64_t S = s.slots, row = BLOCK_Z, pixels = OUT_HEIGHT(s) * OUT_WIDTH(s);
    const int64_t plane = (int64_t)s.height * s.width * S;
    lanes sum[TASKS_OF_WARP][PAIR_FILTERS][TAPS];
    UNROLL for (int i = 0; i < TASKS_OF_WARP; i++)
        UNROLL for (int f = 0; f < PAIR_FILTERS; f++)
            UNROLL for (int t = 0; t < TAPS; t++) sum[i][f][t] = lanes_of(0.0f);
    /* A block of samples after the other, so that the channel's image stays in cache. */
    for (int64_t part = 0; part < s.blocks; part++)
        WARP_FOR(task, PAIRS * PAIR_CHANNELS)
        {
            const int64_t filter0 = (BLOCK_Y * PAIRS + task % PAIRS) * PAIR_FILTERS;
            const int64_t channel = BLOCK_X * PAIR_CHANNELS + task / PAIRS;
            if (filter0 >= s.filters || channel >= s.channels) continue;
            const struct images images = {
                .delta = g.delta + ((row * s.blocks + part) * s.filters + filter0) * pixels * S,
                /* An odd last filter stands for two, the second for nothing. */
                .apart = filter0 + 1 < s.filters ? pixels * S : 0,
                .x = g.x + row * g.x_stride + (part * s.channels + channel) * plane};
            add_images(sum[task % TASKS_OF_WARP], images, s);
        }
    WARP_FOR(task, PAIRS * PAIR_CHANNELS)
    {
        const int64_t filter0 = (BLOCK_Y * PAIRS + task % PAIRS) * PAIR_FILTERS;
        const int64_t channel = BLOCK_X * PAIR_CHANNELS + task / PAIRS;
        UNROLL for (int f = 0; f < PAIR_FILTERS; f++)
            UNROLL for (int t = 0; t < TAPS; t++)
            {
                const float total = lanes_sum(sum[task % TASKS_OF_WARP][f][t]);
                if (LANE_ZERO && filter0 + f < s.filters && channel < s.channels)
                    g.weight_gradient[row * g.w_stride + ((filter0 + f) * s.channels + channel) * TAPS + t] = total;
            }
    }
}

static const char *launch_conv3_gradients(void *stream, struct conv3_gradients g, struct conv3_shape s)
{
    if (s.precision != CGSV_PRECISION_FLOAT32) return launch_conv3_gradients_rounded(stream, g, s);
    const int64_t filters = PAIRS * PAIR_FILTERS;
    const char *error = LAUNCH(stream, grid_of((s.channels + PAIR_CHANNELS - 1) / PAIR_CHANNELS,
                                               (s.filters + filters - 1) / filters, s.rows),
                               conv3_weight_gradient, g, s);
    if (!error && g.x_gradient) error = launch_conv3_input_gradient(stream, g, s);
    return error;
}
