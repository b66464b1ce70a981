/* Reports: ticks of axes, tables that others wrote, escaping, plots. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/chart.h"
#include "io/csv_read.h"
#include "io/html.h"
#include "temporary.h"

/* ---- ticks ---- */

/* All ticks as text, with blanks between. */
static const char *ticks_text(const struct chart_ticks *ticks)
{
    static char text[600];
    char one[CHART_NUMBER];
    *text = '\0';
    for (int i = 0; i < ticks->count; i++)
        sprintf(text + strlen(text), "%s%s", i ? " " : "", chart_tick_text(one, ticks, i));
    return text;
}

Test(ticks, linear)
{
    static const struct {
        double low, high;
        bool loose, whole;
        const char *ticks;
        double from, to; /* the range afterwards */
    } cases[] = {
        {0, 1, true, false, "0.0 0.2 0.4 0.6 0.8 1.0", 0, 1},
        {0.604, 0.829, true, false, "0.60 0.65 0.70 0.75 0.80 0.85", 0.6, 0.85},
        {-0.3, 0.7, true, false, "-0.4 -0.2 0.0 0.2 0.4 0.6 0.8", -0.4, 0.8},
        {1, 12, false, true, "2 4 6 8 10 12", 1, 12},
        {1, 3, false, true, "1 2 3", 1, 3},
        {1, 1, false, true, "1", 0.5, 1.5},
        {1, 1000, false, true, "200 400 600 800 1000", 1, 1000},
        {0, 0, true, false, "0.0 0.2 0.4 0.6 0.8 1.0", 0, 1},
        {5, 5, true, false, "4.7 4.8 4.9 5.0 5.1 5.2 5.3", 4.7, 5.3},
        {NAN, 3, true, false, "0.0 0.2 0.4 0.6 0.8 1.0", 0, 1},
        {0, INFINITY, true, false, "0.0 0.2 0.4 0.6 0.8 1.0", 0, 1},
        {0, 3e-7, true, false, "0 5e-08 1e-07 1.5e-07 2e-07 2.5e-07 3e-07", 0, 3e-7},
        {2e6, 9e6, true, false, "2e+06 4e+06 6e+06 8e+06 1e+07", 2e6, 1e7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chart_ticks ticks;
        double low = cases[i].low, high = cases[i].high;
        chart_ticks_linear(&ticks, &low, &high, 7, cases[i].loose, cases[i].whole);
        cr_expect_str_eq(ticks_text(&ticks), cases[i].ticks, "case %zu: %s", i, ticks_text(&ticks));
        cr_expect_float_eq(low, cases[i].from, 1e-9 * fabs(low), "case %zu: low %g", i, low);
        cr_expect_float_eq(high, cases[i].to, 1e-9 * fabs(high), "case %zu: high %g", i, high);
    }
}

/* Whatever the range: few ticks, in order, within it, and it holds the values that were given. */
Test(ticks, of_any_range)
{
    srand48(1);
    for (int i = 0; i < 20000; i++) {
        struct chart_ticks ticks;
        double a = (drand48() - 0.5) * pow(10, 40 * drand48() - 20), b = a + pow(10, 40 * drand48() - 20);
        double low = a, high = b;
        chart_ticks_linear(&ticks, &low, &high, 7, true, false);
        cr_assert(ticks.count >= 2 && ticks.count <= 7, "%g to %g: %d ticks", a, b, ticks.count);
        cr_assert(low <= a + 1e-6 * ticks.step && high >= b - 1e-6 * ticks.step, "%g to %g: %g to %g", a, b, low, high);
        for (int k = 1; k < ticks.count; k++) cr_assert_gt(ticks.value[k], ticks.value[k - 1]);
        low = a = fabs(a) + 1e-30, high = b = a * (1 + 1000 * drand48());
        chart_ticks_log(&ticks, &low, &high);
        cr_assert(ticks.count >= 2 && ticks.count <= 12, "%g to %g: %d ticks", a, b, ticks.count);
        cr_assert(low <= a * (1 + 1e-6) && high >= b * (1 - 1e-6) && low < high, "%g to %g: %g to %g", a, b, low, high);
    }
}

Test(ticks, logarithmic)
{
    static const struct {
        double low, high;
        const char *ticks;
    } cases[] = {
        {0.5, 20, "0.5 1 2 5 10 20"},  {0.7, 15, "0.5 1 2 5 10 20"}, {1, 1, "0.5 1 2"}, {3, 4, "2 5"},
        {0.9999999985, 20, "1 2 5 10 20"}, {0.1, 201, "0.1 1 10 100 1000"},
        {1e-9, 1e9, "1e-09 1e-06 0.001 1 1000 1e+06 1e+09"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chart_ticks ticks;
        double low = cases[i].low, high = cases[i].high;
        chart_ticks_log(&ticks, &low, &high);
        cr_expect_str_eq(ticks_text(&ticks), cases[i].ticks, "case %zu: %s", i, ticks_text(&ticks));
    }
}

/* ---- tables ---- */

TestSuite(csv_read, .init = temporary_make, .fini = temporary_remove);

static const char *write_table(const char *bytes, size_t size)
{
    temporary_put("table.csv", bytes, size);
    return temporary_path("table.csv");
}

/* Rows as "field|field;" up to the end or the first error. */
static cgsv_status read_all(char *text, const char *bytes, size_t size)
{
    struct csv_reader reader;
    bool row;
    *text = '\0';
    cgsv_status status = csv_reader_open(&reader, write_table(bytes, size));
    if (status != CGSV_OK) return status;
    while ((status = csv_reader_next(&reader, &row)) == CGSV_OK && row)
        for (int i = 0; i < reader.columns; i++)
            sprintf(text + strlen(text), "%s%s", reader.fields[i], i < reader.columns - 1 ? "|" : ";");
    csv_reader_close(&reader);
    return status;
}

Test(csv_read, rows)
{
    static const char *const cases[][2] = {
        {"a,b\n1,2\n", "1|2;"},
        {"a,b\n1,2", "1|2;"},
        {"a,b\r\n1,2\r\n", "1|2;"},
        {"\xef\xbb\xbf" "a,b\n1,2\n", "1|2;"},
        {"a,b\n,\n", "|;"},
        {"a,b\n\n1,2\n\n\n3,4\n", "1|2;3|4;"},
        {"a,b\n\"x, \"\"y\"\"\",\"two\nlines\"\n", "x, \"y\"|two\nlines;"},
        {"a,b\n\"\",\"\"\n", "|;"},
        {"a\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        cr_expect_eq(read_all(text, cases[i][0], strlen(cases[i][0])), CGSV_OK, "case %zu: %s", i, cgsv_last_error());
        cr_expect_str_eq(text, cases[i][1], "case %zu: %s", i, text);
    }
}

Test(csv_read, refusals)
{
    static const struct {
        const char *bytes, *message;
        size_t size; /* 0: up to the NUL */
    } cases[] = {
        {"\n", "line 2: no header", 0},
        {"a,a\n", "line 1: two columns are named 'a'", 0},
        {"a,b\n1,2\n3\n", "line 3: 1 fields, but the header has 2", 0},
        {"a,b\n1,2,3\n", "line 2: 3 fields, but the header has 2", 0},
        {"a,b\n\"x\ny\",1\n2\n", "line 4: 1 fields", 0},
        {"a,b\n1,\"2\n", "line 2: a quote is not closed", 0},
        {"a,b\n1,2\"\n", "line 2: a quote within a field", 0},
        {"a,b\n1,\"2\"x\n", "line 2: text behind a closing quote", 0},
        {"a,b\n1,\r2\n", "line 2: a carriage return", 0},
        {"a,b\n1,2\0\n", "line 2: a NUL byte", 9},
        {"a,b\n1,\"2\0\"\n", "line 2: a NUL byte", 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        cr_expect_eq(read_all(text, cases[i].bytes, cases[i].size ? cases[i].size : strlen(cases[i].bytes)),
                     CGSV_ERROR_DATA, "case %zu", i);
        cr_expect_not_null(strstr(cgsv_last_error(), cases[i].message), "case %zu: %s", i, cgsv_last_error());
    }
}

Test(csv_read, numbers)
{
    static const char table[] = "a,b,c,d,e\n-1.5e3,,nan,2x,7\n";
    struct csv_reader reader;
    double value;
    bool row;
    cr_assert_eq(csv_reader_open(&reader, write_table(table, strlen(table))), CGSV_OK);
    cr_assert(csv_reader_next(&reader, &row) == CGSV_OK && row);
    cr_expect(csv_reader_number(&reader, csv_reader_column(&reader, "a"), &value) == CGSV_OK && value == -1500);
    cr_expect(csv_reader_number(&reader, csv_reader_column(&reader, "b"), &value) == CGSV_OK && isnan(value));
    cr_expect(csv_reader_number(&reader, csv_reader_column(&reader, "c"), &value) == CGSV_OK && isnan(value));
    cr_expect(csv_reader_number(&reader, csv_reader_column(&reader, "missing"), &value) == CGSV_OK && isnan(value));
    cr_expect_eq(csv_reader_number(&reader, csv_reader_column(&reader, "d"), &value), CGSV_ERROR_DATA);
    cr_expect_not_null(strstr(cgsv_last_error(), "line 2: '2x' of column 'd' is not a number"), "%s",
                       cgsv_last_error());
    csv_reader_close(&reader);
}

Test(csv_read, long_rows)
{
    const size_t size = (1 << 20) + 8;
    char *bytes = malloc(size), text[200];
    memset(bytes, 'x', size);
    memcpy(bytes, "a\n", 2);
    cr_expect_eq(read_all(text, bytes, size), CGSV_ERROR_DATA);
    cr_expect_not_null(strstr(cgsv_last_error(), "line 2: the row is longer than"), "%s", cgsv_last_error());
    free(bytes);
}

/* ---- text ---- */

static char *written; /* by the last stream */
static size_t written_length;
static FILE *begin(void) { return open_memstream(&written, &written_length); }

Test(html, text)
{
    static const char *const cases[][2] = {
        {"a & b", "a &amp; b"},
        {"<b c=\"d\" e='f'>", "&lt;b c=&quot;d&quot; e=&#39;f&#39;&gt;"},
        {"\xce\xb2 \xe2\x82\xac \xf0\x9f\x98\x80", "\xce\xb2 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\x1b[31m\x7f", "\xef\xbf\xbd[31m\xef\xbf\xbd"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},         /* overlong '/' */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},         /* cut short */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *to = begin();
        html_text(to, cases[i][0]);
        fclose(to);
        cr_expect_str_eq(written, cases[i][1], "case %zu: %s", i, written);
        free(written);
    }
}

Test(html, json)
{
    static const char *const cases[][2] = {
        {"\"<a>\"", "&lt;a&gt;"},   {"0.1", "0.1"},      {"12345678901", "12345678901"}, {"-2", "−2"},
        {"true", "yes"},            {"null", "–"},       {"[1, [2, \"b\"]]", "1, 2, b"}, {"[]", ""},
        {"{\"a&\": 1, \"b\": {\"c\": false}}", "a&amp;: 1, b: c: no"},
        {"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]",
         "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, …"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *value = cJSON_Parse(cases[i][0]);
        FILE *to = begin();
        html_json(to, value);
        fclose(to);
        cr_expect_str_eq(written, cases[i][1], "case %zu: %s", i, written);
        free(written);
        cJSON_Delete(value);
    }
}

Test(html, numbers_and_commands)
{
    cJSON *words = cJSON_Parse("[\"cgsv\", \"--out\", \"it's\", \"\", \"a b\"]");
    FILE *to = begin();
    html_decimals(to, -0.00001, 3);
    fputc(' ', to);
    html_decimals(to, -1.25, 1);
    fputc(' ', to);
    html_number(to, NAN, 4);
    fputc(' ', to);
    html_count(to, 1234567);
    fputc(' ', to);
    html_command(to, words);
    fclose(to);
    cr_expect_str_eq(written, "0.000 −1.2 – 1,234,567 cgsv --out &#39;it&#39;\\&#39;&#39;s&#39; &#39;&#39; "
                              "&#39;a b&#39;", "%s", written);
    free(written);
    cJSON_Delete(words);
}

/* ---- plots ---- */

static int occurrences(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) count++;
    return count;
}

static void draw(const struct chart *chart, bool alone)
{
    FILE *to = begin();
    chart_write(to, chart, alone);
    fclose(to);
}

Test(chart, gaps_and_escapes)
{
    const double x[] = {1, 2, 3, 4, 5}, y[] = {0.1, 0.2, NAN, 0.4, INFINITY};
    const struct chart_series series = {CHART_LINE, "<1>", "a & b", 5, x, y, NULL, NULL, 0};
    const struct chart chart = {.title = "\"t\"", .x_label = "x", .y_label = "y", .series = &series, .count = 1};
    cr_expect(chart_has_data(&chart));
    draw(&chart, true);
    cr_expect_eq(occurrences(written, "nan") + occurrences(written, "inf") + occurrences(written, "<1>"), 0);
    cr_expect_eq(occurrences(written, "a &amp; b"), 1);
    cr_expect_eq(occurrences(written, "var("), 0);
    const char *line = strstr(written, "<g class=\"line c0 d0\"><path d=\"M");
    cr_assert_not_null(line, "%s", written);
    line += strlen("<g class=\"line c0 d0\"><path d=\"M");
    const char *second = strchr(line, 'M'), *end = strchr(line, '"');
    cr_expect(second && second < end, "a gap begins the line anew");
    free(written);
}

Test(chart, nothing_to_draw)
{
    const double x[] = {1, 2}, y[] = {NAN, -1};
    const struct chart_series series = {CHART_LINE, NULL, NULL, 2, x, y, NULL, NULL, 0};
    struct chart chart = {.title = "", .x_label = "", .y_label = "", .series = &series, .count = 1};
    cr_expect(chart_has_data(&chart));
    chart.y_log = true;
    cr_expect_not(chart_has_data(&chart));
    chart.count = 0;
    cr_expect_not(chart_has_data(&chart));
}

/* Labels at the ends of 20 equal lines: at least 11 units apart, all on the plot. */
Test(chart, labels_do_not_overlap)
{
    const double x[] = {1, 2}, y[] = {0.5, 0.9};
    struct chart_series series[20];
    for (int i = 0; i < 20; i++)
        series[i] = (struct chart_series){CHART_LINE, "0", NULL, 2, x, y, NULL, NULL, i};
    const struct chart chart = {.title = "", .x_label = "", .y_label = "", .series = series, .count = 20};
    draw(&chart, false);
    double last = 0;
    int labels = 0;
    for (const char *at = written; (at = strstr(at, "<text class=\"label\"")); at++, labels++) {
        const double y_of = strtod(strstr(at, "y=\"") + 3, NULL);
        cr_expect_geq(y_of, labels ? last + 11 : 10);
        cr_expect_leq(y_of, 300);
        last = y_of;
    }
    cr_expect_eq(labels, 20);
    free(written);
}
