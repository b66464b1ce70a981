/* Selection, before its passes: ranks, and for few agents a list of the entries that come into question.
 *
 * A sample of a segment says between which magnitudes each rank's threshold almost surely lies: its
 * window. One pass then lists the entries of all windows and counts, exactly, those above every
 * bound; the passes read the list. Where the counts show that a threshold lies outside of its
 * window after all, they read the segment instead. The result is the same either way. */
#include "kernels/lanes_key.h"
#include "kernels/sample.h"
#include "kernels/select_cells.h"

/* A sample is counted by the leading 16 bits of its keys, as bounds of windows are compared with. Magnitudes below
 * 2^-52 are in the lowest bin, which a window with it has all of but zero; those from 2^12 on in the highest. */
enum { SAMPLE_BASE = (127 - 52) << (23 - KEY_SHIFT), SAMPLE_BINS = 64 << (23 - KEY_SHIFT) };

DEVICE void count_sample(BLOCK_PARAM int *count, const float *sample, int64_t m)
{
    const lanes_int none = lanes_int_of(0), last = lanes_int_of(SAMPLE_BINS - 1);
    WARP_FOR(strip, (m + BEGUN_VECTORS * LANES - 1) / (BEGUN_VECTORS * LANES))
    {
        const int64_t first = strip * BEGUN_VECTORS * LANES;
        lanes_begun begun[BEGUN_VECTORS];
        UNROLL for (int j = 0; j < BEGUN_VECTORS; j++)
            begun[j] = lanes_begin(sample + first + j * LANES, m - first - j * LANES);
        UNROLL for (int j = 0; j < BEGUN_VECTORS; j++)
        {
            const int64_t at = first + j * LANES;
            const lanes_int key = lanes_keys(lanes_end(begun[j], sample + at, m - at));
            lanes_int bin = (key >> (int)KEY_SHIFT) - lanes_int_of(SAMPLE_BASE);
            bin = lanes_select_int(bin < none, none, lanes_select_int(bin > last, last, bin));
            count_lanes_part(count, SAMPLE_BINS, bin, m - at);
        }
    }
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

/* The least leading bits of a bin's keys. */
DEVICE int least_of_bin(int bin)
{
    return bin == 0 ? 1 : bin < SAMPLE_BINS ? bin + SAMPLE_BASE : (int)(KEY_INFINITE >> KEY_SHIFT);
}

/* Ranks come most first, so the last has the highest window. Windows that meet are one. Returns how many
 * there are; none where a list of them would hold half of the entries. */
DEVICE int join_windows(int *bound, struct rank_state *rank, const struct bin_range *range, int ranks,
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

/* Block: a span, a federation. Where the aggregate's pass has not taken the sample. */
KERNEL(select_sample, struct server_step s)
{
    const struct chunk span = s.span[BLOCK_X];
    sample_columns(BLOCK_PASS s, span.tensor, span.begin, span.end);
}

/* Block: a segment, a federation. What each rank keeps, and the windows. */
KERNEL(select_begin, struct server_step s)
{
    SHARED(int, count, SAMPLE_BINS);
    SHARED(int, coarse, SAMPLE_BINS / NARROW_BINS);
    SHARED(struct bin_range, range, LISTED_AGENTS);
    const int64_t segment = BLOCK_Y * s.segments + BLOCK_X, begin = s.segment_begin[BLOCK_X];
    const int64_t n = s.segment_begin[BLOCK_X + 1] - begin, m = sample_size(n);
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
    if (THREAD_INDEX == 0) s.windows[segment] = s.cells[segment] = 0;
    if (!s.list || m == 0) return; /* all threads alike */

    const float *sample = s.list + BLOCK_Y * s.ld + begin;
    BLOCK_FOR(i, SAMPLE_BINS) { count[i] = 0; }
    block_sync();
    count_sample(BLOCK_PASS count, sample, m);
    block_sync();
    sum_coarsely(BLOCK_PASS coarse, count, SAMPLE_BINS);
    BLOCK_FOR(i, BOUNDS_MOST) { above_of(s, segment)[i] = 0; }
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (rank[i].group == 0) range[i] = bins_around(rank[i].kept, n, m, coarse, count);
    }
    block_sync();
    if (THREAD_INDEX == 0) {
        int *bound = bounds_of(s, segment);
        s.windows[segment] = join_windows(bound, rank, range, s.agents, count, m);
        s.cells[segment] = count_cells(bound, s.windows[segment], s.agents);
    }
}

static const char *launch_select_begin(void *stream, struct server_step step)
{
    const struct grid segments = grid_of(step.segments, step.federations, 1);
    const struct grid spans = grid_of(step.spans, step.federations, 1);
    const char *error = step.list && !step.sampled ? LAUNCH(stream, spans, select_sample, step) : NULL;
    return error ? error : LAUNCH(stream, segments, select_begin, step);
}

/* Vectors, and keys of them, that a warp holds at once; columns that it sends for ahead. */
enum { LIST_VECTORS = 8, LIST_KEYS = LIST_VECTORS / KEY_VECTORS, LIST_AHEAD = 1024 };
static_assert(SPAN_MOST / (KEY_VECTORS * LANES) <= UINT16_MAX, "a lane of 16 bits counts the entries that it meets");

/* Of the first n entries of LIST_VECTORS vectors, those that lie in a window go to list[*listed] on; those from a bound
 * on are counted for it, by lanes. */
DEVICE void list_vectors(float *list, int *listed, lanes_key *reached, const int *bound, int bounds, const float *g,
                         int64_t n)
{
    const int full = n >= LIST_VECTORS * LANES;
    const int alone = full && WARPS == 1; /* in the list, of which as much is written at most as of g was read */
    lanes v[LIST_VECTORS];
    lanes_key key[LIST_KEYS];
    lanes_flag inside[LIST_KEYS] = {};
    if (full) {
        UNROLL for (int j = 0; j < LIST_VECTORS; j++) v[j] = lanes_load(g + j * LANES);
    } else {
        UNROLL for (int j = 0; j < LIST_VECTORS; j++) v[j] = lanes_load_part(g + j * LANES, larger(n - j * LANES, 0));
    }
    UNROLL for (int j = 0; j < LIST_KEYS; j++) key[j] = lanes_key_of(v + j * KEY_VECTORS);
    for (int b = 0; b < bounds; b++) {
        lanes_key count = reached[b];
        UNROLL for (int j = 0; j < LIST_KEYS; j++)
        {
            const lanes_flag more = lanes_at_least(key[j], bound[b]);
            count = lanes_count(count, more);
            inside[j] ^= more;
        }
        reached[b] = count;
    }
    UNROLL for (int j = 0; j < LIST_VECTORS; j++)
    {
        const lane_mask packed = lane_mask_of(inside[j / KEY_VECTORS], j % KEY_VECTORS);
        const int at = warp_take(listed, lane_mask_count(packed));
        lanes_store_packed(list + at, v[j], packed, alone);
    }
}

/* Block: a span, a federation. */
KERNEL(select_list, struct server_step s)
{
    SHARED(int, bound, BOUNDS_MOST);
    SHARED(int, above, BOUNDS_MOST);
    SHARED(int, listed, 1);
    const struct chunk span = s.span[BLOCK_X];
    const int64_t segment = BLOCK_Y * s.segments + span.tensor, n = span.end - span.begin;
    const float *g = s.key + BLOCK_Y * s.ld + span.begin;
    float *list = s.list + BLOCK_Y * s.ld + span.begin;
    const int bounds = 2 * s.windows[segment];
    if (bounds == 0) return; /* all threads alike */
    lanes_key reached[BOUNDS_MOST];
    for (int b = 0; b < bounds; b++) reached[b] = lanes_key{};
    BLOCK_FOR(b, bounds)
    {
        bound[b] = bounds_of(s, segment)[b];
        above[b] = 0;
    }
    if (THREAD_INDEX == 0) *listed = 0;
    block_sync();
    WARP_FOR(i, (n + LIST_VECTORS * LANES - 1) / (LIST_VECTORS * LANES))
    {
        const int64_t begin = i * LIST_VECTORS * LANES;
        prefetch(g + begin + LIST_AHEAD, LIST_VECTORS * LANES);
        list_vectors(list, listed, reached, bound, bounds, g + begin, n - begin);
    }
    for (int b = 0; b < bounds; b++) {
        const int total = lanes_count_sum(reached[b]);
        if (LANE_ZERO) shared_add(&above[b], total);
    }
    block_sync();
    grid_add_all(BLOCK_PASS above_of(s, segment), above, bounds);
    if (THREAD_INDEX == 0) s.listed[BLOCK_Y * s.spans + BLOCK_X] = *listed;
}

/* Block: a segment, a federation. Each rank among the listed entries, or among those of its window where these have
 * cells; the list is given up where one of them ends outside of its window. */
KERNEL(select_verify, struct server_step s)
{
    SHARED(int, outside, 1);
    const int64_t segment = BLOCK_Y * s.segments + BLOCK_X;
    struct rank_state *rank = s.rank + segment * s.agents;
    const int *above = above_of(s, segment), cells = s.cells[segment];
    if (s.windows[segment] == 0) return; /* all threads alike */
    if (THREAD_INDEX == 0) *outside = 0;
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (rank[i].group < 0) continue;
        const int *own = above + 2 * rank[i].window;
        int64_t before = 0; /* in higher windows */
        for (const int *window = above; window < own && !cells; window += 2) before += window[1] - window[0];
        rank[i].wanted = rank[i].kept - (own[0] - before);
        if (rank[i].kept <= own[0] || rank[i].kept > own[1]) shared_add(outside, 1);
    }
    block_sync();
    if (*outside == 0) return; /* all threads alike */
    BLOCK_FOR(i, s.agents) { rank[i].wanted = rank[i].kept; }
    if (THREAD_INDEX == 0) s.windows[segment] = s.cells[segment] = 0;
}

static const char *launch_select_list(void *stream, struct server_step step)
{
    const char *error = LAUNCH(stream, grid_of(step.spans, step.federations, 1), select_list, step);
    return error ? error : LAUNCH(stream, grid_of(step.segments, step.federations, 1), select_verify, step);
}
