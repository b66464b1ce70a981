/* The fleet of a sweep that is in training, in the sweep's folder: checkpoints/cells.json, {"cells": [0, 1, 4]}, says
 * which cells are in it, in the order of its federations; beside it lie its checkpoints (io/checkpoint_folder.h). */
#ifndef IO_FLEET_FOLDER_H
#define IO_FLEET_FOLDER_H

#include <stdbool.h>

#include "cgsv/status.h"

/* Of a file in checkpoints/. */
bool fleet_folder_owns(const char *name);

/* Begins the fleet of cell[count], in place of an earlier one. */
cgsv_status fleet_folder_begin(const char *sweep, const int *cell, int count);

/* cell[*count], of `cells` that the sweep has and that there is room for; 0 where there is no fleet.
 * Errors: CGSV_ERROR_DATA where the file is damaged, CGSV_ERROR_IO, CGSV_ERROR_MEMORY. */
cgsv_status fleet_folder_read(int *cell, int *count, const char *sweep, int cells);

/* Removes all of it. */
cgsv_status fleet_folder_end(const char *sweep);

#endif
