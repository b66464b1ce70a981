/* The plot of a study, drawn by gnuplot from study.csv. */
#ifndef CLI_STUDY_PLOT_H
#define CLI_STUDY_PLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "cgsv/status.h"

struct study_plot {
    const char *folder;  /* that holds study.csv */
    const char *vectors; /* "normal" */
    int trials;
    bool agents, dimensions; /* the sweeps that were made */
    int64_t agents_dimension;
    int dimensions_agents;
    bool published_agents, published_dimensions; /* draw published numbers beside ours */
};

/* Writes study.gp, and runs gnuplot on it for study.svg and study.png. Where that cannot be done
 * *drawn is false, and one line on standard error says why. */
cgsv_status study_plot_draw(bool *drawn, const struct study_plot *plot);

#endif
