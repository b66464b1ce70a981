/* The paper's statistics and tables: what seeds give, what is undefined or failed, what is best, and what the
 * sentences under the fairness table make of it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/paper_table.h"
#include "cli/paper_verdict.h"

static void expect_text(const struct statistic *s, double scale, int decimals, const char *expected)
{
    char text[STATISTIC_TEXT];
    statistic_text(text, s, scale, decimals);
    cr_expect_str_eq(text, expected);
}

/* Variance of 1, 2, 4: ((4/3)² + (1/3)² + (5/3)²) / 2 = 7/3. */
Test(statistic, mean_and_sample_deviation)
{
    const double value[] = {1, 2, 4};
    const bool failed[3] = {false};
    const struct statistic s = statistic_of(value, failed, 3);
    cr_expect_float_eq(s.mean, 7.0 / 3, 1e-15);
    cr_expect_float_eq(s.deviation, sqrt(7.0 / 3), 1e-15);
    cr_expect(s.defined == 3 && s.undefined == 0 && s.failed == 0);
    expect_text(&s, 100, 1, "233.3 ± 152.8");
    expect_text(&s, 1, -3, "2.33 ± 1.5");
}

/* The two large values differ by 1: squares of sums would lose that. */
Test(statistic, deviation_beside_a_large_mean)
{
    const double value[] = {1e9, 1e9 + 1};
    const bool failed[2] = {false};
    cr_expect_float_eq(statistic_of(value, failed, 2).deviation, sqrt(0.5), 1e-9);
}

Test(statistic, undefined_and_failed_are_counted_and_no_zeros)
{
    const double value[] = {0.5, NAN, 123, 0.7};
    const bool failed[] = {false, false, true, false};
    const struct statistic s = statistic_of(value, failed, 4);
    cr_expect_float_eq(s.mean, 0.6, 1e-15);
    cr_expect_float_eq(s.deviation, sqrt(0.02), 1e-15);
    cr_expect(s.defined == 2 && s.undefined == 1 && s.failed == 1);
    expect_text(&s, 1, 2, "0.60 ± 0.14 (2 of 4)");
}

Test(statistic, one_value_has_no_deviation)
{
    const double value[] = {0.25};
    const bool failed[] = {false};
    const struct statistic s = statistic_of(value, failed, 1);
    cr_expect_float_eq(s.mean, 0.25, 0);
    cr_expect(isnan(s.deviation));
    expect_text(&s, 100, 1, "25.0");
}

Test(statistic, nothing_defined)
{
    const double value[] = {NAN, NAN};
    const bool undefined[2] = {false}, failed[] = {true, true};
    const struct statistic none = statistic_of(value, undefined, 2), lost = statistic_of(value, failed, 2);
    cr_expect(isnan(none.mean) && isnan(none.deviation) && none.undefined == 2);
    expect_text(&none, 100, 1, "-");
    expect_text(&lost, 100, 1, "failed");
    cr_expect(isnan(statistic_of(value, undefined, 0).mean));
}

Test(statistic, margin)
{
    const struct statistic a = {.mean = 5, .deviation = 3}, b = {.mean = 7, .deviation = 4};
    const struct statistic single = {.mean = 1, .deviation = NAN};
    cr_expect_float_eq(statistic_margin(&a, &b).difference, -2, 0);
    cr_expect_float_eq(statistic_margin(&a, &b).deviation, 5, 1e-15);
    cr_expect(isnan(statistic_margin(&a, &single).deviation));
}

/* ---- tables ---- */

static void add(struct paper_cells *cells, const char *partition, const char *scheme, double rho, double local)
{
    struct paper_cell cell = {.part = PAPER_FAIRNESS, .data_set = "digits", .agents = 5};
    strcpy(cell.partition, partition);
    strcpy(cell.column, scheme);
    for (int i = 0; i < PAPER_QUANTITIES; i++) cell.value[i] = NAN;
    cell.value[PAPER_RHO] = rho;
    cell.value[PAPER_RHO_LOCAL] = local;
    cr_assert(paper_cells_add(cells, &cell) == CGSV_OK);
}

/* Two seeds: cgsv 0.9 ± 0.1 √2 and 0.4 ± 0; fedavg by its local ρ; dw above cgsv in the second row. */
static struct paper_cells make_cells(void)
{
    struct paper_cells cells = {0};
    add(&cells, "powerlaw", "cgsv", 0.8, 0);
    add(&cells, "powerlaw", "cgsv", 1.0, 0);
    add(&cells, "powerlaw", "fedavg", NAN, 0.95);
    add(&cells, "powerlaw", "fedavg", NAN, 0.97);
    add(&cells, "powerlaw", "dw", 0.5, 0);
    add(&cells, "powerlaw", "dw", NAN, 0);
    add(&cells, "powerlaw", "standalone", 1, 0);
    add(&cells, "uniform", "cgsv", 0.4, 0);
    add(&cells, "uniform", "cgsv", 0.4, 0);
    add(&cells, "uniform", "dw", 0.5, 0);
    add(&cells, "uniform", "dw", 0.7, 0);
    return cells;
}

Test(table, entries_fallback_and_best)
{
    struct paper_cells cells = make_cells();
    struct paper_table t;
    cr_assert(paper_table_make(&t, &paper_kinds[0], &cells) == CGSV_OK);
    cr_assert(t.rows == 2 && t.columns == 3);
    cr_expect(paper_table_column(&t, "standalone") == -1, "its rho is 1 by definition");
    const int cgsv = paper_table_column(&t, "cgsv"), fedavg = paper_table_column(&t, "fedavg");
    const int dw = paper_table_column(&t, "dw");
    cr_expect_float_eq(paper_table_entry(&t, 0, cgsv)->value.mean, 0.9, 1e-15);
    cr_expect(!paper_table_entry(&t, 0, cgsv)->local);
    cr_expect(paper_table_entry(&t, 0, fedavg)->local);
    cr_expect_float_eq(paper_table_entry(&t, 0, fedavg)->value.mean, 0.96, 1e-15);
    cr_expect(paper_table_entry(&t, 0, dw)->value.undefined == 1 && !paper_table_entry(&t, 0, dw)->local);
    cr_expect(paper_table_entry(&t, 1, fedavg)->value.defined == 0, "no such cells");
    cr_expect(paper_table_is_best(&t, 0, fedavg) && !paper_table_is_best(&t, 0, cgsv));
    cr_expect(paper_table_is_best(&t, 1, dw) && !paper_table_is_best(&t, 1, fedavg));
    paper_table_free(&t);
    paper_cells_free(&cells);
}

static char *verdict_of(const struct paper_cells *cells)
{
    char *text;
    size_t size;
    struct paper_table t;
    FILE *stream = open_memstream(&text, &size);
    cr_assert(stream && paper_table_make(&t, &paper_kinds[0], cells) == CGSV_OK);
    paper_verdict_write(stream, &t, "cgsv", "cgsv-exact");
    fclose(stream);
    paper_table_free(&t);
    return text;
}

Test(verdict, rivals_margins_and_counts)
{
    struct paper_cells cells = make_cells();
    char *text = verdict_of(&cells);
    cr_expect(strstr(text, "in 0 of 2 rows, and above that of every baseline without † in 1 of them."), "%s", text);
    cr_expect(strstr(text, "- digits, N = 5, powerlaw: cgsv is exceeded or equalled: fedavg (†) by 6.0, 0.4 times the "
                           "deviation of the difference (14.2).\n"), "%s", text);
    cr_expect(strstr(text, "- digits, N = 5, uniform: cgsv is exceeded or equalled: dw by 20.0, 1.4 times the "
                           "deviation of the difference (14.1).\n"), "%s", text);
    free(text);
    paper_cells_free(&cells);
}

Test(verdict, own_variant_is_no_rival)
{
    struct paper_cells cells = {0};
    add(&cells, "powerlaw", "cgsv", 0.5, 0);
    add(&cells, "powerlaw", "cgsv-exact", 0.9, 0);
    add(&cells, "powerlaw", "dw", 0.25, 0);
    char *text = verdict_of(&cells);
    cr_expect(strstr(text, "in 1 of 1 rows"), "%s", text);
    cr_expect(strstr(text, "cgsv is above all baselines, and above the next one, dw by 25.0, of unknown deviation."),
              "%s", text);
    free(text);
    paper_cells_free(&cells);
}

Test(verdict, without_cgsv_or_without_its_value)
{
    struct paper_cells cells = {0};
    add(&cells, "powerlaw", "dw", 0.25, 0);
    char *text = verdict_of(&cells);
    cr_expect(strstr(text, "cgsv is not among the schemes"), "%s", text);
    free(text);
    add(&cells, "powerlaw", "cgsv", NAN, NAN);
    text = verdict_of(&cells);
    cr_expect(strstr(text, "in 0 of 1 rows") && strstr(text, "cgsv has no defined value"), "%s", text);
    free(text);
    paper_cells_free(&cells);
}
