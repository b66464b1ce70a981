/* Parts of a report's page; each writes to the page's stream. A failure is kept in the page, and what
 * follows it does nothing useful, so that only report_make has to look. */
#ifndef IO_REPORT_PAGE_H
#define IO_REPORT_PAGE_H

#include "io/chart.h"
#include "io/report.h"

#define REPORT_RHO                                                                                              \
    "ρ is the Pearson correlation between what agents reach alone and what they are given: 1 says that who "   \
    "brings more gets more, 0 that it makes no difference, below 0 that who brings more gets less. It is "     \
    "undefined where one side does not vary, or where no agent was trained alone."

struct report_page {
    FILE *html;
    struct report *report; /* takes the plots */
    char prefix[32];       /* of the plots' names */
    cgsv_status status;
};

/* A plot with its caption; nothing where there is nothing to draw. */
void report_figure(struct report_page *page, const char *name, const struct chart *chart, const char *caption);

/* Begins and ends a group of plots. */
void report_plots_begin(struct report_page *page);
void report_plots_end(struct report_page *page);

/* Values over rounds: of agents, or of runs. */
struct report_curves {
    int lines, points;
    const double *x;     /* [points] rounds */
    const float *values; /* [points][lines], NaN: unknown */
    const char *prefix;  /* of a line's number at its end: "" or "#" */
    int first;           /* number of the first line */
    char **legends;      /* [lines], or NULL */
    bool bridge;         /* unknown values are passed over; otherwise only rounds in which nothing is known */
    int high, low;       /* lines that are drawn when there are too many for all */
    const char *high_legend, *low_legend;
};

enum { REPORT_MOST_LINES = 20, REPORT_MOST_POINTS = 240 };

/* Draws each of at most REPORT_MOST_LINES lines, otherwise their quartiles, range and median, and two of them; and
 * `reference` unless NULL. `caption` is continued by what was left out. */
void report_curves_draw(struct report_page *page, const char *name, const struct chart *chart,
                        const struct report_curves *curves, const struct chart_series *reference, const char *caption);

/* All plots of one run; those of a comparison. */
void report_run_plots(struct report_page *page, const struct report_run *run);
void report_compare_plots(struct report_page *page, const struct report_input *input);

/* Key numbers, plots, tables and command of one run. */
void report_run_part(struct report_page *page, const struct report_run *run);

/* What differs between runs, in a table, in plots. */
void report_compare_part(struct report_page *page, const struct report_input *input);

/* "β = 0.5, seed = 2": those of the run's settings that differ between the runs, the caller's to free. */
char *report_run_label(const struct report_input *input, int run);

/* Names of settings that differ between the runs: keys of "config", and "set" of the data. Returns their number. */
enum { REPORT_MOST_KEYS = 24 };
int report_differing(const char *keys[REPORT_MOST_KEYS], const struct report_input *input);
const cJSON *report_any_setting(const struct report_run *run, const char *key);

/* "β" for "beta", otherwise the key. */
const char *report_symbol(const char *key);

/* The command line of a config.json, as a shell takes it. */
void report_command(FILE *to, const cJSON *config);

/* A file of CSV as a table. */
cgsv_status report_sweep_table(struct report_page *page, const char *path);

void report_no_memory(struct report_page *page);

#endif
