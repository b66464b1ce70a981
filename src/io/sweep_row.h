/* What came of one cell of a sweep: a row of sweep.csv. */
#ifndef IO_SWEEP_ROW_H
#define IO_SWEEP_ROW_H

#include <stdbool.h>

#include "io/csv.h"
#include "io/run_record.h"

enum sweep_number {
    SWEEP_RHO_ACCURACY,
    SWEEP_RHO_LOSS,
    SWEEP_RHO_SAMPLES,
    SWEEP_RHO_LOCAL, /* of the accuracies before the download */
    SWEEP_SERVER_ACCURACY,
    SWEEP_SERVER_LOSS,
    SWEEP_ACCURACY_MEAN,
    SWEEP_ACCURACY_MAX,
    SWEEP_ACCURACY_MIN,
    SWEEP_ACCURACY_SPREAD, /* spreads are standard deviations over the agents */
    SWEEP_STANDALONE_MEAN,
    SWEEP_GAIN_MEAN,
    SWEEP_GAIN_SPREAD,
    SWEEP_LOSS_MEAN,
    SWEEP_LOSS_SPREAD,
    SWEEP_JAIN_INDEX,
    SWEEP_FAULTS, /* rounds × agents with a fault */
    SWEEP_SECONDS_TRAINING, /* of its fleet, divided by the fleet's federations; likewise the others */
    SWEEP_SECONDS_SERVER,
    SWEEP_SECONDS_EVALUATION,
    SWEEP_NUMBERS
};

struct sweep_row {
    int cell;
    bool failed;
    char error[256];
    double number[SWEEP_NUMBERS]; /* NaN where undefined, and where the cell failed */
};

/* A row of a cell that could not be run. */
void sweep_row_fail(struct sweep_row *row, int cell, const char *error);

/* From what results_collect gathered. */
void sweep_row_fill(struct sweep_row *row, int cell, const struct run_results *results);

/* "cell,AXES,status,…,error"; the caller frees it. `axes`: their names, each followed by a comma. */
cgsv_status sweep_row_header(char **header, const char *axes);

/* Adds the row, with the axes' values as they stand between commas. */
void sweep_row_write(struct csv *csv, const struct sweep_row *row, const char *const *axis_values, int axes);

/* Reads it back from a line without its end; whether it is a row. */
bool sweep_row_read(struct sweep_row *row, const char *line, int axes);

#endif
