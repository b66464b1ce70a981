/* Weights of the mechanism, distance of an estimate, the bound of Theorem 1. */
#include <math.h>

#include "cgsv/federation.h"
#include "cgsv/valuation.h"

#define NORM_EPSILON 1e-7 /* in u = Γ Δw / (‖Δw‖ + ε), from the published code */

void cgsv_normalised_weights(double *weight, const double *gram, const double *importance, double gamma, int games,
                             int agents)
{
    const int64_t N = agents;
    for (int64_t i = 0; i < games * N; i++) {
        const double norm = sqrt(gram[i * N + i % N]);
        weight[i] = norm > 0 && isfinite(norm) ? importance[i] * gamma / (norm + NORM_EPSILON) : 0.0;
    }
}

cgsv_comparison cgsv_compare(const double *estimate, const double *exact, int agents)
{
    double sum_x = 0, sum_y = 0, xx = 0, yy = 0, xy = 0, squares = 0;
    cgsv_comparison c = {.pearson = cgsv_pearson(estimate, exact, agents)};
    for (int i = 0; i < agents; i++) {
        sum_x += estimate[i];
        sum_y += exact[i];
    }
    if (sum_x == 0 || sum_y == 0) return (cgsv_comparison){NAN, NAN, NAN, NAN};
    if (sum_x < 0) c.pearson = -c.pearson; /* scaling turns it round */
    if (sum_y < 0) c.pearson = -c.pearson;
    for (int i = 0; i < agents; i++) {
        const double x = estimate[i] / sum_x, y = exact[i] / sum_y;
        c.l1 += fabs(x - y);
        squares += (x - y) * (x - y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    c.l2 = sqrt(squares);
    c.cosine = xy / sqrt(xx) / sqrt(yy);
    return c;
}

cgsv_theorem1 cgsv_theorem1_measure(const double *gram, const double *weight, int agents)
{
    const int64_t N = agents;
    cgsv_theorem1 t = {.inverse_i = INFINITY};
    for (int64_t i = 0; i < N; i++) {
        double dot = 0;
        for (int64_t j = 0; j < N; j++) dot += weight[j] * gram[i * N + j];
        t.inverse_i = fmin(t.inverse_i, fabs(dot));
        t.gamma = fmax(t.gamma, sqrt(gram[i * N + i]));
    }
    t.bound = t.gamma * t.gamma / t.inverse_i;
    return t;
}
