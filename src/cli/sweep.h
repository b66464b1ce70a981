/* Running a sweep from another command. */
#ifndef CLI_SWEEP_H
#define CLI_SWEEP_H

#include <stdio.h>

#include "cgsv/status.h"

struct sweep_outcome {
    int cells, failed; /* those of earlier included */
    int fleets;
};

/* As `cgsv sweep` with the options argv[argc], except that cells that fail are counted and are no error,
 * and that the table goes to `table`; NULL for none. */
cgsv_status sweep_run(struct sweep_outcome *outcome, int argc, char **argv, FILE *table);

#endif
