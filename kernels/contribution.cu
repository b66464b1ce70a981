/* The small kernels of the server step: what an agent weighs in the aggregate, its
 * contribution, its importance r, its keep ratio q, and the round's record. One block
 * serves a federation. */
#include "kernels/stages.h"

KERNEL(server_weigh, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    const struct mechanism *m = s.mechanism + BLOCK_X;
    BLOCK_FOR(i, s.agents)
    {
        if (*s.round == 0) s.removed[first + i] = 0;
    }
    block_sync();
    if (values_first(m)) {
        const struct products none = {NULL, 0};
        contribute(BLOCK_PASS s, BLOCK_X, none);
        cumulate(BLOCK_PASS s, BLOCK_X);
    }
    if (m->scheme.weights == CGSV_WEIGHTS_LOSS) {
        weigh_by_loss(BLOCK_PASS s, BLOCK_X);
        return;
    }
    BLOCK_FOR(i, s.agents)
    {
        if (is_faulty(s.coefficient[first + i])) continue;
        s.coefficient[first + i] = update_weight(s, BLOCK_X, i) * update_scale(m, s.norm[first + i]);
    }
}

static const char *launch_server_weigh(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.federations, 1, 1), server_weigh, step);
}

KERNEL_BY(1, server_contribution, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    double *importance = s.importance + first, *keep_ratio = s.keep_ratio + first;

    if (!values_first(s.mechanism + BLOCK_X)) {
        contribute(BLOCK_PASS s, BLOCK_X, products_of(s, BLOCK_X));
        cumulate(BLOCK_PASS s, BLOCK_X);
    }
    const double most = most_of(importance, s.agents), largest_share = most_of(s.data_share + first, s.agents);
    BLOCK_FOR(i, s.agents)
    {
        keep_ratio[i] = quota_of(s, BLOCK_X, i, most, largest_share);
        s.own_share[first + i] = own_share(s, BLOCK_X, i, largest_share);
        record[i].importance = importance[i];
        record[i].keep_ratio = keep_ratio[i];
    }
    block_sync();

    BLOCK_FOR(i, s.agents)
    {
        int place = 0;
        for (int j = 0; j < s.agents; j++)
            place += keep_ratio[j] > keep_ratio[i] || (j < i && keep_ratio[j] == keep_ratio[i]);
        s.order[first + place] = (int32_t)i;
    }
}

static const char *launch_server_contribution(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.federations, 1, 1), server_contribution, step);
}

/* Sums of the download complete the round's record; the round is then done. */
KERNEL(server_record, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    const double *all = s.download + BLOCK_X * (s.agents + 1) * DOWNLOAD_TOTALS;
    const double *server = all + s.agents * DOWNLOAD_TOTALS, g_square = server[DOWNLOAD_KEPT];
    BLOCK_FOR(i, s.agents)
    {
        const double *own = all + i * DOWNLOAD_TOTALS;
        double kept = 0;
        for (int place = 0; place < s.agents; place++)
            if (s.order[first + place] == i)
                for (int segment = 0; segment < s.segments; segment++)
                    kept += (double)s.rank[(BLOCK_X * s.segments + segment) * s.agents + place].kept;
        record[i].kept = kept;
        /* v is g with entries left out, so <v, g> = ‖v‖² and ‖v − g‖² = ‖g‖² − ‖v‖². */
        record[i].reward_cos = own[DOWNLOAD_KEPT] > 0 ? sqrt(own[DOWNLOAD_KEPT] / g_square) : 0.0;
        record[i].reward_error = sqrt(fmax(g_square - own[DOWNLOAD_KEPT], 0.0));
        record[i].distance = s.model && s.server_model ? sqrt(own[DOWNLOAD_DISTANCE]) : NAN;
        record[i].distance_last_layer = s.model && s.server_model ? sqrt(own[DOWNLOAD_LAST_DISTANCE]) : NAN;
        record[i].server_norm = s.server_model ? sqrt(server[DOWNLOAD_DISTANCE]) : NAN;
        record[i].train_loss = s.train_loss ? s.train_loss[first + i] : NAN;
    }
}

/* A kernel of its own, since every block of the one before reads the round. */
KERNEL(round_end, int *round)
{
    if (THREAD_INDEX == 0) ++*round;
}

static const char *launch_server_record(void *stream, struct server_step step)
{
    const char *error = LAUNCH(stream, grid_of(step.federations, 1, 1), server_record, step);
    return error ? error : LAUNCH(stream, grid_of(1, 1, 1), round_end, step.round);
}
