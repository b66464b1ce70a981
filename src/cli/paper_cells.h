/* The cells of the paper's sweeps, as read back from their tables. */
#ifndef CLI_PAPER_CELLS_H
#define CLI_PAPER_CELLS_H

#include "cli/paper_plan.h"

enum paper_quantity {
    PAPER_RHO,
    PAPER_RHO_LOCAL, /* of the accuracies before the download */
    PAPER_ACCURACY_MEAN,
    PAPER_ACCURACY_MAX,
    PAPER_ACCURACY_MIN,
    PAPER_LOSS_SPREAD, /* standard deviation over the agents */
    PAPER_SERVER_SECONDS, /* a round */
    PAPER_SERVER_RATIO,   /* the server's seconds to those of training */
    PAPER_QUANTITIES
};

struct paper_cell {
    enum paper_part part;
    const char *data_set; /* the plan's */
    int agents;
    char partition[AXIS_VALUE_LENGTH];
    char column[AXIS_VALUE_LENGTH]; /* scheme, or beta in its part */
    bool failed;
    double value[PAPER_QUANTITIES]; /* NaN where undefined */
};

struct paper_cells {
    int count, room;
    struct paper_cell *cell;
};

/* Adds the rows of the sweep's table in `folder`. Errors: CGSV_ERROR_DATA, CGSV_ERROR_IO. */
cgsv_status paper_cells_read(struct paper_cells *cells, const struct paper_sweep *sweep, const char *folder);

/* Takes in one cell; it is copied. */
cgsv_status paper_cells_add(struct paper_cells *cells, const struct paper_cell *cell);

int paper_cells_failed(const struct paper_cells *cells);
void paper_cells_free(struct paper_cells *cells);

#endif
