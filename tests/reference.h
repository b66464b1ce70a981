/* What the kernels should compute, in float64 and written straight from the formulas
 * (README, "How it works"): nothing here is clever, or shares code with a kernel.
 *
 * Where a float result is compared, `size` receives the sum of the magnitudes of the
 * terms that make it up: an error bound is a small multiple of epsilon × terms × size. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include <stdint.h>

#include "kernels/kernels.h"

double reference_activate(double x, enum activation activation);
/* x, which is a float, as an input of a product. */
double reference_rounded(double x, cgsv_precision precision);
/* The derivative, from the activation's value. */
double reference_slope(double out, enum activation activation);

/* One row. sum, size: [filters][PH][PW][S][4], each window's four convolutions without
 * bias; out (after bias, pooling, activation) and winner: [filters][PH][PW][S]. */
void reference_conv_pool(double *out, uint8_t *winner, double *sum, double *size, const float *x,
                         const float *weight, const float *bias, struct conv_shape s);
/* One block of samples, of one row. grad, size: [filters][channels][K][K], added to. */
void reference_conv_weight_gradient(double *grad, double *size, const float *delta, const uint8_t *winner,
                                    const float *x, struct conv_shape s);
/* One block of samples, of one row. grad, size: [channels][H][W][S]. */
void reference_conv_input_gradient(double *grad, double *size, const float *delta, const uint8_t *winner,
                                   const float *weight, struct conv_shape s);

/* Of one sample's logits z[classes]: returns −log softmax(z)[y]; gradient[classes] of it. */
double reference_nll(double *gradient, const double *z, int classes, int y);

/* One entry. Returns the change of the weight. */
double reference_sgd(double *velocity, double gradient, double lr, double momentum);
double reference_adam(double *first, double *second, double gradient, double lr, double step);

/* Entries kept of a segment of n. */
int64_t reference_keep_count(double q, int64_t n, enum cgsv_reward reward);
/* order[n]: entries of g by magnitude, largest first; of equals, the one that comes first.
 * An agent keeps the first so many. */
void reference_order(int64_t *order, const float *g, int64_t n);

/* v[D]: the entries of g that an agent with keep ratio q receives, the others 0. */
void reference_reward(float *v, const float *g, double q, const int64_t *segment_begin, int segments,
                      enum cgsv_reward reward);

/* ‖u‖², and of m = fl(w + u) − w: <m, u>, ‖m‖²; n entries. */
void reference_norm_sums(double *sum, double *size, const float *u, const float *w, int64_t n);

/* One federation's round up to the keep ratios. */
struct reference_round {
    int agents;
    int64_t dimension, update_stride, model_stride;
    double gamma, alpha, beta;
    int round;
    const double *data_share, *importance_before; /* [N] */
    const float *update; /* [N][update_stride] */
    const float *model;  /* [N][model_stride] before the download; NULL: nothing is known of rounding */
    const float *aggregate;                       /* the float32 g that ψ is taken with; NULL: reference's */
    double *norm, *psi, *importance, *keep_ratio; /* out, [N] */
    int *fault;                                   /* out, [N] */
    double *g, *g_size;                           /* out, [D] */
};
void reference_server_round(struct reference_round *r);

#endif
