/* The sums of an update that the server takes its norm from. */
#ifndef KERNELS_NORMS_H
#define KERNELS_NORMS_H

#include "kernels/portable.h"

/* Of a piece of an agent's update u, with w = fl(m + u): partial[NORM_SUMS]. Each thread reads
 * the entries that BLOCK_FOR gives it. */
DEVICE void write_norm_sums(BLOCK_PARAM double *partial, const float *u, const float *w, const float *m, int64_t width)
{
    double square = 0, moved_dot = 0, moved_square = 0;
    SIMD_SUM(square, moved_dot, moved_square)
    BLOCK_FOR(i, width)
    {
        const float moved = w[i] - m[i];
        square += (double)u[i] * u[i];
        moved_dot += (double)moved * u[i];
        moved_square += (double)moved * moved;
    }
    square = block_sum(square);
    moved_dot = block_sum(moved_dot);
    moved_square = block_sum(moved_square);
    if (THREAD_INDEX == 0) {
        partial[NORM_SQUARE] = square;
        partial[NORM_MOVED_DOT] = moved_dot;
        partial[NORM_MOVED_SQUARE] = moved_square;
    }
}

#endif
