/* Plots as SVG text. All lengths are in the units of the view box; texts are taken to be as wide as
 * the larger type that the style sheet gives them on a phone. */
#include "io/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart_css.h"  /* chart_css[]: the text of chart.css */
#include "io/html.h"
#include "report_css.h" /* report_css[]: the text of report.css */

enum { WIDTH = 520, PLOT_HEIGHT = 242, LINE = 21, EDGE = 8, MARKS = 8, STYLES = 6, SHAPES = 7, DASHES = 4 };
enum { LABELS = 40, BOXES = 80 };
#define LETTER 9.4 /* mean width */

struct axis {
    double low, high; /* values */
    double from, to;  /* places */
    bool log;
    struct chart_ticks ticks;
};

struct frame {
    struct axis x, y;
    double height; /* of the whole */
};

/* Length in letters, not bytes. */
static int letters(const char *text)
{
    int count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static double text_width(const char *text) { return LETTER * letters(text); }

/* ---- axes ---- */

static double place(const struct axis *axis, double value)
{
    if (axis->log) value = value > 0 ? log(value) : NAN;
    const double low = axis->log ? log(axis->low) : axis->low, high = axis->log ? log(axis->high) : axis->high;
    return axis->from + (value - low) / (high - low) * (axis->to - axis->from);
}

static bool drawable(const struct chart *c, const struct chart_series *s, int i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]) && (!s->top || isfinite(s->top[i])) &&
           (!c->x_log || s->x[i] > 0) && (!c->y_log || s->y[i] > 0);
}

bool chart_has_data(const struct chart *chart)
{
    for (int k = 0; k < chart->count; k++)
        for (int i = 0; i < chart->series[k].count; i++)
            if (drawable(chart, &chart->series[k], i)) return true;
    return false;
}

static void widen(struct axis *axis, double value)
{
    axis->low = fmin(axis->low, value);
    axis->high = fmax(axis->high, value);
}

static void find_ranges(struct frame *f, const struct chart *c)
{
    f->x = (struct axis){.low = INFINITY, .high = -INFINITY, .log = c->x_log};
    f->y = (struct axis){.low = INFINITY, .high = -INFINITY, .log = c->y_log};
    for (int k = 0; k < c->count; k++) {
        const struct chart_series *s = &c->series[k];
        for (int i = 0; i < s->count; i++) {
            if (!drawable(c, s, i)) continue;
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
static void lay_out(struct frame *f, const struct chart *c, bool alone)
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
    for (int i = 0; i < f->y.ticks.count; i++) left = fmax(left, text_width(chart_tick_text(text, &f->y.ticks, i)));
    for (int k = 0; k < c->count; k++)
        if (c->series[k].kind == CHART_LINE && c->series[k].label)
            right = fmax(right, fmin(text_width(c->series[k].label), 150) + 34);
    if (points && f->x.ticks.count > 0)
        right = EDGE + text_width(chart_tick_text(text, &f->x.ticks, f->x.ticks.count - 1)) / 2;
    f->x.from = left + EDGE + 6;
    f->x.to = WIDTH - right;
    f->y.to = (alone ? 2.5 * LINE : LINE) + EDGE + 4;
    f->y.from = f->y.to + PLOT_HEIGHT;
    const int rows = legend(NULL, c, 0);
    f->height = f->y.from + 2.2 * LINE + (rows ? LINE * (rows + 0.7) : 0);
}

static void put_text(FILE *to, double x, double y, const char *class, const char *text)
{
    fprintf(to, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    html_text(to, text);
    fputs("</text>", to);
}

static void put_tick_text(FILE *to, double x, double y, const char *class, const struct chart_ticks *ticks, int i)
{
    char text[CHART_NUMBER], typographic[2 * CHART_NUMBER];
    chart_tick_text(text, ticks, i);
    snprintf(typographic, sizeof typographic, "%s%s", *text == '-' ? "\xe2\x88\x92" : "", text + (*text == '-'));
    put_text(to, x, y, class, typographic);
}

static void write_axes(FILE *to, const struct frame *f, const struct chart *c)
{
    fputs("<g class=\"axes\">", to);
    for (int i = 0; i < f->y.ticks.count; i++) {
        const double y = place(&f->y, f->y.ticks.value[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", f->x.from, y, f->x.to);
        put_tick_text(to, f->x.from - 6, y + 5, "tick end", &f->y.ticks, i);
    }
    fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", f->x.from, f->y.from, f->x.to);
    const int every = (c->category_count + 19) / 20;
    for (int i = 0; i < c->category_count; i += every)
        put_text(to, place(&f->x, i), f->y.from + LINE, "tick middle", c->categories[i]);
    for (int i = 0; !c->category_count && i < f->x.ticks.count; i++) {
        const double x = place(&f->x, f->x.ticks.value[i]);
        fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, f->y.from);
        put_tick_text(to, x, f->y.from + LINE, "tick middle", &f->x.ticks, i);
    }
    put_text(to, (f->x.from + f->x.to) / 2, f->y.from + 2 * LINE - 2, "name middle", c->x_label);
    put_text(to, EDGE, f->y.to - 15, "name", c->y_label);
    fputs("</g>", to);
}

/* ---- series ---- */

/* A shape around a point; the style sheet fills it. */
static void put_marker(FILE *to, double x, double y, int style)
{
    static const char *const shapes[SHAPES] = {
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "m-3.6-3.6h7.2v7.2h-7.2z", "m0-5l4.8 8.4h-9.6z", "m0-5.2l5.2 5.2-5.2 5.2-5.2-5.2z",
        "m0 5l-4.8-8.4h9.6z", "m-4-4l8 8m-8 0l8-8", "m0-5v10m-5-5h10"};
    fprintf(to, "<path class=\"mark\" d=\"M%.1f %.1f%s\"", x, y, shapes[style < 0 ? 0 : style % SHAPES]);
}

/* "agent 3, round 12: 0.829", as a tooltip. */
static void put_tip(FILE *to, const struct chart *c, const struct chart_series *s, int i)
{
    fputs("<title>", to);
    if (s->style >= 0 && s->kind != CHART_BARS && c->noun) html_text(to, c->noun);
    if (s->names || s->label) html_text(to, s->names ? s->names[i] : s->label);
    if (s->kind == CHART_BARS) {
        fprintf(to, "%s", s->label ? ", " : "");
        html_text(to, c->x_label);
        fputc(' ', to);
        html_text(to, c->categories[i]);
    } else {
        fputs(s->names || s->label ? ", " : "", to);
        html_text(to, c->x_label);
        fputc(' ', to);
        html_number(to, s->x[i], 4);
    }
    fputs(": ", to);
    html_number(to, s->y[i], 4);
    fputs("</title>", to);
}

static void open_series(FILE *to, const char *kind, int style)
{
    if (style == CHART_REFERENCE || style == CHART_MIDDLE)
        fprintf(to, "<g class=\"%s %s\">", kind, style == CHART_REFERENCE ? "reference" : "median");
    else
        fprintf(to, "<g class=\"%s c%d d%d\">", kind, style % STYLES, style / STYLES % DASHES);
}

static void write_line(FILE *to, const struct frame *f, const struct chart *c, const struct chart_series *s)
{
    int seen = 0, finite = 0;
    for (int i = 0; i < s->count; i++) finite += drawable(c, s, i);
    open_series(to, "line", s->style);
    fputs("<path d=\"", to);
    for (int i = 0; i < s->count; i++)
        if (drawable(c, s, i))
            fprintf(to, "%c%.1f %.1f", i == 0 || !drawable(c, s, i - 1) ? 'M' : 'L', place(&f->x, s->x[i]),
                    place(&f->y, s->y[i]));
    fputs("\"/>", to);
    const int every = (finite + MARKS - 1) / MARKS;
    for (int i = 0; i < s->count; i++) {
        if (!drawable(c, s, i) || (++seen != finite && seen % every != 1 % every)) continue;
        put_marker(to, place(&f->x, s->x[i]), place(&f->y, s->y[i]), s->style);
        fputc('>', to);
        put_tip(to, c, s, i);
        fputs("</path>", to);
    }
    fputs("</g>\n", to);
}

static void write_band(FILE *to, const struct frame *f, const struct chart *c, const struct chart_series *s)
{
    fprintf(to, "<path class=\"band b%d\" d=\"", s->style);
    bool begun = false;
    for (int i = 0; i < s->count; i++)
        if (drawable(c, s, i)) {
            fprintf(to, "%c%.1f %.1f", begun ? 'L' : 'M', place(&f->x, s->x[i]), place(&f->y, s->y[i]));
            begun = true;
        }
    for (int i = s->count - 1; i >= 0; i--)
        if (drawable(c, s, i)) fprintf(to, "L%.1f %.1f", place(&f->x, s->x[i]), place(&f->y, s->top[i]));
    fprintf(to, "%s\"><title>", begun ? "z" : "");
    if (s->legend) html_text(to, s->legend);
    fputs("</title></path>\n", to);
}

static void write_bars(FILE *to, const struct frame *f, const struct chart *c, int index)
{
    const struct chart_series *s = &c->series[index];
    int groups = 0, group = 0;
    for (int k = 0; k < c->count; k++) {
        if (k == index) group = groups;
        groups += c->series[k].kind == CHART_BARS;
    }
    const double slot = (f->x.to - f->x.from) / c->category_count, width = fmin(slot * 0.76 / groups, 34);
    const double base = place(&f->y, fmax(f->y.low, fmin(f->y.high, 0)));
    open_series(to, "bar", s->style);
    for (int i = 0; i < s->count; i++) {
        if (!drawable(c, s, i)) continue;
        const double y = place(&f->y, s->y[i]), x = place(&f->x, s->x[i]) + (group - groups / 2.0) * width;
        fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", x + 1, fmin(y, base),
                fmax(width - 2, 1), fabs(base - y));
        put_tip(to, c, s, i);
        fputs("</rect>", to);
    }
    fputs("</g>\n", to);
}

struct box {
    double left, top, right, bottom;
};

static bool overlaps(const struct box *a, const struct box *others, int count)
{
    for (int i = 0; i < count; i++)
        if (a->left < others[i].right && others[i].left < a->right && a->top < others[i].bottom &&
            others[i].top < a->bottom)
            return true;
    return false;
}

/* A point's name at the first of four sides where it covers nothing; none where there is no such side. */
static void put_point_name(FILE *to, const struct frame *f, struct box *boxes, int *count, double x, double y,
                           const char *name)
{
    const double w = text_width(name) + 4, h = 16;
    const struct box sides[] = {{x + 7, y - h / 2, x + 7 + w, y + h / 2}, {x - 7 - w, y - h / 2, x - 7, y + h / 2},
                                {x - w / 2, y - 8 - h, x + w / 2, y - 8}, {x - w / 2, y + 8, x + w / 2, y + 8 + h}};
    for (int i = 0; i < 4 && *count < BOXES; i++) {
        const struct box *box = &sides[i];
        if (box->left < f->x.from || box->right > WIDTH || box->top < f->y.to - 10 || box->bottom > f->y.from ||
            overlaps(box, boxes, *count))
            continue;
        boxes[(*count)++] = *box;
        put_text(to, box->left, box->bottom - 3, "label", name);
        return;
    }
}

static void write_points(FILE *to, const struct frame *f, const struct chart *c, const struct chart_series *s)
{
    struct box boxes[BOXES];
    int count = 0;
    open_series(to, "point", s->style);
    for (int i = 0; i < s->count; i++) {
        if (!drawable(c, s, i)) continue;
        const double x = place(&f->x, s->x[i]), y = place(&f->y, s->y[i]);
        if (count < BOXES / 2) boxes[count++] = (struct box){x - 5, y - 5, x + 5, y + 5};
        put_marker(to, x, y, s->style);
        fputc('>', to);
        put_tip(to, c, s, i);
        fputs("</path>", to);
    }
    for (int i = 0; s->names && i < s->count && s->count <= BOXES / 2; i++)
        if (drawable(c, s, i))
            put_point_name(to, f, boxes, &count, place(&f->x, s->x[i]), place(&f->y, s->y[i]), s->names[i]);
    fputs("</g>\n", to);
}

/* ---- labels at the ends of lines ---- */

struct end {
    double x, y, at; /* of the line; where its label goes */
    const struct chart_series *series;
};

static int by_height(const void *a, const void *b)
{
    const struct end *p = a, *q = b;
    return (p->y > q->y) - (p->y < q->y);
}

/* Moves labels, sorted by height, apart. Those that would touch form a group around the mean of their places; a group
 * that touches the one before it is joined to it (the pool-adjacent-violators algorithm). */
static void spread(struct end *ends, int count, double top, double bottom)
{
    const double gap = fmin(LINE - 3, (bottom - top) / fmax(count, 1));
    int size[LABELS], groups = 0;
    double begin[LABELS]; /* of each group's first label */
    for (int i = 0; i < count; i++) {
        size[groups] = 1;
        begin[groups++] = fmin(fmax(ends[i].y, top), bottom);
        while (groups > 1 && begin[groups - 2] + gap * size[groups - 2] > begin[groups - 1]) {
            const int a = size[groups - 2], b = size[groups - 1];
            const double mean = (a * begin[groups - 2] + b * (begin[groups - 1] - gap * a)) / (a + b);
            size[--groups - 1] = a + b;
            begin[groups - 1] = fmax(top, fmin(mean, bottom - gap * (a + b - 1)));
        }
    }
    for (int g = 0, i = 0; g < groups; g++)
        for (int k = 0; k < size[g]; k++) ends[i++].at = begin[g] + gap * k;
}

static void write_ends(FILE *to, const struct frame *f, const struct chart *c)
{
    struct end ends[LABELS];
    int count = 0;
    for (int k = 0; k < c->count && count < LABELS; k++) {
        const struct chart_series *s = &c->series[k];
        int last = s->count - 1;
        while (last >= 0 && !drawable(c, s, last)) last--;
        if (s->kind == CHART_LINE && s->label && last >= 0)
            ends[count++] = (struct end){place(&f->x, s->x[last]), place(&f->y, s->y[last]), 0, s};
    }
    qsort(ends, (size_t)count, sizeof *ends, by_height);
    spread(ends, count, f->y.to, f->y.from);
    for (int i = 0; i < count; i++) {
        fprintf(to, "<path class=\"lead\" d=\"M%.1f %.1fL%.1f %.1f\"/>", ends[i].x + 5, ends[i].y, f->x.to + 15,
                ends[i].at);
        open_series(to, "line", ends[i].series->style);
        put_marker(to, f->x.to + 21, ends[i].at, ends[i].series->style);
        fputs("/></g>", to);
        put_text(to, f->x.to + 30, ends[i].at + 5, "label", ends[i].series->label);
    }
}

/* ---- legend ---- */

static void put_sample(FILE *to, const struct chart_series *s, double x, double y)
{
    if (s->kind == CHART_BAND) {
        fprintf(to, "<path class=\"band b%d\" d=\"M%.1f %.1fh24v12h-24z\"/>", s->style, x, y - 6);
        return;
    }
    open_series(to, s->kind == CHART_BARS ? "bar" : "line", s->style);
    if (s->kind == CHART_BARS) {
        fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"12\"/>", x + 5, y - 6);
    } else {
        if (s->kind == CHART_LINE) fprintf(to, "<path d=\"M%.1f %.1fh24\"/>", x, y);
        put_marker(to, x + 12, y, s->style);
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
        if (c->series[k].legend) width = fmax(width, 44 + text_width(c->series[k].legend));
    const int across = (int)fmax(1, (WIDTH - EDGE + 14) / width);
    for (int k = 0; k < c->count; k++) {
        const struct chart_series *s = &c->series[k];
        if (!s->legend) continue;
        const double x = EDGE + width * (count % across), y = top + LINE * (count / across + 0.5);
        if (to) put_sample(to, s, x, y - 5);
        if (to) put_text(to, x + 30, y, "label", s->legend);
        count++;
    }
    return (count + across - 1) / across;
}

/* ---- the whole ---- */

void chart_write(FILE *to, const struct chart *chart, bool alone)
{
    struct frame f;
    lay_out(&f, chart, alone);
    fprintf(to, "<svg class=\"chart\" viewBox=\"0 0 %d %.0f\" role=\"img\"", WIDTH, f.height);
    if (alone) fprintf(to, " xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\"", WIDTH, f.height);
    fputs("><title>", to);
    html_text(to, chart->title);
    fputs("</title>\n", to);
    if (alone) {
        fputs("<style>", to);
        chart_style(to, true);
        fputs("</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>", to);
        put_text(to, EDGE, LINE + 2, "heading", chart->title);
    }
    write_axes(to, &f, chart);
    static const enum chart_kind order[] = {CHART_BAND, CHART_BARS, CHART_LINE, CHART_POINTS};
    for (int o = 0; o < 4; o++)
        for (int k = 0; k < chart->count; k++) {
            const struct chart_series *s = &chart->series[k];
            if (s->kind != order[o]) continue;
            if (s->kind == CHART_BAND) write_band(to, &f, chart, s);
            if (s->kind == CHART_BARS) write_bars(to, &f, chart, k);
            if (s->kind == CHART_LINE) write_line(to, &f, chart, s);
            if (s->kind == CHART_POINTS) write_points(to, &f, chart, s);
        }
    write_ends(to, &f, chart);
    legend(to, chart, f.y.from + 2.6 * LINE);
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
