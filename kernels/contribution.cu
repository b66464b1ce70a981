/* The small kernels of the server step: what an agent weighs in the aggregate, its
 * contribution ψ, its importance r, its keep ratio q, and the round's record. One block
 * serves a federation. Section numbers are of the paper (NeurIPS 2021). */
#include "kernels/server.h"

#define NORM_EPSILON 1e-7       /* in u = Γ Δw / (‖Δw‖ + ε), from the published code */
#define ZERO_NORM 1e-10         /* a cosine with a shorter vector counts as 0 */
#define IMPORTANCE_FLOOR 1e-3   /* before r is normalised */
#define ROUNDED_COSINE 0.9      /* below it, float32 has lost an update beside its model */

/* Importance still counts as 0 in the first round, when shares of the data weigh. */
KERNEL(server_weigh, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    const struct mechanism mechanism = s.mechanism[BLOCK_X];
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    BLOCK_FOR(i, s.agents)
    {
        const int64_t agent = first + i;
        const double *partial = s.norm_partial + agent * s.pieces * NORM_SUMS;
        double sum[NORM_SUMS] = {0};
        for (int piece = 0; piece < s.pieces; piece++)
            for (int k = 0; k < NORM_SUMS; k++) sum[k] += partial[(int64_t)piece * NORM_SUMS + k];

        const double norm = sqrt(sum[NORM_SQUARE]);
        const double weight = *s.round == 0 ? s.data_share[agent] : s.importance[agent];
        int fault = 0;
        if (!(norm <= 1.7976931348623157e308)) /* squares of finite floats never add up to infinity */
            fault = CGSV_FAULT_NOT_FINITE;
        else if (norm == 0)
            fault = CGSV_FAULT_ZERO;
        else if (!(sum[NORM_MOVED_DOT] >= ROUNDED_COSINE * norm * sqrt(sum[NORM_MOVED_SQUARE]) &&
                   sum[NORM_MOVED_SQUARE] > 0))
            fault = CGSV_FAULT_ROUNDED;
        const int excluded = fault == CGSV_FAULT_NOT_FINITE || fault == CGSV_FAULT_ZERO;
        s.norm[agent] = norm;
        s.coefficient[agent] = excluded ? FAULTY_UPDATE : weight * mechanism.gamma / (norm + NORM_EPSILON);
        record[i].update_norm = norm;
        record[i].fault = fault;
    }
}

static const char *launch_server_weigh(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.federations, 1, 1), server_weigh, step);
}

/* Section 3.2: ψ_i = cos(u_i, g), r_i ← α r_i + (1 − α) ψ_i, and q. */
KERNEL(server_contribution, struct server_step s)
{
    const int64_t first = BLOCK_X * s.agents;
    const struct mechanism mechanism = s.mechanism[BLOCK_X];
    struct cgsv_round_record *record = round_record(s, BLOCK_X);
    double *importance = s.importance + first, *keep_ratio = s.keep_ratio + first;
    const double *dots = s.dot_partial + BLOCK_X * s.chunks * (s.agents + 1);

    double square = 0;
    for (int chunk = 0; chunk < s.chunks; chunk++) square += dots[(int64_t)chunk * (s.agents + 1) + s.agents];
    const double g_norm = sqrt(square);

    BLOCK_FOR(i, s.agents)
    {
        double dot = 0;
        for (int chunk = 0; chunk < s.chunks; chunk++) dot += dots[(int64_t)chunk * (s.agents + 1) + i];
        const double norm = s.norm[first + i], scale = mechanism.gamma / (norm + NORM_EPSILON);
        double psi = 0;
        if (s.coefficient[first + i] >= 0 && scale * norm >= ZERO_NORM && g_norm >= ZERO_NORM) psi = dot / norm / g_norm;
        const double old = *s.round == 0 ? 0.0 : importance[i];
        const double moved = mechanism.alpha * old + (1 - mechanism.alpha) * psi;
        importance[i] = moved > IMPORTANCE_FLOOR ? moved : IMPORTANCE_FLOOR;
        record[i].psi = psi;
    }
    block_sync();

    /* Every thread adds up all agents in the same order; then the values may change. */
    double total = 0, most = 0;
    for (int i = 0; i < s.agents; i++) total += importance[i];
    for (int i = 0; i < s.agents; i++) most = fmax(most, importance[i] / total);
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        importance[i] /= total;
        keep_ratio[i] = tanh(mechanism.beta * importance[i]) / tanh(mechanism.beta * most);
        record[i].importance = importance[i];
        record[i].keep_ratio = keep_ratio[i];
    }
    block_sync();

    BLOCK_FOR(i, s.agents)
    {
        int place = 0;
        for (int j = 0; j < s.agents; j++)
            place += keep_ratio[j] > keep_ratio[i] || (keep_ratio[j] == keep_ratio[i] && j < i);
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
