/* Training the cells of one fleet. */
#ifndef CLI_SWEEP_FLEET_H
#define CLI_SWEEP_FLEET_H

#include "cli/sweep_options.h"
#include "io/sweep_folder.h"

struct sweep_fleet {
    cgsv_device *device;
    const cgsv_dataset *dataset;
    struct sweep_options *options;
    const struct sweep_folder *folder; /* where cells get folders of their own; NULL: nowhere */
    const cgsv_config *config;         /* [count] */
    const int *cell;                   /* [count] their numbers */
    int count;
};

/* Trains and evaluates them; rows[count]. */
cgsv_status sweep_fleet_train(struct sweep_row *rows, const struct sweep_fleet *fleet);

#endif
