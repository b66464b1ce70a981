/* What the parts of a plot share: where values lie, and the pieces that axes, series and legend are made of. */
#ifndef IO_CHART_FRAME_H
#define IO_CHART_FRAME_H

#include "io/chart.h"

enum { CHART_WIDTH = 520, CHART_LINE_HEIGHT = 21 };

struct chart_axis {
    double low, high; /* values */
    double from, to;  /* places */
    bool log;
    struct chart_ticks ticks;
};

struct chart_frame {
    struct chart_axis x, y;
    double height; /* of the whole */
};

double chart_place(const struct chart_axis *axis, double value);

/* Whether point i of the series can be drawn. */
bool chart_drawable(const struct chart *chart, const struct chart_series *series, int i);

double chart_text_width(const char *text);
void chart_put_text(FILE *to, double x, double y, const char *class, const char *text);

/* Begins a group with the style of a series; `kind`: "line", "bar" or "point". */
void chart_open_series(FILE *to, const char *kind, int style);

/* The start of a <path> that is the marker of a style; the caller closes it. */
void chart_put_marker(FILE *to, double x, double y, int style);

/* All series, then the labels at the ends of lines. */
void chart_write_series(FILE *to, const struct chart_frame *frame, const struct chart *chart);
void chart_write_ends(FILE *to, const struct chart_frame *frame, const struct chart *chart);

#endif
