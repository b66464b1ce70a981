/* The small kernels of the server step: what an agent weighs in the aggregate, its
 * contribution, its importance r, its keep ratio q, and the round's record. One block
 * serves a federation. */
#include "kernels/stages.h"

#define ROUNDED_COSINE 0.9 /* below it, float32 has lost an update beside its model */

/* ‖Δw_i‖, and what is wrong with the update. */
DEVICE void examine(struct server_step s, int64_t agent, struct cgsv_round_record *record)
{
    const double *partial = s.norm_partial + agent * s.pieces * NORM_SUMS;
    double sum[NORM_SUMS] = {0};
    for (int piece = 0; piece < s.pieces; piece++)
        for (int k = 0; k < NORM_SUMS; k++) sum[k] += partial[(int64_t)piece * NORM_SUMS + k];

    const double norm = sqrt(sum[NORM_SQUARE]);
    int fault = 0;
    if (!(norm <= 1.7976931348623157e308)) /* squares of finite floats never add up to infinity */
        fault = CGSV_FAULT_NOT_FINITE;
    else if (norm == 0)
        fault = CGSV_FAULT_ZERO;
    else if (!(sum[NORM_MOVED_DOT] >= ROUNDED_COSINE * norm * sqrt(sum[NORM_MOVED_SQUARE]) &&
               sum[NORM_MOVED_SQUARE] > 0))
        fault = CGSV_FAULT_ROUNDED;
    s.norm[agent] = norm;
    s.coefficient[agent] = fault == CGSV_FAULT_NOT_FINITE || fault == CGSV_FAULT_ZERO ? FAULTY_UPDATE : 0.0;
    record->update_norm = norm;
    record->fault = fault;
}

KERNEL(server_examine, struct server_step s)
{
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    BLOCK_FOR(i, s.agents) { examine(s, BLOCK_X * s.agents + i, record + i); }
}

static const char *launch_server_examine(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.federations, 1, 1), server_examine, step);
}

KERNEL(server_weigh, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    const struct mechanism *m = s.mechanism + BLOCK_X;
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    BLOCK_FOR(i, s.agents)
    {
        if (*s.round == 0) s.removed[first + i] = 0;
        examine(s, first + i, record + i);
    }
    block_sync();
    if (values_first(m)) {
        const struct products none = {NULL, 0, s.agents, 0};
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

KERNEL(server_contribution, struct server_step s)
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

/* Sums of the download, in the order of the chunks, complete the round's record; the
 * round is then done. */
KERNEL(server_record, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    const double *partial = s.download_partial + BLOCK_X * s.chunks * (s.agents + 1) * DOWNLOAD_SUMS;
    /* Last layer: its weight and its bias are the last two tensors. */
    const int32_t last_layer = s.tensors >= 2 ? s.tensors - 2 : 0;

    double g_square = 0, server_square = 0;
    for (int chunk = 0; chunk < s.chunks; chunk++) {
        const double *at = partial + ((int64_t)chunk * (s.agents + 1) + s.agents) * DOWNLOAD_SUMS;
        g_square += at[DOWNLOAD_KEPT];
        server_square += at[DOWNLOAD_DISTANCE];
    }
    BLOCK_FOR(i, s.agents)
    {
        double kept_square = 0, distance = 0, distance_last = 0, kept = 0;
        for (int chunk = 0; chunk < s.chunks; chunk++) {
            const double *at = partial + ((int64_t)chunk * (s.agents + 1) + i) * DOWNLOAD_SUMS;
            kept_square += at[DOWNLOAD_KEPT];
            distance += at[DOWNLOAD_DISTANCE];
            if (s.chunk[chunk].tensor >= last_layer) distance_last += at[DOWNLOAD_DISTANCE];
        }
        for (int place = 0; place < s.agents; place++)
            if (s.order[first + place] == i)
                for (int segment = 0; segment < s.segments; segment++)
                    kept += (double)s.rank[(BLOCK_X * s.segments + segment) * s.agents + place].kept;
        record[i].kept = kept;
        /* v is g with entries left out, so <v, g> = ‖v‖² and ‖v − g‖² = ‖g‖² − ‖v‖². */
        record[i].reward_cos = kept_square > 0 ? sqrt(kept_square / g_square) : 0.0;
        record[i].reward_error = sqrt(fmax(g_square - kept_square, 0.0));
        record[i].distance = s.model && s.server_model ? sqrt(distance) : NAN;
        record[i].distance_last_layer = s.model && s.server_model ? sqrt(distance_last) : NAN;
        record[i].server_norm = s.server_model ? sqrt(server_square) : NAN;
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
