/* The checkpoints of a run, or of a sweep: checkpoints/round_000040.safetensors and so on in its folder. */
#ifndef IO_CHECKPOINT_FOLDER_H
#define IO_CHECKPOINT_FOLDER_H

#include <stdbool.h>

#include "cgsv/status.h"

enum { CHECKPOINTS_KEPT = 2 };

/* Of a checkpoint, or of what a kill has left of one in the making. */
bool checkpoint_folder_owns(const char *name);

/* Path of the checkpoint after `round` rounds, the caller's to free. */
cgsv_status checkpoint_folder_path(char **path, const char *run, int round);

/* Makes the folder, and makes it last. */
cgsv_status checkpoint_folder_make(const char *run);

/* rounds[count] of the checkpoints that are there, latest first; the caller's to free. */
cgsv_status checkpoint_folder_list(int **rounds, int *count, const char *run);

/* Removes what kills have left of checkpoints in the making; and all but the latest two up to `round`, which
 * has just been saved. */
cgsv_status checkpoint_folder_clean(const char *run);
cgsv_status checkpoint_folder_prune(const char *run, int round);

/* Removes all files there that are `owned`, and the folder where nothing else is in it. */
cgsv_status checkpoint_folder_remove(const char *run, bool (*owned)(const char *name));

#endif
