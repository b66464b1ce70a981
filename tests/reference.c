#include "reference.h"

#include <math.h>
#include <stdlib.h>

double reference_activate(double x, enum activation activation)
{
    if (activation == ACTIVATION_TANH) return tanh(x);
    if (activation == ACTIVATION_RELU) return x <= 0 ? 0 : x; /* NaN stays */
    return x;
}

double reference_rounded(double x, cgsv_precision precision)
{
    int exponent;
    if (precision == CGSV_PRECISION_FLOAT32 || !isfinite(x)) return x;
    frexp(x, &exponent);
    const double place = ldexp(1, exponent - (precision == CGSV_PRECISION_TF32 ? 11 : 8));
    return (precision == CGSV_PRECISION_TF32 ? round(x / place) : rint(x / place)) * place;
}

double reference_slope(double out, enum activation activation)
{
    if (activation == ACTIVATION_TANH) return 1 - out * out;
    if (activation == ACTIVATION_RELU) return out > 0 ? 1 : 0;
    return 1;
}

/* ---- convolution ---- */

static int64_t at4(int64_t a, int64_t b, int64_t B, int64_t c, int64_t C, int64_t d, int64_t D)
{
    return ((a * B + b) * C + c) * D + d;
}

void reference_conv_pool(double *out, uint8_t *winner, double *sum, double *size, const float *x,
                         const float *weight, const float *bias, struct conv_shape s)
{
    const int PH = (s.height - s.kernel + 1) / 2, PW = (s.width - s.kernel + 1) / 2;
    for (int f = 0; f < s.filters; f++)
        for (int py = 0; py < PH; py++)
            for (int px = 0; px < PW; px++)
                for (int slot = 0; slot < s.slots; slot++) {
                    const int64_t at = at4(f, py, PH, px, PW, slot, s.slots);
                    for (int p = 0; p < 4; p++) {
                        const int y0 = 2 * py + p / 2, x0 = 2 * px + p % 2;
                        double total = 0, magnitude = 0;
                        for (int c = 0; c < s.channels; c++)
                            for (int ky = 0; ky < s.kernel; ky++)
                                for (int kx = 0; kx < s.kernel; kx++) {
                                    const double term =
                                        (double)weight[at4(f, c, s.channels, ky, s.kernel, kx, s.kernel)] *
                                        x[at4(c, y0 + ky, s.height, x0 + kx, s.width, slot, s.slots)];
                                    total += term;
                                    magnitude += fabs(term);
                                }
                        sum[4 * at + p] = total;
                        size[4 * at + p] = magnitude;
                    }
                    int best = 0;
                    for (int p = 1; p < 4; p++)
                        if (sum[4 * at + p] > sum[4 * at + best]) best = p;
                    winner[at] = (uint8_t)best;
                    out[at] = reference_activate(sum[4 * at + best] + bias[f], s.activation);
                }
}

void reference_conv_weight_gradient(double *grad, double *size, const float *delta, const uint8_t *winner,
                                    const float *x, struct conv_shape s)
{
    const int PH = (s.height - s.kernel + 1) / 2, PW = (s.width - s.kernel + 1) / 2;
    for (int f = 0; f < s.filters; f++)
        for (int c = 0; c < s.channels; c++)
            for (int ky = 0; ky < s.kernel; ky++)
                for (int kx = 0; kx < s.kernel; kx++) {
                    double total = 0, magnitude = 0;
                    for (int py = 0; py < PH; py++)
                        for (int px = 0; px < PW; px++)
                            for (int slot = 0; slot < s.slots; slot++) {
                                const int64_t at = at4(f, py, PH, px, PW, slot, s.slots);
                                const int y0 = 2 * py + winner[at] / 2, x0 = 2 * px + winner[at] % 2;
                                const double term = (double)delta[at] * x[at4(c, y0 + ky, s.height, x0 + kx,
                                                                              s.width, slot, s.slots)];
                                total += term;
                                magnitude += fabs(term);
                            }
                    const int64_t to = at4(f, c, s.channels, ky, s.kernel, kx, s.kernel);
                    grad[to] += total;
                    size[to] += magnitude;
                }
}

void reference_conv_input_gradient(double *grad, double *size, const float *delta, const uint8_t *winner,
                                   const float *weight, struct conv_shape s)
{
    const int PH = (s.height - s.kernel + 1) / 2, PW = (s.width - s.kernel + 1) / 2;
    const int64_t all = (int64_t)s.channels * s.height * s.width * s.slots;
    for (int64_t i = 0; i < all; i++) grad[i] = size[i] = 0;
    for (int f = 0; f < s.filters; f++)
        for (int py = 0; py < PH; py++)
            for (int px = 0; px < PW; px++)
                for (int slot = 0; slot < s.slots; slot++) {
                    const int64_t at = at4(f, py, PH, px, PW, slot, s.slots);
                    const int y0 = 2 * py + winner[at] / 2, x0 = 2 * px + winner[at] % 2;
                    for (int c = 0; c < s.channels; c++)
                        for (int ky = 0; ky < s.kernel; ky++)
                            for (int kx = 0; kx < s.kernel; kx++) {
                                const double term =
                                    (double)delta[at] * weight[at4(f, c, s.channels, ky, s.kernel, kx, s.kernel)];
                                const int64_t to = at4(c, y0 + ky, s.height, x0 + kx, s.width, slot, s.slots);
                                grad[to] += term;
                                size[to] += fabs(term);
                            }
                }
}

/* ---- loss and optimizers ---- */

double reference_nll(double *gradient, const double *z, int classes, int y)
{
    double top = z[0], sum = 0;
    for (int c = 1; c < classes; c++) top = fmax(top, z[c]);
    for (int c = 0; c < classes; c++) sum += exp(z[c] - top);
    for (int c = 0; c < classes; c++) gradient[c] = exp(z[c] - top) / sum - (c == y);
    return log(sum) + top - z[y];
}

double reference_sgd(double *velocity, double gradient, double lr, double momentum)
{
    *velocity = momentum * *velocity + gradient;
    return -lr * *velocity;
}

double reference_adam(double *first, double *second, double gradient, double lr, double step)
{
    *first = 0.9 * *first + (1 - 0.9) * gradient;
    *second = 0.999 * *second + (1 - 0.999) * gradient * gradient;
    return -lr * (*first / (1 - pow(0.9, step))) / (sqrt(*second / (1 - pow(0.999, step))) + 1e-8);
}

/* ---- server ---- */

int64_t reference_keep_count(double q, int64_t n, enum cgsv_reward reward)
{
    /* A product that is an integer but for rounding counts as that integer. */
    const double product = q * (double)n, nearest = rint(product);
    const double rounded = reward == CGSV_REWARD_LAYER ? ceil(product) : floor(product);
    const double count = fabs(product - nearest) < 1e-9 ? nearest : rounded;
    return count > (double)n ? n : (int64_t)count;
}

struct entry {
    float magnitude;
    int64_t index;
};

static int most_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->magnitude != y->magnitude) return x->magnitude > y->magnitude ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

void reference_order(int64_t *order, const float *g, int64_t n)
{
    struct entry *entry = malloc((size_t)n * sizeof *entry);
    for (int64_t i = 0; i < n; i++) entry[i] = (struct entry){fabsf(g[i]), i};
    qsort(entry, (size_t)n, sizeof *entry, most_first);
    for (int64_t i = 0; i < n; i++) order[i] = entry[i].index;
    free(entry);
}

void reference_reward(float *v, const float *g, double q, const int64_t *segment_begin, int segments,
                      enum cgsv_reward reward)
{
    for (int segment = 0; segment < segments; segment++) {
        const int64_t begin = segment_begin[segment], n = segment_begin[segment + 1] - begin;
        const int64_t keep = reference_keep_count(q, n, reward);
        int64_t *order = malloc((size_t)n * sizeof *order);
        reference_order(order, g + begin, n);
        for (int64_t i = 0; i < n; i++) v[begin + order[i]] = i < keep ? g[begin + order[i]] : 0.0f;
        free(order);
    }
}

void reference_norm_sums(double *sum, double *size, const float *u, const float *w, int64_t n)
{
    for (int k = 0; k < NORM_SUMS; k++) sum[k] = size[k] = 0;
    for (int64_t i = 0; i < n; i++) {
        const float after = w ? w[i] + u[i] : u[i], moved = w ? after - w[i] : u[i];
        const double term[NORM_SUMS] = {(double)u[i] * u[i], (double)moved * u[i], (double)moved * moved};
        for (int k = 0; k < NORM_SUMS; k++) {
            sum[k] += term[k];
            size[k] += fabs(term[k]);
        }
    }
}

void reference_server_round(struct reference_round *r)
{
    const int64_t D = r->dimension;
    for (int64_t d = 0; d < D; d++) r->g[d] = r->g_size[d] = 0;
    for (int i = 0; i < r->agents; i++) {
        const float *u = r->update + i * r->update_stride, *w = r->model ? r->model + i * r->model_stride : NULL;
        double sum[NORM_SUMS], size[NORM_SUMS];
        int finite = 1;
        reference_norm_sums(sum, size, u, w, D);
        for (int64_t d = 0; d < D; d++) finite = finite && isfinite(u[d]);
        r->norm[i] = sqrt(sum[NORM_SQUARE]);
        /* Rounded: what is left in float32 of the update points elsewhere, or is nothing. */
        const double moved = sqrt(sum[NORM_MOVED_SQUARE]);
        r->fault[i] = !finite                                                               ? CGSV_FAULT_NOT_FINITE
                      : r->norm[i] == 0                                                     ? CGSV_FAULT_ZERO
                      : moved == 0 || sum[NORM_MOVED_DOT] / r->norm[i] / moved < 0.9 ? CGSV_FAULT_ROUNDED
                                                                                            : 0;
        if (r->fault[i] == CGSV_FAULT_NOT_FINITE || r->fault[i] == CGSV_FAULT_ZERO) continue;
        const double weight = r->round == 0 ? r->data_share[i] : r->importance_before[i];
        for (int64_t d = 0; d < D; d++) {
            const double term = weight * (r->gamma * u[d] / (r->norm[i] + 1e-7));
            r->g[d] += term;
            r->g_size[d] += fabs(term);
        }
    }
    double g_square = 0, total = 0, most = 0;
    for (int64_t d = 0; d < D; d++) {
        const double g = r->aggregate ? (double)r->aggregate[d] : r->g[d];
        g_square += g * g;
    }
    for (int i = 0; i < r->agents; i++) {
        r->psi[i] = 0;
        if (r->fault[i] != CGSV_FAULT_NOT_FINITE && r->fault[i] != CGSV_FAULT_ZERO) {
            const double scale = r->gamma / (r->norm[i] + 1e-7), u_norm = scale * r->norm[i];
            double dot = 0;
            for (int64_t d = 0; d < D; d++)
                dot += scale * r->update[i * r->update_stride + d] * (r->aggregate ? (double)r->aggregate[d] : r->g[d]);
            if (u_norm >= 1e-10 && sqrt(g_square) >= 1e-10) r->psi[i] = dot / (u_norm * sqrt(g_square));
        }
        const double before = r->round == 0 ? 0 : r->importance_before[i];
        r->importance[i] = fmax(r->alpha * before + (1 - r->alpha) * r->psi[i], 1e-3);
        total += r->importance[i];
    }
    for (int i = 0; i < r->agents; i++) {
        r->importance[i] /= total;
        most = fmax(most, tanh(r->beta * r->importance[i]));
    }
    for (int i = 0; i < r->agents; i++) r->keep_ratio[i] = tanh(r->beta * r->importance[i]) / most;
}
