/* The download: every agent's model takes the entries of g that its reward keeps, the
 * server's takes all of them. */
#include "kernels/server.h"

DEVICE double square_of(double x) { return x * x; }

/* What an agent's columns are made from; w, server and next may be NULL. */
struct download {
    float *w;
    const float *g, *key, *server;
    float least; /* keys from it on are kept: of g itself, or of random numbers */
    const float *next; /* what is read after w, and sent for meanwhile */
};

/* A warp's; by parts, as a sum would wait for its last addition. */
struct download_sums {
    lanes_double kept[DOUBLE_PARTS], distance[DOUBLE_PARTS];
};

/* `count` columns from i on. */
DEVICE void download_lanes(struct download_sums *sums, const struct download *d, int64_t i, int64_t count)
{
    const lanes key = lanes_magnitude(lanes_load_part(d->key + i, count));
    const lanes v = lanes_select(key >= d->least, lanes_load_part(d->g + i, count), lanes_of(0.0f));
    lanes moved = v;
    if (d->w) {
        moved = lanes_load_part(d->w + i, count) + v;
        lanes_store_part(d->w + i, moved, count);
    }
    UNROLL for (int part = 0; part < DOUBLE_PARTS; part++)
    {
        const lanes_double kept = lanes_double_part(v, part);
        sums->kept[part] += kept * kept;
        if (!d->w || !d->server) continue;
        const lanes_double distance =
            lanes_double_part(moved, part) -
            lanes_double_load_part(d->server + i + part * DOUBLE_LANES, double_part_count(count, part));
        sums->distance[part] += distance * distance;
    }
}

/* w += the entries of g that are kept, and onto the sums over them, of columns begin..end-1. */
DEVICE void download_columns(BLOCK_PARAM struct download_sums *sums, const struct download *d, int64_t begin,
                             int64_t end)
{
    WARP_FOR(strip, strips_of(end - begin))
    {
        const int64_t first = begin + strip * STRIP_COLUMNS;
        if (d->next) prefetch(d->next + first, STRIP_COLUMNS);
        STRIP_OF_LANES(first, end, LANES, download_lanes, sums, d);
    }
}

/* A chunk's columns of the model of the agent in `place`; NULL where there are no models. */
DEVICE float *download_row(BLOCK_PARAM struct server_step s, struct chunk chunk, int place)
{
    const int32_t agent = s.order[BLOCK_Y * s.agents + place];
    return s.model ? s.model + BLOCK_Y * s.model_block + agent * s.model_stride + chunk.begin : NULL;
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
    const double kept = block_sum(double_parts_own(sums.kept));
    const double distance = block_sum(double_parts_own(sums.distance));
    if (THREAD_INDEX == 0) {
        double *sum = partial + agent * DOWNLOAD_SUMS;
        sum[DOWNLOAD_KEPT] = kept;
        sum[DOWNLOAD_DISTANCE] = distance;
    }
}

/* Block: a chunk, a federation. w_i ← w_i + v_i with v_i the entries of g above agent i's
 * threshold, or equal to it in a column before tie_end; leaves ‖v_i‖² and
 * ‖w_i − w_server‖². On a CPU the chunk's columns of g and of the server's model stay in the
 * first-level cache, and while a row is computed the next one is on its way. */
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
        partial[s.agents * DOWNLOAD_SUMS + DOWNLOAD_KEPT] = kept;
        partial[s.agents * DOWNLOAD_SUMS + DOWNLOAD_DISTANCE] = distance;
    }

    for (int place = 0; place < s.agents; place++) download_agent(BLOCK_PASS s, chunk, place, partial);
}

static const char *launch_server_download(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.chunks, step.federations, 1), server_download, step);
}
