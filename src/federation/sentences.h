/* Sentences in the order of their lengths, so that a batch's are alike and need little padding. */
#ifndef FEDERATION_SENTENCES_H
#define FEDERATION_SENTENCES_H

#include "cgsv/dataset.h"
#include "data/partition.h"

/* Neighbouring batches of a shard's list that an epoch's shuffle mixes. */
enum { SENTENCE_BUCKET = 4 };

/* Puts every shard's samples in the order of their lengths, shortest first; equals stay as
 * they are. */
cgsv_status sentences_sort_shards(struct partition *partition, const int32_t *length);

/* A copy of a split of sentences in that order. sentences_free frees it. */
cgsv_status sentences_sort(cgsv_split *sorted, const cgsv_split *split, int width);
void sentences_free(cgsv_split *split);

#endif
