/* Updates computed elsewhere: rounds x agents x parameters, from one file per round.
 *
 * A .npy file is a matrix, agents x parameters; one of 1 dimension is one agent. A
 * .safetensors file holds one matrix, or one tensor per agent, of any shape, which is
 * flattened; agents then come in the natural order of their names, "agent_2" before
 * "agent_10". Rounds may differ in their type of number, in nothing else. The numbers
 * are read in pieces, so files may be larger than memory. */
#ifndef IO_UPDATES_H
#define IO_UPDATES_H

#include <stdint.h>

#include "cgsv/status.h"
#include "io/elements.h"

struct updates;

/* Opens paths[count], the rounds in order. `tensor` chooses in .safetensors files: the
 * tensor of that name or, if there is none, all whose names begin with it; NULL: all.
 * Everything but the numbers is checked: CGSV_ERROR_DATA for what the files hold,
 * CGSV_ERROR_ARGUMENT for a `tensor` that names nothing. */
cgsv_status updates_open(struct updates **updates, const char *const *paths, int count, const char *tensor);
void updates_close(struct updates *updates);

int updates_rounds(const struct updates *updates);
int64_t updates_agents(const struct updates *updates);
int64_t updates_dimension(const struct updates *updates);

/* The name of agent 0 … agents-1; NULL where agents are rows of a matrix. */
const char *updates_agent_name(const struct updates *updates, int64_t agent);

/* The type of the numbers; of several, the widest. float64 loses digits in
 * updates_columns, and what is beyond float's range becomes an infinity there. */
enum element updates_element(const struct updates *updates);

/* Reads columns begin … begin+count-1 of all agents into to[agent * stride + column -
 * begin]. CGSV_ERROR_IO when the file cannot be read, is no longer there, or was
 * changed since updates_open (see file_check_unchanged for the changes that can go
 * unseen). Keeps no file open between calls; threads may read at the same time. */
cgsv_status updates_columns(const struct updates *updates, int round, int64_t begin, int64_t count, float *to,
                            int64_t stride);
cgsv_status updates_columns_double(const struct updates *updates, int round, int64_t begin, int64_t count, double *to,
                                   int64_t stride);

#endif
