/* Partitions of a pool of training samples among agents. */
#ifndef DATA_PARTITION_H
#define DATA_PARTITION_H

#include <stdint.h>

#include "cgsv/federation.h"

/* Shards: agent i owns index[first[i] .. first[i + 1]), each entry a sample of the
 * training split. Samples may repeat within an agent (classimbalance draws with
 * replacement), never across agents except there. */
struct partition {
    int agents;
    int64_t *first; /* [agents + 1] */
    int32_t *index; /* [first[agents]] */
    int64_t validation_samples;
    int32_t *validation; /* [validation_samples] of the training split, in nobody's shard; NULL for none */
};

/* Samples of the pool: what the training split's `samples` leave of it, see below. */
int64_t partition_pool_size(const cgsv_config *config, int64_t samples);

/* Splits per config (partition, agents, samples_per_agent, validation_fraction,
 * validation_samples, dirichlet_concentration, seed). The pool is a seeded shuffle of the training
 * split's samples: the first min(M (1 - validation_fraction), N samples_per_agent).
 * Those from M (1 - validation_fraction) on are the validation split, or the first
 * validation_samples of them.
 * Every agent gets at least one sample, else CGSV_ERROR_ARGUMENT. */
cgsv_status partition_create(struct partition *partition, const cgsv_config *config, const int32_t *labels,
                             int64_t samples, int classes);
void partition_free(struct partition *partition);

/* Samples of the validation split, of a training split of `samples`. */
int64_t partition_validation_size(const cgsv_config *config, int64_t samples);

/* Shard sizes of the power law: sizes[agents], summing to `samples` or, where that is
 * no multiple of `agents`, up to agents - 1 less (as in the published code). */
void partition_powerlaw_sizes(int64_t *sizes, int agents, int64_t samples);

/* Number of classes that each agent sees under class imbalance. */
void partition_class_counts(int *counts, int agents, int classes);

#endif
