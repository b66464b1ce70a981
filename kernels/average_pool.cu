/* Global average pooling: the mean over an image's pixels, and its gradient. */
#include "kernels/portable.h"

enum { PLANES_PER_BLOCK = 8 };

/* Block: PLANES_PER_BLOCK channels of LANES slots, a row. */
KERNEL(average_pool, float *out, const float *x, int pixels, int channels, int slots)
{
    const int64_t S = slots, per_row = BLOCK_Y * channels, slot = BLOCK_Z * LANES;
    WARP_FOR(i, smaller(channels - BLOCK_X * PLANES_PER_BLOCK, PLANES_PER_BLOCK))
    {
        const int64_t plane = per_row + BLOCK_X * PLANES_PER_BLOCK + i;
        lanes sum = lanes_of(0.0f);
        for (int64_t p = 0; p < pixels; p++) sum += lanes_load(x + (plane * pixels + p) * S + slot);
        lanes_store(out + plane * S + slot, sum / (float)pixels);
    }
}

KERNEL(average_pool_backward, float *x_gradient, const float *delta, int pixels, int channels, int slots)
{
    const int64_t S = slots, per_row = BLOCK_Y * channels, slot = BLOCK_Z * LANES;
    WARP_FOR(i, smaller(channels - BLOCK_X * PLANES_PER_BLOCK, PLANES_PER_BLOCK))
    {
        const int64_t plane = per_row + BLOCK_X * PLANES_PER_BLOCK + i;
        const lanes share = lanes_load(delta + plane * S + slot) / (float)pixels;
        for (int64_t p = 0; p < pixels; p++) lanes_store(x_gradient + (plane * pixels + p) * S + slot, share);
    }
}

static struct grid pool_grid(int channels, int rows, int blocks, int slots)
{
    return grid_of((channels + PLANES_PER_BLOCK - 1) / PLANES_PER_BLOCK, (int64_t)rows * blocks, slots / LANES);
}

static const char *launch_average_pool(void *stream, float *out, const float *x, int pixels, int channels, int rows,
                                       int blocks, int slots)
{
    return LAUNCH(stream, pool_grid(channels, rows, blocks, slots), average_pool, out, x, pixels, channels, slots);
}

static const char *launch_average_pool_backward(void *stream, float *x_gradient, const float *delta, int pixels,
                                                int channels, int rows, int blocks, int slots)
{
    return LAUNCH(stream, pool_grid(channels, rows, blocks, slots), average_pool_backward, x_gradient, delta, pixels,
                  channels, slots);
}
