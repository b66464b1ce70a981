/* The parser of command-line options, on a table of its own, and that of lists. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/list.h"
#include "cli/options.h"
#include "core/names.h"

static int agents;
static double rate;
static uint64_t seed;
static const char *text;
static int color;
static bool force, twins;
static int every;
static struct option_strings files;

static const char *const colors[] = {"red", "green"};
static cgsv_status parse_color(void *value, const char *name) { return name_parse(value, "color", name, colors, 2); }
static const char *show_color(const void *value) { return colors[*(const int *)value]; }

static struct option table[] = {
    {"agents", "num-agents", OPTION_INT, &agents, "N", "First", .help = "how many", .range = {1, 100, false, false}},
    {"rate", NULL, OPTION_DOUBLE, &rate, "R", "First", .help = "how fast", .range = {0, 1, false, true}},
    {"scale", NULL, OPTION_DOUBLE, &rate, "S", "First", .help = "how large", .range = {0, INFINITY, true, false}},
    {"seed", NULL, OPTION_UINT64, &seed, "S", "Second", .help = "which"},
    {"text", NULL, OPTION_STRING, &text, "T", "Second", .help = "what"},
    {"color", NULL, OPTION_CHOICE, &color, "C", "Second", .help = "red or green", .parse = parse_color,
     .show = show_color},
    {"force", NULL, OPTION_FLAG, &force, NULL, "Second", .help = "really"},
    {"every", NULL, OPTION_INT, &every, "K", "Second", .help = "how often", .range = {0, 9, false, false},
     .implied = "1"},
    {"files", NULL, OPTION_STRINGS, &files, "FILE...", "Second", .help = "which files"},
    {"twins", NULL, OPTION_SWITCH, &twins, NULL, "Second", .help = "also twins"},
};
enum { COUNT = sizeof table / sizeof *table };

static bool help;

static void reset(void)
{
    agents = 5, rate = 0.5, seed = 1, text = NULL, color = 0, force = false, twins = true, every = 0, files.count = 0;
    for (int i = 0; i < COUNT; i++) table[i].given = false;
}

TestSuite(options, .init = reset);

static char *argv[5]; /* strings are left in it */

/* Parses up to four arguments, NULL for the end. */
static cgsv_status parse(const char *a, const char *b, const char *c, const char *d)
{
    char *const arguments[] = {(char *)a, (char *)b, (char *)c, (char *)d, NULL};
    memcpy(argv, arguments, sizeof argv);
    int argc = 0;
    while (argv[argc]) argc++;
    return options_parse(table, COUNT, argc, argv, &help);
}

static void expect_error(const char *a, const char *b, const char *message)
{
    cr_expect_eq(parse(a, b, NULL, NULL), CGSV_ERROR_ARGUMENT, "%s %s is taken", a, b ? b : "");
    cr_expect(strstr(cgsv_last_error(), message), "%s %s: expected '%s' in '%s'", a, b ? b : "", message,
              cgsv_last_error());
    cr_expect_null(strchr(cgsv_last_error(), '\n'));
}

Test(options, values)
{
    cr_assert_eq(parse("--agents", "7", "--rate=0.25", "--force"), CGSV_OK, "%s", cgsv_last_error());
    cr_expect(agents == 7 && rate == 0.25 && force && !help);
    cr_assert_eq(parse("--seed", "18446744073709551615", "--text", "-x y"), CGSV_OK);
    cr_expect(seed == UINT64_MAX && strcmp(text, "-x y") == 0);
    cr_assert_eq(parse("--color=green", "--no-twins", "--text=a=b", "--num-agents=100"), CGSV_OK);
    cr_expect(color == 1 && !twins && strcmp(text, "a=b") == 0 && agents == 100);
    cr_assert_eq(parse("--twins", "--rate", "0", "--agents=+3"), CGSV_OK);
    cr_expect(twins && rate == 0 && agents == 3);
    cr_assert_eq(parse("--agents", "1", "--agents", "2"), CGSV_OK);
    cr_expect_eq(agents, 2, "the last one wins");
    cr_assert_eq(parse("--scale", "1e7", NULL, NULL), CGSV_OK);
    cr_expect_eq(rate, 1e7);
    cr_assert_eq(parse(NULL, NULL, NULL, NULL), CGSV_OK);
}

Test(options, a_value_that_may_be_left_out)
{
    cr_assert_eq(parse("--every", "--agents", "7", NULL), CGSV_OK, "%s", cgsv_last_error());
    cr_expect(every == 1 && agents == 7);
    cr_assert_eq(parse("--every=4", NULL, NULL, NULL), CGSV_OK);
    cr_expect_eq(every, 4);
    expect_error("--every", "4", "unexpected argument '4'");
    expect_error("--every=", NULL, "not a whole number");
    expect_error("--every=10", NULL, "at most 9");
}

Test(options, several_strings)
{
    cr_assert_eq(parse("--files", "a", "-b c", "--force"), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(files.count, 2);
    cr_expect(strcmp(files.values[0], "a") == 0 && strcmp(files.values[1], "-b c") == 0 && force);
    cr_assert_eq(parse("--files=x=y", "--agents=3", NULL, NULL), CGSV_OK);
    cr_assert_eq(files.count, 1);
    cr_expect(strcmp(files.values[0], "x=y") == 0 && agents == 3);
    expect_error("--files", NULL, "--files needs a value: --files FILE...");
    expect_error("--files", "--force", "needs a value");
    expect_error("--files=", NULL, "needs a value");
    expect_error("--files=x", "y", "unexpected argument 'y'");
}

Test(options, given)
{
    cr_assert_eq(parse("--num-agents", "5", "--no-twins", NULL), CGSV_OK);
    cr_expect(options_given(table, COUNT, "agents"));
    cr_expect(options_given(table, COUNT, "twins"));
    cr_expect_not(options_given(table, COUNT, "seed"));
}

Test(options, numbers_that_are_none)
{
    static const char *const bad[] = {"",    " 7",  "7 ",   "7x",     "0x10", "1e2", "7.0", "seven",
                                      "nan", "--7", "7,000", "- 7", "+",    "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char argument[32];
        snprintf(argument, sizeof argument, "--agents=%s", bad[i]);
        expect_error(argument, NULL, "not a whole number");
        cr_expect_eq(agents, 5, "the value stays");
    }
    expect_error("--seed", "-1", "not a whole number");
    expect_error("--seed", "+1", "not a whole number");
    expect_error("--seed=", NULL, "not a whole number");
    expect_error("--rate", "0.5x", "not a number");
    expect_error("--rate", " 0.5", "not a number");
    expect_error("--rate=", NULL, "not a number");
    expect_error("--rate", "nan", "not a finite number");
    expect_error("--rate", "-NaN", "not a finite number");
    expect_error("--scale", "inf", "not a finite number");
    expect_error("--scale", "1e999", "not a finite number");
}

Test(options, ranges)
{
    expect_error("--agents", "0", "at least 1 and at most 100");
    expect_error("--agents", "101", "out of range");
    expect_error("--agents", "2147483648", "out of range");
    expect_error("--agents", "99999999999999999999999", "out of range");
    expect_error("--agents", "-99999999999999999999999", "out of range");
    expect_error("--rate", "1", "at least 0 and below 1");
    expect_error("--rate", "-1", "out of range");
    expect_error("--scale", "0", "above 0");
    expect_error("--scale", "1e-999", "above 0");
    expect_error("--seed", "18446744073709551616", "at most 18446744073709551615");
}

Test(options, wrong_use)
{
    expect_error("--agent", "3", "did you mean '--agents'?");
    expect_error("--no-twin", NULL, "did you mean '--no-twins'?");
    expect_error("--forse=1", NULL, "unknown option '--forse'; did you mean '--force'?");
    expect_error("--hlep", NULL, "did you mean '--help'?");
    expect_error("--qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", NULL,
                 "see --help");
    expect_error("--no-force", NULL, "unknown option '--no-force'");
    expect_error("--agents", NULL, "--agents needs a value: --agents N");
    expect_error("--text", "--force", "needs a value");
    expect_error("--text=", NULL, "empty");
    expect_error("--force=1", NULL, "takes no value");
    expect_error("--no-twins=1", NULL, "takes no value");
    expect_error("--color", "gren", "did you mean 'green'?");
    expect_error("extra", NULL, "unexpected argument 'extra'");
    expect_error("-n", NULL, "unexpected argument");
    expect_error("--", NULL, "unexpected argument");
    expect_error("--=3", NULL, "unknown option");
}

static const char *paths[4];
static struct option_files named = {.paths = paths};

static cgsv_status parse_files(const char *a, const char *b, const char *c, const char *d)
{
    char *argv[5] = {(char *)a, (char *)b, (char *)c, (char *)d, NULL};
    int argc = 0;
    while (argv[argc]) argc++;
    return options_parse_with_files(table, COUNT, argc, argv, &help, &named);
}

Test(options, files)
{
    cr_assert_eq(parse_files("a.npy", "--agents", "7", "b.npy"), CGSV_OK, "%s", cgsv_last_error());
    cr_expect(agents == 7 && named.count == 2 && strcmp(paths[0], "a.npy") == 0 && strcmp(paths[1], "b.npy") == 0);
    cr_assert_eq(parse_files("--force", NULL, NULL, NULL), CGSV_OK);
    cr_expect(force && named.count == 0);
    cr_assert_eq(parse_files("--", "--agents", "-h", "--"), CGSV_OK, "%s", cgsv_last_error());
    cr_expect(named.count == 3 && !help && strcmp(paths[0], "--agents") == 0 && strcmp(paths[2], "--") == 0);
    cr_assert_eq(parse_files("a", "--help", "--nonsense", NULL), CGSV_OK);
    cr_expect(help);
    cr_expect_eq(parse_files("-a", NULL, NULL, NULL), CGSV_ERROR_ARGUMENT);
    cr_expect(strstr(cgsv_last_error(), "unexpected argument '-a'; options begin with --, and a file"));
    cr_expect_eq(parse_files("", NULL, NULL, NULL), CGSV_ERROR_ARGUMENT);
    cr_expect(strstr(cgsv_last_error(), "empty"));
    cr_expect_eq(parse_files("a", "--agent", "3", NULL), CGSV_ERROR_ARGUMENT);
    cr_expect(strstr(cgsv_last_error(), "did you mean '--agents'?"));
}

Test(options, help)
{
    cr_assert_eq(parse("--agents", "9", "-h", "--nonsense"), CGSV_OK);
    cr_expect(help && agents == 9);
    char *lines = options_help(table, COUNT);
    cr_assert_not_null(lines);
    const char *first = strstr(lines, "First:"), *second = strstr(lines, "Second:");
    cr_expect(first && second && first < second);
    cr_expect(strstr(lines, "--agents N "), "%s", lines);
    cr_expect(strstr(lines, "--every[=K] "));
    cr_expect(strstr(lines, "how many (default 9)"));
    cr_expect(strstr(lines, "--[no-]twins"));
    cr_expect(strstr(lines, "also twins (default on)"));
    cr_expect(strstr(lines, "red or green (default red)"));
    cr_expect(strstr(lines, "what\n"), "no default, none shown");
    free(lines);
}

static struct number_list list;

static void expect_numbers(const char *argument, int count, const int64_t *numbers)
{
    list = (struct number_list){.low = 1, .high = 1000000};
    cr_assert_eq(number_list_parse(&list, argument), CGSV_OK, "%s: %s", argument, cgsv_last_error());
    cr_assert_eq(list.count, count, "%s: %d numbers", argument, list.count);
    for (int i = 0; i < count; i++)
        cr_expect_eq(list.number[i], numbers[i], "%s: number %d is %lld", argument, i, (long long)list.number[i]);
    cr_expect_str_eq(list.text, argument);
}
#define EXPECT_NUMBERS(argument, ...)                                                \
    expect_numbers(argument, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), \
                   (int64_t[]){__VA_ARGS__})

static void expect_no_list(const char *argument, const char *message)
{
    list = (struct number_list){.low = 1, .high = 1000000};
    cr_expect_eq(number_list_parse(&list, argument), CGSV_ERROR_ARGUMENT, "'%s' is taken", argument);
    cr_expect(strstr(cgsv_last_error(), message), "'%s': expected '%s' in '%s'", argument, message, cgsv_last_error());
}

Test(options, lists_of_numbers)
{
    EXPECT_NUMBERS("7", 7);
    EXPECT_NUMBERS("10,5,7", 10, 5, 7);
    EXPECT_NUMBERS("5..8", 5, 6, 7, 8);
    EXPECT_NUMBERS("5..5", 5);
    EXPECT_NUMBERS("10..40:15", 10, 25, 40);
    EXPECT_NUMBERS("10..39:15", 10, 25);
    EXPECT_NUMBERS("2^4..2^7", 16, 32, 64, 128);
    EXPECT_NUMBERS("3^0..3^3", 1, 3, 9, 27);
    EXPECT_NUMBERS("2^3..2^4:4", 8, 12, 16);
    EXPECT_NUMBERS("2^2..6", 4, 5, 6);
    EXPECT_NUMBERS("1k,2..3,1M", 1000, 2, 3, 1000000);
    EXPECT_NUMBERS("1k..3k:1k", 1000, 2000, 3000);
    EXPECT_NUMBERS("7^1", 7);
    cr_assert_eq(number_list_parse(&list, "none"), CGSV_OK);
    cr_expect_eq(list.count, 0);
    cr_assert_eq(number_list_parse(&list, "1..256"), CGSV_OK);
    cr_expect_eq(list.count, 256);
}

Test(options, lists_that_are_none)
{
    static const char *const none[] = {"x",    "5x",   "5 ",    " 5",    "-5",     "+5",       "5.",    "5..",
                                       "5...8", "5..x", "5..8x", "5..8:", "5..8:0", "5..8:-1", "2^",    "2^x",
                                       "^2",   "1e3",  "0x10",  "5-8",   "1K",     "2^2^2",    "nan",   "5..8..9",
                                       "none,5", "99999999999999999999", "2^64", "10000000000000M"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) expect_no_list(none[i], "neither a whole number");
    expect_no_list("", "empty item");
    expect_no_list("5,", "empty item");
    expect_no_list(",5", "empty item");
    expect_no_list("5,,6", "empty item");
    expect_no_list("0", "at least 1 and at most 1000000");
    expect_no_list("1000001", "out of range");
    expect_no_list("2^62", "out of range");
    expect_no_list("0^1", "out of range");
    expect_no_list("8..5", "backwards");
    expect_no_list("5,5", "twice");
    expect_no_list("5,1..9", "twice");
    expect_no_list("1..257", "more than 256");
    expect_no_list("5,1111111111111111111111111111111111111111111111111111111111111111", "longer than 63");
}
