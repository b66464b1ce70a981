/* Plots as SVG text. All lengths are in the units of the view box; texts are taken to be as wide as
 * the larger type that the style sheet gives them on a phone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart_css.h"  /* chart_css[]: the text of chart.css */
#include "io/chart_frame.h"
#include "io/html.h"
#include "report_css.h" /* report_css[]: the text of report.css */

enum { PLOT_HEIGHT = 242, EDGE = 8 };
#define LETTER 9.4 /* mean width */

/* Length in letters, not bytes. */
static int letters(const char *text)
{
    int count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

double chart_text_width(const char *text) { return LETTER * letters(text); }

/* ---- axes ---- */

double chart_place(const struct chart_axis *axis, double value)
{
    if (axis->log) value = value > 0 ? log(value) : NAN;
    const double low = axis->log ? log(axis->low) : axis->low, high = axis->log ? log(axis->high) : axis->high;
    return axis->from + (value - low) / (high - low) * (axis->to - axis->from);
}

bool chart_drawable(const struct chart *c, const struct chart_series *s, int i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]) && (!s->top || isfinite(s->top[i])) &&
           (!c->x_log || s->x[i] > 0) && (!c->y_log || s->y[i] > 0);
}

bool chart_has_data(const struct chart *chart)
{
    for (int k = 0; k < chart->count; k++)
        for (int i = 0; i < chart->series[k].count; i++)
            if (chart_drawable(chart, &chart->series[k], i)) return true;
    return false;
}

static void widen(struct chart_axis *axis, double value)
{
    axis->low = fmin(axis->low, value);
    axis->high = fmax(axis->high, value);
}

static void find_ranges(struct chart_frame *f, const struct chart *c)
{
    f->x = (struct chart_axis){.low = INFINITY, .high = -INFINITY, .log = c->x_log};
    f->y = (struct chart_axis){.low = INFINITY, .high = -INFINITY, .log = c->y_log};
    for (int k = 0; k < c->count; k++) {
        const struct chart_series *s = &c->series[k];
        for (int i = 0; i < s->count; i++) {
            if (!chart_drawable(c, s, i)) continue;
            widen(&f->x, s->x[i]);
            widen(&f->y, s->y[i]);
            if (s->top) widen(&f->y, s->top[i]);
        }
    }
    if (c->x_zero) widen(&f->x, 0);
    if (c->y_zero) widen(&f->y, 0);
    if (c->y_one) widen(&f->y, 1);
}

static bool has_kind(const struct chart *c, enum chart_kind kind)
{
    for (int k = 0; k < c->count; k++)
        if (c->series[k].kind == kind) return true;
    return false;
}

/* Rows of the legend; with a stream also writes it, from `top` on. */
static int legend(FILE *to, const struct chart *c, double top);

/* Ranges to ticks, then the margins that their texts need. */
static void lay_out(struct chart_frame *f, const struct chart *c, bool alone)
{
    find_ranges(f, c);
    const bool points = has_kind(c, CHART_POINTS);
    if (c->x_log)
        chart_ticks_log(&f->x.ticks, &f->x.low, &f->x.high);
    else
        chart_ticks_linear(&f->x.ticks, &f->x.low, &f->x.high, 7, points, c->x_whole);
    if (c->y_log)
        chart_ticks_log(&f->y.ticks, &f->y.low, &f->y.high);
    else
        chart_ticks_linear(&f->y.ticks, &f->y.low, &f->y.high, 7, true, false);
    if (c->category_count) {
        f->x.low = -0.5;
        f->x.high = c->category_count - 0.5;
    }

    double left = 0, right = EDGE + 6;
    char text[CHART_NUMBER];
    for (int i = 0; i < f->y.ticks.count; i++)
        left = fmax(left, chart_text_width(chart_tick_text(text, &f->y.ticks, i)));
    for (int k = 0; k < c->count; k++)
        if (c->series[k].kind == CHART_LINE && c->series[k].label)
            right = fmax(right, fmin(chart_text_width(c->series[k].label), 150) + 34);
    if (points && f->x.ticks.count > 0)
        right = EDGE + chart_text_width(chart_tick_text(text, &f->x.ticks, f->x.ticks.count - 1)) / 2;
    f->x.from = left + EDGE + 6;
    f->x.to = CHART_WIDTH - right;
    f->y.to = (alone ? 2.5 * CHART_LINE_HEIGHT : CHART_LINE_HEIGHT) + EDGE + 4;
    f->y.from = f->y.to + PLOT_HEIGHT;
    const int rows = legend(NULL, c, 0);
    f->height = f->y.from + 2.2 * CHART_LINE_HEIGHT + (rows ? CHART_LINE_HEIGHT * (rows + 0.7) : 0);
}

void chart_put_text(FILE *to, double x, double y, const char *class, const char *text)
{
    fprintf(to, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    html_text(to, text);
    fputs("</text>", to);
}

static void put_tick_text(FILE *to, double x, double y, const char *class, const struct chart_ticks *ticks, int i)
{
    char text[CHART_NUMBER], typographic[2 * CHART_NUMBER];
    chart_tick_text(text, ticks, i);
    snprintf(typographic, sizeof typographic, "%s%s", *text == '-' ? "−" : "", text + (*text == '-'));
    chart_put_text(to, x, y, class, typographic);
}

static void write_axes(FILE *to, const struct chart_frame *f, const struct chart *c)
{
    fputs("<g class=\"axes\">", to);
    for (int i = 0; i < f->y.ticks.count; i++) {
        const double y = chart_place(&f->y, f->y.ticks.value[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", f->x.from, y, f->x.to);
        put_tick_text(to, f->x.from - 6, y + 5, "tick end", &f->y.ticks, i);
    }
    fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", f->x.from, f->y.from, f->x.to);
    const int every = (c->category_count + 19) / 20;
    for (int i = 0; i < c->category_count; i += every)
        chart_put_text(to, chart_place(&f->x, i), f->y.from + CHART_LINE_HEIGHT, "tick middle", c->categories[i]);
    for (int i = 0; !c->category_count && i < f->x.ticks.count; i++) {
        const double x = chart_place(&f->x, f->x.ticks.value[i]);
        fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, f->y.from);
        put_tick_text(to, x, f->y.from + CHART_LINE_HEIGHT, "tick middle", &f->x.ticks, i);
    }
    chart_put_text(to, (f->x.from + f->x.to) / 2, f->y.from + 2 * CHART_LINE_HEIGHT - 2, "name middle", c->x_label);
    chart_put_text(to, EDGE, f->y.to - 15, "name", c->y_label);
    fputs("</g>", to);
}

/* ---- legend ---- */

static void put_sample(FILE *to, const struct chart_series *s, double x, double y)
{
    if (s->kind == CHART_BAND) {
        fprintf(to, "<path class=\"band b%d\" d=\"M%.1f %.1fh24v12h-24z\"/>", s->style, x, y - 6);
        return;
    }
    chart_open_series(to, s->kind == CHART_BARS ? "bar" : "line", s->style);
    if (s->kind == CHART_BARS) {
        fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"12\"/>", x + 5, y - 6);
    } else {
        if (s->kind == CHART_LINE) fprintf(to, "<path d=\"M%.1f %.1fh24\"/>", x, y);
        chart_put_marker(to, x + 12, y, s->style);
        fputs("/>", to);
    }
    fputs("</g>", to);
}

/* In columns as wide as the longest entry. */
static int legend(FILE *to, const struct chart *c, double top)
{
    double width = 1;
    int count = 0;
    for (int k = 0; k < c->count; k++)
        if (c->series[k].legend) width = fmax(width, 44 + chart_text_width(c->series[k].legend));
    const int across = (int)fmax(1, (CHART_WIDTH - EDGE + 14) / width);
    for (int k = 0; k < c->count; k++) {
        const struct chart_series *s = &c->series[k];
        if (!s->legend) continue;
        const int line = count / across;
        const double x = EDGE + width * (count % across), y = top + CHART_LINE_HEIGHT * (line + 0.5);
        if (to) put_sample(to, s, x, y - 5);
        if (to) chart_put_text(to, x + 30, y, "label", s->legend);
        count++;
    }
    return (count + across - 1) / across;
}

/* ---- the whole ---- */

void chart_write(FILE *to, const struct chart *chart, bool alone)
{
    struct chart_frame f;
    lay_out(&f, chart, alone);
    fprintf(to, "<svg class=\"chart\" viewBox=\"0 0 %d %.0f\" role=\"img\"", CHART_WIDTH, f.height);
    if (alone) fprintf(to, " xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\"", CHART_WIDTH, f.height);
    fputs("><title>", to);
    html_text(to, chart->title);
    fputs("</title>\n", to);
    if (alone) {
        fputs("<style>", to);
        chart_style(to, true);
        fputs("</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>", to);
        chart_put_text(to, EDGE, CHART_LINE_HEIGHT + 2, "heading", chart->title);
    }
    write_axes(to, &f, chart);
    chart_write_series(to, &f, chart);
    chart_write_ends(to, &f, chart);
    legend(to, chart, f.y.from + 2.6 * CHART_LINE_HEIGHT);
    fputs("</svg>\n", to);
}

/* The value that report.css first gives a variable is that of the light theme. */
static void put_variable(FILE *to, const char *name, size_t length)
{
    for (const char *at = report_css; (at = strstr(at, name)); at += length)
        if (at[length] == ':') {
            fwrite(at + length + 1, 1, strcspn(at + length + 1, ";"), to);
            return;
        }
}

void chart_style(FILE *to, bool resolved)
{
    for (const char *at = chart_css; *at;) {
        const char *use = resolved ? strstr(at, "var(--") : NULL;
        if (!use) {
            fputs(at, to);
            return;
        }
        char name[32];
        const size_t length = strcspn(use + 4, ")");
        snprintf(name, sizeof name, "%.*s", (int)length, use + 4);
        fwrite(at, 1, (size_t)(use - at), to);
        put_variable(to, name, strlen(name));
        at = use + 4 + length + 1;
    }
}
