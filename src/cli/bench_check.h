/* Whether a selection is right: what is timed must be. */
#ifndef CLI_BENCH_CHECK_H
#define CLI_BENCH_CHECK_H

#include <stdint.h>

#include "cgsv/federation.h"
#include "kernels/kernels.h"

/* The keep ratios that `bench select` asks for: of rank i of N, most first, (N − i) / (N + 1). */
double bench_keep_ratio(int rank, int agents);

/* Entries that rank i then keeps of a segment of n: ⌈q n⌉, or ⌊q n⌋ by `global`. In integers. */
int64_t bench_kept(int rank, int agents, int64_t n, cgsv_reward reward);

/* CGSV_ERROR_DEVICE, which names rank and segment, unless rank[segments][agents] keeps as many
 * entries of g as it should. What a rank keeps is all above a threshold, and of those equal to it
 * the ones in lower columns: so where the count is right, it keeps the largest. */
cgsv_status bench_check_selection(const float *g, const struct rank_state *rank, const int64_t *segment_begin,
                                  int segments, int agents, cgsv_reward reward);

#endif
