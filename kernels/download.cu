/* The download: every agent's model takes the entries of g that its reward keeps, the
 * server's takes all of them. */
#include "kernels/server.h"

DEVICE double square_of(double x) { return x * x; }

/* w += the entries of g whose key (of g itself, or of random numbers) is at least `threshold`,
 * in columns begin..end-1, and the sums over them. w and server may be NULL. What is stored is not
 * read back: GCC would keep the sums in memory. */
DEVICE void download_columns(BLOCK_PARAM float *w, double *kept, double *distance, const float *g, const float *key,
                             const float *server, uint32_t threshold, int64_t begin, int64_t end)
{
    const float least = float_of(threshold); /* keys order as magnitudes do */
    const int64_t n = end - begin;
    if (n == 0) return; /* all threads alike */
    double kept_sum = 0, distance_sum = 0;
    g += begin;
    key += begin;
    if (w && server) {
        w += begin;
        server += begin;
        SIMD_SUM(kept_sum, distance_sum)
        BLOCK_FOR(i, n)
        {
            const float entry = g[i], v = fabsf(key[i]) >= least ? entry : 0.0f, moved = w[i] + v;
            w[i] = moved;
            kept_sum += square_of(v);
            distance_sum += square_of((double)moved - server[i]);
        }
    } else {
        SIMD_SUM(kept_sum)
        BLOCK_FOR(i, n)
        {
            const float entry = g[i], v = fabsf(key[i]) >= least ? entry : 0.0f;
            if (w) w[begin + i] += v;
            kept_sum += square_of(v);
        }
    }
    *kept += kept_sum;
    *distance += distance_sum;
}

/* Columns begin..begin+n-1 of a chunk for the agent in `place`, and onto its sums in `partial`. */
DEVICE void download_tile(BLOCK_PARAM struct server_step s, struct chunk chunk, int place, double *partial,
                          int64_t begin, int64_t n)
{
    const int64_t segment = BLOCK_Y * s.segments + segment_of(s, chunk.tensor);
    const int64_t model_begin = BLOCK_Y * s.model_block + chunk.begin;
    const struct rank_state rank = s.rank[segment * s.agents + place];
    const int32_t agent = s.order[BLOCK_Y * s.agents + place];
    const float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    const float *key = s.reward == CGSV_REWARD_RANDOM ? s.key + BLOCK_Y * s.ld + chunk.begin : g;
    const float *server = s.server_model ? s.server_model + model_begin : NULL;
    float *w = s.model ? s.model + model_begin + agent * s.model_stride : NULL;
    /* Entries equal to the threshold are kept before this column of the tile. */
    const int64_t tie_end = rank.tie_end - chunk.begin - begin, ties = tie_end < 0 ? 0 : smaller(tie_end, n);
    double *sum = partial + agent * DOWNLOAD_SUMS;
    double kept = THREAD_INDEX == 0 ? sum[DOWNLOAD_KEPT] : 0, distance = THREAD_INDEX == 0 ? sum[DOWNLOAD_DISTANCE] : 0;
    if (w) prefetch(w + begin + 2 * TILE_COLUMNS, TILE_COLUMNS);
    download_columns(BLOCK_PASS w, &kept, &distance, g, key, server, rank.threshold, begin, begin + ties);
    download_columns(BLOCK_PASS w, &kept, &distance, g, key, server, rank.threshold + 1, begin + ties, begin + n);
    kept = block_sum(kept);
    distance = block_sum(distance);
    if (THREAD_INDEX == 0) {
        sum[DOWNLOAD_KEPT] = kept;
        sum[DOWNLOAD_DISTANCE] = distance;
    }
}

/* Block: a chunk, a federation. w_i ← w_i + v_i with v_i the entries of g above agent i's
 * threshold, or equal to it in a column before tie_end; leaves ‖v_i‖² and
 * ‖w_i − w_server‖². Tile by tile, so that on a CPU neither those of g and of the server's model leave
 * the first-level cache, nor does the memory wait for one row to be done. */
KERNEL(server_download, struct server_step s)
{
    const struct chunk chunk = s.chunk[BLOCK_X];
    const int64_t width = chunk.end - chunk.begin, models = s.agents + 1;
    const float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    float *server = s.server_model ? s.server_model + BLOCK_Y * s.model_block + chunk.begin : NULL;
    double *partial = s.download_partial + (BLOCK_Y * s.chunks + BLOCK_X) * models * DOWNLOAD_SUMS;

    double kept = 0, distance = 0;
    SIMD_SUM(kept, distance)
    BLOCK_FOR(i, width)
    {
        kept += square_of(g[i]);
        if (server) {
            server[i] += g[i];
            distance += square_of(server[i]);
        }
    }
    kept = block_sum(kept);
    distance = block_sum(distance);
    if (THREAD_INDEX == 0) {
        for (int i = 0; i < s.agents * DOWNLOAD_SUMS; i++) partial[i] = 0;
        partial[s.agents * DOWNLOAD_SUMS + DOWNLOAD_KEPT] = kept;
        partial[s.agents * DOWNLOAD_SUMS + DOWNLOAD_DISTANCE] = distance;
    }

    for (int64_t begin = 0; begin < width; begin += TILE_COLUMNS) {
        const int64_t n = smaller(width - begin, TILE_COLUMNS);
        for (int place = 0; place < s.agents; place++) download_tile(BLOCK_PASS s, chunk, place, partial, begin, n);
    }
}

static const char *launch_server_download(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.chunks, step.federations, 1), server_download, step);
}
