/* The layers of residual networks in float64, one sample at a time. */
#ifndef TESTS_REFERENCE_RESIDUAL_H
#define TESTS_REFERENCE_RESIDUAL_H

#include "kernels/kernels.h"

/* Images lie as [channel][y][x]. 3×3, padding 1; size: Σ |terms|, here as below. */
void reference_conv3(double *out, double *size, const double *x, const double *weight, struct conv3_shape s);
/* Both are added to. */
void reference_conv3_weight_gradient(double *grad, double *size, const double *delta, const double *x,
                                     struct conv3_shape s);
void reference_conv3_input_gradient(double *grad, double *size, const double *delta, const double *weight,
                                    struct conv3_shape s);

/* normal: (x − mean) / √(variance + 1e-5), and inverse[groups] of that root. */
void reference_normalise(double *normal, double *inverse, const double *x, int channels, int groups, int pixels);
/* Gradient of x, from e = ∂loss/∂(weight normal + bias). */
void reference_norm_gradient(double *grad, const double *e, const double *normal, const double *inverse,
                             const double *weight, int channels, int groups, int pixels);

/* What a shortcut adds to channel c's pixel (y, x) of a picture: every stride-th pixel, and 0
 * for channels that its origin has not. */
double reference_shortcut(const double *from, int channels, int height, int width, int stride, int c, int y, int x);

#endif
