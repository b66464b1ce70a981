/* How long a sweep of the paper will take on this machine, from rounds that are measured. */
#ifndef CLI_PAPER_ESTIMATE_H
#define CLI_PAPER_ESTIMATE_H

#include "cli/paper_plan.h"

struct paper_estimate {
    double training, server, evaluation; /* seconds of the whole sweep */
    int models;                          /* trained in it, standalone twins that are shared counted once */
};

/* Trains a round of the first cell by one local epoch, and a round of few samples under every scheme. Memory
 * may make smaller fleets than is reckoned with here, which then train some standalone twins again. */
cgsv_status paper_estimate_make(struct paper_estimate *estimate, struct paper_sweep *sweep, cgsv_device *device,
                                const cgsv_dataset *dataset);

/* A round that nobody looks at, so that the first one that is timed is like the others. */
cgsv_status paper_warm_up(const struct paper_sweep *sweep, cgsv_device *device, const cgsv_dataset *dataset);

#endif
