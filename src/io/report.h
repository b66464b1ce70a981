/* A report: one HTML page about one run, or about several that it compares. It holds everything
 * that it needs, has no script, and fetches nothing. */
#ifndef IO_REPORT_H
#define IO_REPORT_H

#include "io/report_run.h"

enum { REPORT_MOST_RUNS = 512, REPORT_DETAILED_RUNS = 6 };

/* What a page is about. */
struct report_input {
    struct report_run *runs; /* [count] */
    int count;
    char *sweep;         /* path of a sweep.csv that is shown as a table, or NULL */
    cJSON *sweep_config; /* config.json beside it, or NULL */
};

/* Reads folders of runs. A folder with sweep.csv or cells/ instead of config.json is a sweep: its runs
 * are cells/NAME, in the order of their names. Beyond REPORT_DETAILED_RUNS runs only means over the
 * agents are kept. On failure the input is empty. */
cgsv_status report_input_read(struct report_input *input, const char *const *paths, int count);
void report_input_free(struct report_input *input);

/* A plot of the page as a file of its own. */
struct report_plot {
    char *name; /* "importance", or with several runs "run_2_importance", without suffix */
    char *svg;
};

struct report {
    char *html;
    size_t length;
    struct report_plot *plots; /* [plot_count] */
    int plot_count;
};

/* What the first bytes of every page and of every plot hold. */
#define REPORT_PAGE_MARK "<meta name=\"generator\" content=\"cgsv report"
#define REPORT_PLOT_MARK "<!-- cgsv report -->"

/* Makes the page. The same input gives the same bytes. */
cgsv_status report_make(struct report *report, const struct report_input *input);
void report_free(struct report *report);

#endif
