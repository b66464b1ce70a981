/* Selection of the largest entries of g in magnitude, for all agents at once; or of random
 * ones, which are the largest of random numbers that stand in for g here.
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
 *   3. select_count_ties, select_end_ties
 *                     for a rank that wants only some of the entries equal to its
 *                     threshold: the column where these end, lower columns first. Such
 *                     entries lie where the third pass met entries of a group, mostly few
 *                     places; nothing else of g is read again.
 *
 * Passes go over spans, long pieces of one segment, or over what select_list.cu has listed of
 * them; there the first pass is mostly left out (select_cells.h). Only integers are counted, so
 * the result does not depend on the grid. */
#include "kernels/select.h"
#include "kernels/select_cells.h"

/* A pass looks at bits [shift, shift + bits) below the prefix. */
DEVICE int pass_shift(int pass) { return pass == 0 ? 20 : pass == 1 ? 10 : 0; }
DEVICE int pass_bins(int pass) { return pass == 0 ? 2048 : 1024; }

static int64_t span_columns(int64_t dimension)
{
    const int64_t columns = (dimension + SPAN_PARTS - 1) / SPAN_PARTS, least = SPAN_LEAST, most = SPAN_MOST;
    return columns < least ? least : columns > most ? most : columns;
}

/* No other span has a part in the histograms of its segment. */
DEVICE int span_is_alone(struct server_step s, struct chunk span)
{
    return s.segment_span[span.tensor + 1] - s.segment_span[span.tensor] == 1;
}

/* Adds a block's counts; each thread the bins that BLOCK_FOR gives it. */
DEVICE void add_counts(BLOCK_PARAM int *histogram, const int *count, int bins, int alone)
{
    if (alone) {
        SIMD BLOCK_FOR(i, bins) { histogram[i] += count[i]; }
    } else {
        grid_add_all(BLOCK_PASS histogram, count, bins);
    }
}

/* Block: a span, a federation. The first pass: counts by the leading 11 bits. Neighbouring
 * entries, which often fall in the same bin, take turns at COUNT_COPIES histograms. */
KERNEL(select_count_leading, struct server_step s)
{
    SHARED(int, count, COUNT_COPIES * SELECT_BINS);
    const struct chunk span = s.span[BLOCK_X];
    const struct entries in = entries_of(s, BLOCK_Y, BLOCK_X);
    const int64_t segment = BLOCK_Y * s.segments + span.tensor;
    int *histogram = s.histogram + segment * s.agents * SELECT_BINS;
    if (s.cells[segment] > 0) return; /* all threads alike */
    BLOCK_FOR(i, COUNT_COPIES * SELECT_BINS) { count[i] = 0; }
    block_sync();
    for (int64_t begin = 0; begin < in.n; begin += SELECT_TILE_COLUMNS) {
        const float *tile = in.g + begin;
        prefetch(tile + 2 * SELECT_TILE_COLUMNS, SELECT_TILE_COLUMNS);
        BLOCK_FOR(i, smaller(in.n - begin, SELECT_TILE_COLUMNS))
        {
            shared_add(&count[i % COUNT_COPIES * SELECT_BINS + (key_of(tile[i]) >> 20)], 1);
        }
    }
    block_sync();
    BLOCK_FOR(i, SELECT_BINS)
    {
        for (int copy = 1; copy < COUNT_COPIES; copy++) count[i] += count[copy * SELECT_BINS + i];
    }
    add_counts(BLOCK_PASS histogram, count, SELECT_BINS, span_is_alone(s, span));
}

/* Pass 1: first[] holds the group by a key's leading bits. Where misses are counted as
 * well, nothing depends on a branch that half of the entries take. */
DEVICE void count_in_groups(BLOCK_PARAM int *count, const int16_t *first, const float *g, int64_t n)
{
    BLOCK_FOR(i, n)
    {
        const uint32_t key = key_of(g[i]);
        const int group = first[key >> 20];
        const int bin = (int)((key >> 10) % GROUP_BINS);
        if (COUNT_MISSES || group < LOCAL_GROUPS) shared_add(&count[group * GROUP_BINS + bin], 1);
    }
}

/* Up to so many groups are compared with before a run is looked at entry by entry. */
enum { COMPARED_GROUPS = 24 };

/* Whether one of a run's first n entries has a group's prefix. The warp's. */
DEVICE int meets_group(const float *run, int64_t n, const uint32_t *prefix, int groups)
{
    enum { VECTORS = MET_COLUMNS / LANES };
    lanes_int found[VECTORS], met = lanes_int_of(0);
    UNROLL for (int j = 0; j < VECTORS; j++)
        found[j] = lanes_keys(lanes_load_part(run + j * LANES, larger(n - j * LANES, 0))) >> 10;
    for (int group = 0; group < groups; group++)
        UNROLL for (int j = 0; j < VECTORS; j++) met |= found[j] == lanes_int_of((int)prefix[group]);
    return lanes_any(met);
}

/* Pass 2: first[] holds the first of a chain of groups by a prefix's low bits. Few entries
 * meet any; their runs are marked. */
DEVICE void count_in_chains(BLOCK_PARAM int *count, uint8_t *met, const int16_t *first, const int16_t *next,
                            const uint32_t *prefix, int groups, const float *g, int64_t n)
{
    WARP_FOR(run, (n + MET_COLUMNS - 1) / MET_COLUMNS)
    {
        const float *entry = g + run * MET_COLUMNS;
        const int64_t columns = smaller(n - run * MET_COLUMNS, MET_COLUMNS);
        if (groups <= COMPARED_GROUPS && !meets_group(entry, columns, prefix, groups)) continue;
        LANE_FOR(k, columns)
        {
            const uint32_t key = key_of(entry[k]), found = key >> 10;
            int group = first[found % SELECT_BINS];
            while (group < LOCAL_GROUPS && prefix[group] != found) group = next[group];
            if (group >= LOCAL_GROUPS) continue;
            shared_add(&count[group * GROUP_BINS + (int)(key % GROUP_BINS)], 1);
            grid_mark(&met[run]);
        }
    }
}

/* Block: a span, a federation. A later pass: counts by 10 bits those entries whose prefix is
 * a group's, for LOCAL_GROUPS groups at a time. A table finds the groups by the prefix's low
 * 11 bits: all of the prefix in pass 1, so that no two groups share an entry; in pass 2
 * groups that do are chained. Where there are cells, pass 1 is the first, and counts in these. */
KERNEL(select_count, struct server_step s, int pass)
{
    SHARED(int, count, (LOCAL_GROUPS + COUNT_MISSES) * GROUP_BINS);
    SHARED(int16_t, first, SELECT_BINS); /* LOCAL_GROUPS: none */
    SHARED(int16_t, next, LOCAL_GROUPS);
    SHARED(int, origin, LISTED_AGENTS);
    const struct chunk span = s.span[BLOCK_X];
    const int64_t segment = BLOCK_Y * s.segments + span.tensor;
    const struct entries in = entries_of(s, BLOCK_Y, BLOCK_X);
    uint8_t *met = s.met + (BLOCK_Y * s.spans + BLOCK_X) * s.span_parts * TIE_RUNS;
    const int cells = pass == 1 ? s.cells[segment] : 0, alone = span_is_alone(s, span);
    const int *bound = bounds_of(s, segment), windows = s.windows[segment];
    const int groups = cells > 0 ? (cells + GROUP_CELLS - 1) / GROUP_CELLS : s.groups[segment];

    if (pass == 2 && groups > 0) BLOCK_FOR(i, (in.n + MET_COLUMNS - 1) / MET_COLUMNS) { met[i] = 0; }
    for (int begin = 0; begin < groups; begin += LOCAL_GROUPS) {
        const uint32_t *prefix = s.group_prefix + segment * s.agents + begin;
        int *histogram = s.histogram + segment * s.agents * SELECT_BINS + begin * GROUP_BINS;
        const int local = (int)smaller(groups - begin, LOCAL_GROUPS);
        BLOCK_FOR(i, local * GROUP_BINS) { count[i] = 0; }
        BLOCK_FOR(i, COUNT_MISSES * GROUP_BINS) { count[LOCAL_GROUPS * GROUP_BINS + i] = 0; }
        if (cells > 0) {
            find_origins(BLOCK_PASS origin, bound, windows, begin * GROUP_CELLS);
        } else {
            BLOCK_FOR(i, SELECT_BINS) { first[i] = LOCAL_GROUPS; }
            block_sync();
            if (THREAD_INDEX == 0)
                for (int i = 0; i < local; i++) {
                    next[i] = first[prefix[i] % SELECT_BINS];
                    first[prefix[i] % SELECT_BINS] = (int16_t)i;
                }
        }
        block_sync();
        for (int64_t tile = 0; tile < in.n; tile += SELECT_TILE_COLUMNS) {
            const float *g = in.g + tile;
            const int64_t n = smaller(in.n - tile, SELECT_TILE_COLUMNS);
            prefetch(g + 2 * SELECT_TILE_COLUMNS, SELECT_TILE_COLUMNS);
            if (cells > 0)
                count_in_cells(BLOCK_PASS count, local * GROUP_BINS, origin, bound, windows, g, n);
            else if (pass == 1)
                count_in_groups(BLOCK_PASS count, first, g, n);
            else
                count_in_chains(BLOCK_PASS count, met + tile / MET_COLUMNS, first, next, prefix, local, g, n);
        }
        block_sync();
        add_counts(BLOCK_PASS histogram, count, local * GROUP_BINS, alone);
        block_sync();
    }
}

static const char *launch_select_count(void *stream, struct server_step step, int pass)
{
    const struct grid grid = grid_of(step.spans, step.federations, 1);
    if (pass == 0) return LAUNCH(stream, grid, select_count_leading, step);
    return LAUNCH(stream, grid, select_count, step, pass);
}

DEVICE void narrow_in_groups(BLOCK_PARAM struct rank_state *rank, int agents, const int *histogram, int groups,
                             int pass)
{
    SHARED(int, coarse, SELECT_BINS / NARROW_BINS);
    const int shift = pass_shift(pass), bins = pass_bins(pass);
    for (int group = 0; group < groups; group++) {
        const int *count = histogram + group * bins;
        sum_coarsely(BLOCK_PASS coarse, count, bins);
        block_sync();
        BLOCK_FOR(i, agents)
        {
            if (rank[i].group != group) continue;
            const int bin = narrow_to_bin(&rank[i].wanted, coarse, count, bins);
            const uint32_t prefix = rank[i].prefix << (pass == 0 ? 11 : 10) | (uint32_t)bin;
            lengthen_prefix(&rank[i], prefix, shift, count[bin]);
        }
        block_sync();
    }
}

/* Block: a segment, a federation. */
KERNEL(select_narrow, struct server_step s, int pass)
{
    const int64_t segment = BLOCK_Y * s.segments + BLOCK_X;
    const int cells = s.cells[segment];
    struct rank_state *rank = s.rank + segment * s.agents;
    int *histogram = s.histogram + segment * s.agents * SELECT_BINS;
    int64_t bins;
    if (pass == 0 && cells > 0) return; /* all threads alike */
    if (pass == 1 && cells > 0) {
        bins = cells * CELL_BINS;
        narrow_in_cells(BLOCK_PASS rank, s.agents, histogram, cells, bounds_of(s, segment));
    } else {
        const int groups = pass == 0 ? 1 : s.groups[segment];
        bins = groups * pass_bins(pass);
        narrow_in_groups(BLOCK_PASS rank, s.agents, histogram, groups, pass);
    }
    BLOCK_FOR(i, bins) { histogram[i] = 0; }
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

/* Wants some, not all, of the entries equal to its threshold. Ties at zero need no end: a
 * reward of zero is none. */
DEVICE int seeks_ties(struct rank_state rank) { return rank.group >= 0 && rank.threshold > 0; }

/* Block: a span, a federation. How many ties each rank that seeks them has in the span. Only
 * runs that the last pass met anything in are read, once for all ranks. */
KERNEL(select_count_ties, struct server_step s)
{
    SHARED(uint32_t, key, TIE_COLUMNS);
    SHARED(int16_t, run, TIE_RUNS);
    SHARED(int, runs, 1);
    const struct chunk span = s.span[BLOCK_X];
    const struct rank_state *rank = s.rank + (BLOCK_Y * s.segments + span.tensor) * s.agents;
    int seeking = 0;
    for (int i = 0; i < s.agents; i++) seeking += seeks_ties(rank[i]);
    if (seeking == 0) return; /* all threads alike */
    const struct entries in = entries_of(s, BLOCK_Y, BLOCK_X);
    for (int64_t part = 0; part == 0 || part * TIE_COLUMNS < in.n; part++) {
        const uint8_t *met = s.met + ((BLOCK_Y * s.spans + BLOCK_X) * s.span_parts + part) * TIE_RUNS;
        const float *g = in.g + part * TIE_COLUMNS;
        const int64_t n = smaller(in.n - part * TIE_COLUMNS, TIE_COLUMNS), most = (n + MET_COLUMNS - 1) / MET_COLUMNS;

        const int64_t first = most * THREAD_INDEX / THREAD_COUNT, last = most * (THREAD_INDEX + 1) / THREAD_COUNT;
        int own = 0;
        for (int64_t i = first; i < last; i++) own += met[i];
        int at = block_scan(own);
        for (int64_t i = first; i < last; i++)
            if (met[i]) run[at++] = (int16_t)i;
        if (THREAD_INDEX == THREAD_COUNT - 1) *runs = at;
        block_sync();
        const int found = *runs;
        WARP_FOR(i, found)
        {
            const int64_t begin = run[i] * MET_COLUMNS;
            LANE_FOR(k, MET_COLUMNS) key[i * MET_COLUMNS + k] = begin + k < n ? key_of(g[begin + k]) : 0;
        }
        block_sync();
        WARP_FOR(i, s.agents)
        {
            if (!seeks_ties(rank[i])) continue;
            int count = 0;
            const uint32_t sought = rank[i].threshold;
            SIMD_SUM(count)
            LANE_FOR(k, found * MET_COLUMNS) count += key[k] == sought;
            count = warp_sum(count);
            int *ties = s.ties + (BLOCK_Y * s.agents + i) * s.spans + BLOCK_X;
            if (LANE_ZERO) *ties = part ? *ties + count : count;
        }
    }
}

static const char *launch_select_count_ties(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.spans, step.federations, 1), select_count_ties, step);
}

/* Entries of g[n] that have this key. */
DEVICE int count_equal(const float *g, int64_t n, uint32_t key)
{
    int count = 0;
    SIMD_SUM(count)
    for (int64_t i = 0; i < n; i++) count += key_of(g[i]) == key;
    return count;
}

/* Block: a rank, a segment, a federation. Each thread counts ties in a piece of the segment's
 * spans; the one in whose piece the last wanted tie lies looks for its span. The same with the
 * parts of that span, and the columns of that part. */
KERNEL(select_end_ties, struct server_step s)
{
    SHARED(int64_t, end, 2); /* the span or part, and ties wanted of it */
    struct rank_state *rank = s.rank + (BLOCK_Z * s.segments + BLOCK_Y) * s.agents + BLOCK_X;
    const uint32_t key = rank->threshold;
    if (!seeks_ties(*rank)) return; /* all threads alike */
    const int span_first = s.segment_span[BLOCK_Y], spans = s.segment_span[BLOCK_Y + 1] - span_first;
    const int *span_ties = s.ties + (BLOCK_Z * s.agents + BLOCK_X) * s.spans + span_first;
    int64_t first = spans * THREAD_INDEX / THREAD_COUNT, last = spans * (THREAD_INDEX + 1) / THREAD_COUNT;
    int ties = 0;
    if (THREAD_INDEX == 0) end[0] = end[1] = 0;
    for (int64_t i = first; i < last; i++) ties += span_ties[i];
    int64_t left = rank->wanted - block_scan(ties);
    if (left > 0 && left <= ties) {
        while (left > span_ties[first]) left -= span_ties[first++];
        end[0] = first;
        end[1] = left;
    }
    block_sync();

    const struct chunk span = s.span[span_first + end[0]];
    const float *g = s.key + BLOCK_Z * s.ld;
    const int64_t parts = (span.end - span.begin + TIE_COLUMNS - 1) / TIE_COLUMNS, wanted = end[1];
    first = parts * THREAD_INDEX / THREAD_COUNT;
    last = parts * (THREAD_INDEX + 1) / THREAD_COUNT;
    int64_t begin = span.begin + first * TIE_COLUMNS;
    ties = count_equal(g + begin, smaller(span.begin + last * TIE_COLUMNS, span.end) - begin, key);
    left = wanted - block_scan(ties);
    if (left > 0 && left <= ties) {
        ties = count_equal(g + begin, smaller(span.end - begin, TIE_COLUMNS), key);
        while (left > ties) {
            left -= ties;
            begin += TIE_COLUMNS;
            ties = count_equal(g + begin, smaller(span.end - begin, TIE_COLUMNS), key);
        }
        end[0] = begin;
        end[1] = left;
    }
    block_sync();

    const int64_t part = end[0], n = smaller(span.end - part, TIE_COLUMNS);
    first = part + n * THREAD_INDEX / THREAD_COUNT;
    last = part + n * (THREAD_INDEX + 1) / THREAD_COUNT;
    ties = count_equal(g + first, last - first, key);
    left = end[1] - block_scan(ties);
    if (left > 0 && left <= ties)
        for (int64_t i = first; left > 0; i++)
            if (key_of(g[i]) == key && --left == 0) rank->tie_end = i + 1;
}

static const char *launch_select_end_ties(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.agents, step.segments, step.federations), select_end_ties, step);
}
