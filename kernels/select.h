/* What the kernels of the selection share. */
#ifndef KERNELS_SELECT_H
#define KERNELS_SELECT_H

#include "kernels/server.h"

/* Entries that the passes read of a span, or of those near a threshold that stand for it. */
struct entries {
    const float *g;
    int64_t n;
};

DEVICE struct entries entries_of(struct server_step s, int64_t federation, int64_t span)
{
    const struct chunk piece = s.span[span];
    struct entries all = {s.key + federation * s.ld + piece.begin, piece.end - piece.begin};
    if (s.windows[federation * s.segments + piece.tensor] == 0) return all;
    all.g = s.list + federation * s.ld + piece.begin;
    all.n = s.listed[federation * s.spans + span];
    return all;
}

/* Windows are told by the key's bits from here on. */
enum { KEY_SHIFT = 16 };

/* Window j of a segment holds keys from bound[2 j + 1] to below bound[2 j]; bounds descend. */
DEVICE int *bounds_of(struct server_step s, int64_t segment) { return s.bound + segment * BOUNDS_MOST; }
/* How many of the segment's entries reach each of them. */
DEVICE int *above_of(struct server_step s, int64_t segment) { return s.above + segment * BOUNDS_MOST; }

/* One more in the bin of each of the first `entries` lanes; of bins that are not below `bins`, none. */
DEVICE void count_lanes(int *count, int bins, lanes_int bin, int64_t entries)
{
    LANE_FOR(k, entries)
    {
        if ((uint32_t)lane_int_of(bin, k) < (uint32_t)bins) shared_add(&count[lane_int_of(bin, k)], 1);
    }
}

/* The same of a whole vector, or of what is left. */
DEVICE void count_lanes_part(int *count, int bins, lanes_int bin, int64_t left)
{
    if (left >= LANES)
        count_lanes(count, bins, bin, LANES);
    else
        count_lanes(count, bins, bin, left);
}

enum { GROUP_BINS = 1024 }; /* of a pass after the first */

/* The bin that a rank falls in: the highest that leaves less than *wanted above it, which
 * is taken off. coarse[i]: sum of NARROW_BINS counts. */
enum { NARROW_BINS = 32 };

DEVICE int narrow_to_bin(int64_t *wanted, const int *coarse, const int *count, int bins)
{
    int64_t left = *wanted;
    int part = bins / NARROW_BINS - 1;
    while (part > 0 && coarse[part] < left) left -= coarse[part--];
    int bin = part * NARROW_BINS + NARROW_BINS - 1;
    while (bin > 0 && count[bin] < left) left -= count[bin--];
    *wanted = left;
    return bin;
}

/* To be followed by block_sync(). */
DEVICE void sum_coarsely(BLOCK_PARAM int *coarse, const int *count, int bins)
{
    BLOCK_FOR(i, bins / NARROW_BINS)
    {
        int sum = 0;
        for (int k = 0; k < NARROW_BINS; k++) sum += count[i * NARROW_BINS + k];
        coarse[i] = sum;
    }
}

/* The rank's threshold begins with `prefix`, which `shift` bits follow, and so do the keys of `found` entries. */
DEVICE void lengthen_prefix(struct rank_state *rank, uint32_t prefix, int shift, int found)
{
    rank->prefix = prefix;
    rank->threshold = prefix << shift;
    if (rank->wanted == found) rank->group = -1;
}

#endif
