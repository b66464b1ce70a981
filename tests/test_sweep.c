/* The parts of a sweep: which settings its cells get, and rows that are read back. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "cli/checkpoint_clock.h"
#include "cli/sweep_options.h"
#include "io/file.h"
#include "io/sweep_row.h"
#include "temporary.h"

static cgsv_status parse(struct sweep_options *o, int argc, char **argv) { return sweep_options_parse(o, argc, argv); }
#define PARSE(o, ...) parse(o, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

/* The last axis of the table changes fastest, whatever the order on the command line. */
Test(sweep, cells_are_all_combinations)
{
    const double betas[] = {0.5, 1, 1e7};
    struct sweep_options o;
    cgsv_config config;
    check(PARSE(&o, "--beta", "0.5,1,1e7", "--agents=3..5", "--seed", "7", "--lr", "0.25"));
    cr_assert_eq(o.cells, 9);
    for (int cell = 0; cell < 9; cell++) {
        check(sweep_cell_config(&config, &o, cell));
        cr_expect_eq(config.agents, 3 + cell / 3);
        cr_expect_eq(config.beta, betas[cell % 3]);
        cr_expect_eq(config.seed, 7);
        cr_expect_eq(config.lr, 0.25);
        cr_expect_eq(config.batch, 32, "a setting that was not given is the data set's");
    }
    sweep_options_free(&o);
}

/* What was not given follows the cell's scheme, what was given does not. */
Test(sweep, schemes_set_what_was_not_given)
{
    struct sweep_options o;
    axis_value value[RUN_OPTIONS];
    cgsv_config config;
    cgsv_scheme cffl;
    check(PARSE(&o, "--scheme", "cffl,cgsv", "--quota", "linear"));
    check(cgsv_scheme_named(&cffl, "cffl"));
    for (int pass = 0; pass < 2; pass++) { /* a cell must not see another's */
        check(sweep_cell_config(&config, &o, 0));
        cr_expect_eq(config.alpha, 0.8);
        cr_expect_eq(config.scheme.weights, cffl.weights);
        cr_expect_eq(config.scheme.quota, CGSV_QUOTA_LINEAR);
        check(sweep_cell_config(&config, &o, 1));
        cr_expect_eq(config.alpha, 0.95);
        cr_expect_eq(config.scheme.weights, CGSV_WEIGHTS_IMPORTANCE);
        cr_expect_eq(config.scheme.quota, CGSV_QUOTA_LINEAR);
    }
    check(sweep_cell_settings(value, &o, 0));
    for (int i = 0; i < o.axes; i++) {
        const char *name = o.axis[i].option.name;
        char *text = sweep_axis_text(&o, i);
        cr_assert_not_null(text);
        if (strcmp(name, "alpha") == 0) {
            cr_expect_str_eq(text, "by scheme");
            cr_expect_str_eq(value[i], "0.8");
        }
        if (strcmp(name, "scheme") == 0) cr_expect_str_eq(text, "cffl,cgsv");
        if (strcmp(name, "quota") == 0) cr_expect_str_eq(text, "linear");
        if (strcmp(name, "beta") == 0) cr_expect_str_eq(text, "1");
        free(text);
    }
    sweep_options_free(&o);
}

static char *written(const struct sweep_row *row, const char *const *values, int axes)
{
    char *header, *text;
    const char *path = temporary_path("sweep.csv");
    struct csv csv;
    check(sweep_row_header(&header, axes ? "beta,partition," : ""));
    check(csv_create(&csv, path, header));
    check(csv_close(&csv));
    check(csv_append(&csv, path, header));
    sweep_row_write(&csv, row, values, axes);
    check(csv_close(&csv));
    check(file_read_text(&text, path, 1 << 20));
    cr_assert_eq(strncmp(text, header, strlen(header)), 0, "the header stays");
    char *line = strdup(strchr(text, '\n') + 1);
    cr_assert_not_null(line);
    line[strcspn(line, "\n")] = '\0';
    free(header);
    free(text);
    return line;
}

Test(sweep, rows_are_read_back, .init = temporary_make, .fini = temporary_remove)
{
    const char *values[] = {"0.5", "uniform"};
    struct sweep_row row = {.cell = 12}, back;
    for (int i = 0; i < SWEEP_NUMBERS; i++) row.number[i] = i % 4 ? i / 8.0 - 1 : NAN;
    char *line = written(&row, values, 2);
    cr_assert(sweep_row_read(&back, line, 2));
    cr_expect(back.cell == 12 && !back.failed && !back.error[0]);
    for (int i = 0; i < SWEEP_NUMBERS; i++)
        cr_expect(isnan(row.number[i]) ? isnan(back.number[i]) : row.number[i] == back.number[i], "number %d", i);
    cr_expect_not(sweep_row_read(&back, line, 1), "another number of axes");
    for (size_t length = strlen(line); length-- > 0;) {
        line[length] = '\0';
        cr_expect_not(sweep_row_read(&back, line, 2), "cut to %zu characters", length);
    }
    free(line);
}

Test(sweep, errors_may_hold_anything, .init = temporary_make, .fini = temporary_remove)
{
    struct sweep_row row, back;
    sweep_row_fail(&row, 3, "a \"quoted\", comma,\nand a line");
    char *line = written(&row, NULL, 0);
    cr_assert(sweep_row_read(&back, line, 0));
    cr_expect(back.failed && back.cell == 3 && isnan(back.number[0]));
    cr_expect_str_eq(back.error, "a \"quoted\", comma, and a line");
    free(line);
}

/* `start`, then so many empty columns. */
static const char *line_of(const char *start, int columns)
{
    static char line[128];
    snprintf(line, sizeof line, "%s%.*s", start, columns,
             ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,");
    return line;
}

Test(sweep, lines_that_are_no_rows)
{
    enum { COLUMNS = SWEEP_NUMBERS + 1 }; /* and the error's */
    struct sweep_row row;
    const char *const lines[] = {"", "x", ",", "-1,done", "1,done"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect_not(sweep_row_read(&row, lines[i], 0), "%s", lines[i]);
    cr_expect_not(sweep_row_read(&row, line_of("1,maybe", COLUMNS), 0), "an unknown status");
    cr_expect_not(sweep_row_read(&row, line_of("99999999999,done", COLUMNS), 0), "a number beyond int");
    cr_expect_not(sweep_row_read(&row, line_of("1,done,x", COLUMNS - 1), 0), "no number");
    cr_expect(sweep_row_read(&row, line_of("1,done", COLUMNS), 0));
}

/* Saving may take a hundredth of the time. */
Test(sweep, when_a_fleet_is_saved_unasked)
{
    const struct checkpoint_clock first = {.last = 1000}, cheap = {1000, 2.9}, dear = {1000, 6};
    cr_expect_not(checkpoint_clock_due(&first, 1299));
    cr_expect(checkpoint_clock_due(&first, 1300));
    cr_expect_not(checkpoint_clock_due(&cheap, 1299));
    cr_expect(checkpoint_clock_due(&cheap, 1300));
    cr_expect_not(checkpoint_clock_due(&dear, 1599));
    cr_expect(checkpoint_clock_due(&dear, 1600));
}
