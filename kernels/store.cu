/* Updates that are stored as bfloat16: the upper half of a float's bits, half the memory and half the
 * bytes of each of the server's passes. */
#include "kernels/norms.h"
#include "kernels/server.h"

/* Block: a piece of CHUNK_COLUMNS columns, a row. Each thread changes the entries that it will read. */
KERNEL(round_updates, struct update_rounding r)
{
    SHARED(float, w, CHUNK_COLUMNS);
    const int64_t agent = r.row ? r.row[BLOCK_Y].agent : BLOCK_Y;
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(r.dimension, BLOCK_X);
    if (agent < 0) return; /* all threads alike */
    float *u = r.from + BLOCK_Y * r.from_stride + begin;
    uint16_t *to = r.to + agent * r.to_stride + begin;
    SIMD BLOCK_FOR(i, width)
    {
        to[i] = narrowed(u[i], to);
        u[i] = widened(to[i]);
    }
    if (!r.norm_partial) return;
    const float *m = r.model + r.row[BLOCK_Y].model * r.ld + begin;
    SIMD BLOCK_FOR(i, width) { w[i] = m[i] + u[i]; }
    write_norm_sums(BLOCK_PASS r.norm_partial + (agent * GRID_X + BLOCK_X) * NORM_SUMS, u, w, m, width);
}

static const char *launch_round_updates(void *stream, struct update_rounding rounding)
{
    return LAUNCH(stream, grid_of(column_pieces(rounding.dimension), rounding.rows, 1), round_updates, rounding);
}
