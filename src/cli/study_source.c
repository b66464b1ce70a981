/* Vectors of a study, a batch of games and a chunk of columns at a time, so that they may be longer
 * than memory. They pass through the host's memory even where a device draws them: only so is the
 * time of a Gram matrix that of its products, without that of the drawing. */
#include "cli/study_source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/error.h"
#include "io/file.h"
#include "io/output_folder.h"

enum { CHUNK_UNIT = 2048, BUFFER_NUMBERS = 1 << 24, TIMING_REPEATS = 10 };
#define TIMING_SECONDS 0.1

/* ---- files ---- */

static cgsv_status add_path(void *context, const char *folder, const char *name)
{
    struct study_source *source = context;
    char **grown = realloc(source->paths, ((size_t)source->path_count + 1) * sizeof *grown);
    if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", name);
    source->paths = grown;
    if (folder) {
        TRY(file_join(&grown[source->path_count], folder, name));
    } else {
        grown[source->path_count] = strdup(name);
        if (!grown[source->path_count]) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", name);
    }
    source->path_count++;
    return CGSV_OK;
}

static bool is_round(const char *name) { return output_is_numbered(name, "round_"); }

static cgsv_status add_folder(struct study_source *source, const char *folder)
{
    char *inner;
    const int before = source->path_count;
    TRY(file_join(&inner, folder, "updates"));
    cgsv_status status = file_visit_folder(inner, is_round, add_path, source);
    free(inner);
    TRY(status);
    if (source->path_count == before) TRY(file_visit_folder(folder, is_round, add_path, source));
    if (source->path_count > before) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' holds no round_*.safetensors, in updates/ or itself; expected the folder "
                                      "of a cgsv run --record-updates", folder);
}

cgsv_status study_source_open(struct study_source *source, const struct option_strings *updates)
{
    for (int i = 0; i < updates->count; i++) {
        struct stat status;
        const char *path = updates->values[i];
        if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
            TRY(add_folder(source, path));
        else
            TRY(add_path(source, NULL, path));
    }
    return updates_open(&source->updates, (const char *const *)source->paths, source->path_count, NULL);
}

void study_source_close(struct study_source *source)
{
    updates_close(source->updates);
    for (int i = 0; i < source->path_count; i++) free(source->paths[i]);
    free(source->paths);
    *source = (struct study_source){0};
}

/* ---- Gram matrices ---- */

/* Games that are worked on together, and what they need. */
struct batch {
    int first, games, agents;
    int64_t chunk; /* columns */
    float *rows;   /* [games × agents][chunk], and room for the agents of a file that are left out */
    int *faulty;   /* [games][agents] */
    cgsv_gram *gram;
};

/* Columns begin … begin + count − 1 of all the batch's games to rows[games × agents][count]. A file's
 * agents beyond the first N lie where the next game's will be written over them. */
static cgsv_status fill(const struct study_source *source, const struct batch *b, int64_t begin, int64_t count)
{
    cgsv_vectors_options vectors = source->vectors;
    vectors.first_game = b->first;
    if (!source->updates)
        return cgsv_random_updates(source->device, b->rows, b->games, b->agents, &vectors, begin, count);
    for (int game = 0; game < b->games; game++)
        TRY(updates_columns(source->updates, b->first + game, begin, count,
                            b->rows + (int64_t)game * b->agents * count, count));
    return CGSV_OK;
}

static cgsv_status add_and_read(struct batch *b, double *matrices, int64_t count, double *seconds)
{
    const double start = clock_seconds();
    TRY(cgsv_gram_add(b->gram, b->rows, count, count));
    TRY(cgsv_gram_read(b->gram, matrices, b->faulty)); /* waits */
    *seconds += clock_seconds() - start;
    return CGSV_OK;
}

static cgsv_status restart(const struct study_source *source, struct batch *b)
{
    cgsv_gram_free(b->gram);
    return cgsv_gram_create(&b->gram, source->device, b->games, b->agents, 0, source->precise);
}

/* Vectors that lie in memory whole are timed again, and the least time counts. */
static cgsv_status time_again(const struct study_source *source, struct batch *b, double *matrices, int64_t dimension,
                              double *seconds)
{
    double spent = *seconds;
    for (int i = 1; i < TIMING_REPEATS && spent < TIMING_SECONDS; i++) {
        double once = 0;
        TRY(restart(source, b));
        TRY(add_and_read(b, matrices, dimension, &once));
        *seconds = fmin(*seconds, once);
        spent += once;
    }
    return CGSV_OK;
}

static cgsv_status name_faulty(const struct study_source *source, const struct batch *b)
{
    for (int i = 0; i < b->games * b->agents; i++) {
        if (b->faulty[i] == 0) continue;
        const int game = b->first + i / b->agents, agent = i % b->agents;
        const char *what = b->faulty[i] > 0 ? "holds NaN or infinity" : "has a squared length beyond float64's range";
        if (source->updates)
            return error_set(CGSV_ERROR_DATA, "'%s': the update of agent %d %s; leave that file out",
                             source->paths[game], agent, what);
        return error_set(CGSV_ERROR_DATA, "trial %d: the vector of agent %d %s; choose a smaller --parameter", game,
                         agent, what);
    }
    return CGSV_OK;
}

static cgsv_status batch_gram(double *matrices, double *seconds, const struct study_source *source, struct batch *b,
                              int64_t dimension)
{
    double batch_seconds = 0;
    TRY(restart(source, b));
    for (int64_t done = 0; done < dimension; done += b->chunk) {
        const int64_t count = dimension - done < b->chunk ? dimension - done : b->chunk;
        TRY(fill(source, b, done, count));
        TRY(add_and_read(b, matrices, count, &batch_seconds));
    }
    TRY(name_faulty(source, b));
    if (dimension <= b->chunk) TRY(time_again(source, b, matrices, dimension, &batch_seconds));
    *seconds += batch_seconds;
    return CGSV_OK;
}

cgsv_status study_source_gram(double *matrices, double *seconds, const struct study_source *source, int games,
                              int agents, int64_t dimension)
{
    const int64_t N = agents, most = BUFFER_NUMBERS / CHUNK_UNIT / N;
    const int64_t rest = source->updates ? updates_agents(source->updates) - N : 0;
    const int together = games < most ? games : (int)most;
    struct batch b = {.games = together, .agents = agents};
    const int64_t rows = together * N + rest, units = BUFFER_NUMBERS / CHUNK_UNIT / rows;
    b.chunk = (units > 1 ? units : 1) * CHUNK_UNIT;
    if (b.chunk > dimension) b.chunk = dimension;
    b.rows = malloc((size_t)rows * (size_t)b.chunk * sizeof *b.rows);
    b.faulty = calloc((size_t)together * (size_t)N, sizeof *b.faulty);
    cgsv_status status = CGSV_OK;
    if (!b.rows || !b.faulty)
        status = error_set(CGSV_ERROR_MEMORY, "no memory for %lld vectors of %lld entries at a time", (long long)rows,
                           (long long)b.chunk);
    *seconds = 0;
    for (; status == CGSV_OK && b.first < games; b.first += together) {
        b.games = games - b.first < together ? games - b.first : together;
        status = batch_gram(matrices + b.first * N * N, seconds, source, &b, dimension);
    }
    *seconds /= games;
    cgsv_gram_free(b.gram);
    free(b.rows);
    free(b.faulty);
    return status;
}
