/* Command-line options from a table: one entry per option gives its parsing, its
 * checks and its line of help. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cgsv/status.h"

enum option_kind {
    OPTION_INT,
    OPTION_DOUBLE,
    OPTION_UINT64,
    OPTION_STRING,  /* const char *, pointing into argv */
    OPTION_STRINGS, /* struct option_strings: all arguments up to the next that begins with -- */
    OPTION_CHOICE, /* any type that parse and show know */
    OPTION_FLAG,   /* bool, set by --name */
    OPTION_SWITCH  /* bool, set by --name, cleared by --no-name */
};

/* Bounds of a number. An excluded bound is not itself allowed. */
struct option_range {
    double low, high;
    bool low_excluded, high_excluded;
};

struct option_strings {
    int count;
    const char *const *values; /* within argv, or &only */
    const char *only;          /* of "--name=value" */
};

struct option {
    const char *name;  /* without dashes */
    const char *alias; /* a second name, or NULL */
    enum option_kind kind;
    void *value;          /* where the value goes; what is there before is the default */
    const char *argument; /* the value's name in the help: "N" */
    const char *group;
    const char *help;
    struct option_range range; /* of numbers */
    const char *implied; /* the value of "--name" alone, which then takes one by "=" only; NULL: it must be given */
    cgsv_status (*parse)(void *value, const char *text); /* of choices */
    const char *(*show)(const void *value);
    bool given; /* set by options_parse */
};

/* Reads argv[0 .. argc), which starts behind the command's name: "--name value" or
 * "--name=value", the last of several wins. "-h" and "--help" set *help and end the
 * reading. Errors: CGSV_ERROR_ARGUMENT, with one line that names the option. */
cgsv_status options_parse(struct option *options, int count, int argc, char **argv, bool *help);

/* The arguments of a command line that are no options. */
struct option_files {
    const char **paths; /* the caller's, with room for argc of them */
    int count;
};

/* The same for a command that takes files, anywhere among its options; behind "--" there
 * are only files. */
cgsv_status options_parse_with_files(struct option *options, int count, int argc, char **argv, bool *help,
                                     struct option_files *files);

/* The help, by group in the table's order, with the present values as defaults. The
 * caller frees it; NULL when memory runs out. */
char *options_help(const struct option *options, int count);

/* One line "name  value" for each option that has a value. */
void options_print(FILE *stream, const struct option *options, int count);

/* Reads one value as options_parse does; and shows the present one, as it would be read. */
cgsv_status options_parse_value(const struct option *option, const char *text);
void options_show_value(char *text, size_t size, const struct option *option);

/* Whether the option was on the command line. */
bool options_given(const struct option *options, int count, const char *name);

#endif
