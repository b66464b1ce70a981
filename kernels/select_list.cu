/* Selection, before its passes: ranks, and for few agents a list of the entries that come into question.
 *
 * A sample of a segment says between which magnitudes each rank's threshold almost surely lies: its
 * window. One pass then lists the entries of all windows and counts, exactly, those above every
 * bound; the passes read the list. Where the counts show that a threshold lies outside of its
 * window after all, they read the segment instead. The result is the same either way. */
#include "kernels/select.h"

/* One of SAMPLE_EVERY entries of a segment is in the sample, but SAMPLE_LEAST to SAMPLE_MOST. It is counted by the
 * leading bits of its keys. */
enum { SAMPLE_EVERY = 16, SAMPLE_MOST = 16384 };
enum { SAMPLE_SHIFT = 18, SAMPLE_BINS = 1 << (31 - SAMPLE_SHIFT) };

/* Entries in the sample of a segment of n; 0: reading a list of the others would save nothing. */
DEVICE int64_t sample_size(int64_t n)
{
    const int64_t m = smaller(larger(n / SAMPLE_EVERY, SAMPLE_LEAST), SAMPLE_MOST);
    return 4 * m <= n ? m : 0;
}

#define COUNT_TOLERANCE 1e-9 /* so that rounding of q n cannot move a count by one */

/* Entries that an agent keeps of a segment of n: all layers ⌈q n⌉, or ⌊q D⌋ of the vector. */
DEVICE int64_t keep_count(double keep_ratio, int64_t n, enum cgsv_reward reward)
{
    if (reward == CGSV_REWARD_FULL) return keep_ratio > 0 ? n : 0;
    const double count = reward == CGSV_REWARD_LAYER ? ceil(keep_ratio * (double)n - COUNT_TOLERANCE)
                                                     : floor(keep_ratio * (double)n + COUNT_TOLERANCE);
    return count < (double)n ? (int64_t)count : n;
}

/* Bins of a sample of m entries, `kept` of n of which are above a threshold, that hold this threshold: to three
 * standard deviations, and a little more for small counts. */
struct bin_range {
    int low, high;
};

DEVICE struct bin_range bins_around(int64_t kept, int64_t n, int64_t m, const int *coarse, const int *count)
{
    const double place = (double)kept * (double)m / (double)n;
    const double slack = 3 * sqrt(place * (1 - place / (double)m)) + 3;
    int64_t above = (int64_t)(place - slack), below = (int64_t)(place + slack) + 1;
    struct bin_range range = {0, SAMPLE_BINS - 1};
    if (above >= 1) range.high = narrow_to_bin(&above, coarse, count, SAMPLE_BINS);
    if (below <= m) range.low = narrow_to_bin(&below, coarse, count, SAMPLE_BINS);
    return range;
}

/* The least magnitude of a bin; zero, which would be in all of them, is in none. */
DEVICE float least_of_bin(int bin)
{
    const uint32_t key = (uint32_t)bin << SAMPLE_SHIFT;
    return bin == 0 ? float_of(1) : key < KEY_INFINITE ? float_of(key) : INFINITY;
}

/* Ranks come most first, so the last has the highest window. Windows that meet are one. Returns how many
 * there are; none where a list of them would hold half of the entries. */
DEVICE int join_windows(float *bound, struct rank_state *rank, const struct bin_range *range, int ranks,
                        const int *count, int64_t m)
{
    int windows = 0, low = SAMPLE_BINS + 1;
    int64_t held = 0;
    for (int i = ranks - 1; i >= 0; i--) {
        if (rank[i].group < 0) continue;
        const int high = (int)smaller(range[i].high, low - 1);
        if (range[i].high + 1 < low) bound[2 * windows++] = least_of_bin(range[i].high + 1);
        for (int bin = range[i].low; bin <= high; bin++) held += count[bin];
        low = (int)smaller(low, range[i].low);
        bound[2 * windows - 1] = least_of_bin(low);
        rank[i].window = windows - 1;
    }
    return 2 * held < m ? windows : 0;
}

/* Block: a segment, a federation. What each rank keeps, and the windows. */
KERNEL(select_begin, struct server_step s)
{
    SHARED(int, count, SAMPLE_BINS);
    SHARED(int, coarse, SAMPLE_BINS / NARROW_BINS);
    SHARED(struct bin_range, range, LISTED_AGENTS);
    const int64_t segment = BLOCK_Y * s.segments + BLOCK_X, begin = s.segment_begin[BLOCK_X];
    const int64_t n = s.segment_begin[BLOCK_X + 1] - begin, m = sample_size(n);
    const float *g = s.key + BLOCK_Y * s.ld + begin;
    struct rank_state *rank = s.rank + segment * s.agents;
    BLOCK_FOR(i, s.agents)
    {
        const int32_t agent = s.order[BLOCK_Y * s.agents + i];
        const int64_t kept = keep_count(s.keep_ratio[BLOCK_Y * s.agents + agent], n, s.reward);
        struct rank_state start = {0, 0, 0, 0, kept, s.dimension, kept};
        if (kept == 0) start.threshold = KEY_INFINITE;
        if (kept == 0 || kept == n) start.group = -1;
        rank[i] = start;
    }
    if (THREAD_INDEX == 0) s.windows[segment] = 0;
    if (!s.list || m == 0) return; /* all threads alike */

    const int64_t step = (n << 16) / m; /* a division for each would take longer than the rest */
    BLOCK_FOR(i, SAMPLE_BINS) { count[i] = 0; }
    block_sync();
    BLOCK_FOR(i, m) { shared_add(&count[key_of(g[i * step >> 16]) >> SAMPLE_SHIFT], 1); }
    block_sync();
    sum_coarsely(BLOCK_PASS coarse, count, SAMPLE_BINS);
    BLOCK_FOR(i, 2 * LISTED_AGENTS) { s.above[segment * 2 * LISTED_AGENTS + i] = 0; }
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (rank[i].group == 0) range[i] = bins_around(rank[i].kept, n, m, coarse, count);
    }
    block_sync();
    if (THREAD_INDEX == 0)
        s.windows[segment] =
            join_windows(s.bound + segment * 2 * LISTED_AGENTS, rank, range, s.agents, count, m);
}

static const char *launch_select_begin(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.segments, step.federations, 1), select_begin, step);
}

enum { LIST_VECTORS = 8, LIST_AHEAD = 1024 }; /* vectors that a warp holds at once, columns that it sends for ahead */

/* Block: a span, a federation. Window j holds magnitudes from bound[2 j + 1] to below bound[2 j]; bounds descend. */
KERNEL(select_list, struct server_step s)
{
    SHARED(float, bound, 2 * LISTED_AGENTS);
    SHARED(int, above, 2 * LISTED_AGENTS);
    SHARED(int, listed, 1);
    const struct chunk span = s.span[BLOCK_X];
    const int64_t segment = BLOCK_Y * s.segments + span.tensor, n = span.end - span.begin;
    const float *g = s.key + BLOCK_Y * s.ld + span.begin;
    float *list = s.list + BLOCK_Y * s.ld + span.begin;
    const int bounds = 2 * s.windows[segment];
    if (bounds == 0) return; /* all threads alike */
    lanes_int reached[2 * LISTED_AGENTS];
    for (int b = 0; b < bounds; b++) reached[b] = lanes_int_of(0);
    BLOCK_FOR(b, bounds)
    {
        bound[b] = s.bound[segment * 2 * LISTED_AGENTS + b];
        above[b] = 0;
    }
    if (THREAD_INDEX == 0) *listed = 0;
    block_sync();
    WARP_FOR(i, (n + LIST_VECTORS * LANES - 1) / (LIST_VECTORS * LANES))
    {
        const int64_t begin = i * LIST_VECTORS * LANES;
        lanes v[LIST_VECTORS];
        lanes_flag inside[LIST_VECTORS] = {};
        prefetch(g + begin + LIST_AHEAD, LIST_VECTORS * LANES);
        if (n - begin >= LIST_VECTORS * LANES) {
            UNROLL for (int j = 0; j < LIST_VECTORS; j++) v[j] = lanes_magnitude(lanes_load(g + begin + j * LANES));
        } else {
            UNROLL for (int j = 0; j < LIST_VECTORS; j++)
            {
                const int64_t at = begin + j * LANES;
                v[j] = lanes_magnitude(lanes_load_part(g + at, larger(n - at, 0)));
            }
        }
        for (int b = 0; b < bounds; b++) {
            lanes_int count = reached[b];
            UNROLL for (int j = 0; j < LIST_VECTORS; j++)
            {
                const lanes_flag more = lanes_at_least(v[j], bound[b]);
                count = lanes_count(count, more);
                inside[j] ^= more;
            }
            reached[b] = count;
        }
        UNROLL for (int j = 0; j < LIST_VECTORS; j++)
        {
            const lane_mask packed = lane_mask_of(inside[j]);
            const int at = warp_take(listed, lane_mask_count(packed));
            const int64_t room = WARPS == 1 ? n - at : 0; /* else others write there */
            lanes_store_packed(list + at, v[j], packed, room);
        }
    }
    for (int b = 0; b < bounds; b++) {
        const int total = lanes_int_sum(reached[b]);
        if (LANE_ZERO) shared_add(&above[b], total);
    }
    block_sync();
    BLOCK_FOR(b, bounds) { grid_add(&s.above[segment * 2 * LISTED_AGENTS + b], above[b]); }
    if (THREAD_INDEX == 0) s.listed[BLOCK_Y * s.spans + BLOCK_X] = *listed;
}

/* Block: a segment, a federation. Each rank among the listed entries; the list is given up where one of them ends
 * outside of its window. */
KERNEL(select_verify, struct server_step s)
{
    SHARED(int, outside, 1);
    const int64_t segment = BLOCK_Y * s.segments + BLOCK_X;
    struct rank_state *rank = s.rank + segment * s.agents;
    const int *above = s.above + segment * 2 * LISTED_AGENTS;
    if (s.windows[segment] == 0) return; /* all threads alike */
    if (THREAD_INDEX == 0) *outside = 0;
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (rank[i].group < 0) continue;
        const int *own = above + 2 * rank[i].window;
        int64_t before = 0; /* in higher windows */
        for (const int *window = above; window < own; window += 2) before += window[1] - window[0];
        rank[i].wanted = rank[i].kept - (own[0] - before);
        if (rank[i].kept <= own[0] || rank[i].kept > own[1]) shared_add(outside, 1);
    }
    block_sync();
    if (*outside == 0) return; /* all threads alike */
    BLOCK_FOR(i, s.agents) { rank[i].wanted = rank[i].kept; }
    if (THREAD_INDEX == 0) s.windows[segment] = 0;
}

static const char *launch_select_list(void *stream, struct server_step step)
{
    const char *error = LAUNCH(stream, grid_of(step.spans, step.federations, 1), select_list, step);
    return error ? error : LAUNCH(stream, grid_of(step.segments, step.federations, 1), select_verify, step);
}
