/* Kernels of the stages that only some schemes have: uploads that are not the raw updates,
 * exact Shapley values, random orders of the entries, own updates. */
#include "kernels/stages.h"

template <typename stored>
DEVICE const stored *raw_row(struct server_step s, int64_t federation, int64_t agent)
{
    return (const stored *)s.raw + (federation * s.agents + agent) * s.raw_stride;
}

/* An entry as the scheme clips it. One that is not finite stays so. */
DEVICE float clipped(float x, float most)
{
    if (!(fabsf(x) <= FLT_MAX)) return NAN;
    return fminf(fmaxf(x, -most), most);
}

DEVICE float clip_of(const struct mechanism *m)
{
    return m->scheme.normalise == CGSV_NORMALISE_ENTRIES ? (float)m->scheme.clip : FLT_MAX;
}

/* Block: a piece of CHUNK_COLUMNS columns, an agent, a federation. */
template <typename stored>
KERNEL(server_upload, float *upload, struct server_step s, int64_t stride)
{
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(s.dimension, BLOCK_X);
    const stored *raw = raw_row<stored>(s, BLOCK_Z, BLOCK_Y) + begin;
    const float most = clip_of(s.mechanism + BLOCK_Z);
    float *to = upload + (BLOCK_Z * s.agents + BLOCK_Y) * stride + begin;
    SIMD BLOCK_FOR(i, width) { to[i] = clipped(widened(raw[i]), most); }
}

static const char *launch_server_upload(void *stream, float *upload, struct server_step step, int64_t stride)
{
    const struct grid grid = grid_of(step.pieces, step.agents, step.federations);
    return LAUNCH_BY_STORAGE(stream, grid, step.raw_storage, server_upload, upload, step, stride);
}

/* Block: a piece, an upload. `s` is the selection of its largest entries, with one agent to a
 * federation. An upload that is not finite stays as it is: nobody reads it. */
KERNEL(server_upload_mask, float *upload, struct server_step s)
{
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS;
    const struct rank_state rank = s.rank[BLOCK_Y];
    float *u = upload + BLOCK_Y * s.ld + begin;
    BLOCK_FOR(i, piece_width(s.dimension, BLOCK_X))
    {
        const uint32_t key = key_of(u[i]);
        if (key < rank.threshold || (key == rank.threshold && begin + i >= rank.tie_end)) u[i] = 0;
    }
}

static const char *launch_server_upload_mask(void *stream, float *upload, struct server_step selection)
{
    return LAUNCH(stream, grid_of(selection.pieces, selection.federations, 1), server_upload_mask, upload, selection);
}

/* Block: a piece, a row. */
template <typename stored>
KERNEL(move_models, struct moved_models m)
{
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(m.dimension, BLOCK_X);
    const float *from = m.from + BLOCK_Y * m.from_stride + begin;
    const stored *u = (const stored *)m.update + BLOCK_Y * m.update_stride + begin;
    float *to = m.to + BLOCK_Y * m.ld + begin;
    SIMD BLOCK_FOR(i, width) { to[i] = from[i] + widened(u[i]); }
}

static const char *launch_move_models(void *stream, struct moved_models models)
{
    const struct grid grid = grid_of(column_pieces(models.dimension), models.rows, 1);
    return LAUNCH_BY_STORAGE(stream, grid, models.storage, move_models, models);
}

/* Block: a federation. The Gram matrix is added to, so it begins at 0; the game's weights. */
KERNEL(server_exact_begin, double *gram, double *weight, struct server_step s)
{
    const int64_t N = s.agents, first = BLOCK_X * N;
    BLOCK_FOR(i, N * N) { gram[first * N + i] = 0; }
    BLOCK_FOR(i, N) { weight[first + i] = is_faulty(s.coefficient[first + i]) ? 0.0 : s.coefficient[first + i]; }
}

static const char *launch_server_exact_begin(void *stream, double *gram, double *weight, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.federations, 1, 1), server_exact_begin, gram, weight, step);
}

/* Block: a piece, a federation. Positive finite numbers in a random order: of equal ones, which
 * 30 bits leave, the first comes first. */
KERNEL(server_random_keys, float *key, struct server_step s)
{
    const struct mechanism *m = s.mechanism + BLOCK_Y;
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(s.dimension, BLOCK_X);
    float *to = key + BLOCK_Y * s.ld + begin;
    BLOCK_FOR(four, (width + 3) / 4)
    {
        const philox4x32_ctr_t words = random_words(m->seed, RANDOM_USE_SCHEME, (uint32_t)(begin / 4 + four),
                                                    (uint32_t)*s.round, DRAW_ORDER);
        for (int k = 0; k < 4 && 4 * four + k < width; k++) to[4 * four + k] = float_of((words.v[k] >> 2) + 1);
    }
}

static const char *launch_server_random_keys(void *stream, float *key, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.pieces, step.federations, 1), server_random_keys, key, step);
}

/* w += Δw − κ upload over `width` columns. */
template <typename stored, typename uploaded>
DEVICE void keep_own(BLOCK_PARAM float *w, const stored *raw, const uploaded *upload, float most, float share,
                     int64_t width)
{
    if (share == 0) {
        SIMD BLOCK_FOR(i, width) { w[i] += clipped(widened(raw[i]), most); }
    } else {
        SIMD BLOCK_FOR(i, width) { w[i] += clipped(widened(raw[i]), most) - share * widened(upload[i]); }
    }
}

/* Block: a piece, an agent, a federation. w_i ← w_i + Δw_i − κ_i upload_i. Uploads are the raw updates or floats. */
template <typename stored>
KERNEL(server_keep_own, struct server_step s)
{
    const struct mechanism *m = s.mechanism + BLOCK_Z;
    const int64_t begin = BLOCK_X * CHUNK_COLUMNS, width = piece_width(s.dimension, BLOCK_X);
    const int64_t agent = BLOCK_Z * s.agents + BLOCK_Y;
    if (m->scheme.own_update == CGSV_OWN_DROPPED || m->alone || is_faulty(s.coefficient[agent])) return;
    const stored *raw = raw_row<stored>(s, BLOCK_Z, BLOCK_Y) + begin;
    const float most = clip_of(m), share = (float)s.own_share[agent];
    float *w = s.model + BLOCK_Z * s.model_block + BLOCK_Y * s.model_stride + begin;
    if (s.storage == s.raw_storage)
        keep_own(BLOCK_PASS w, raw, update_row<stored>(s, BLOCK_Z, BLOCK_Y) + begin, most, share, width);
    else
        keep_own(BLOCK_PASS w, raw, update_row<float>(s, BLOCK_Z, BLOCK_Y) + begin, most, share, width);
}

static const char *launch_server_keep_own(void *stream, struct server_step step)
{
    const struct grid grid = grid_of(step.pieces, step.agents, step.federations);
    return LAUNCH_BY_STORAGE(stream, grid, step.raw_storage, server_keep_own, step);
}
