#include "reference_residual.h"

#include <math.h>

/* A term of the convolution: filter f's output (y, x) takes tap (ky, kx) of channel c. Calls
 * `each` for all of them with the places of the three numbers. */
typedef void term(void *context, int out, int in, int weight);

static void for_each_term(struct conv3_shape s, term *each, void *context)
{
    const int OH = (s.height + s.stride - 1) / s.stride, OW = (s.width + s.stride - 1) / s.stride;
    for (int f = 0; f < s.filters; f++)
        for (int y = 0; y < OH; y++)
            for (int x = 0; x < OW; x++)
                for (int c = 0; c < s.channels; c++)
                    for (int ky = 0; ky < 3; ky++)
                        for (int kx = 0; kx < 3; kx++) {
                            const int iy = y * s.stride + ky - 1, ix = x * s.stride + kx - 1;
                            if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
                            each(context, (f * OH + y) * OW + x, (c * s.height + iy) * s.width + ix,
                                 ((f * s.channels + c) * 3 + ky) * 3 + kx);
                        }
}

struct sums {
    double *to, *size;
    const double *a, *b;
};

static void add(struct sums *s, int to, double value)
{
    s->to[to] += value;
    s->size[to] += fabs(value);
}

static void forward(void *context, int out, int in, int weight)
{
    struct sums *s = context;
    add(s, out, s->a[in] * s->b[weight]);
}

static void weight_gradient(void *context, int out, int in, int weight)
{
    struct sums *s = context;
    add(s, weight, s->a[out] * s->b[in]);
}

static void input_gradient(void *context, int out, int in, int weight)
{
    struct sums *s = context;
    add(s, in, s->a[out] * s->b[weight]);
}

void reference_conv3(double *out, double *size, const double *x, const double *weight, struct conv3_shape s)
{
    const int outputs = s.filters * ((s.height + s.stride - 1) / s.stride) * ((s.width + s.stride - 1) / s.stride);
    for (int i = 0; i < outputs; i++) out[i] = size[i] = 0;
    for_each_term(s, forward, &(struct sums){out, size, x, weight});
}

void reference_conv3_weight_gradient(double *grad, double *size, const double *delta, const double *x,
                                     struct conv3_shape s)
{
    for_each_term(s, weight_gradient, &(struct sums){grad, size, delta, x});
}

void reference_conv3_input_gradient(double *grad, double *size, const double *delta, const double *weight,
                                    struct conv3_shape s)
{
    for_each_term(s, input_gradient, &(struct sums){grad, size, delta, weight});
}

void reference_normalise(double *normal, double *inverse, const double *x, int channels, int groups, int pixels)
{
    const int n = channels / groups * pixels;
    for (int g = 0; g < groups; g++) {
        double mean = 0, variance = 0;
        for (int i = g * n; i < (g + 1) * n; i++) mean += x[i] / n;
        for (int i = g * n; i < (g + 1) * n; i++) variance += (x[i] - mean) * (x[i] - mean) / n;
        inverse[g] = 1 / sqrt(variance + 1e-5);
        for (int i = g * n; i < (g + 1) * n; i++) normal[i] = (x[i] - mean) * inverse[g];
    }
}

/* The chain rule, with ∂normal_j/∂x_i = inverse (δ_ij − 1/n − normal_i normal_j / n). */
void reference_norm_gradient(double *grad, const double *e, const double *normal, const double *inverse,
                             const double *weight, int channels, int groups, int pixels)
{
    const int n = channels / groups * pixels;
    for (int i = 0; i < channels * pixels; i++) {
        const int g = i / n;
        grad[i] = 0;
        for (int j = g * n; j < (g + 1) * n; j++)
            grad[i] += weight[j / pixels] * e[j] * inverse[g] * ((i == j) - (1 + normal[i] * normal[j]) / n);
    }
}

double reference_shortcut(const double *from, int channels, int height, int width, int stride, int c, int y, int x)
{
    return c < channels ? from[(c * height + y * stride) * width + x * stride] : 0;
}
