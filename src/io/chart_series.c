/* The series of a plot, and the labels at their ends. */
#include <math.h>
#include <stdlib.h>

#include "io/chart_frame.h"
#include "io/html.h"

enum { MARKS = 8, STYLES = 6, SHAPES = 7, DASHES = 4, LABELS = 40, BOXES = 80 };

/* A shape around a point; the style sheet fills it. */
void chart_put_marker(FILE *to, double x, double y, int style)
{
    static const char *const shapes[SHAPES] = {
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "m-3.6-3.6h7.2v7.2h-7.2z", "m0-5l4.8 8.4h-9.6z",
        "m0-5.2l5.2 5.2-5.2 5.2-5.2-5.2z",
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

void chart_open_series(FILE *to, const char *kind, int style)
{
    if (style == CHART_REFERENCE || style == CHART_MIDDLE)
        fprintf(to, "<g class=\"%s %s\">", kind, style == CHART_REFERENCE ? "reference" : "median");
    else
        fprintf(to, "<g class=\"%s c%d d%d\">", kind, style % STYLES, style / STYLES % DASHES);
}

static void write_line(FILE *to, const struct chart_frame *f, const struct chart *c, const struct chart_series *s)
{
    int seen = 0, finite = 0;
    for (int i = 0; i < s->count; i++) finite += chart_drawable(c, s, i);
    chart_open_series(to, "line", s->style);
    fputs("<path d=\"", to);
    for (int i = 0; i < s->count; i++)
        if (chart_drawable(c, s, i))
            fprintf(to, "%c%.1f %.1f", i == 0 || !chart_drawable(c, s, i - 1) ? 'M' : 'L', chart_place(&f->x, s->x[i]),
                    chart_place(&f->y, s->y[i]));
    fputs("\"/>", to);
    const int every = finite > MARKS ? (finite + MARKS - 1) / MARKS : 1;
    for (int i = 0; i < s->count; i++) {
        if (!chart_drawable(c, s, i) || (++seen != finite && seen % every != 1 % every)) continue;
        chart_put_marker(to, chart_place(&f->x, s->x[i]), chart_place(&f->y, s->y[i]), s->style);
        fputc('>', to);
        put_tip(to, c, s, i);
        fputs("</path>", to);
    }
    fputs("</g>\n", to);
}

static void write_band(FILE *to, const struct chart_frame *f, const struct chart *c, const struct chart_series *s)
{
    fprintf(to, "<path class=\"band b%d\" d=\"", s->style);
    bool begun = false;
    for (int i = 0; i < s->count; i++)
        if (chart_drawable(c, s, i)) {
            fprintf(to, "%c%.1f %.1f", begun ? 'L' : 'M', chart_place(&f->x, s->x[i]), chart_place(&f->y, s->y[i]));
            begun = true;
        }
    for (int i = s->count - 1; i >= 0; i--)
        if (chart_drawable(c, s, i))
            fprintf(to, "L%.1f %.1f", chart_place(&f->x, s->x[i]), chart_place(&f->y, s->top[i]));
    fprintf(to, "%s\"><title>", begun ? "z" : "");
    if (s->legend) html_text(to, s->legend);
    fputs("</title></path>\n", to);
}

static void write_bars(FILE *to, const struct chart_frame *f, const struct chart *c, int index)
{
    const struct chart_series *s = &c->series[index];
    int groups = 0, group = 0;
    for (int k = 0; k < c->count; k++) {
        if (k == index) group = groups;
        groups += c->series[k].kind == CHART_BARS;
    }
    const double slot = (f->x.to - f->x.from) / c->category_count, width = fmin(slot * 0.76 / groups, 34);
    const double base = chart_place(&f->y, fmax(f->y.low, fmin(f->y.high, 0)));
    chart_open_series(to, "bar", s->style);
    for (int i = 0; i < s->count; i++) {
        if (!chart_drawable(c, s, i)) continue;
        const double y = chart_place(&f->y, s->y[i]), x = chart_place(&f->x, s->x[i]) + (group - groups / 2.0) * width;
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
static void put_point_name(FILE *to, const struct chart_frame *f, struct box *boxes, int *count, double x, double y,
                           const char *name)
{
    const double w = chart_text_width(name) + 4, h = 16;
    const struct box sides[] = {{x + 7, y - h / 2, x + 7 + w, y + h / 2}, {x - 7 - w, y - h / 2, x - 7, y + h / 2},
                                {x - w / 2, y - 8 - h, x + w / 2, y - 8}, {x - w / 2, y + 8, x + w / 2, y + 8 + h}};
    for (int i = 0; i < 4 && *count < BOXES; i++) {
        const struct box *box = &sides[i];
        if (box->left < f->x.from || box->right > CHART_WIDTH || box->top < f->y.to - 10 || box->bottom > f->y.from ||
            overlaps(box, boxes, *count))
            continue;
        boxes[(*count)++] = *box;
        chart_put_text(to, box->left, box->bottom - 3, "label", name);
        return;
    }
}

static void write_points(FILE *to, const struct chart_frame *f, const struct chart *c, const struct chart_series *s)
{
    struct box boxes[BOXES];
    int count = 0;
    chart_open_series(to, "point", s->style);
    for (int i = 0; i < s->count; i++) {
        if (!chart_drawable(c, s, i)) continue;
        const double x = chart_place(&f->x, s->x[i]), y = chart_place(&f->y, s->y[i]);
        if (count < BOXES / 2) boxes[count++] = (struct box){x - 5, y - 5, x + 5, y + 5};
        chart_put_marker(to, x, y, s->style);
        fputc('>', to);
        put_tip(to, c, s, i);
        fputs("</path>", to);
    }
    for (int i = 0; s->names && i < s->count && s->count <= BOXES / 2; i++)
        if (chart_drawable(c, s, i))
            put_point_name(to, f, boxes, &count, chart_place(&f->x, s->x[i]), chart_place(&f->y, s->y[i]), s->names[i]);
    fputs("</g>\n", to);
}

void chart_write_series(FILE *to, const struct chart_frame *f, const struct chart *c)
{
    static const enum chart_kind order[] = {CHART_BAND, CHART_BARS, CHART_LINE, CHART_POINTS};
    for (int o = 0; o < 4; o++)
        for (int k = 0; k < c->count; k++) {
            const struct chart_series *s = &c->series[k];
            if (s->kind != order[o]) continue;
            if (s->kind == CHART_BAND) write_band(to, f, c, s);
            if (s->kind == CHART_BARS) write_bars(to, f, c, k);
            if (s->kind == CHART_LINE) write_line(to, f, c, s);
            if (s->kind == CHART_POINTS) write_points(to, f, c, s);
        }
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
    const double gap = fmin(CHART_LINE_HEIGHT - 3, (bottom - top) / fmax(count, 1));
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

void chart_write_ends(FILE *to, const struct chart_frame *f, const struct chart *c)
{
    struct end ends[LABELS];
    int count = 0;
    for (int k = 0; k < c->count && count < LABELS; k++) {
        const struct chart_series *s = &c->series[k];
        int last = s->count - 1;
        while (last >= 0 && !chart_drawable(c, s, last)) last--;
        if (s->kind == CHART_LINE && s->label && last >= 0)
            ends[count++] = (struct end){chart_place(&f->x, s->x[last]), chart_place(&f->y, s->y[last]), 0, s};
    }
    qsort(ends, (size_t)count, sizeof *ends, by_height);
    spread(ends, count, f->y.to, f->y.from);
    for (int i = 0; i < count; i++) {
        fprintf(to, "<path class=\"lead\" d=\"M%.1f %.1fL%.1f %.1f\"/>", ends[i].x + 5, ends[i].y, f->x.to + 15,
                ends[i].at);
        chart_open_series(to, "line", ends[i].series->style);
        chart_put_marker(to, f->x.to + 21, ends[i].at, ends[i].series->style);
        fputs("/></g>", to);
        chart_put_text(to, f->x.to + 30, ends[i].at + 5, "label", ends[i].series->label);
    }
}
