/* Training the cells of one fleet. */
#ifndef CLI_SWEEP_FLEET_H
#define CLI_SWEEP_FLEET_H

#include "cli/sweep_options.h"
#include "io/sweep_folder.h"

struct sweep_fleet {
    cgsv_device *device;
    const cgsv_dataset *dataset;
    struct sweep_options *options;
    const struct sweep_folder *folder; /* its path is NULL where nothing is written */
    const cgsv_config *config;         /* [count] */
    const int *cell;                   /* [count] their numbers */
    int count;
    bool saved; /* go on from the checkpoints in the folder, which names these cells */

    /* What came of it. */
    bool refused;    /* of `saved`: they cannot be gone on from; nothing was trained or removed */
    int saved_round; /* of one that was stopped: after which it was saved then; 0: not */
};

/* Trains and evaluates them; rows[count]. Without --checkpoint-every it saves as checkpoint_clock_due says.
 * Where all checkpoints are damaged, warns and trains from the start. */
cgsv_status sweep_fleet_train(struct sweep_row *rows, struct sweep_fleet *fleet);

#endif
