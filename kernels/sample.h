/* The sample of a segment that the selection of few agents begins with. */
#ifndef KERNELS_SAMPLE_H
#define KERNELS_SAMPLE_H

#include "kernels/server.h"

/* One of SAMPLE_EVERY entries of a segment is in the sample, but SAMPLE_LEAST to SAMPLE_MOST. */
enum { SAMPLE_EVERY = 16 };

/* Entries in the sample of a segment of n; 0: reading a list of the others would save nothing. */
DEVICE int64_t sample_size(int64_t n)
{
    const int64_t m = smaller(larger(n / SAMPLE_EVERY, SAMPLE_LEAST), SAMPLE_MOST);
    return 4 * m <= n ? m : 0;
}

/* Puts the entries of a segment's sample that lie in columns begin..end-1 in their places. */
DEVICE void sample_columns(BLOCK_PARAM struct server_step s, int64_t segment, int64_t begin, int64_t end)
{
    const int64_t segment_begin = s.segment_begin[segment], n = s.segment_begin[segment + 1] - segment_begin;
    const int64_t m = sample_size(n);
    if (m == 0) return; /* all threads alike */
    const float *g = s.key + BLOCK_Y * s.ld + segment_begin;
    float *sample = s.list + BLOCK_Y * s.ld + segment_begin;
    const int64_t step = (n << 16) / m; /* in 65536ths of a column, as a division for each would take longest of all */
    const int64_t first = (((begin - segment_begin) << 16) + step - 1) / step;
    const int64_t last = smaller((((end - segment_begin) << 16) + step - 1) / step, m);
    BLOCK_FOR(i, last - first) { sample[first + i] = g[(first + i) * step >> 16]; }
}

/* The same of a chunk of the aggregate that the block has written. */
DEVICE void leave_sample(BLOCK_PARAM struct server_step s, struct chunk chunk)
{
    if (!s.sampled) return;
    block_sync();
    sample_columns(BLOCK_PASS s, segment_of(s, chunk.tensor), chunk.begin, chunk.end);
}

#endif
