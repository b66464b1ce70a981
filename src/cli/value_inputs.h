/* The small files beside the updates: weights of agents, sizes of layers. */
#ifndef CLI_VALUE_INPUTS_H
#define CLI_VALUE_INPUTS_H

#include <stdint.h>

#include "cgsv/status.h"

/* weight[agents] from a file with a number for each agent (text, or a .npy vector of
 * floats), scaled to sum 1; "uniform": equal ones. Errors: CGSV_ERROR_DATA for numbers that
 * are negative, not finite, all zero or too few or many, CGSV_ERROR_IO. */
cgsv_status value_read_weights(double *weight, int agents, const char *path);

/* begin[*layers + 1], the caller's to free: the layers' first columns and `dimension`, from a
 * file with the size of each. CGSV_ERROR_DATA unless they are at least 1 and sum up to it. */
cgsv_status value_read_layers(int64_t **begin, int *layers, int64_t dimension, const char *path);

#endif
