/* What the tests of checkpoints begin with. */
#ifndef TESTS_CHECKPOINT_SETUP_H
#define TESTS_CHECKPOINT_SETUP_H

#include "cgsv/cgsv.h"

void check(cgsv_status status);
cgsv_device *open_device(int threads);

/* The first samples of the synthetic set. */
cgsv_dataset *load_pictures(int train, int test);

/* The mlp on 30 pictures an agent, evaluated every other round. */
cgsv_config checkpoint_config(const char *scheme, int agents, int rounds, int local_epochs);

#endif
