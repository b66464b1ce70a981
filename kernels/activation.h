/* Activations and their derivatives, on one warp's lanes. */
#ifndef KERNELS_ACTIVATION_H
#define KERNELS_ACTIVATION_H

#include "kernels/portable.h"

#if defined(CGSV_DOUBLE)
DEVICE lanes lanes_tanh(lanes x)
{
    LANE_FOR(lane, LANES) { x[lane] = tanh(x[lane]); }
    return x;
}
#else
/* tanh as a rational function, odd of degree 13 over even of degree 6, the minimax fit
 * that Eigen and XLA use too; within 4 ulp of the exact value, and ±1 beyond ±7.9.
 * Written out so that it vectorises, and gives the same on every build. */
DEVICE lanes lanes_tanh(lanes x)
{
    const lanes limit = lanes_of(7.90531110763549805f);
    x = lanes_select(x > limit, limit, x);
    x = lanes_select(x < -limit, -limit, x);
    const lanes s = x * x;
    lanes p = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
    p = p * s + -8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    lanes q = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}
#endif

DEVICE lanes lanes_activate(lanes x, enum activation activation)
{
    if (activation == ACTIVATION_TANH) return lanes_tanh(x);
    if (activation == ACTIVATION_RELU) return lanes_select(x <= lanes_of(0.0f), lanes_of(0.0f), x);
    return x;
}

/* The derivative, from the activation's value. */
DEVICE lanes lanes_slope(lanes out, enum activation activation)
{
    if (activation == ACTIVATION_TANH) return 1.0f - out * out;
    if (activation == ACTIVATION_RELU) return lanes_select(out > lanes_of(0.0f), lanes_of(1.0f), lanes_of(0.0f));
    return lanes_of(1.0f);
}

#endif
