/* Round values for axes. */
#include <math.h>
#include <stdio.h>

#include "io/chart.h"

#define NARROW 1e-4 /* share of the values below which their range is widened: a plot of noise misleads */

/* The least of 1, 2, 5 times a power of ten, at least `least`, of which at most `most` multiples lie within the
 * range, or if `loose` are needed to enclose it. */
static double round_step(double low, double high, int most, bool loose, double least)
{
    for (double power = pow(10, floor(log10((high - low) / most)));; power *= 10) {
        for (int i = 0; i < 3; i++) {
            const double step = power * (const double[]){1, 2, 5}[i];
            const double count = loose ? ceil(high / step - 1e-9) - floor(low / step + 1e-9)
                                       : floor(high / step + 1e-9) - ceil(low / step - 1e-9);
            if (step >= least && count < most) return step;
        }
    }
}

void chart_ticks_linear(struct chart_ticks *ticks, double *low, double *high, int most, bool loose, bool whole)
{
    most = most < 3 ? 3 : most; /* two ends, and 0 between them */
    if (!(isfinite(*low) && isfinite(*high) && *low <= *high && *high - *low < 1e300)) {
        *low = 0;
        *high = 1;
    }
    if (*low == 0 && *high == 0) {
        *high = 1;
    } else if (*high - *low < NARROW * fmax(fabs(*low), fabs(*high))) {
        const double half = whole ? 0.5 : 0.05 * fmax(fabs(*low), fabs(*high));
        *low -= half;
        *high += half;
    }
    ticks->step = round_step(*low, *high, most, loose, whole ? 1 : 0);
    if (loose) {
        *low = floor(*low / ticks->step + 1e-9) * ticks->step;
        *high = ceil(*high / ticks->step - 1e-9) * ticks->step;
    }
    const double first = ceil(*low / ticks->step - 1e-9);
    ticks->count = 0;
    for (double k = first; k <= *high / ticks->step + 1e-9 && ticks->count < 32; k++)
        ticks->value[ticks->count++] = k == 0 ? 0 : k * ticks->step;
}

static void collect(struct chart_ticks *ticks, double low, double high, const double *factors, int count)
{
    ticks->count = 0;
    for (int e = (int)floor(log10(low)) - 1; e <= (int)ceil(log10(high)) + 1; e++)
        for (int i = 0; i < count; i++) {
            const double value = factors[i] * pow(10, e);
            if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9) && ticks->count < 32)
                ticks->value[ticks->count++] = value;
        }
}

void chart_ticks_log(struct chart_ticks *ticks, double *low, double *high)
{
    static const double factors[] = {1, 2, 5};
    const double decades = log10(*high / *low);
    ticks->step = 0;
    if (decades > 2.5) { /* whole decades, every n-th of them */
        const int first = (int)floor(log10(*low) + 1e-9), last = (int)ceil(log10(*high) - 1e-9);
        const int every = (last - first + 5) / 6;
        *low = pow(10, first);
        *high = pow(10, last);
        ticks->count = 0;
        for (int e = first; e <= last && ticks->count < 32; e += every) ticks->value[ticks->count++] = pow(10, e);
        return;
    }
    /* Widened to the nearest factors outside. */
    for (int end = 0; end < 2; end++) {
        double *value = end ? high : low;
        const double power = pow(10, floor(log10(*value) + 1e-9)), mantissa = *value / power;
        int i = 0;
        while (i < 3 && factors[i] < mantissa * (1 - 1e-9)) i++; /* the least that is not below */
        if (!end && i > 0 && (i == 3 || factors[i] > mantissa * (1 + 1e-9))) i--;
        *value = (i == 3 ? 10 : factors[i]) * power;
    }
    if (*low >= *high * (1 - 1e-9)) {
        *low /= 2;
        *high *= 2;
    }
    collect(ticks, *low, *high, factors, 3);
}

char *chart_tick_text(char text[CHART_NUMBER], const struct chart_ticks *ticks, int index)
{
    const double value = ticks->value[index];
    const double largest = fmax(fabs(ticks->value[0]), fabs(ticks->value[ticks->count - 1]));
    if (ticks->step == 0 || largest >= 1e6 || ticks->step < 1e-5) {
        const int digits = ticks->step > 0 ? (int)fmin(12, ceil(log10(largest / ticks->step)) + 1) : 6;
        snprintf(text, CHART_NUMBER, "%.*g", digits, value);
        return text;
    }
    const int decimals = (int)fmax(0, -floor(log10(ticks->step) + 1e-9));
    snprintf(text, CHART_NUMBER, "%.*f", decimals, value);
    return text;
}
