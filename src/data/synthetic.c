/* Drawings of digits that need no file and no network: for a first run, for tests, and
 * for benchmarks on a bare machine. A digit is a few strokes, each a smooth curve
 * through control points; the points are moved a little, the whole is sheared, turned,
 * scaled and shifted, and drawn with a pen of varying width and ink, among stray
 * strokes and noise. Sample i comes from random stream i alone. Only operations that
 * IEEE 754 rounds exactly are used (no sine, no exponential), and pixels are rounded to
 * bytes before they are standardised, so machines agree on every bit; where the compiler
 * fuses multiply and add (-ffp-contract=fast), about one pixel in 100,000 is off by 1/255. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/random.h"
#include "data/readers.h"

enum {
    SIDE = 32,
    PIXELS = SIDE * SIDE,
    CLASSES = 10,
    TRAIN_SAMPLES = 12000,
    TEST_SAMPLES = 2000,
    POINTS = 16, /* control points of a glyph, breaks included */
    PIECES = 6   /* straight pieces per span of a curve */
};

struct point {
    float x, y;
};

/* A way to write a digit, in a box of 100×100 with y downwards. GAP lifts the pen;
 * strokes that share a point stay joined there. */
struct glyph {
    int digit, points;
    struct point point[POINTS];
};

#define GAP {-1, -1}

static const struct glyph glyphs[] = {
    {0, 9, {{50, 5}, {28, 18}, {20, 50}, {28, 82}, {50, 95}, {72, 82}, {80, 50}, {72, 18}, {50, 5}}},
    {0, 9, {{62, 8}, {38, 16}, {26, 46}, {30, 80}, {48, 94}, {68, 80}, {76, 46}, {68, 18}, {50, 10}}},
    {1, 2, {{50, 5}, {50, 95}}},
    {1, 5, {{34, 24}, {52, 5}, GAP, {52, 5}, {50, 95}}},
    {1, 8, {{34, 24}, {52, 5}, GAP, {52, 5}, {51, 95}, GAP, {32, 95}, {70, 95}}},
    {2, 10, {{24, 25}, {35, 8}, {55, 5}, {74, 18}, {72, 38}, {50, 64}, {22, 94}, GAP, {22, 94}, {80, 92}}},
    {2, 10, {{26, 20}, {48, 5}, {72, 16}, {70, 42}, {50, 72}, {30, 92}, {20, 84}, {34, 74}, {56, 86}, {80, 92}}},
    {3, 11, {{25, 14}, {48, 5}, {72, 15}, {70, 35}, {44, 47}, GAP, {44, 47}, {74, 56}, {78, 78}, {55, 95},
             {22, 86}}},
    {3, 10, {{24, 7}, {74, 7}, GAP, {74, 7}, {48, 42}, GAP, {48, 42}, {76, 58}, {66, 90}, {24, 90}}},
    {4, 8, {{60, 5}, {18, 64}, GAP, {18, 64}, {86, 64}, GAP, {64, 34}, {62, 96}}},
    {4, 8, {{28, 8}, {24, 52}, GAP, {24, 52}, {76, 50}, GAP, {72, 6}, {66, 96}}},
    {5, 12, {{74, 6}, {32, 6}, GAP, {32, 6}, {28, 44}, GAP, {28, 44}, {54, 38}, {77, 54}, {74, 80}, {50, 95},
             {22, 86}}},
    {6, 9, {{68, 6}, {42, 24}, {26, 55}, {30, 84}, {52, 95}, {74, 82}, {72, 60}, {50, 52}, {30, 66}}},
    {6, 8, {{44, 5}, {28, 44}, {28, 80}, {50, 95}, {72, 82}, {70, 64}, {50, 58}, {30, 74}}},
    {7, 6, {{20, 8}, {80, 8}, GAP, {80, 8}, {58, 48}, {44, 95}}},
    {7, 9, {{20, 8}, {80, 8}, GAP, {80, 8}, {58, 48}, {44, 95}, GAP, {36, 50}, {74, 50}}},
    {8, 13, {{50, 48}, {28, 34}, {30, 12}, {52, 5}, {72, 14}, {70, 34}, {50, 48}, {26, 66}, {26, 86}, {50, 95},
             {76, 86}, {74, 66}, {50, 48}}},
    {9, 11, {{72, 28}, {56, 8}, {34, 12}, {26, 34}, {42, 50}, {64, 44}, {72, 28}, GAP, {72, 28}, {70, 60}, {62, 95}}},
    {9, 12, {{72, 28}, {56, 6}, {34, 10}, {26, 32}, {42, 48}, {64, 42}, {72, 28}, GAP, {72, 28}, {74, 64}, {58, 92},
             {32, 90}}},
};

enum { GLYPHS = sizeof glyphs / sizeof *glyphs };

static bool is_gap(struct point p) { return p.x < 0; }

static float between(struct random_stream *s, float low, float high) { return low + (high - low) * random_uniform(s); }

/* Darkens what a round pen of this radius covers on its way from a to b; edges fade
 * over one pixel. Only pixels near the line are looked at. */
static void draw_line(float *ink, struct point a, struct point b, float radius, float strength)
{
    const float reach = radius + 1, dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    const float left = fminf(a.x, b.x) - reach, right = fmaxf(a.x, b.x) + reach;
    const float top = fminf(a.y, b.y) - reach, bottom = fmaxf(a.y, b.y) + reach;
    for (int r = top > 0 ? (int)top : 0; r < SIDE && (float)r <= bottom; r++) {
        for (int c = left > 0 ? (int)left : 0; c < SIDE && (float)c <= right; c++) {
            const float px = (float)c - a.x, py = (float)r - a.y;
            float t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            t = fminf(fmaxf(t, 0), 1);
            const float ex = px - t * dx, ey = py - t * dy;
            const float cover = strength * fminf(radius + 0.5f - sqrtf(ex * ex + ey * ey), 1);
            float *pixel = &ink[r * SIDE + c];
            if (cover > *pixel) *pixel = cover;
        }
    }
}

/* One coordinate of Catmull and Rom's curve from b to c, at t in 0..1. */
static float curve(float a, float b, float c, float d, float t)
{
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/* Draws one stroke of n points; the ends stand in for the neighbours they lack. */
static void draw_stroke(float *ink, const struct point *p, int n, float radius, float strength)
{
    for (int i = 0; i + 1 < n; i++) {
        const struct point a = p[i > 0 ? i - 1 : 0], b = p[i], c = p[i + 1], d = p[i + 2 < n ? i + 2 : n - 1];
        const int pieces = n > 2 ? PIECES : 1;
        struct point from = b;
        for (int k = 1; k <= pieces; k++) {
            const float t = (float)k / (float)pieces;
            const struct point to = {curve(a.x, b.x, c.x, d.x, t), curve(a.y, b.y, c.y, d.y, t)};
            draw_line(ink, from, to, radius, strength);
            from = to;
        }
    }
}

/* The glyph's points where this sample has them, in pixels. */
static void place_points(struct point *placed, const struct glyph *glyph, struct random_stream *s)
{
    const float size = between(s, 0.150f, 0.225f), aspect = between(s, 0.70f, 1.15f); /* pixels per unit */
    const float shear = between(s, -0.35f, 0.35f), half = between(s, -0.16f, 0.16f);
    const float across = between(s, -2.2f, 2.2f), down = between(s, -2.2f, 2.2f), jitter = between(s, 2.0f, 9.0f);
    /* half is the tangent of half the angle turned. */
    const float cosine = (1 - half * half) / (1 + half * half), sine = 2 * half / (1 + half * half);
    for (int i = 0; i < glyph->points; i++) {
        const struct point p = glyph->point[i];
        int same = 0;
        while (glyph->point[same].x != p.x || glyph->point[same].y != p.y) same++;
        placed[i] = placed[same]; /* joined strokes stay joined */
        if (same < i || is_gap(p)) continue;
        float x = p.x - 50 + between(s, -jitter, jitter), y = p.y - 50 + between(s, -jitter, jitter);
        x = size * aspect * (x - shear * y);
        y = size * y;
        placed[i].x = 0.5f * (SIDE - 1) + across + cosine * x - sine * y;
        placed[i].y = 0.5f * (SIDE - 1) + down + sine * x + cosine * y;
    }
}

/* Short faint strokes that belong to no digit. */
static void draw_strays(float *ink, struct random_stream *s)
{
    for (uint32_t n = random_below(s, 4); n > 0; n--) {
        const struct point a = {between(s, 0, SIDE - 1), between(s, 0, SIDE - 1)};
        const struct point b = {a.x + between(s, -6, 6), a.y + between(s, -6, 6)};
        draw_line(ink, a, b, between(s, 0.2f, 0.9f), between(s, 0.3f, 0.8f));
    }
}

static void draw_sample(uint8_t *pixels, int32_t *label, uint64_t stream)
{
    struct random_stream s;
    random_start(&s, 0, RANDOM_SYNTHETIC, stream);
    *label = (int32_t)random_below(&s, CLASSES);
    const struct glyph *ways[GLYPHS];
    uint32_t known = 0;
    for (int g = 0; g < GLYPHS; g++)
        if (glyphs[g].digit == *label) ways[known++] = &glyphs[g];
    const struct glyph *glyph = ways[random_below(&s, known)];

    struct point placed[POINTS] = {{0, 0}};
    float ink[PIXELS] = {0};
    place_points(placed, glyph, &s);
    const float radius = between(&s, 0.5f, 1.6f), strength = between(&s, 0.55f, 1.0f);
    for (int first = 0, i = 0; i <= glyph->points; i++) {
        if (i < glyph->points && !is_gap(glyph->point[i])) continue;
        draw_stroke(ink, placed + first, i - first, radius, strength);
        first = i + 1;
    }
    draw_strays(ink, &s);

    const float noise = between(&s, 0, 0.25f) / 128;
    uint32_t bits = 0;
    for (int i = 0; i < PIXELS; i++) {
        bits = i % 4 == 0 ? random_bits(&s) : bits >> 8;
        const float value = ink[i] + noise * (float)((int)(bits & 255) - 128);
        pixels[i] = (uint8_t)(255 * fminf(fmaxf(value, 0), 1) + 0.5f);
    }
}

static void fill_split(cgsv_split *split, uint8_t *pixels, int64_t first)
{
    uint64_t count[256] = {0};
    float table[256];
    assert(split->samples > 0);
    for (int64_t i = 0; i < split->samples; i++)
        draw_sample(pixels + i * PIXELS, &split->y[i], (uint64_t)(first + i));
    for (int64_t i = 0; i < split->samples * PIXELS; i++) count[pixels[i]]++;
    standard_table(table, count);
    for (int64_t i = 0; i < split->samples * PIXELS; i++) split->x[i] = table[pixels[i]];
}

cgsv_status synthetic_load(cgsv_dataset *dataset)
{
    dataset->channels = 1;
    dataset->height = dataset->width = SIDE;
    dataset->classes = CLASSES;
    TRY(split_allocate(&dataset->train, TRAIN_SAMPLES, PIXELS));
    TRY(split_allocate(&dataset->test, TEST_SAMPLES, PIXELS));
    uint8_t *pixels = malloc((size_t)TRAIN_SAMPLES * PIXELS);
    if (!pixels) return error_set(CGSV_ERROR_MEMORY, "no memory to draw %d samples", TRAIN_SAMPLES);
    fill_split(&dataset->train, pixels, 0);
    fill_split(&dataset->test, pixels, TRAIN_SAMPLES);
    free(pixels);
    return CGSV_OK;
}
