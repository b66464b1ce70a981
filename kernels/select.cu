/* Selection of the largest entries of g in magnitude, for all agents at once.
 *
 * A reward keeps the k largest |g| of a segment (a parameter tensor, or the whole
 * vector), and every agent has its own k. As |g| ≥ 0, its 31 bits order as integers:
 * the key. A radix select finds the key of every rank k in three passes over g:
 *
 *   1. select_count   counts keys by their leading 11 (then next 10, then last 10) bits;
 *   2. select_narrow  finds for each rank the bin it falls in and how many it still wants
 *                     from inside the bin. Ranks with the same prefix form a group, and
 *                     share one histogram in the next pass. A rank that wants all of its
 *                     bin is done: the bin's lowest key is its threshold.
 *   3. select_ties    for a rank that wants only some of the entries equal to its
 *                     threshold: the column where these end, lower columns first.
 *
 * Only integers are counted, so the result does not depend on the grid. */
#include "kernels/server.h"

enum { LOCAL_GROUPS = 4 }; /* histograms that a block counts into at a time: 32 KiB */

/* A pass looks at bits [shift, shift + bits) below the prefix. */
DEVICE int pass_shift(int pass) { return pass == 0 ? 20 : pass == 1 ? 10 : 0; }
DEVICE int pass_bins(int pass) { return pass == 0 ? 2048 : 1024; }

#define COUNT_TOLERANCE 1e-9 /* so that rounding of q n cannot move a count by one */

/* Entries that an agent keeps of a segment of n: all layers ⌈q n⌉, or ⌊q D⌋ of the vector. */
DEVICE int64_t keep_count(double keep_ratio, int64_t n, enum cgsv_reward reward)
{
    const double count = reward == CGSV_REWARD_LAYER ? ceil(keep_ratio * (double)n - COUNT_TOLERANCE)
                                                     : floor(keep_ratio * (double)n + COUNT_TOLERANCE);
    return count < (double)n ? (int64_t)count : n;
}

/* Block: a chunk, a federation. */
KERNEL(select_count, struct server_step s, int pass)
{
    SHARED(int, count, LOCAL_GROUPS * SELECT_BINS);
    SHARED(int16_t, first_group, SELECT_BINS); /* by the key's leading 11 bits; -1: none */
    const struct chunk chunk = s.chunk[BLOCK_X];
    const int64_t segment = BLOCK_Y * s.segments + segment_of(s, chunk.tensor);
    const float *g = s.aggregate + BLOCK_Y * s.ld;
    const uint32_t *prefix = s.group_prefix + segment * s.agents;
    const int groups = pass == 0 ? 1 : s.groups[segment], shift = pass_shift(pass), bins = pass_bins(pass);
    int *histogram = s.histogram + segment * s.agents * SELECT_BINS;

    for (int begin = 0; begin < groups; begin += LOCAL_GROUPS) {
        const int local = groups - begin < LOCAL_GROUPS ? groups - begin : LOCAL_GROUPS;
        for (int group = 0; group < local; group++)
            BLOCK_FOR(i, bins) { count[group * SELECT_BINS + i] = 0; }
        BLOCK_FOR(i, SELECT_BINS) { first_group[i] = -1; }
        block_sync();
        /* Groups with the same leading bits are neighbours; the first one is noted. */
        BLOCK_FOR(i, local)
        {
            const int leading_shift = pass == 2 ? 10 : 0;
            const uint32_t leading = pass == 0 ? 0 : prefix[begin + i] >> leading_shift;
            if (i == 0 || pass == 0 || prefix[begin + i - 1] >> leading_shift != leading)
                first_group[leading] = (int16_t)i;
        }
        block_sync();
        if (pass == 0) {
            BLOCK_FOR(i, chunk.end - chunk.begin) { shared_add(&count[key_of(g[chunk.begin + i]) >> 20], 1); }
        } else {
            BLOCK_FOR(i, chunk.end - chunk.begin)
            {
                const uint32_t key = key_of(g[chunk.begin + i]), found = key >> (shift + 10);
                for (int group = first_group[key >> 20]; group >= 0 && group < local; group++)
                    if (prefix[begin + group] <= found) { /* descending */
                        if (prefix[begin + group] == found)
                            shared_add(&count[group * SELECT_BINS + (key >> shift & 1023)], 1);
                        break;
                    }
            }
        }
        block_sync();
        for (int group = 0; group < local; group++) {
            const int *from = count + group * SELECT_BINS;
            int *to = histogram + (begin + group) * SELECT_BINS;
            BLOCK_FOR(i, bins)
            {
                if (from[i]) grid_add(&to[i], from[i]);
            }
        }
        block_sync();
    }
}

static const char *launch_select_count(void *stream, struct server_step step, int pass)
{
    return LAUNCH(stream, grid_of(step.chunks, step.federations, 1), select_count, step, pass);
}

/* above[i] = sum of count[j] over j > i, for i < bins. */
DEVICE void sums_above(BLOCK_PARAM int *above, const int *count, int bins)
{
    const int64_t each = (bins + THREAD_COUNT - 1) / THREAD_COUNT;
    const int64_t end = bins - THREAD_INDEX * each, begin = end - each > 0 ? end - each : 0;
    int own = 0;
    for (int64_t i = end - 1; i >= begin; i--) own += count[i];
    int sum = block_scan(own);
    for (int64_t i = end - 1; i >= begin; i--) {
        above[i] = sum;
        sum += count[i];
    }
}

/* Block: a segment, a federation. */
KERNEL(select_narrow, struct server_step s, int pass)
{
    SHARED(int, above, SELECT_BINS);
    const int64_t segment = BLOCK_Y * s.segments + BLOCK_X;
    const int64_t n = s.segment_begin[BLOCK_X + 1] - s.segment_begin[BLOCK_X];
    const int shift = pass_shift(pass), bins = pass_bins(pass), groups = pass == 0 ? 1 : s.groups[segment];
    struct rank_state *rank = s.rank + segment * s.agents;
    int *histogram = s.histogram + segment * s.agents * SELECT_BINS;

    if (pass == 0) {
        BLOCK_FOR(i, s.agents)
        {
            const int32_t agent = s.order[BLOCK_Y * s.agents + i];
            const int64_t kept = keep_count(s.keep_ratio[BLOCK_Y * s.agents + agent], n, s.reward);
            struct rank_state start = {0, 0, 0, kept, s.dimension, kept};
            if (kept == 0) {
                start.threshold = KEY_INFINITE;
                start.group = -1;
            } else if (kept == n)
                start.group = -1;
            rank[i] = start;
        }
        block_sync();
    }

    for (int group = 0; group < groups; group++) {
        int *count = histogram + group * SELECT_BINS;
        sums_above(BLOCK_PASS above, count, bins);
        block_sync();
        BLOCK_FOR(i, s.agents)
        {
            if (rank[i].group != group) continue;
            int low = 0, high = bins - 1; /* the highest bin that leaves less than wanted above it is lowest */
            while (low < high) {
                const int middle = (low + high) / 2;
                if (above[middle] < rank[i].wanted)
                    high = middle;
                else
                    low = middle + 1;
            }
            rank[i].wanted -= above[low];
            rank[i].prefix = rank[i].prefix << (pass == 0 ? 11 : 10) | (uint32_t)low;
            rank[i].threshold = rank[i].prefix << shift;
            if (rank[i].wanted == count[low]) rank[i].group = -1;
        }
        block_sync();
        BLOCK_FOR(i, bins) { count[i] = 0; }
    }
    block_sync();

    /* Ranks come most first, so thresholds ascend; groups are numbered from the last rank
     * on, so that their prefixes descend. */
    if (THREAD_INDEX == 0) {
        int found = 0;
        for (int i = s.agents - 1; i >= 0; i--) {
            if (rank[i].group < 0) continue;
            uint32_t *prefix = s.group_prefix + segment * s.agents;
            if (found == 0 || prefix[found - 1] != rank[i].prefix) prefix[found++] = rank[i].prefix;
            rank[i].group = found - 1;
        }
        s.groups[segment] = found;
    }
}

static const char *launch_select_narrow(void *stream, struct server_step step, int pass)
{
    return LAUNCH(stream, grid_of(step.segments, step.federations, 1), select_narrow, step, pass);
}

/* Block: a rank, a segment, a federation. Each thread counts ties in a piece of the
 * segment; the one in whose piece the last wanted tie lies looks for its column. Ties at
 * zero need no end: a reward of zero is none. */
KERNEL(select_ties, struct server_step s)
{
    const int64_t segment = BLOCK_Z * s.segments + BLOCK_Y;
    struct rank_state *rank = s.rank + segment * s.agents + BLOCK_X;
    const float *g = s.aggregate + BLOCK_Z * s.ld;
    const int64_t begin = s.segment_begin[BLOCK_Y], n = s.segment_begin[BLOCK_Y + 1] - begin;
    const int searching = rank->group >= 0 && rank->threshold > 0;
    const int64_t first = begin + n * THREAD_INDEX / THREAD_COUNT, last = begin + n * (THREAD_INDEX + 1) / THREAD_COUNT;
    const uint32_t key = rank->threshold;
    const int64_t wanted = rank->wanted;
    int ties = 0;
    if (searching)
        for (int64_t i = first; i < last; i++) ties += key_of(g[i]) == key;
    int64_t seen = block_scan(ties);
    if (searching && seen < wanted && seen + ties >= wanted)
        for (int64_t i = first; i < last; i++)
            if (key_of(g[i]) == key && ++seen == wanted) rank->tie_end = i + 1;
}

static const char *launch_select_ties(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.agents, step.segments, step.federations), select_ties, step);
}
