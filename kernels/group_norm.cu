/* Group normalisation (Wu and He, 2018) with what follows it in a residual block: a shortcut
 * added, and the activation. Statistics are those of one sample and one group of channels,
 * so that with samples innermost a lane needs no other.
 *
 *     n = (x − mean) / √(variance + ε),  out = act(weight_c n + bias_c + shortcut).
 *
 * Backward, with e = ∂loss/∂out · act'(out) and averages over the group:
 *
 *     ∂loss/∂x = (weight_c e − average(weight e) − n · average(weight e n)) / √(variance + ε),
 *     ∂loss/∂weight_c = Σ e n,  ∂loss/∂bias_c = Σ e  over pixels and samples. */
#include "kernels/activation.h"
#include "kernels/portable.h"

enum { GROUPS_PER_BLOCK = 8, SUMS_AT_ONCE = 4 };
static const float norm_epsilon = 1e-5f;

/* Where a block's warp finds a group. */
struct group {
    int64_t channel0, channels, pixels;
    int64_t part; /* row · B + block of samples */
    int64_t at;   /* of the group's first float in x, and in out, for this warp's slots */
    int64_t statistic;
};

DEVICE struct group group_of(BLOCK_PARAM struct norm_shape s, int64_t number)
{
    struct group g;
    const int64_t S = s.slots, slot = BLOCK_Y * LANES % S;
    g.part = BLOCK_Z * s.blocks + BLOCK_Y * LANES / S;
    g.channels = s.channels / s.groups;
    g.channel0 = number * g.channels;
    g.pixels = (int64_t)s.height * s.width;
    g.at = (g.part * s.channels + g.channel0) * g.pixels * S + slot;
    g.statistic = (g.part * s.groups + number) * 2 * S + slot;
    return g;
}

/* Σ (x − mean)^power over n vectors, S floats apart: in planes of `pixels`, each by itself. */
DEVICE lanes sum_of_powers(const float *x, int64_t S, int64_t planes, int64_t pixels, lanes mean, const int power)
{
    lanes total = lanes_of(0.0f);
    for (int64_t plane = 0; plane < planes; plane++) {
        lanes sum[SUMS_AT_ONCE];
        int64_t p = 0;
        UNROLL for (int i = 0; i < SUMS_AT_ONCE; i++) sum[i] = lanes_of(0.0f);
        for (; p + SUMS_AT_ONCE <= pixels; p += SUMS_AT_ONCE)
            UNROLL for (int i = 0; i < SUMS_AT_ONCE; i++)
            {
                const lanes v = lanes_load(x + (plane * pixels + p + i) * S) - mean;
                sum[i] += power == 1 ? v : v * v;
            }
        for (; p < pixels; p++) {
            const lanes v = lanes_load(x + (plane * pixels + p) * S) - mean;
            sum[0] += power == 1 ? v : v * v;
        }
        total += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    return total;
}

/* Block: GROUPS_PER_BLOCK groups, LANES slots, a row. */
KERNEL(norm_forward, struct norm n, struct norm_shape s)
{
    const int64_t S = s.slots, group0 = BLOCK_X * GROUPS_PER_BLOCK;
    WARP_FOR(i, smaller(s.groups - group0, GROUPS_PER_BLOCK))
    {
        const struct group g = group_of(BLOCK_PASS s, group0 + i);
        const float *x = n.x + g.at, count = (float)(g.channels * g.pixels);
        float *out = n.out + g.at;
        const lanes mean = sum_of_powers(x, S, g.channels, g.pixels, lanes_of(0.0f), 1) / count;
        const lanes variance = sum_of_powers(x, S, g.channels, g.pixels, mean, 2) / count;
        float *root = n.statistic + g.statistic + S;
        lanes_store(n.statistic + g.statistic, mean);
        lanes_store(root, variance);
        LANE_FOR(lane, LANES) { root[lane] = 1.0f / sqrtf(root[lane] + norm_epsilon); }
        const lanes inverse = lanes_load(root);
        for (int64_t c = 0; c < g.channels; c++) {
            const int64_t channel = g.channel0 + c;
            const lanes weight = n.weight[BLOCK_Z * n.w_stride + channel] * inverse;
            const float bias = n.bias[BLOCK_Z * n.w_stride + channel];
            const float *shortcut = NULL;
            if (n.shortcut && channel < n.shortcut_channels)
                shortcut = n.shortcut + (g.part * n.shortcut_channels + channel) * n.shortcut_height *
                                            n.shortcut_width * S + BLOCK_Y * LANES % S;
            for (int64_t y = 0; y < s.height; y++)
                for (int64_t column = 0; column < s.width; column++) {
                    const int64_t at = (c * g.pixels + y * s.width + column) * S;
                    lanes v = (lanes_load(x + at) - mean) * weight + bias;
                    if (shortcut)
                        v += lanes_load(shortcut + (y * n.shortcut_width + column) * n.shortcut_stride * S);
                    lanes_store(out + at, lanes_activate(v, s.activation));
                }
        }
    }
}

static struct grid norm_grid(struct norm_shape s)
{
    return grid_of((s.groups + GROUPS_PER_BLOCK - 1) / GROUPS_PER_BLOCK, s.blocks * s.slots / LANES, s.rows);
}

static const char *launch_norm_forward(void *stream, struct norm norm, struct norm_shape shape)
{
    return LAUNCH(stream, norm_grid(shape), norm_forward, norm, shape);
}

/* Block: GROUPS_PER_BLOCK groups, LANES slots, a row. */
KERNEL(norm_backward, struct norm n, struct norm_gradients d, struct norm_shape s)
{
    const int64_t S = s.slots, group0 = BLOCK_X * GROUPS_PER_BLOCK;
    WARP_FOR(i, smaller(s.groups - group0, GROUPS_PER_BLOCK))
    {
        const struct group g = group_of(BLOCK_PASS s, group0 + i);
        const float *x = n.x + g.at, *out = n.out + g.at, count = (float)(g.channels * g.pixels);
        const float *weight = n.weight + BLOCK_Z * n.w_stride + g.channel0;
        float *delta = d.delta + g.at, *x_gradient = d.x_gradient + g.at;
        float *sums = d.sums + (g.part * s.channels + g.channel0) * 2 * S + BLOCK_Y * LANES % S;
        const lanes mean = lanes_load(n.statistic + g.statistic), inverse = lanes_load(n.statistic + g.statistic + S);
        lanes average = lanes_of(0.0f), slope = lanes_of(0.0f);
        for (int64_t c = 0; c < g.channels; c++, sums += 2 * S) {
            lanes sum_e = lanes_of(0.0f), sum_en = lanes_of(0.0f);
            for (int64_t p = 0; p < g.pixels; p++) {
                const int64_t at = (c * g.pixels + p) * S;
                const lanes e = lanes_load(delta + at) * lanes_slope(lanes_load(out + at), s.activation);
                lanes_store(delta + at, e);
                sum_e += e;
                sum_en += e * (lanes_load(x + at) - mean);
            }
            sum_en *= inverse;
            lanes_store(sums, sum_en);
            lanes_store(sums + S, sum_e);
            average += weight[c] * sum_e;
            slope += weight[c] * sum_en;
        }
        average /= count;
        slope *= inverse / count;
        for (int64_t c = 0; c < g.channels; c++)
            for (int64_t p = 0; p < g.pixels; p++) {
                const int64_t at = (c * g.pixels + p) * S;
                const lanes v = weight[c] * lanes_load(delta + at) - average - (lanes_load(x + at) - mean) * slope;
                lanes_store(x_gradient + at, v * inverse);
            }
    }
}

/* Block: a channel, a row. */
KERNEL(norm_parameter_gradients, struct norm_gradients d, int64_t w_stride, struct norm_shape s)
{
    const int64_t S = s.slots, each = S / LANES;
    lanes weight = lanes_of(0.0f), bias = lanes_of(0.0f);
    WARP_FOR(i, s.blocks * each)
    {
        const int64_t channel = (BLOCK_Z * s.blocks + i / each) * s.channels + BLOCK_X;
        const float *sums = d.sums + channel * 2 * S + i % each * LANES;
        weight += lanes_load(sums);
        bias += lanes_load(sums + S);
    }
    const float warp_weight = lanes_sum(weight), warp_bias = lanes_sum(bias);
    const double weight_sum = block_sum(LANE_ZERO ? (double)warp_weight : 0.0);
    const double bias_sum = block_sum(LANE_ZERO ? (double)warp_bias : 0.0);
    if (THREAD_INDEX == 0) {
        d.weight_gradient[BLOCK_Z * w_stride + BLOCK_X] = (float)weight_sum;
        d.bias_gradient[BLOCK_Z * w_stride + BLOCK_X] = (float)bias_sum;
    }
}

static const char *launch_norm_backward(void *stream, struct norm norm, struct norm_gradients gradients,
                                        struct norm_shape s)
{
    const char *error = LAUNCH(stream, norm_grid(s), norm_backward, norm, gradients, s);
    if (error) return error;
    return LAUNCH(stream, grid_of(s.channels, 1, s.rows), norm_parameter_gradients, gradients, norm.w_stride, s);
}
