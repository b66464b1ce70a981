/* Command-line options from a table. Every value is read whole: what follows a
 * number, an overflow or a NaN is an error, never ignored. */
#include "cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/names.h"
#include "core/numbers.h"
#include "io/text_stream.h"

enum { HELP_COLUMN = 34, HELP_WIDTH = 100 };

static bool takes_value(const struct option *option)
{
    return option->kind != OPTION_FLAG && option->kind != OPTION_SWITCH;
}

/* "must be at least 0 and below 1" */
static void describe_range(char *text, size_t size, const struct option_range *range)
{
    int used = 0;
    if (isfinite(range->low))
        used = snprintf(text, size, "%s %.10g", range->low_excluded ? "above" : "at least", range->low);
    if (isfinite(range->high))
        snprintf(text + used, size - (size_t)used, "%s%s %.10g", used ? " and " : "",
                 range->high_excluded ? "below" : "at most", range->high);
}

static bool in_range(double value, const struct option_range *range)
{
    if (range->low_excluded ? !(value > range->low) : !(value >= range->low)) return false;
    return range->high_excluded ? value < range->high : value <= range->high;
}

static cgsv_status out_of_range(const struct option *option, const char *text)
{
    char range[96] = "";
    describe_range(range, sizeof range, &option->range);
    return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is out of range; it must be %s", option->name, text, range);
}

/* Numbers start with a digit, a sign or a point: strto… would also skip blanks. */
static bool starts_number(const char *text)
{
    return isdigit((unsigned char)*text) || (*text && strchr("+-.", *text));
}

static cgsv_status parse_int(const struct option *option, const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!starts_number(text) || end == text || *end)
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is not a whole number", option->name, text);
    if (errno == ERANGE || value < INT_MIN || value > INT_MAX || !in_range((double)value, &option->range))
        return out_of_range(option, text);
    *(int *)option->value = (int)value;
    return CGSV_OK;
}

static cgsv_status parse_uint64(const struct option *option, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10); /* takes "-1" for 2^64 - 1, hence the first test */
    if (!isdigit((unsigned char)*text) || *end)
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is not a whole number of at least 0", option->name, text);
    if (errno == ERANGE)
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is out of range; it must be at most %" PRIu64, option->name,
                         text, UINT64_MAX);
    *(uint64_t *)option->value = value;
    return CGSV_OK;
}

static cgsv_status parse_double(const struct option *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (isspace((unsigned char)*text) || end == text || *end)
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is not a number", option->name, text);
    if (!isfinite(value))
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is not a finite number", option->name, text);
    if (!in_range(value, &option->range)) return out_of_range(option, text);
    *(double *)option->value = value;
    return CGSV_OK;
}

cgsv_status options_parse_value(const struct option *option, const char *text)
{
    switch (option->kind) {
    case OPTION_INT: return parse_int(option, text);
    case OPTION_UINT64: return parse_uint64(option, text);
    case OPTION_DOUBLE: return parse_double(option, text);
    case OPTION_CHOICE:
        if (option->parse(option->value, text) == CGSV_OK) return CGSV_OK;
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: %s", option->name, cgsv_last_error());
    default:
        assert(option->kind == OPTION_STRING);
        if (!*text) return error_set(CGSV_ERROR_ARGUMENT, "--%s: the value is empty", option->name);
        *(const char **)option->value = text;
        return CGSV_OK;
    }
}

static bool is_name(const char *name, const char *text, size_t length)
{
    return name && strlen(name) == length && memcmp(name, text, length) == 0;
}

/* Finds text[length], without dashes; *negated for "no-name" of a switch. */
static struct option *find_option(struct option *options, int count, const char *text, size_t length, bool *negated)
{
    for (int i = 0; i < count; i++) {
        *negated = false;
        if (is_name(options[i].name, text, length) || is_name(options[i].alias, text, length)) return &options[i];
        *negated = options[i].kind == OPTION_SWITCH && length > 3 && memcmp(text, "no-", 3) == 0;
        if (*negated && is_name(options[i].name, text + 3, length - 3)) return &options[i];
    }
    return NULL;
}

static cgsv_status unknown_option(const struct option *options, int count, const char *text, size_t length)
{
    enum { CANDIDATES = 128, LENGTH = 48 };
    char negated[CANDIDATES][LENGTH], name[LENGTH];
    const char *names[2 * CANDIDATES + 1] = {"help"};
    int known = 1;
    assert(count <= CANDIDATES);
    for (int i = 0; i < count; i++) {
        names[known++] = options[i].name;
        if (options[i].kind != OPTION_SWITCH) continue;
        snprintf(negated[i], LENGTH, "no-%s", options[i].name);
        names[known++] = negated[i];
    }
    const char *nearest = NULL;
    if (length < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)length, text);
        nearest = name_nearest(name, names, known);
    }
    if (nearest)
        return error_set(CGSV_ERROR_ARGUMENT, "unknown option '--%.*s'; did you mean '--%s'?", (int)length, text,
                         nearest);
    return error_set(CGSV_ERROR_ARGUMENT, "unknown option '--%.*s'; see --help", (int)length, text);
}

static cgsv_status value_missing(const struct option *option)
{
    return error_set(CGSV_ERROR_ARGUMENT, "--%s needs a value: --%s %s", option->name, option->name, option->argument);
}

/* `value` or, where it is NULL, the arguments that follow. */
static cgsv_status parse_strings(const struct option *option, int argc, char **argv, const char *value, int *used)
{
    struct option_strings *strings = option->value;
    int count = 1;
    while (!value && count < argc && strncmp(argv[count], "--", 2) != 0) count++;
    if (value ? !*value : count == 1) return value_missing(option);
    *used = count;
    strings->only = value;
    strings->count = value ? 1 : count - 1;
    strings->values = value ? &strings->only : (const char *const *)argv + 1;
    return CGSV_OK;
}

/* Reads one option, and its value from the next argument if need be; *used counts
 * the arguments taken. */
static cgsv_status parse_one(struct option *options, int count, int argc, char **argv, int *used)
{
    const char *text = argv[0] + 2, *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    bool negated;
    struct option *option = find_option(options, count, text, length, &negated);
    *used = 1;
    if (!option) return unknown_option(options, count, text, length);
    option->given = true;
    if (!takes_value(option)) {
        if (equals)
            return error_set(CGSV_ERROR_ARGUMENT, "--%.*s takes no value, but got '%s'", (int)length, text, equals + 1);
        *(bool *)option->value = !negated;
        return CGSV_OK;
    }
    if (option->kind == OPTION_STRINGS) return parse_strings(option, argc, argv, equals ? equals + 1 : NULL, used);
    if (equals) return options_parse_value(option, equals + 1);
    if (option->implied) return options_parse_value(option, option->implied);
    if (argc < 2 || strncmp(argv[1], "--", 2) == 0)
        return value_missing(option);
    *used = 2;
    return options_parse_value(option, argv[1]);
}

/* An argument that is no option: a file, where files are taken. */
static cgsv_status take_file(struct option_files *files, const char *text, bool may_have_dash)
{
    if (!files || (text[0] == '-' && !may_have_dash))
        return error_set(CGSV_ERROR_ARGUMENT, "unexpected argument '%s'; options begin with --%s", text,
                         files ? ", and a file whose name begins with a dash goes behind --" : "");
    if (!*text) return error_set(CGSV_ERROR_ARGUMENT, "a file's name is empty");
    files->paths[files->count++] = text;
    return CGSV_OK;
}

cgsv_status options_parse_with_files(struct option *options, int count, int argc, char **argv, bool *help,
                                     struct option_files *files)
{
    bool ended = false;
    *help = false;
    if (files) files->count = 0;
    for (int at = 0, used; at < argc; at += used) {
        const char *text = argv[at];
        used = 1;
        if (!ended && (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0)) {
            *help = true;
            return CGSV_OK;
        }
        if (!ended && files && strcmp(text, "--") == 0)
            ended = true;
        else if (ended || strncmp(text, "--", 2) != 0 || !text[2])
            TRY(take_file(files, text, ended));
        else
            TRY(parse_one(options, count, argc - at, argv + at, &used));
    }
    return CGSV_OK;
}

cgsv_status options_parse(struct option *options, int count, int argc, char **argv, bool *help)
{
    return options_parse_with_files(options, count, argc, argv, help, NULL);
}

bool options_given(const struct option *options, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0) return options[i].given;
    assert(false && "an option of the table");
    return false;
}

void options_show_value(char *text, size_t size, const struct option *option)
{
    text[0] = '\0';
    switch (option->kind) {
    case OPTION_INT: snprintf(text, size, "%d", *(const int *)option->value); break;
    case OPTION_UINT64: snprintf(text, size, "%" PRIu64, *(const uint64_t *)option->value); break;
    case OPTION_DOUBLE: number_text(text, size, *(const double *)option->value); break;
    case OPTION_CHOICE: snprintf(text, size, "%s", option->show(option->value)); break;
    case OPTION_SWITCH: snprintf(text, size, "%s", *(const bool *)option->value ? "on" : "off"); break;
    case OPTION_STRING: {
        const char *value = *(const char *const *)option->value;
        if (value) snprintf(text, size, "%s", value);
        break;
    }
    case OPTION_STRINGS: {
        const struct option_strings *strings = option->value;
        size_t length = 0;
        for (int i = 0; i < strings->count && length < size; i++)
            length += (size_t)snprintf(text + length, size - length, "%s%s", i ? " " : "", strings->values[i]);
        break;
    }
    case OPTION_FLAG: break;
    }
}

void options_print(FILE *stream, const struct option *options, int count)
{
    char value[256];
    for (int i = 0; i < count; i++) {
        options_show_value(value, sizeof value, &options[i]);
        if (value[0]) fprintf(stream, "  %-24s %s\n", options[i].name, value);
    }
}

/* Prints words from `column` on, each further line beginning at HELP_COLUMN. */
static void print_wrapped(FILE *stream, const char *text, int column)
{
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH) {
            fprintf(stream, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        column += fprintf(stream, "%s%.*s", column > HELP_COLUMN ? " " : "", length, text);
        text += length;
        while (*text == ' ') text++;
    }
    fputc('\n', stream);
}

static void print_option(FILE *stream, const struct option *option)
{
    char value[64], help[512];
    options_show_value(value, sizeof value, option);
    snprintf(help, sizeof help, value[0] ? "%s (default %s)" : "%s", option->help, value);
    const bool value_follows = takes_value(option) && !option->implied;
    int column = fprintf(stream, "  --%s%s%s%s", option->kind == OPTION_SWITCH ? "[no-]" : "", option->name,
                         value_follows ? " " : "", value_follows ? option->argument : "");
    if (option->implied) column += fprintf(stream, "[=%s]", option->argument);
    if (column >= HELP_COLUMN) column = fprintf(stream, "\n") - 1;
    fprintf(stream, "%*s", HELP_COLUMN - column, "");
    print_wrapped(stream, help, HELP_COLUMN);
}

char *options_help(const struct option *options, int count)
{
    struct text_stream text;
    if (!text_stream_open(&text)) return NULL;
    for (int i = 0; i < count; i++) {
        if (i == 0 || strcmp(options[i].group, options[i - 1].group) != 0)
            fprintf(text.to, "%s%s:\n", i ? "\n" : "", options[i].group);
        print_option(text.to, &options[i]);
    }
    fprintf(text.to, "  %-*s%s\n", HELP_COLUMN - 2, "-h, --help", "this help");
    return text_stream_close(&text);
}
