/* The options of `cgsv sweep`: those of `cgsv run`, with lists for every setting of a
 * federation that is a number or a name. A cell is one combination of their values. */
#ifndef CLI_SWEEP_OPTIONS_H
#define CLI_SWEEP_OPTIONS_H

#include "cli/run_options.h"

enum { AXIS_VALUE_LENGTH = 32, SWEEP_CELLS = 100000 };
typedef char axis_value[AXIS_VALUE_LENGTH];

/* A setting with the values that it takes. */
struct sweep_axis {
    struct option option; /* of cgsv run: reads one value into run */
    char argument[AXIS_VALUE_LENGTH]; /* "B,...": its list in the help */
    char first[AXIS_VALUE_LENGTH];    /* the default */
    const char *text;                 /* the list as given */
    bool given;                       /* else data set and scheme decide */
    int count;
    axis_value *value; /* [count] as they are shown and read */
};

struct sweep_options {
    struct run_options run; /* config, scheme: of the cell looked at last; data set, device, out and so on */
    cgsv_config base;       /* that cells begin with */
    int axes, plain;
    struct sweep_axis axis[RUN_OPTIONS];
    struct option plain_option[RUN_OPTIONS]; /* the other settings: one value each */
    int cells;
    int fleet;     /* most federations at once; 0: as many as memory allows */
    double memory; /* GiB; 0: most of what the device has free */
    bool retry, details;
};

cgsv_status sweep_options_parse(struct sweep_options *options, int argc, char **argv);

/* The settings of cell `cell`: the last axis changes fastest. */
cgsv_status sweep_cell_config(cgsv_config *config, struct sweep_options *options, int cell);

/* The value from axis `axis`' list in that cell. */
const char *sweep_cell_value(const struct sweep_options *options, int axis, int cell);

/* All settings of that cell, also those that were not given: value[axes]. */
cgsv_status sweep_cell_settings(axis_value *value, struct sweep_options *options, int cell);

/* The values of an axis, with commas; of one that was not given the default, "by scheme" where the
 * schemes of the sweep differ in it. The caller frees it; NULL when memory runs out. */
char *sweep_axis_text(struct sweep_options *options, int axis);

void sweep_options_print_help(FILE *stream, struct sweep_options *options);
void sweep_options_free(struct sweep_options *options);

#endif
