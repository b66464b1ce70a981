/* A run's checkpoints: when they are saved, and which one a run goes on from. */
#ifndef CLI_CHECKPOINTS_H
#define CLI_CHECKPOINTS_H

#include "cli/recorder.h"

/* Saves the federation after the rounds it has done, once the tables up to there are on the disk; the
 * latest two stay. */
cgsv_status checkpoints_save(struct recorder *recorder);

/* Loads the latest checkpoint of the folder that is whole and that the tables reach, with a warning for
 * each that is not. *rounds: those it has done, 0 where there is none at all.
 * Errors: CGSV_ERROR_DATA when none of those that are there can be used; what cgsv_federation_load_checkpoint
 * refuses. */
cgsv_status checkpoints_load(int *rounds, cgsv_federation *federation, const cgsv_config *config, const char *folder,
                             bool other_device);

#endif
