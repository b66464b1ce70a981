/* Op cases of updates stored as bfloat16. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "op_frame.h"
#include "reference.h"

/* Numbers at the edges of rounding: halfway between two of 8 bits with the lower one even, and odd; next to halfway;
 * the largest that stay finite; those with no 8 bits left; what is not finite. */
static const uint32_t edges[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f817fff, 0x7f7f7fff, 0x7f7f8000, 0xff7fffff,
                                 0x00000001, 0x00008000, 0x80008001, 0x80000000, 0x7f800000, 0xff800000, 0x7f800001,
                                 0xffc12345};
enum { EDGES = sizeof edges / sizeof *edges };

/* The nearest number of 8 bits, in float64: the spacing of such numbers below 2^e is 2^(e - 8). */
static double nearest(float x)
{
    int exponent;
    if (!isfinite(x)) return x;
    frexp(x, &exponent);
    const double spacing = ldexp(1, (exponent < -125 ? -125 : exponent) - 8), y = rint((double)x / spacing) * spacing;
    return fabs(y) > 0xffp120 ? copysign(INFINITY, y) : y;
}

static float number_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void check_entry(int64_t i, uint16_t stored, float from, float before)
{
    const double want = nearest(before), got = number_of((uint32_t)stored << 16);
    if (isnan(want) ? !isnan(got) : got != want || !signbit(got) != !signbit(before))
        fail("entry %lld: %a stored as %a, not %a", (long long)i, before, got, want);
    if (isnan(want) ? !isnan(from) : from != got) fail("entry %lld is left as %a, not %a", (long long)i, from, got);
}

/* Rows: agent 2, a twin, agent 0. */
static void rounding_case(int64_t dimension, int with_norms, int with_edges)
{
    enum { ROWS = 3, AGENTS = 4 };
    const int64_t ld = dimension + 3, to_stride = dimension + 5;
    const int64_t pieces = (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    case_begin("round_updates of %lld, %s%s", (long long)dimension, with_norms ? "norms" : "no norms",
               with_edges ? ", edges" : "");
    struct row *row = TAKE(struct row, ROWS);
    static const int32_t agents[ROWS] = {2, -1, 0};
    for (int r = 0; r < ROWS; r++) row[r] = (struct row){.agent = with_norms ? agents[r] : r, .model = ROWS - r};
    struct update_rounding s = {.to = TAKE(uint16_t, AGENTS * to_stride), .from = take_random(ROWS * ld, 1e-3),
                                .to_stride = to_stride, .from_stride = ld, .dimension = dimension, .ld = ld,
                                .rows = ROWS};
    if (with_norms) {
        s.row = row;
        s.model = take_random((ROWS + 1) * ld, 1);
        s.norm_partial = TAKE(double, AGENTS * pieces * NORM_SUMS);
    }
    for (int64_t i = 0; with_edges && i < ROWS * ld; i += 3) s.from[i] = number_of(edges[i / 3 % EDGES]);
    float *before = TAKE(float, ROWS * ld);
    memcpy(before, s.from, (size_t)(ROWS * ld) * sizeof *before);
    error_free(k->round_updates(stream, s));
    for (int r = 0; r < ROWS; r++) {
        const int agent = row[r].agent;
        for (int64_t d = 0; d < dimension; d++) {
            const int64_t at = r * ld + d;
            if (agent >= 0)
                check_entry(at, s.to[agent * to_stride + d], s.from[at], before[at]);
            else
                same("a twin's", d, s.from[at], before[at]);
        }
        for (int64_t piece = 0; with_norms && agent >= 0 && piece < pieces; piece++) {
            const int64_t begin = piece * CHUNK_COLUMNS, left = dimension - begin;
            double want[NORM_SUMS], size[NORM_SUMS];
            reference_norm_sums(want, size, s.from + r * ld + begin, s.model + row[r].model * ld + begin,
                                left < CHUNK_COLUMNS ? left : CHUNK_COLUMNS);
            for (int i = 0; i < NORM_SUMS; i++)
                near("norm sum", i, s.norm_partial[(agent * pieces + piece) * NORM_SUMS + i], want[i],
                     1e-12 * size[i]);
        }
    }
    for (int a = 0; a < AGENTS; a++)
        for (int64_t d = a == 1 + 2 * !with_norms || a == 3 ? 0 : dimension; d < to_stride; d++)
            same("between rows", d, s.to[a * to_stride + d], 0xffff);
    case_end();
}

void store_cases(void)
{
    static const int64_t sizes[] = {1, 31, 33, CHUNK_COLUMNS - 1, CHUNK_COLUMNS, CHUNK_COLUMNS + 1, 9973};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rounding_case(sizes[i], 1, 0);
        rounding_case(sizes[i], 0, 1);
    }
}
