/* Plots as SVG text: axes with round ticks, lines, bands, points, bars, labels at the ends of
 * lines, a legend. Colours are CSS classes (chart.css), so that a plot within a page follows its
 * theme; a plot that stands alone carries a style sheet with the light theme's colours. Every
 * series also has a shape of marker, or a dash, of its own. */
#ifndef IO_CHART_H
#define IO_CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "cgsv/status.h"

/* Values at which an axis has ticks, all multiples of `step`; or on a logarithmic axis powers of
 * ten, and where these are few also their double and fivefold. */
struct chart_ticks {
    int count;
    double value[32];
    double step; /* 0: logarithmic */
};

/* At most `most` (3 to 12) round values within *low .. *high; `loose` first widens these to
 * ticks, `whole` takes whole numbers only. An empty range is widened, one of which an end is not
 * finite becomes 0 .. 1. */
void chart_ticks_linear(struct chart_ticks *ticks, double *low, double *high, int most, bool loose, bool whole);

/* The same for 0 < low <= high, widened to ticks. */
void chart_ticks_log(struct chart_ticks *ticks, double *low, double *high);

/* A tick's value as text with as many decimals as its step needs. */
enum { CHART_NUMBER = 32 };
char *chart_tick_text(char text[CHART_NUMBER], const struct chart_ticks *ticks, int index);

enum chart_kind { CHART_LINE, CHART_BAND, CHART_POINTS, CHART_BARS };

enum { CHART_REFERENCE = -1, CHART_MIDDLE = -2 }; /* styles of the server model and of a median */

struct chart_series {
    enum chart_kind kind;
    const char *label;  /* tooltip, and text at a line's end; NULL: none */
    const char *legend; /* NULL: not in the legend */
    int count;
    const double *x, *y; /* [count]; not finite: a gap. Of bars x is 0, 1, 2, … */
    const double *top;   /* [count] of a band, which begins at y */
    char (*names)[CHART_NUMBER]; /* [count] of points, beside them; NULL: none */
    int style; /* from 0, or CHART_REFERENCE, CHART_MIDDLE; of a band its darkness, 0 or 1 */
};

struct chart {
    const char *title, *x_label, *y_label;
    const char *noun; /* "agent ": before numbered labels and names in tooltips; NULL: none */
    const struct chart_series *series;
    int count;
    bool x_whole, y_log, x_log;
    bool x_zero, y_zero; /* the axis includes 0 */
    bool y_one;          /* and 1 */
    char (*categories)[CHART_NUMBER]; /* [category_count] below bars */
    int category_count;
};

/* Whether there is anything to draw. */
bool chart_has_data(const struct chart *chart);

/* Writes <svg>…</svg>; one that stands `alone` has its title, style and background. */
void chart_write(FILE *to, const struct chart *chart, bool alone);

/* chart.css, with the light theme's colours of report.css for its variables if `resolved`. */
void chart_style(FILE *to, bool resolved);

#endif
