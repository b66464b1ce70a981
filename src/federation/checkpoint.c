/* Saving and loading what lies between two rounds: what struct cgsv_fleet says that later rounds depend on,
 * and the history. list_state is the one place that names it. */
#include "cgsv/checkpoint.h"

#include <stdlib.h>

#include "federation/identity.h"

enum { PIECE = 4 << 20, MOST_STATE = 32 };

/* ---- what there is ---- */

/* An array [rows][columns] whose rows are `stride` apart. */
struct state {
    const char *name;
    enum safetensors_type type;
    void *memory; /* on the device, or the host's */
    int64_t rows, columns, stride;
    bool on_host;
};

struct state_list {
    struct state state[MOST_STATE];
    int count;
};

static void add(struct state_list *list, struct state state)
{
    if (state.memory && state.rows * state.columns > 0) list->state[list->count++] = state;
}

/* A row of numbers without gaps. */
static void add_numbers(struct state_list *list, const char *name, enum safetensors_type type, void *memory,
                        int64_t count)
{
    add(list, (struct state){.name = name, .type = type, .memory = memory, .rows = 1, .columns = count});
}

/* Parameter vectors. */
static void add_rows(struct state_list *list, const cgsv_fleet *f, const char *name, float *memory, int64_t rows)
{
    add(list, (struct state){.name = name, .type = SAFETENSORS_F32, .memory = memory, .rows = rows,
                             .columns = f->model.parameters, .stride = f->model.row_stride});
}

/* What a contribution index remembers. */
static void add_index(struct state_list *list, const cgsv_fleet *f, int kind)
{
    static const char *const totals[INDEX_KINDS] = {"index_total", "index_one_round_total", "leave_one_out_total"};
    const struct coalition *c = &f->scores.index[kind];
    if (!f->scores.made[kind]) return;
    add_numbers(list, totals[kind], SAFETENSORS_F64, c->total, fleet_agents(f));
    if (!c->sums) return;
    add_rows(list, f, "index_sums", c->sums, fleet_agents(f));
    add_rows(list, f, "index_start", c->start, f->federations);
    add_numbers(list, "index_rounds", SAFETENSORS_F64, c->summed, fleet_agents(f));
}

/* After `rounds` rounds. */
static void list_state(struct state_list *list, const cgsv_fleet *f, int rounds)
{
    const int64_t agents = fleet_agents(f), models = fleet_models(f) + fleet_twins(f);
    list->count = 0;
    add_rows(list, f, "models", f->models, models);
    add_rows(list, f, "moment1", f->moment1, f->rows);
    add_rows(list, f, "moment2", f->moment2, f->rows);
    add_numbers(list, "words_done", SAFETENSORS_I32, f->words.done, (int64_t)f->rows * f->model.text.vocabulary);
    add_numbers(list, "importance", SAFETENSORS_F64, f->server.importance, agents);
    add_numbers(list, "removed", SAFETENSORS_I32, f->server.removed, agents);
    for (int kind = 0; kind < INDEX_KINDS; kind++) add_index(list, f, kind);
    add_numbers(list, "records", SAFETENSORS_F64, f->server.record,
                rounds * agents * (int64_t)(sizeof *f->server.record / sizeof(double)));
    add_numbers(list, "evaluation", SAFETENSORS_F64, f->test_sums,
                (models + agents) * (int64_t)(sizeof *f->test_sums / sizeof(double)));
    add(list, (struct state){.name = "seconds", .type = SAFETENSORS_F64, .memory = f->device->seconds, .rows = 1,
                             .columns = PHASES, .on_host = true});
}

/* ---- saving ---- */

enum { ROUNDS_DONE, EVALUATED_ROUND, TRAINED_ROUND, PROGRESS };
static const char *const progress_names[PROGRESS] = {"rounds_done", "evaluated_round", "trained_round"};

/* The memory of a run of rows without gaps: all of them, or number `i`. */
struct stretch {
    char *memory;
    size_t bytes;
};

static int64_t stretches(const struct state *s) { return s->rows == 1 ? 1 : s->rows; }

static struct stretch stretch_of(const struct state *s, int64_t i)
{
    const size_t size = safetensors_type_size(s->type);
    return (struct stretch){(char *)s->memory + (size_t)(i * s->stride) * size, (size_t)s->columns * size};
}

static cgsv_status save_stretch(struct checkpoint_writer *writer, const cgsv_fleet *f, const struct state *s,
                                struct stretch from, char *piece)
{
    if (s->on_host) return checkpoint_write(writer, from.memory, from.bytes);
    for (size_t at = 0; at < from.bytes; at += PIECE) {
        const size_t count = from.bytes - at < PIECE ? from.bytes - at : PIECE;
        TRY(f->device->backend->download(f->device, piece, from.memory + at, count));
        TRY(checkpoint_write(writer, piece, count));
    }
    return CGSV_OK;
}

static cgsv_status save_all(struct checkpoint_writer *writer, const cgsv_fleet *f, const struct state_list *list,
                            char *piece)
{
    for (int i = 0; i < list->count; i++)
        for (int64_t k = 0; k < stretches(&list->state[i]); k++)
            TRY(save_stretch(writer, f, &list->state[i], stretch_of(&list->state[i], k), piece));
    return checkpoint_commit(writer);
}

static void describe_tensors(struct safetensors_tensor *tensor, const struct state_list *list)
{
    for (int i = 0; i < list->count; i++) {
        const struct state *s = &list->state[i];
        tensor[i] = (struct safetensors_tensor){.name = s->name, .type = s->type, .dimensions = 2,
                                                .shape = {s->rows, s->columns}};
    }
}

static cgsv_status write_file(const cgsv_fleet *f, const struct identity *id, const char *path, char *piece)
{
    struct safetensors_metadata metadata[MOST_FACTS + 1 + PROGRESS];
    struct safetensors_tensor tensor[MOST_STATE];
    struct checkpoint_writer writer;
    struct state_list list;
    char progress[PROGRESS][16];
    snprintf(progress[ROUNDS_DONE], sizeof *progress, "%d", f->rounds_done);
    snprintf(progress[EVALUATED_ROUND], sizeof *progress, "%d", f->evaluated_round);
    snprintf(progress[TRAINED_ROUND], sizeof *progress, "%d", f->trained_round);
    metadata[0] = (struct safetensors_metadata){"checkpoint_version", CHECKPOINT_VERSION};
    for (int i = 0; i < PROGRESS; i++) metadata[1 + i] = (struct safetensors_metadata){progress_names[i], progress[i]};
    for (int i = 0; i < id->count; i++)
        metadata[1 + PROGRESS + i] = (struct safetensors_metadata){id->fact[i].name, id->fact[i].value};
    list_state(&list, f, f->rounds_done);
    describe_tensors(tensor, &list);
    TRY(checkpoint_begin(&writer, path, tensor, list.count, metadata, id->count + 1 + PROGRESS));
    const cgsv_status status = save_all(&writer, f, &list, piece);
    if (status != CGSV_OK) checkpoint_abort(&writer);
    return status;
}

static cgsv_status save(cgsv_fleet *f, const char *path, char *piece)
{
    struct identity id;
    TRY(f->device->backend->sync(f->device));
    cgsv_status status = identity_make(&id, f, piece, PIECE);
    if (status == CGSV_OK) status = write_file(f, &id, path, piece);
    identity_free(&id);
    return status;
}

static cgsv_status allocate_piece(char **piece)
{
    *piece = malloc(PIECE);
    return *piece ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for a checkpoint's piece of %d bytes", PIECE);
}

cgsv_status cgsv_fleet_save_checkpoint(cgsv_fleet *f, const char *path)
{
    char *piece;
    TRY(allocate_piece(&piece));
    const cgsv_status status = save(f, path, piece);
    free(piece);
    return status;
}

/* ---- loading ---- */

cgsv_status cgsv_checkpoint_check(const char *path, int *rounds)
{
    struct checkpoint_file file;
    TRY(checkpoint_file_open(&file, path));
    if (rounds) *rounds = file.rounds;
    checkpoint_file_close(&file);
    return CGSV_OK;
}

/* That the file holds just these arrays. */
static cgsv_status check_tensors(const struct checkpoint_file *file, const struct state_list *list)
{
    const struct safetensors_tensor *tensors;
    const int count = safetensors_list(file->header, &tensors) - 1; /* its own checksum */
    if (count != list->count)
        return error_set(CGSV_ERROR_DATA, "'%s' holds %d arrays, and here there are %d", file->reader.path, count,
                         list->count);
    for (int i = 0; i < list->count; i++) {
        const struct state *s = &list->state[i];
        const struct safetensors_tensor *t = safetensors_find(file->header, s->name);
        if (!t || t->type != s->type || t->dimensions != 2 || t->shape[0] != s->rows || t->shape[1] != s->columns)
            return error_set(CGSV_ERROR_DATA, "'%s' lacks '%s', %s of %lld x %lld", file->reader.path, s->name,
                             safetensors_type_name(s->type), (long long)s->rows, (long long)s->columns);
    }
    return CGSV_OK;
}

static cgsv_status load_stretch(const cgsv_fleet *f, const struct state *s, struct stretch to,
                                const struct checkpoint_file *file, uint64_t offset, char *piece)
{
    if (s->on_host) return file_read_at(&file->reader, offset, to.memory, to.bytes);
    for (size_t at = 0; at < to.bytes; at += PIECE) {
        const size_t count = to.bytes - at < PIECE ? to.bytes - at : PIECE;
        TRY(file_read_at(&file->reader, offset + at, piece, count));
        TRY(f->device->backend->upload(f->device, to.memory + at, piece, count));
    }
    return CGSV_OK;
}

static cgsv_status load_all(cgsv_fleet *f, const struct state_list *list, const struct checkpoint_file *file,
                            char *piece)
{
    TRY(f->device->backend->sync(f->device)); /* seconds so far are of no round of ours */
    for (int i = 0; i < list->count; i++) {
        const struct state *s = &list->state[i];
        uint64_t offset = safetensors_find(file->header, s->name)->offset;
        for (int64_t k = 0; k < stretches(s); k++) {
            const struct stretch to = stretch_of(s, k);
            TRY(load_stretch(f, s, to, file, offset, piece));
            offset += to.bytes;
        }
    }
    return f->device->backend->upload(f->device, f->round, &file->rounds, sizeof *f->round);
}

static cgsv_status check_identity(cgsv_fleet *f, const struct checkpoint_file *file, unsigned flags, char *piece)
{
    struct identity id;
    cgsv_status status = identity_make(&id, f, piece, PIECE);
    if (status == CGSV_OK) status = identity_check(&id, file, flags);
    identity_free(&id);
    return status;
}

static cgsv_status load(cgsv_fleet *f, const struct checkpoint_file *file, unsigned flags, char *piece)
{
    struct state_list list;
    int evaluated, trained;
    TRY(check_identity(f, file, flags, piece));
    if (file->rounds > f->config.rounds)
        return error_set(CGSV_ERROR_DATA, "'%s' claims %d rounds of %d", file->reader.path, file->rounds,
                         f->config.rounds);
    TRY(checkpoint_file_number(&evaluated, file, progress_names[EVALUATED_ROUND], -1, file->rounds));
    TRY(checkpoint_file_number(&trained, file, progress_names[TRAINED_ROUND], 0, file->rounds));
    list_state(&list, f, file->rounds);
    TRY(check_tensors(file, &list));
    TRY(load_all(f, &list, file, piece));
    f->rounds_done = f->rounds_loaded = file->rounds;
    f->evaluated_round = evaluated;
    f->trained_round = trained;
    return CGSV_OK;
}

cgsv_status cgsv_fleet_load_checkpoint(cgsv_fleet *f, const char *path, unsigned flags)
{
    struct checkpoint_file file;
    char *piece;
    if (f->rounds_done > 0)
        return error_set(CGSV_ERROR_ARGUMENT, "a checkpoint is for federations that have not run; %d rounds are done",
                         f->rounds_done);
    TRY(checkpoint_file_open(&file, path));
    cgsv_status status = allocate_piece(&piece);
    if (status == CGSV_OK) status = load(f, &file, flags, piece);
    free(piece);
    checkpoint_file_close(&file);
    return status;
}

/* ---- of one federation ---- */

cgsv_status cgsv_federation_save_checkpoint(cgsv_federation *m, const char *path)
{
    TRY(federation_check_alone(m, "cgsv_federation_save_checkpoint", "cgsv_fleet_save_checkpoint"));
    return cgsv_fleet_save_checkpoint(m->fleet, path);
}

cgsv_status cgsv_federation_load_checkpoint(cgsv_federation *m, const char *path, unsigned flags)
{
    TRY(federation_check_alone(m, "cgsv_federation_load_checkpoint", "cgsv_fleet_load_checkpoint"));
    return cgsv_fleet_load_checkpoint(m->fleet, path, flags);
}
