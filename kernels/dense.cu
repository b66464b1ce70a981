/* What surrounds the matrix products of dense layers: bias and activation forward,
 * derivative and bias gradient backward. The products themselves are BLAS's. */
#include "kernels/activation.h"
#include "kernels/portable.h"

/* Block: a block of samples, a row. */
KERNEL(bias_activation, float *out, const float *bias, int64_t w_stride, enum activation activation, int units,
       int blocks, int slots)
{
    out += (BLOCK_Z * blocks + BLOCK_X) * units * slots;
    bias += BLOCK_Z * w_stride;
    WARP_FOR(i, (int64_t)units * slots / LANES)
    {
        float *at = out + i * LANES;
        lanes_store(at, lanes_activate(lanes_load(at) + bias[i * LANES / slots], activation));
    }
}

static const char *launch_bias_activation(void *stream, float *out, const float *bias, int64_t w_stride,
                                          enum activation activation, int units, int rows, int blocks, int slots)
{
    return LAUNCH(stream, grid_of(blocks, 1, rows), bias_activation, out, bias, w_stride, activation, units, blocks,
                  slots);
}

/* Block: a unit (or filter), a row. */
KERNEL(activation_backward, float *delta, float *bias_gradient, int64_t w_stride, const float *out,
       enum activation activation, int units, int pixels, int blocks, int slots)
{
    lanes sum = lanes_of(0.0f);
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t first = ((BLOCK_Z * blocks + b) * units + BLOCK_X) * pixels * slots;
        WARP_FOR(i, (int64_t)pixels * slots / LANES)
        {
            const int64_t at = first + i * LANES;
            lanes d = lanes_load(delta + at);
            if (activation != ACTIVATION_NONE) {
                d *= lanes_slope(lanes_load(out + at), activation);
                lanes_store(delta + at, d);
            }
            sum += d;
        }
    }
    const float warp_sum = lanes_sum(sum);
    const double total = block_sum(LANE_ZERO ? (double)warp_sum : 0.0);
    if (THREAD_INDEX == 0) bias_gradient[BLOCK_Z * w_stride + BLOCK_X] = (float)total;
}

static const char *launch_activation_backward(void *stream, float *delta, float *bias_gradient, int64_t w_stride,
                                              const float *out, enum activation activation, int units, int pixels,
                                              int rows, int blocks, int slots)
{
    return LAUNCH(stream, grid_of(units, 1, rows), activation_backward, delta, bias_gradient, w_stride, out,
                  activation, units, pixels, blocks, slots);
}
