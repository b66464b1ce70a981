/* The files of the paper's folder that hold numbers and plots. */
#ifndef CLI_PAPER_FILES_H
#define CLI_PAPER_FILES_H

#include "cli/paper_table.h"

/* fairness.csv, accuracy.csv, runtime.csv or beta.csv: means, deviations and counts of all quantities of
 * that part, one row for each entry. Units as in sweep.csv. */
cgsv_status paper_write_csv(const char *out, enum paper_part part, const struct paper_cells *cells);

/* beta_accuracy_DATASET.svg and beta_loss_DATASET.svg: a line for each row of the data set, with a band of one
 * deviation to both sides. */
cgsv_status paper_write_plots(const char *out, const struct paper_plan *plan, const struct paper_cells *cells);

/* Name of the plot of a kind, "beta_accuracy_mnist.svg". */
void paper_plot_name(char name[PAPER_NAME], const struct paper_kind *kind, const char *data_set);

#endif
