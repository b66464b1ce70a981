/* Adds up what the blocks of the server step's passes over entries have left: a block for each agent, and for the
 * vector or model that the server has besides. On a CPU, where a block is a thread, in the order of the columns. */
#include "kernels/server.h"

#define ROUNDED_COSINE 0.9 /* below it, float32 has lost an update beside its model */

/* Block: an agent, a federation. ‖Δw_i‖, and what is wrong with the update. */
KERNEL(server_examine, struct server_step s)
{
    const int64_t agent = BLOCK_Y * s.agents + BLOCK_X;
    const double *partial = s.norm_partial + agent * s.pieces * NORM_SUMS;
    double own[NORM_SUMS] = {0}, sum[NORM_SUMS];
    BLOCK_FOR(piece, s.pieces)
    {
        UNROLL for (int k = 0; k < NORM_SUMS; k++) own[k] += partial[piece * NORM_SUMS + k];
    }
    UNROLL for (int k = 0; k < NORM_SUMS; k++) sum[k] = block_sum(own[k]);
    if (THREAD_INDEX != 0) return;

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
    struct cgsv_round_record *record = round_record(s, BLOCK_Y) + BLOCK_X;
    record->update_norm = norm;
    record->fault = fault;
}

static const char *launch_server_examine(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.agents, step.federations, 1), server_examine, step);
}

/* Block: an agent or, the last, g; a federation. <Δw_i, g> or ‖g‖². */
KERNEL(server_add_dots, struct server_step s)
{
    const int64_t vectors = s.agents + 1;
    const double *partial = s.dot_partial + BLOCK_Y * s.chunks * vectors + BLOCK_X;
    double own = 0;
    BLOCK_FOR(chunk, s.chunks) { own += partial[chunk * vectors]; }
    const double dot = block_sum(own);
    if (THREAD_INDEX == 0) s.dot[BLOCK_Y * vectors + BLOCK_X] = dot;
}

static const char *launch_server_add_dots(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.agents + 1, step.federations, 1), server_add_dots, step);
}

/* Block: a model, the server's last; a federation. */
KERNEL(server_add_downloads, struct server_step s)
{
    const int64_t models = s.agents + 1;
    const double *partial = s.download_partial + (BLOCK_Y * s.chunks * models + BLOCK_X) * DOWNLOAD_SUMS;
    /* Last layer: its weight and its bias are the last two tensors. */
    const int32_t last_layer = s.tensors >= 2 ? s.tensors - 2 : 0;
    double kept = 0, distance = 0, last = 0;
    BLOCK_FOR(chunk, s.chunks)
    {
        const double *sums = partial + chunk * models * DOWNLOAD_SUMS;
        kept += sums[DOWNLOAD_KEPT];
        distance += sums[DOWNLOAD_DISTANCE];
        if (s.chunk[chunk].tensor >= last_layer) last += sums[DOWNLOAD_DISTANCE];
    }
    kept = block_sum(kept);
    distance = block_sum(distance);
    last = block_sum(last);
    if (THREAD_INDEX != 0) return;
    double *total = s.download + (BLOCK_Y * models + BLOCK_X) * DOWNLOAD_TOTALS;
    total[DOWNLOAD_KEPT] = kept;
    total[DOWNLOAD_DISTANCE] = distance;
    total[DOWNLOAD_LAST_DISTANCE] = last;
}

static const char *launch_server_add_downloads(void *stream, struct server_step step)
{
    return LAUNCH(stream, grid_of(step.agents + 1, step.federations, 1), server_add_downloads, step);
}
