/* The rewards of a round, as a file that an agent's training can go on from. */
#ifndef CLI_VALUE_REWARDS_H
#define CLI_VALUE_REWARDS_H

#include "cgsv/server.h"
#include "cli/value_results.h"

/* The file of round `round` (from 0) in the folder --out; the caller frees it. */
cgsv_status value_rewards_path(char **path, const struct value_options *options, int round);

/* Writes the rewards of the server's latest step: of each agent NAME.index (I64) and
 * NAME.value (F32), or with --dense-rewards NAME (F32 [dimension]). Metadata: dimension,
 * round, file. One agent's reward is in memory at a time. */
cgsv_status value_rewards_write(cgsv_server *server, const struct value_results *results, int round);

#endif
