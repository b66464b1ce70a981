/* Convolution with bias, 2×2 max pooling and activation, for every row at once, straight
 * from the activations: no im2col.
 *
 * The batch is the innermost dimension, so a warp takes LANES samples of one output
 * pixel; weights are the same for all of them. Since tanh and ReLU do not decrease,
 * max(act(x)) = act(max(x)): pooling comes first, and a quarter of the activations are
 * computed. Which of a window's four pixels won is kept for conv_gradient.cu. */
#include "kernels/activation.h"
#include "kernels/conv.h"

/* Filters that a warp computes together: with four pixels each, half of the registers. */
enum { FILTER_TILE = LANES >= 16 ? 4 : 2 };

/* A window's four convolutions of FILTER_TILE filters. */
DEVICE void convolve(lanes sum[FILTER_TILE][4], const float *x, int64_t x_row, int64_t plane, const float *const *w,
                     struct conv_shape s, const int K)
{
    const int64_t S = s.slots;
    int64_t tap = 0;
    for (int64_t c = 0; c < s.channels; c++, x += plane)
        for (int ky = 0; ky < K; ky++) {
            const float *at = x + ky * x_row;
            UNROLL for (int kx = 0; kx < K; kx++, tap++, at += S)
            {
                const lanes x0 = lanes_load(at), x1 = lanes_load(at + S);
                const lanes x2 = lanes_load(at + x_row), x3 = lanes_load(at + x_row + S);
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
}

/* Block: a tile of filters, LANES slots, a row. */
KERNEL(conv_pool_forward, float *out, uint8_t *winner, const float *x, int64_t x_stride, const float *weight,
       const float *bias, int64_t w_stride, struct conv_shape s)
{
    const int64_t S = s.slots, W = s.width, plane = s.height * W * S;
    const int64_t taps = s.kernel * s.kernel, PW = POOLED_WIDTH(s), pixels = POOLED_HEIGHT(s) * PW;
    const int64_t filter0 = BLOCK_X * FILTER_TILE, row = BLOCK_Z;
    const int64_t part = BLOCK_Y * LANES / S, slot = BLOCK_Y * LANES % S;
    const float *w[FILTER_TILE];
    UNROLL for (int i = 0; i < FILTER_TILE; i++)
    {
        /* A tile that reaches past the last filter repeats it and stores nothing. */
        int64_t filter = filter0 + i < s.filters ? filter0 + i : s.filters - 1;
        w[i] = weight + row * w_stride + filter * s.channels * taps;
    }
    x += row * x_stride + part * s.channels * plane + slot;
    WARP_FOR(pixel, pixels)
    {
        const float *at = x + (2 * (pixel / PW) * W + 2 * (pixel % PW)) * S;
        lanes sum[FILTER_TILE][4];
        UNROLL for (int i = 0; i < FILTER_TILE; i++) UNROLL for (int p = 0; p < 4; p++) sum[i][p] = lanes_of(0.0f);
        switch (s.kernel) { /* the usual sizes, to be unrolled */
        case 3: convolve(sum, at, W * S, plane, w, s, 3); break;
        case 5: convolve(sum, at, W * S, plane, w, s, 5); break;
        case 7: convolve(sum, at, W * S, plane, w, s, 7); break;
        default: convolve(sum, at, W * S, plane, w, s, s.kernel);
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
            const int64_t to = (((row * s.blocks + part) * s.filters + filter0 + i) * pixels + pixel) * S + slot;
            lanes_store(out + to, lanes_activate(best, s.activation));
            if (winner) lanes_store_byte(winner + to, from);
        }
    }
}

static const char *launch_conv_pool_forward(void *stream, float *out, uint8_t *winner, const float *x,
                                            int64_t x_stride, const float *weight, const float *bias,
                                            int64_t w_stride, struct conv_shape shape)
{
    return LAUNCH(stream, grid_of(tiles_of(shape.filters, FILTER_TILE), shape.blocks * shape.slots / LANES, shape.rows),
                  conv_pool_forward, out, winner, x, x_stride, weight, bias, w_stride, shape);
}
