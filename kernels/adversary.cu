/* What adversaries do: train on flipped labels, and upload other updates than their own.
 * The kinds are those of cgsv/adversary.h. */
#include "kernels/norms.h"
#include "kernels/random.h"
#include "kernels/server.h"

/* Block: a row whose labels are flipped, y → C − 1 − y; `first` is the first row of the batches. */
KERNEL(flip_labels, int32_t *label, const int32_t *count, const int32_t *row, int first, int classes,
       int slots)
{
    const int64_t r = row[BLOCK_X] - first;
    int32_t *y = label + r * slots;
    BLOCK_FOR(slot, count[r]) { y[slot] = classes - 1 - y[slot]; }
}

static const char *launch_flip_labels(void *stream, int32_t *label, const int32_t *count, const int32_t *row, int rows,
                                      int first, int classes, int slots)
{
    return LAUNCH(stream, grid_of(rows, 1, 1), flip_labels, label, count, row, first, classes, slots);
}

/* Uniform in (−1, 1): the odd multiples of 2^-24, all of which are floats. */
DEVICE float symmetric_uniform(uint32_t word) { return (float)(2 * (int32_t)(word >> 8) + 1 - (1 << 24)) * 0x1p-24f; }

/* Columns begin .. begin + width - 1, each by a word of its own: `begin` is a multiple of four. */
DEVICE void random_columns(BLOCK_PARAM float *u, struct adversary who, int round, int64_t begin, int64_t width)
{
    BLOCK_FOR(quad, (width + 3) / 4)
    {
        const philox4x32_ctr_t words = random_words(who.seed, RANDOM_USE_ADVERSARY, (uint32_t)(begin / 4 + quad),
                                                    (uint32_t)who.stream, (uint32_t)round);
        for (int64_t i = 4 * quad; i < smaller(4 * quad + 4, width); i++) u[i] = symmetric_uniform(words.v[i % 4]);
    }
}

/* Block: a piece of CHUNK_COLUMNS columns, an adversary. Its update, and the sums that its
 * training has left of it, anew. The model in training stays as it is. */
template <typename stored>
KERNEL(rewrite_updates, struct adversary_step s)
{
    SHARED(float, u, CHUNK_COLUMNS);
    SHARED(float, w, CHUNK_COLUMNS);
    const struct adversary who = s.adversary[BLOCK_Y];
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(s.dimension, BLOCK_X);
    stored *to = (stored *)s.update + who.agent * s.ld + begin;
    const float *m = s.model + who.model * s.ld + begin;
    const float factor = who.kind == CGSV_SIGN_FLIP ? -1.0f : who.factor;
    if (who.kind == CGSV_RANDOM_UPDATE)
        random_columns(BLOCK_PASS u, who, *s.round, begin, width);
    else if (who.kind == CGSV_ZERO_UPDATE)
        SIMD BLOCK_FOR(i, width) { u[i] = 0.0f; }
    else
        SIMD BLOCK_FOR(i, width) { u[i] = factor * widened(to[i]); }
    block_sync();
    SIMD BLOCK_FOR(i, width)
    {
        to[i] = narrowed(u[i], to);
        u[i] = widened(to[i]);
        w[i] = m[i] + u[i];
    }
    write_norm_sums(BLOCK_PASS s.norm_partial + (who.agent * GRID_X + BLOCK_X) * NORM_SUMS, u, w, m, width);
}

static const char *launch_rewrite_updates(void *stream, struct adversary_step step)
{
    const struct grid grid = grid_of(column_pieces(step.dimension), step.adversaries, 1);
    return LAUNCH_BY_STORAGE(stream, grid, step.storage, rewrite_updates, step);
}
