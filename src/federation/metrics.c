/* Statistics over agents. */
#include <math.h>

#include "cgsv/federation.h"

double cgsv_pearson(const double *x, const double *y, int n)
{
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < n; i++) {
        mean_x += x[i] / n;
        mean_y += y[i] / n;
    }
    for (int i = 0; i < n; i++) {
        double dx = x[i] - mean_x, dy = y[i] - mean_y;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    /* Equal values may leave a rest of rounding, which is no variance. */
    double rounding_x = 1e-28 * n * mean_x * mean_x, rounding_y = 1e-28 * n * mean_y * mean_y;
    if (n < 2 || !(xx > rounding_x) || !(yy > rounding_y)) return NAN;
    return xy / sqrt(xx * yy);
}

double cgsv_jain_index(const double *x, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    return squares > 0 ? sum * sum / (n * squares) : NAN;
}
