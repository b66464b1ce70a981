/* The download: every agent's model takes the entries of g that its reward keeps, the
 * server's takes all of them. */
#include "kernels/server.h"

/* What the columns of a model are made from: an agent's or the server's. w, origin and next may be NULL. */
struct download {
    float *w;
    const float *g, *key;
    const float *origin; /* that w's distance is measured from; NULL: zero */
    float least;         /* keys from it on are kept: of g itself, or of random numbers */
    const float *next;   /* what is read after w, and sent for meanwhile */
};

/* A warp's; by parts, as a sum would wait for its last addition. */
struct download_sums {
    lanes_double kept[DOUBLE_PARTS], distance[DOUBLE_PARTS];
};

/* `count` columns from i on, BEGUN_VECTORS vectors at most. */
DEVICE void download_lanes(struct download_sums *sums, const struct download *d, int64_t i, int64_t count)
{
    lanes_begun w[BEGUN_VECTORS] = {}, origin[BEGUN_VECTORS] = {}, key[BEGUN_VECTORS], g[BEGUN_VECTORS];
    UNROLL for (int j = 0; j < BEGUN_VECTORS; j++)
    {
        const int64_t at = i + j * LANES, left = count - j * LANES;
        if (d->w) w[j] = lanes_begin(d->w + at, left);
        if (d->w && d->origin) origin[j] = lanes_begin(d->origin + at, left);
        key[j] = lanes_begin(d->key + at, left);
        g[j] = lanes_begin(d->g + at, left);
    }
    UNROLL for (int j = 0; j < BEGUN_VECTORS; j++)
    {
        const int64_t at = i + j * LANES, left = count - j * LANES;
        const lanes magnitude = lanes_magnitude(lanes_end(key[j], d->key + at, left));
        const lanes v = lanes_select(magnitude >= d->least, lanes_end(g[j], d->g + at, left), lanes_of(0.0f));
        lanes moved = v;
        if (d->w) {
            moved = lanes_end(w[j], d->w + at, left) + v;
            lanes_store_part(d->w + at, moved, left);
        }
        UNROLL for (int part = 0; part < DOUBLE_PARTS; part++)
        {
            const lanes_double kept = lanes_double_part(v, part);
            sums->kept[part] += kept * kept;
            if (!d->w) continue;
            lanes_double distance = lanes_double_part(moved, part);
            if (d->origin) distance -= lanes_double_end(origin[j], part, d->origin + at, left);
            sums->distance[part] += distance * distance;
        }
    }
}

/* w += the entries of g that are kept, and onto the sums over them, of columns begin..end-1. */
DEVICE void download_columns(BLOCK_PARAM struct download_sums *sums, const struct download *d, int64_t begin,
                             int64_t end)
{
    WARP_FOR(strip, wide_strips_of(end - begin))
    {
        const int64_t first = begin + strip * WIDE_STRIP_COLUMNS;
        if (d->next) prefetch(d->next + first, WIDE_STRIP_COLUMNS);
        WIDE_STRIP_OF_LANES(first, end, BEGUN_VECTORS * LANES, download_lanes, sums, d);
    }
}

/* A chunk's columns of the model of the agent in `place`; NULL where there are no models. */
DEVICE float *download_row(BLOCK_PARAM struct server_step s, struct chunk chunk, int place)
{
    const int32_t agent = s.order[BLOCK_Y * s.agents + place];
    return s.model ? s.model + BLOCK_Y * s.model_block + agent * s.model_stride + chunk.begin : NULL;
}

DEVICE void leave_sums(BLOCK_PARAM const struct download_sums *sums, double *partial)
{
    const double kept = block_sum(double_parts_own(sums->kept));
    const double distance = block_sum(double_parts_own(sums->distance));
    if (THREAD_INDEX == 0) {
        partial[DOWNLOAD_KEPT] = kept;
        partial[DOWNLOAD_DISTANCE] = distance;
    }
}

/* A chunk for the agent in `place`, and its sums in `partial`. */
DEVICE void download_agent(BLOCK_PARAM struct server_step s, struct chunk chunk, int place, double *partial)
{
    const int64_t width = chunk.end - chunk.begin;
    const int64_t segment = BLOCK_Y * s.segments + segment_of(s, chunk.tensor);
    const struct rank_state rank = s.rank[segment * s.agents + place];
    const int32_t agent = s.order[BLOCK_Y * s.agents + place];
    const float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    const float *key = s.reward == CGSV_REWARD_RANDOM ? s.key + BLOCK_Y * s.ld + chunk.begin : g;
    const float *server = s.server_model ? s.server_model + BLOCK_Y * s.model_block + chunk.begin : NULL;
    const int last = place + 1 == s.agents; /* the next chunk follows */
    const float *next = s.model ? download_row(BLOCK_PASS s, chunk, last ? 0 : place + 1) + (last ? width : 0) : NULL;
    struct download d = {download_row(BLOCK_PASS s, chunk, place), g, key, server, float_of(rank.threshold), next};
    /* Entries equal to the threshold are kept before this column of the chunk. */
    const int64_t tie_end = rank.tie_end - chunk.begin, ties = tie_end < 0 ? 0 : smaller(tie_end, width);
    struct download_sums sums = {};
    download_columns(BLOCK_PASS &sums, &d, 0, ties);
    d.least = float_of(rank.threshold + 1);
    download_columns(BLOCK_PASS &sums, &d, ties, width);
    leave_sums(BLOCK_PASS &sums, partial + agent * DOWNLOAD_SUMS);
}

/* Block: a chunk, a federation. w_i ← w_i + v_i with v_i the entries of g above agent i's
 * threshold, or equal to it in a column before tie_end; leaves ‖v_i‖² and
 * ‖w_i − w_server‖². On a CPU the chunk's columns of g and of the server's model stay in the
 * first-level cache, and while a row is computed the next one is on its way. */
KERNEL(server_download, struct server_step s)
{
    const struct chunk chunk = s.chunk[BLOCK_X];
    const float *g = s.aggregate + BLOCK_Y * s.ld + chunk.begin;
    float *server = s.server_model ? s.server_model + BLOCK_Y * s.model_block + chunk.begin : NULL;
    double *partial = s.download_partial + (BLOCK_Y * s.chunks + BLOCK_X) * (s.agents + 1) * DOWNLOAD_SUMS;

    const struct download all = {server, g, g, NULL, 0, NULL};
    struct download_sums sums = {};
    download_columns(BLOCK_PASS &sums, &all, 0, chunk.end - chunk.begin);
    leave_sums(BLOCK_PASS &sums, partial + s.agents * DOWNLOAD_SUMS);
    for (int place = 0; place < s.agents; place++) download_agent(BLOCK_PASS s, chunk, place, partial);
}

static const char *launch_server_download(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.chunks, step.federations, 1), server_download, step);
}
