/* Values over rounds: a line each, or for many of them quartiles and range. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/report_page.h"

/* What a plot of curves needs while it is drawn. */
struct drawing {
    const struct report_curves *curves;
    int points, every;  /* rounds that are drawn; one of how many */
    int *chosen;        /* [points] */
    double *numbers;    /* that the series point to, those of the reference first */
    char (*labels)[CHART_NUMBER]; /* [lines that are drawn] */
    struct chart_series series[REPORT_MOST_LINES + 6];
    int count;
};

static float value_at(const struct report_curves *c, int point, int line)
{
    return c->values[(size_t)point * (size_t)c->lines + (size_t)line];
}

/* Rounds in which anything is known; too many are thinned out, the last stays. */
static void choose_points(struct drawing *d)
{
    const struct report_curves *c = d->curves;
    int known = 0;
    for (int t = 0; t < c->points; t++) {
        int line = 0;
        while (line < c->lines && !isfinite(value_at(c, t, line))) line++;
        if (line < c->lines) d->chosen[known++] = t;
    }
    d->every = (known + REPORT_MOST_POINTS - 1) / REPORT_MOST_POINTS;
    d->points = 0;
    for (int k = 0; k < known; k++)
        if ((known - 1 - k) % d->every == 0) d->chosen[d->points++] = d->chosen[k];
}

static struct chart_series *add_series(struct drawing *d, enum chart_kind kind, double **next)
{
    struct chart_series *s = &d->series[d->count++];
    *s = (struct chart_series){.kind = kind, .x = *next, .y = *next + d->points};
    *next += (ptrdiff_t)2 * d->points;
    return s;
}

/* One line; behind gaps it goes on if `bridge`. */
static void add_line(struct drawing *d, int line, int style, const char *legend, double **next)
{
    const struct report_curves *c = d->curves;
    double *x = *next, *y = x + d->points;
    struct chart_series *s = add_series(d, CHART_LINE, next);
    for (int k = 0; k < d->points; k++) {
        const double value = value_at(c, d->chosen[k], line);
        if (c->bridge && !isfinite(value)) continue;
        x[s->count] = c->x[d->chosen[k]];
        y[s->count++] = value;
    }
    char *label = d->labels[d->count - 1];
    snprintf(label, CHART_NUMBER, "%s%d", c->prefix, c->first + line);
    s->label = label;
    s->legend = legend;
    s->style = style;
}

static int ascending(const void *a, const void *b)
{
    const float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

/* Linear between order statistics, as NumPy's default. */
static double quantile(const float *sorted, int count, double p)
{
    const double at = p * (count - 1);
    const int below = (int)at, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/* Range, middle half and median. */
static void add_bands(struct drawing *d, float *sorted, double **next)
{
    const struct report_curves *c = d->curves;
    double *x = *next, *q[5];
    *next += d->points;
    for (int i = 0; i < 5; i++, *next += d->points) q[i] = *next;
    for (int k = 0; k < d->points; k++) {
        int count = 0;
        for (int line = 0; line < c->lines; line++) {
            const float value = value_at(c, d->chosen[k], line);
            if (isfinite(value)) sorted[count++] = value;
        }
        qsort(sorted, (size_t)count, sizeof *sorted, ascending);
        x[k] = c->x[d->chosen[k]];
        for (int i = 0; i < 5; i++) q[i][k] = quantile(sorted, count, i / 4.0);
    }
    d->series[d->count++] =
        (struct chart_series){CHART_BAND, NULL, "lowest to highest", d->points, x, q[0], q[4], NULL, 0};
    d->series[d->count++] =
        (struct chart_series){CHART_BAND, NULL, "middle half", d->points, x, q[1], q[3], NULL, 1};
    d->series[d->count++] =
        (struct chart_series){CHART_LINE, "median", "median", d->points, x, q[2], NULL, NULL, CHART_MIDDLE};
}

/* Thinned out likewise. */
static void add_reference(struct drawing *d, const struct chart_series *from)
{
    const int every = (from->count + REPORT_MOST_POINTS - 1) / REPORT_MOST_POINTS;
    double *x = d->numbers, *y = x + REPORT_MOST_POINTS;
    struct chart_series *s = &d->series[d->count++];
    *s = *from;
    s->x = x;
    s->y = y;
    s->count = 0;
    for (int k = 0; k < from->count; k++) {
        if ((from->count - 1 - k) % every != 0) continue;
        x[s->count] = from->x[k];
        y[s->count++] = from->y[k];
    }
}

static void add_all(struct drawing *d, float *sorted)
{
    const struct report_curves *c = d->curves;
    double *next = d->numbers + (size_t)2 * REPORT_MOST_POINTS;
    if (c->lines <= REPORT_MOST_LINES) {
        for (int line = 0; line < c->lines; line++)
            add_line(d, line, line, c->legends ? c->legends[line] : NULL, &next);
        return;
    }
    add_bands(d, sorted, &next);
    add_line(d, c->high, 1, c->high_legend, &next);
    if (c->low != c->high) add_line(d, c->low, 2, c->low_legend, &next);
}

static void finish(struct report_page *page, const struct drawing *d, const char *name, const struct chart *chart,
                   const char *caption)
{
    struct chart whole = *chart;
    char *text;
    char thinned[64] = "";
    whole.series = d->series;
    whole.count = d->count;
    if (d->every > 1) snprintf(thinned, sizeof thinned, " One of every %d rounds is drawn.", d->every);
    const char *bands = d->curves->lines <= REPORT_MOST_LINES
                            ? "" : " Too many for a line each: the areas hold all of them and the middle half.";
    if (asprintf(&text, "%s%s%s", caption, bands, thinned) < 0) {
        report_no_memory(page);
        return;
    }
    report_figure(page, name, &whole, text);
    free(text);
}

void report_curves_draw(struct report_page *page, const char *name, const struct chart *chart,
                        const struct report_curves *curves, const struct chart_series *reference, const char *caption)
{
    struct drawing d = {.curves = curves, .chosen = malloc((size_t)curves->points * sizeof(int))};
    if (d.chosen) choose_points(&d);
    d.numbers = calloc((size_t)d.points * (2 * REPORT_MOST_LINES + 6) + (size_t)2 * REPORT_MOST_POINTS,
                       sizeof(double));
    d.labels = calloc(REPORT_MOST_LINES + 6, sizeof *d.labels);
    float *sorted = malloc((size_t)curves->lines * sizeof *sorted);
    if (!d.chosen || !d.numbers || !d.labels || !sorted) {
        report_no_memory(page);
    } else {
        add_all(&d, sorted);
        if (reference) add_reference(&d, reference); /* last, above the others */
        finish(page, &d, name, chart, caption);
    }
    free(sorted);
    free(d.labels);
    free(d.numbers);
    free(d.chosen);
}
