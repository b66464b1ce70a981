/* The options of `cgsv run` that choose a reward scheme and its stages. */
#ifndef CLI_SCHEME_OPTIONS_H
#define CLI_SCHEME_OPTIONS_H

#include <stdio.h>

#include "cgsv/scheme.h"
#include "cli/options.h"

enum { SCHEME_OPTIONS = 19 };

/* Fills table[SCHEME_OPTIONS]; `index` receives the named scheme's number, `scheme` what the others set. */
void scheme_options(struct option *table, int *index, cgsv_scheme *scheme);

/* One line for each named scheme, and its source. */
void scheme_print_list(FILE *stream);

#endif
