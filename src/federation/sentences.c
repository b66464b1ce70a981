/* Sorting sentences by length: a counting sort, which keeps equals in order. */
#include "federation/sentences.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static cgsv_status no_memory(int64_t samples)
{
    return error_set(CGSV_ERROR_MEMORY, "no memory to sort %lld sentences", (long long)samples);
}

/* to[n]: the samples from[n] by length. */
static cgsv_status sort_samples(int32_t *to, const int32_t *from, int64_t n, const int32_t *length)
{
    int32_t longest = 0;
    for (int64_t i = 0; i < n; i++)
        if (length[from[i]] > longest) longest = length[from[i]];
    int64_t *first = calloc((size_t)longest + 2, sizeof *first);
    if (!first) return no_memory(n);
    for (int64_t i = 0; i < n; i++) first[length[from[i]] + 1]++;
    for (int32_t l = 0; l < longest; l++) first[l + 1] += first[l];
    for (int64_t i = 0; i < n; i++) to[first[length[from[i]]]++] = from[i];
    free(first);
    return CGSV_OK;
}

cgsv_status sentences_sort_shards(struct partition *partition, const int32_t *length)
{
    const int64_t all = partition->first[partition->agents];
    int32_t *before = malloc(((size_t)all + 1) * sizeof *before);
    if (!before) return no_memory(all);
    memcpy(before, partition->index, (size_t)all * sizeof *before);
    cgsv_status status = CGSV_OK;
    for (int i = 0; i < partition->agents && status == CGSV_OK; i++) {
        const int64_t first = partition->first[i];
        status = sort_samples(partition->index + first, before + first, partition->first[i + 1] - first, length);
    }
    free(before);
    return status;
}

static cgsv_status copy_in_order(cgsv_split *sorted, const cgsv_split *split, int width, const int32_t *order)
{
    const size_t n = (size_t)split->samples, row = (size_t)width * sizeof *split->token;
    sorted->samples = split->samples;
    sorted->token = malloc(n * row + 1);
    sorted->length = malloc(n * sizeof *sorted->length + 1);
    sorted->y = malloc(n * sizeof *sorted->y + 1);
    if (!sorted->token || !sorted->length || !sorted->y) return no_memory(split->samples);
    for (size_t i = 0; i < n; i++) {
        memcpy(sorted->token + i * (size_t)width, split->token + (int64_t)order[i] * width, row);
        sorted->length[i] = split->length[order[i]];
        sorted->y[i] = split->y[order[i]];
    }
    return CGSV_OK;
}

cgsv_status sentences_sort(cgsv_split *sorted, const cgsv_split *split, int width)
{
    const size_t n = (size_t)split->samples;
    int32_t *order = malloc((2 * n + 1) * sizeof *order);
    memset(sorted, 0, sizeof *sorted);
    if (!order) return no_memory(split->samples);
    for (size_t i = 0; i < n; i++) order[n + i] = (int32_t)i;
    cgsv_status status = sort_samples(order, order + n, split->samples, split->length);
    if (status == CGSV_OK) status = copy_in_order(sorted, split, width, order);
    free(order);
    return status;
}

void sentences_free(cgsv_split *split)
{
    free(split->token);
    free(split->length);
    free(split->y);
}
