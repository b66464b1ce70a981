#include "cli/bench_check.h"

#include <string.h>

#include "core/error.h"

double bench_keep_ratio(int rank, int agents) { return (double)(agents - rank) / (agents + 1); }

int64_t bench_kept(int rank, int agents, int64_t n, cgsv_reward reward)
{
    const int64_t above = n * (agents - rank), below = agents + 1;
    return reward == CGSV_REWARD_LAYER ? (above + below - 1) / below : above / below;
}

/* Entries of g[count] whose magnitude's bits are at least `key`. */
static int64_t count_from(const float *g, int64_t count, uint32_t key)
{
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &g[i], sizeof bits);
        found += (bits & 0x7fffffffu) >= key;
    }
    return found;
}

/* Below threshold 0 there is nothing: entries of zero, which fill a reward up, are not counted. */
static int64_t count_kept(const float *g, int64_t begin, int64_t end, const struct rank_state *rank)
{
    const int64_t ties_end = rank->tie_end < begin ? begin : rank->tie_end > end ? end : rank->tie_end;
    const uint32_t least = rank->threshold > 0 ? rank->threshold : 1;
    return count_from(g + begin, ties_end - begin, least) + count_from(g + ties_end, end - ties_end, least + 1);
}

cgsv_status bench_check_selection(const float *g, const struct rank_state *rank, const int64_t *segment_begin,
                                  int segments, int agents, cgsv_reward reward)
{
    for (int segment = 0; segment < segments; segment++)
        for (int i = 0; i < agents; i++, rank++) {
            const int64_t begin = segment_begin[segment], end = segment_begin[segment + 1];
            const int64_t wanted = bench_kept(i, agents, end - begin, reward), kept = count_kept(g, begin, end, rank);
            const bool fits = rank->threshold > 0 ? kept == wanted : kept <= wanted;
            if (fits && rank->kept == wanted) continue;
            return error_set(CGSV_ERROR_DEVICE,
                             "the selection is wrong: rank %d of %d keeps %lld entries of columns %lld to %lld and "
                             "says %lld; expected %lld. Please report this", i, agents, (long long)kept,
                             (long long)begin, (long long)end - 1, (long long)rank->kept, (long long)wanted);
        }
    return CGSV_OK;
}
