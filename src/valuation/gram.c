/* Gram matrices summed up from columns; random updates. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "valuation/internal.h"

/* Scratch that chunk_columns is chosen for. */
enum { SCRATCH_BYTES = 32 << 20 };

struct cgsv_gram {
    cgsv_device *device;
    struct gram work;      /* gram, not_finite and partial; the rest per call */
    void *staging;         /* [games][N][columns] of what comes from the host or is made here */
    size_t staging_bytes, partial_bytes;
    int64_t chunk_columns;
    int64_t columns;       /* so far */
};

static int64_t rows_of(const cgsv_gram *g) { return (int64_t)g->work.games * g->work.agents; }

static int64_t matrix_entries(const cgsv_gram *g) { return rows_of(g) * g->work.agents; }

static int64_t pairs_of(const cgsv_gram *g) { return (int64_t)g->work.agents * (g->work.agents + 1) / 2; }

cgsv_status cgsv_gram_create(cgsv_gram **out, cgsv_device *device, int games, int agents, int64_t chunk_columns,
                             bool precise)
{
    *out = NULL;
    TRY(check_batch(games, agents));
    if (chunk_columns < 0 || chunk_columns > INT32_MAX)
        return error_set(CGSV_ERROR_ARGUMENT, "chunk_columns is %lld; expected 0 (choose) to %d",
                         (long long)chunk_columns, INT32_MAX);
    const size_t bytes = BYTES_OF(double, games, agents, agents);
    TRY(memory_suffices(device, "a batch of Gram matrices", bytes));
    cgsv_gram *g = calloc(1, sizeof *g);
    if (!g) return error_set(CGSV_ERROR_MEMORY, "no memory for a handle of Gram matrices");
    g->device = device;
    g->work = (struct gram){.games = games, .agents = agents, .precise = precise};
    const size_t run = BYTES_OF(double, games, pairs_of(g)) + BYTES_OF(double, games, agents, GRAM_RUN);
    const int64_t most = INT32_MAX / games, chosen = (int64_t)(SCRATCH_BYTES / run);
    int64_t runs = chunk_columns ? gram_runs(chunk_columns) : chosen;
    runs = runs < 1 ? 1 : runs > most ? most : runs;
    g->chunk_columns = runs * GRAM_RUN;
    cgsv_status status = device->backend->allocate(device, (void **)&g->work.gram, bytes);
    if (status == CGSV_OK)
        status = device->backend->allocate(device, (void **)&g->work.not_finite, BYTES_OF(int, games, agents));
    if (status == CGSV_OK)
        *out = g;
    else
        cgsv_gram_free(g);
    return status;
}

void cgsv_gram_free(cgsv_gram *g)
{
    if (!g) return;
    void *all[] = {g->work.gram, g->work.not_finite, g->work.partial, g->staging};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) g->device->backend->release(g->device, all[i]);
    free(g);
}

/* Scratch grows to what the widest call so far needs. */
static cgsv_status reserve(cgsv_gram *g, void **memory, size_t *have, size_t bytes)
{
    if (bytes <= *have) return CGSV_OK;
    TRY(memory_suffices(g->device, "scratch of a Gram matrix", bytes));
    g->device->backend->release(g->device, *memory);
    *memory = NULL;
    *have = 0;
    TRY(g->device->backend->allocate(g->device, memory, bytes));
    *have = bytes;
    return CGSV_OK;
}

static cgsv_status check_columns(const cgsv_gram *g, int64_t stride, int64_t columns)
{
    if (columns < 0 || columns > INT32_MAX - g->columns)
        return error_set(CGSV_ERROR_ARGUMENT, "%lld columns after %lld; expected 0 or more, at most %d in all",
                         (long long)columns, (long long)g->columns, INT32_MAX);
    if (stride < columns)
        return error_set(CGSV_ERROR_ARGUMENT, "rows of %lld columns are %lld apart; expected no less",
                         (long long)columns, (long long)stride);
    if (BYTES_OF(double, rows_of(g), stride) == SIZE_MAX)
        return error_set(CGSV_ERROR_ARGUMENT, "rows that are %lld apart leave the address space", (long long)stride);
    return CGSV_OK;
}

cgsv_status gram_add_rows(cgsv_gram *g, const float *row, const double *row_double, int64_t stride, int64_t columns)
{
    for (int64_t done = 0; done < columns; done += g->chunk_columns) {
        struct gram work = g->work;
        work.columns = columns - done < g->chunk_columns ? columns - done : g->chunk_columns;
        work.stride = stride;
        work.row = row ? row + done : NULL;
        work.row_double = row_double ? row_double + done : NULL;
        TRY(reserve(g, (void **)&g->work.partial, &g->partial_bytes,
                    BYTES_OF(double, work.games, gram_runs(work.columns), pairs_of(g))));
        work.partial = g->work.partial;
        LAUNCHED(g->device, g->device->kernels->gram_add(g->device->stream, work));
        g->columns += work.columns;
    }
    return CGSV_OK;
}

/* Rows of the host: where they are, or by way of the staging memory, a chunk at a time. */
static cgsv_status add_host_rows(cgsv_gram *g, const void *rows, size_t entry, int64_t stride, int64_t columns)
{
    const bool doubles = entry == sizeof(double);
    TRY(check_columns(g, stride, columns));
    if (g->device->backend->shares_memory)
        return gram_add_rows(g, doubles ? NULL : rows, doubles ? rows : NULL, stride, columns);
    for (int64_t done = 0; done < columns; done += g->chunk_columns) {
        const int64_t width = columns - done < g->chunk_columns ? columns - done : g->chunk_columns;
        const size_t bytes = (size_t)width * entry;
        TRY(reserve(g, &g->staging, &g->staging_bytes, size_product(bytes, (const int64_t[]){rows_of(g)}, 1)));
        TRY(g->device->backend->upload_rows(g->device, g->staging, (const char *)rows + (size_t)done * entry,
                                            (size_t)stride * entry, bytes, (size_t)rows_of(g)));
        TRY(gram_add_rows(g, doubles ? NULL : g->staging, doubles ? g->staging : NULL, width, width));
    }
    return CGSV_OK;
}

cgsv_status cgsv_gram_add(cgsv_gram *g, const float *rows, int64_t stride, int64_t columns)
{
    return add_host_rows(g, rows, sizeof *rows, stride, columns);
}

cgsv_status cgsv_gram_add_double(cgsv_gram *g, const double *rows, int64_t stride, int64_t columns)
{
    if (!g->work.precise)
        return error_set(CGSV_ERROR_ARGUMENT, "doubles for a Gram matrix that is not precise; create it as precise");
    return add_host_rows(g, rows, sizeof *rows, stride, columns);
}

/* ---- reading ---- */

static cgsv_status name_faulty(const cgsv_gram *g, int64_t row, int not_finite)
{
    const int game = (int)(row / g->work.agents), agent = (int)(row % g->work.agents);
    if (not_finite)
        return error_set(CGSV_ERROR_DATA,
                         "game %d, agent %d: %d of %lld entries of the update are NaN or infinite; leave it out",
                         game, agent, not_finite, (long long)g->columns);
    return error_set(CGSV_ERROR_DATA, "game %d, agent %d: the update's squared length overflows; %s", game, agent,
                     g->work.precise ? "scale it down" : "use a precise Gram matrix, or scale it down");
}

static void clear_agent(double *matrix, int64_t agents, int64_t agent)
{
    for (int64_t j = 0; j < agents; j++) matrix[agent * agents + j] = matrix[j * agents + agent] = 0;
}

/* A row that is not finite shows on the diagonal: a square cannot cancel. */
static cgsv_status judge_rows(cgsv_gram *g, double *matrices, const int *not_finite, int *faulty)
{
    const int64_t N = g->work.agents;
    for (int64_t row = 0; row < rows_of(g); row++) {
        const bool sound = isfinite(matrices[row * N + row % N]);
        if (faulty) faulty[row] = sound ? 0 : not_finite[row] ? not_finite[row] : -1;
        if (sound) continue;
        if (!faulty) return name_faulty(g, row, not_finite[row]);
        clear_agent(matrices + row / N * N * N, N, row % N);
    }
    return CGSV_OK;
}

cgsv_status cgsv_gram_read(cgsv_gram *g, double *matrices, int *faulty)
{
    int *not_finite = calloc((size_t)rows_of(g), sizeof *not_finite);
    if (!not_finite) return error_set(CGSV_ERROR_MEMORY, "no memory to read %lld rows", (long long)rows_of(g));
    const struct device_backend *backend = g->device->backend;
    cgsv_status status =
        backend->download(g->device, matrices, g->work.gram, (size_t)matrix_entries(g) * sizeof *matrices);
    if (status == CGSV_OK)
        status = backend->download(g->device, not_finite, g->work.not_finite, (size_t)rows_of(g) * sizeof *not_finite);
    if (status == CGSV_OK) status = judge_rows(g, matrices, not_finite, faulty);
    free(not_finite);
    return status;
}

/* ---- random updates ---- */

static cgsv_status check_vectors(const cgsv_vectors_options *o, int games, int64_t first, int64_t columns)
{
    const double p = o->parameter;
    const bool good = o->kind == CGSV_VECTORS_CORRELATED    ? p >= 0 && p <= 1
                      : o->kind == CGSV_VECTORS_SPARSE      ? p > 0 && p <= 1
                      : o->kind == CGSV_VECTORS_FREE_RIDERS ? p >= 0 && isfinite(p)
                                                            : true;
    if ((int)o->kind < 0 || o->kind > CGSV_VECTORS_OPPOSED)
        return error_set(CGSV_ERROR_ARGUMENT, "unknown kind of vectors %d", (int)o->kind);
    if (!good)
        return error_set(CGSV_ERROR_ARGUMENT, "parameter of %s vectors is %g; expected %s",
                         cgsv_vectors_name(o->kind), p,
                         o->kind == CGSV_VECTORS_CORRELATED ? "a correlation in [0, 1]"
                         : o->kind == CGSV_VECTORS_SPARSE   ? "a share in (0, 1]"
                                                            : "a factor of 0 or more");
    if (first < 0 || columns < 0 || first > INT32_MAX || columns > INT32_MAX - first)
        return error_set(CGSV_ERROR_ARGUMENT, "columns %lld to %lld; expected 0 to %d", (long long)first,
                         (long long)first + columns, INT32_MAX);
    if (o->first_game < 0 || o->first_game > UINT32_MAX - (int64_t)games)
        return error_set(CGSV_ERROR_ARGUMENT, "first_game is %lld; expected 0 to %lld", (long long)o->first_game,
                         (long long)UINT32_MAX - games);
    return CGSV_OK;
}

static cgsv_status make_rows(cgsv_device *device, float *row, int games, int agents, const cgsv_vectors_options *o,
                             int64_t first, int64_t columns)
{
    const struct random_updates updates = {row,   o->kind, o->parameter, o->seed, o->first_game,
                                           first, columns, columns,      games,   agents};
    LAUNCHED(device, device->kernels->random_updates(device->stream, updates));
    return CGSV_OK;
}

cgsv_status cgsv_gram_add_random(cgsv_gram *g, const cgsv_vectors_options *options, int64_t first, int64_t columns)
{
    TRY(check_columns(g, columns, columns));
    TRY(check_vectors(options, g->work.games, first, columns));
    for (int64_t done = 0; done < columns; done += g->chunk_columns) {
        const int64_t width = columns - done < g->chunk_columns ? columns - done : g->chunk_columns;
        TRY(reserve(g, &g->staging, &g->staging_bytes, BYTES_OF(float, rows_of(g), width)));
        TRY(make_rows(g->device, g->staging, g->work.games, g->work.agents, options, first + done, width));
        TRY(gram_add_rows(g, g->staging, NULL, width, width));
    }
    return CGSV_OK;
}

cgsv_status cgsv_random_updates(cgsv_device *device, float *rows, int games, int agents,
                                const cgsv_vectors_options *options, int64_t first, int64_t columns)
{
    TRY(check_batch(games, agents));
    TRY(check_vectors(options, games, first, columns));
    const size_t bytes = BYTES_OF(float, games, agents, columns);
    if (bytes == 0) return CGSV_OK;
    if (device->backend->shares_memory) return make_rows(device, rows, games, agents, options, first, columns);
    float *made;
    TRY(memory_suffices(device, "a batch of random updates", bytes));
    TRY(device->backend->allocate(device, (void **)&made, bytes));
    cgsv_status status = make_rows(device, made, games, agents, options, first, columns);
    if (status == CGSV_OK) status = device->backend->download(device, rows, made, bytes);
    device->backend->release(device, made);
    return status;
}
