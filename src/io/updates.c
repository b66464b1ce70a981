/* Updates from files: what the rounds have in common, and the reading of columns. How
 * a file's arrays become agents is in updates_layout.c. */
#include "io/updates.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/file.h"
#include "io/updates_layout.h"

enum { PIECE = 8192 }; /* numbers converted at a time; 64 KB of float64 stay in cache */

struct round {
    char *path;
    struct stat opened; /* the file as it was at updates_open */
    struct layout layout;
};

struct updates {
    int rounds;
    struct round *round; /* [rounds] */
};

static cgsv_status open_round(struct round *round, const char *path, const char *tensor)
{
    struct file_reader reader;
    round->path = strdup(path);
    if (!round->path) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
    TRY(file_reader_open(&reader, path));
    round->opened = reader.status;
    cgsv_status status = layout_read(&round->layout, &reader, tensor);
    file_reader_close(&reader);
    return status;
}

/* A row must be the same agent in all rounds. */
static cgsv_status compare_rounds(const struct round *first, const struct round *other)
{
    const struct layout *a = &first->layout, *b = &other->layout;
    if (a->agents != b->agents || a->dimension != b->dimension)
        return error_set(CGSV_ERROR_DATA,
                         "'%s' has %lld agents of %lld parameters, but '%s' has %lld of %lld; all rounds must agree",
                         first->path, (long long)a->agents, (long long)a->dimension, other->path,
                         (long long)b->agents, (long long)b->dimension);
    for (int64_t i = 0; a->names && b->names && i < a->agents; i++)
        if (strcmp(a->names[i], b->names[i]) != 0)
            return error_set(CGSV_ERROR_DATA,
                             "agent %lld is '%.80s' in '%s', but '%.80s' in '%s'; an agent needs the same name in all "
                             "rounds", (long long)i, a->names[i], first->path, b->names[i], other->path);
    return CGSV_OK;
}

cgsv_status updates_open(struct updates **updates, const char *const *paths, int count, const char *tensor)
{
    *updates = NULL;
    if (count < 1) return error_set(CGSV_ERROR_ARGUMENT, "no files of updates; expected one per round");
    struct updates *u = calloc(1, sizeof *u);
    if (u) u->round = calloc((size_t)count, sizeof *u->round);
    if (!u || !u->round) {
        free(u);
        return error_set(CGSV_ERROR_MEMORY, "no memory for %d rounds of updates", count);
    }
    cgsv_status status = CGSV_OK;
    while (status == CGSV_OK && u->rounds < count) {
        struct round *round = &u->round[u->rounds];
        status = open_round(round, paths[u->rounds++], tensor);
        if (status == CGSV_OK) status = compare_rounds(&u->round[0], round);
    }
    if (status == CGSV_OK)
        *updates = u;
    else
        updates_close(u);
    return status;
}

void updates_close(struct updates *updates)
{
    if (!updates) return;
    for (int r = 0; r < updates->rounds; r++) {
        free(updates->round[r].path);
        layout_free(&updates->round[r].layout);
    }
    free(updates->round);
    free(updates);
}

int updates_rounds(const struct updates *updates) { return updates->rounds; }
int64_t updates_agents(const struct updates *updates) { return updates->round[0].layout.agents; }
int64_t updates_dimension(const struct updates *updates) { return updates->round[0].layout.dimension; }

const char *updates_agent_name(const struct updates *updates, int64_t agent)
{
    assert(agent >= 0 && agent < updates_agents(updates));
    for (int r = 0; r < updates->rounds; r++)
        if (updates->round[r].layout.names) return updates->round[r].layout.names[agent];
    return NULL;
}

enum element updates_element(const struct updates *updates)
{
    enum element widest = updates->round[0].layout.type;
    for (int r = 1; r < updates->rounds; r++)
        if (updates->round[r].layout.type > widest) widest = updates->round[r].layout.type;
    return widest;
}

/* Where a reading goes: `to` is of double if `wide`, else of float. */
struct target {
    void *to;
    int64_t stride;
    bool wide;
};

/* Reads `count` numbers at `offset` to target->to[at …]; those of the target's own
 * type without a detour. */
static cgsv_status read_numbers(const struct target *target, int64_t at, const struct file_reader *reader,
                                uint64_t offset, enum element type, int64_t count)
{
    float *narrow = (float *)target->to + at;
    double *wide = (double *)target->to + at, buffer[PIECE];
    const size_t size = element_size(type);
    if (type == ELEMENT_FLOAT64 && target->wide) return file_read_at(reader, offset, wide, (size_t)count * size);
    if (type == ELEMENT_FLOAT32 && !target->wide) return file_read_at(reader, offset, narrow, (size_t)count * size);
    for (int64_t done = 0; done < count; done += PIECE) {
        const int64_t piece = count - done < PIECE ? count - done : PIECE;
        TRY(file_read_at(reader, offset + (uint64_t)done * size, buffer, (size_t)piece * size));
        if (target->wide)
            elements_to_double(wide + done, buffer, type, piece);
        else
            elements_to_float(narrow + done, buffer, type, piece);
    }
    return CGSV_OK;
}

static cgsv_status read_columns(const struct target *target, const struct file_reader *reader,
                                const struct round *round, int64_t begin, int64_t count)
{
    const struct layout *layout = &round->layout;
    TRY(file_check_unchanged(reader, &round->opened));
    for (int64_t i = 0; i < layout->agents; i++) {
        const uint64_t offset = layout_offset(layout, i) + (uint64_t)begin * element_size(layout->type);
        TRY(read_numbers(target, i * target->stride, reader, offset, layout->type, count));
    }
    return file_check_unchanged(reader, &round->opened);
}

static cgsv_status read_round(const struct target *target, const struct updates *updates, int round, int64_t begin,
                              int64_t count)
{
    assert(round >= 0 && round < updates->rounds && count <= target->stride);
    assert(begin >= 0 && count >= 1 && begin <= updates_dimension(updates) - count);
    struct file_reader reader;
    TRY(file_reader_open(&reader, updates->round[round].path));
    cgsv_status status = read_columns(target, &reader, &updates->round[round], begin, count);
    file_reader_close(&reader);
    return status;
}

cgsv_status updates_columns(const struct updates *updates, int round, int64_t begin, int64_t count, float *to,
                            int64_t stride)
{
    return read_round(&(struct target){to, stride, false}, updates, round, begin, count);
}

cgsv_status updates_columns_double(const struct updates *updates, int round, int64_t begin, int64_t count, double *to,
                                   int64_t stride)
{
    return read_round(&(struct target){to, stride, true}, updates, round, begin, count);
}
