/* The checkpoints of a run, and of a sweep's fleet: when they are saved, and which one to go on from. */
#ifndef CLI_CHECKPOINTS_H
#define CLI_CHECKPOINTS_H

#include "cgsv/fleet.h"
#include "cli/recorder.h"

/* Saves the fleet in folder/checkpoints after the rounds it has done, once the tables of all recorders[count] are on
 * the disk up to there; the latest two stay. */
cgsv_status checkpoints_save(const char *folder, cgsv_fleet *fleet, struct recorder *recorders, int count);

/* Loads the latest checkpoint of the folder that is whole and that the tables in the folders tables[count] (NULL: of
 * none) reach, with a warning for each that is not. *rounds: those it has done, 0 where there is none at all.
 * Errors: CGSV_ERROR_DATA when none of those that are there can be used, and the fleet is as it was; what
 * cgsv_fleet_load_checkpoint refuses. */
cgsv_status checkpoints_load(int *rounds, const char *folder, cgsv_fleet *fleet, const cgsv_config *config,
                             const char *const *tables, int count, bool other_device);

#endif
