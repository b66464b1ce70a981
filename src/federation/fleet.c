/* Creating and running a fleet: memory, server, start models, rounds. */
#include <stdlib.h>
#include <string.h>

#include "federation/config.h"
#include "federation/internal.h"
#include "federation/scheme.h"
#include "federation/sentences.h"

static struct server_sizes server_sizes_of(const cgsv_fleet *f, int64_t *tensor_begin)
{
    const struct model *model = &f->model;
    for (int t = 0; t < model->tensors; t++) tensor_begin[t] = model->tensor[t].offset;
    tensor_begin[model->tensors] = model->parameters;
    return (struct server_sizes){.federations = f->federations, .agents = f->agents, .rounds = f->config.rounds,
                                 .dimension = model->parameters, .ld = model->row_stride, .tensors = model->tensors,
                                 .tensor_begin = tensor_begin, .reward = f->config.scheme.reward,
                                 .needs = needs_with_storage(f->needs, f->config.update_storage)};
}

static int moments_of(const cgsv_config *c) { return c->optimizer == CGSV_OPTIMIZER_ADAM ? 2 : c->momentum > 0; }

/* Steps of a round at most: of an agent that has all samples. */
static size_t round_steps(const cgsv_fleet *f, int64_t samples)
{
    return (size_t)f->config.local_epochs * (size_t)((samples + f->config.batch - 1) / f->config.batch);
}

static int64_t index_bytes(const cgsv_fleet *f, const cgsv_dataset *data)
{
    int64_t samples = 0;
    for (int s = 0; s < f->splits; s++)
        samples += partition_pool_size(&f->federation[f->split[s].member].config, data->train.samples);
    return samples * (int64_t)sizeof *f->index;
}

static cgsv_status allocate_and_fill(cgsv_fleet *f, void **memory, const void *from, size_t bytes)
{
    TRY(f->device->backend->allocate(f->device, memory, bytes));
    return from ? f->device->backend->upload(f->device, *memory, from, bytes) : CGSV_OK;
}

/* One walk over the fleet's own arrays serves to count them in `plan`, and with NULL to allocate them. `tested`: the
 * test split in the order in which it is evaluated. */
static cgsv_status walk(cgsv_fleet *f, cgsv_memory_plan *plan, const cgsv_dataset *data, const cgsv_split *tested)
{
    const size_t FN = (size_t)fleet_agents(f), R = (size_t)fleet_rows(f);
    const size_t models = (size_t)(fleet_models(f) + fleet_twins(f));
    const size_t row = (size_t)f->model.row_stride * sizeof(float), picture = (size_t)f->model.features * sizeof(float);
    const size_t train = (size_t)data->train.samples, test = (size_t)data->test.samples;
    const size_t V = (size_t)f->model.text.vocabulary, steps = V > 0 ? round_steps(f, data->train.samples) : 0;
    const size_t words = V > 0 ? sizeof(int32_t) : 0, kept = (size_t)f->validation.own_samples;
    const int moments = moments_of(&f->config);
    const cgsv_storage storage = f->config.update_storage;
    cgsv_memory_plan unused = {0}, *p = plan ? plan : &unused;
    const struct {
        void **memory;
        const void *from;
        size_t bytes, *planned;
    } arrays[] = {
        {(void **)&f->models, NULL, models * row, &p->models},
        {&f->updates, NULL, FN * (size_t)f->model.row_stride * update_size(storage), &p->updates},
        {(void **)&f->scratch, NULL, groups_scratch_bytes(f), &p->training},
        {(void **)&f->moment1, NULL, moments > 0 ? R * row : 0, &p->optimizer},
        {(void **)&f->moment2, NULL, moments > 1 ? R * row : 0, &p->optimizer},
        {(void **)&f->words.done, NULL, R * V * sizeof *f->words.done, &p->optimizer},
        {(void **)&f->words.rate, NULL, R * steps * sizeof *f->words.rate, &p->optimizer},
        {(void **)&f->words.scale, NULL, R * steps * sizeof *f->words.scale, &p->optimizer},
        {(void **)&f->device_row, f->row, R * sizeof *f->row, &p->server},
        {(void **)&f->lr, NULL, R * sizeof *f->lr, &p->server},
        {(void **)&f->train_loss, NULL, FN * sizeof *f->train_loss, &p->server},
        {(void **)&f->round, NULL, sizeof *f->round, &p->server},
        {(void **)&f->train_sums, NULL, R * sizeof *f->train_sums, &p->server},
        {(void **)&f->test_sums, NULL, (models + FN) * sizeof *f->test_sums, &p->server},
        {(void **)&f->train_x, data->train.x, train * picture, &p->data},
        {(void **)&f->train_y, data->train.y, train * sizeof *f->train_y, &p->data},
        {(void **)&f->test_x, tested->x, test * picture, &p->data},
        {(void **)&f->test_y, tested->y, test * sizeof *f->test_y, &p->data},
        {(void **)&f->train_token, data->train.token, train * words * (size_t)data->width, &p->data},
        {(void **)&f->train_length, data->train.length, train * words, &p->data},
        {(void **)&f->validation.own.token, data->validation.token, kept * words * (size_t)data->width, &p->data},
        {(void **)&f->validation.own.length, data->validation.length, kept * words, &p->data},
        {(void **)&f->validation.own.label, data->validation.y, kept * words, &p->data},
        {(void **)&f->test_token, tested->token, test * words * (size_t)data->width, &p->data},
        {(void **)&f->test_length, tested->length, test * words, &p->data},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i].planned += arrays[i].bytes;
        if (!plan && arrays[i].bytes) TRY(allocate_and_fill(f, arrays[i].memory, arrays[i].from, arrays[i].bytes));
    }
    return CGSV_OK;
}

static size_t evaluation_bytes(const cgsv_fleet *f, int rows)
{
    return workspace_bytes(f->device, &f->model, rows, 1, EVALUATION_BATCH, false);
}

/* As many models as make their batches worth a launch, but of those with large activations fewer. */
static int evaluation_rows(const cgsv_fleet *f)
{
    int rows = fleet_models(f) < EVALUATION_ROWS ? fleet_models(f) : EVALUATION_ROWS;
    while (rows > 1 && evaluation_bytes(f, rows) > EVALUATION_BYTES) rows = (rows + 1) / 2;
    return rows;
}

/* The federations, the model and the memory that all will take. */
static cgsv_status plan_for(cgsv_memory_plan *plan, cgsv_fleet *f, const cgsv_config *configs, int count,
                            const cgsv_dataset *data)
{
    const cgsv_config *c = &f->config;
    const struct model *model = &f->model;
    int64_t tensor_begin[MAX_TENSORS + 1];
    f->validation.own_samples = data->vocabulary > 0 ? data->validation.samples : 0;
    TRY(members_create(f, configs, count));
    TRY(model_create_for(&f->model, c->model, data, EVALUATION_BATCH, c->batch));
    f->model.precision = c->precision;
    f->evaluation_rows = evaluation_rows(f);
    const struct server_sizes sizes = server_sizes_of(f, tensor_begin);
    memset(plan, 0, sizeof *plan);
    plan->parameters = model->parameters;
    plan->row_stride = model->row_stride;
    plan->rows = fleet_rows(f);
    TRY(walk(f, plan, data, &data->test));
    plan->training += adversaries_bytes(f);
    plan->activations = groups_bytes(f) + evaluation_bytes(f, f->evaluation_rows);
    plan->data += (size_t)index_bytes(f, data) + validation_bytes(f, data->train.samples);
    plan->server += server_step_bytes(f->device->kernels, &sizes) + scores_bytes(f);
    plan->total = plan->models + plan->updates + plan->training + plan->optimizer + plan->activations + plan->data +
                  plan->server;
    plan->available = f->device->backend->memory_free(f->device);
    return CGSV_OK;
}

cgsv_status cgsv_fleet_plan(cgsv_memory_plan *plan, cgsv_device *device, const cgsv_config *configs, int count,
                            const cgsv_dataset *data)
{
    cgsv_fleet fleet = {.device = device};
    cgsv_status status = plan_for(plan, &fleet, configs, count, data);
    members_free(&fleet);
    return status;
}

static cgsv_status check_plan(const cgsv_fleet *f, const cgsv_memory_plan *plan)
{
    const char *name = f->device->info.name;
    const int most = f->device->backend->most_rows;
    if (most && plan->rows > most)
        return error_set(CGSV_ERROR_ARGUMENT, "%s: %d agents and twins to train at once; expected at most %d, "
                         "take fewer federations or agents", name, plan->rows, most);
    if (!plan->available || plan->total <= plan->available) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY,
                     "%s: the run needs %zu bytes (%.1f GiB) of memory and %zu (%.1f GiB) are free; "
                     "take fewer %sagents, a smaller batch, or no standalone twins",
                     name, plan->total, (double)plan->total / (1 << 30), plan->available,
                     (double)plan->available / (1 << 30), f->federations > 1 ? "federations or " : "");
}

/* The lists of all splits, one after the other. */
static cgsv_status upload_index(cgsv_fleet *f)
{
    const struct split *last = &f->split[f->splits - 1];
    const int64_t entries = last->first + last->partition.first[f->agents];
    TRY(f->device->backend->allocate(f->device, (void **)&f->index, (size_t)entries * sizeof *f->index));
    for (int s = 0; s < f->splits; s++) {
        const struct partition *p = &f->split[s].partition;
        TRY(f->device->backend->upload(f->device, f->index + f->split[s].first, p->index,
                                       (size_t)p->first[f->agents] * sizeof *f->index));
    }
    return CGSV_OK;
}

static cgsv_status allocate(cgsv_fleet *f, const cgsv_dataset *data, const cgsv_split *tested)
{
    TRY(walk(f, NULL, data, tested));
    TRY(upload_index(f));
    TRY(groups_create(f));
    return workspace_create(&f->evaluation, f->device, &f->model, f->evaluation_rows, 1, EVALUATION_BATCH, false);
}

/* No word has had a gradient yet. */
static cgsv_status begin_words(cgsv_fleet *f, const cgsv_dataset *data)
{
    const size_t counts = (size_t)f->rows * (size_t)f->model.text.vocabulary;
    int32_t *none = malloc(counts * sizeof *none);
    if (!none) return error_set(CGSV_ERROR_MEMORY, "no memory for %zu counts of steps", counts);
    memset(none, 0xff, counts * sizeof *none); /* -1 */
    f->words.most = (int)round_steps(f, data->train.samples);
    f->words.values = CGSV_WORD_VALUES;
    cgsv_status status = f->device->backend->upload(f->device, f->words.done, none, counts * sizeof *none);
    free(none);
    return status;
}

static cgsv_status allocate_sentences(cgsv_fleet *f, const cgsv_dataset *data)
{
    cgsv_split sorted;
    cgsv_status status = sentences_sort(&sorted, &data->test, data->width);
    if (status == CGSV_OK) status = allocate(f, data, &sorted);
    if (status == CGSV_OK) status = begin_words(f, data);
    sentences_free(&sorted);
    return status;
}

static void fill_tables(const cgsv_fleet *f, struct mechanism *mechanism, double *share)
{
    for (int m = 0; m < f->federations; m++) {
        const cgsv_config *c = &f->federation[m].config;
        const int64_t *first = f->split[f->federation[m].split].partition.first;
        double samples = 0, *own = share + (ptrdiff_t)m * f->agents;
        mechanism[m] = mechanism_of(c);
        for (int i = 0; i < f->agents; i++) {
            const int holder = adversary_holds(&c->adversaries, i);
            samples += own[i] = (double)(first[holder + 1] - first[holder]);
        }
        for (int i = 0; i < f->agents; i++) own[i] /= samples;
    }
}

static cgsv_status make_server(cgsv_fleet *f)
{
    int64_t tensor_begin[MAX_TENSORS + 1];
    const struct server_sizes sizes = server_sizes_of(f, tensor_begin);
    struct mechanism *mechanism = calloc((size_t)f->federations, sizeof *mechanism);
    double *share = calloc((size_t)f->federations * (size_t)f->agents, sizeof *share);
    cgsv_status status = error_set(CGSV_ERROR_MEMORY, "no memory for %d agents", f->federations * f->agents);
    if (mechanism && share) {
        fill_tables(f, mechanism, share);
        status = server_step_create(&f->server, f->device, &sizes, mechanism, share);
    }
    free(mechanism);
    free(share);
    f->server.norms_given = 1;
    f->server.update = f->updates;
    f->server.storage = f->config.update_storage;
    f->server.update_stride = f->server.model_stride = f->model.row_stride;
    f->server.model = f->models;
    f->server.model_block = (f->agents + 1) * f->model.row_stride;
    f->server.server_model = f->models + f->agents * f->model.row_stride;
    f->server.round = f->round;
    f->server.train_loss = f->train_loss;
    return status;
}

/* The same start for a federation's server, agents and twins: it depends on the seed alone. */
static cgsv_status start_models(cgsv_fleet *f, const cgsv_dataset *data)
{
    const int64_t ld = f->model.row_stride, twin = fleet_models(f) * ld;
    const size_t bytes = (size_t)f->model.parameters * sizeof(float);
    float *w = malloc(bytes);
    if (!w) return error_set(CGSV_ERROR_MEMORY, "no memory for a model of %zu bytes", bytes);
    cgsv_status status = CGSV_OK;
    for (int m = 0; m < f->federations; m++) {
        const cgsv_federation *member = &f->federation[m];
        const bool has_twins = member->twins >= 0 && f->twins[member->twins].member == m;
        if (m == 0 || member->config.seed != member[-1].config.seed) {
            model_initialise(&f->model, w, member->config.seed);
            model_set_vectors(&f->model, w, data);
        }
        for (int i = 0; i <= f->agents && status == CGSV_OK; i++)
            status = f->device->backend->upload(f->device, f->models + (m * (f->agents + 1) + i) * ld, w, bytes);
        for (int i = 0; i < f->agents && has_twins && status == CGSV_OK; i++)
            status = f->device->backend->upload(f->device, f->models + twin + (member->twins * f->agents + i) * ld, w,
                                                bytes);
    }
    free(w);
    return status;
}

static cgsv_status build(cgsv_fleet *f, const cgsv_config *configs, int count, const cgsv_dataset *data)
{
    cgsv_memory_plan plan;
    TRY(plan_for(&plan, f, configs, count, data));
    TRY(check_plan(f, &plan));
    f->classes = data->classes;
    f->train_samples = data->train.samples;
    f->test_samples = data->test.samples;
    f->sample_width = data->width;
    const size_t labels = (size_t)data->train.samples * sizeof *f->train_labels;
    f->train_labels = malloc(labels);
    if (!f->train_labels) return error_set(CGSV_ERROR_MEMORY, "no memory for %zu bytes of labels", labels);
    memcpy(f->train_labels, data->train.y, labels);
    TRY(members_split(f, data));
    TRY(members_make_rows(f));
    TRY(f->model.text.vocabulary > 0 ? allocate_sentences(f, data) : allocate(f, data, &data->test));
    TRY(validation_create(f));
    TRY(adversaries_create(f));
    TRY(make_server(f));
    TRY(scores_create(f));
    TRY(start_models(f, data));
    return f->device->backend->phase(f->device, PHASE_IDLE);
}

cgsv_status cgsv_fleet_create(cgsv_fleet **out, cgsv_device *device, const cgsv_config *configs, int count,
                              const cgsv_dataset *dataset)
{
    *out = NULL;
    cgsv_fleet *f = calloc(1, sizeof *f);
    if (!f) return error_set(CGSV_ERROR_MEMORY, "no memory for a fleet");
    f->device = device;
    f->evaluated_round = -1;
    memset(device->seconds, 0, sizeof device->seconds);
    cgsv_status status = build(f, configs, count, dataset);
    if (status != CGSV_OK) {
        cgsv_fleet_free(f);
        return status;
    }
    *out = f;
    return CGSV_OK;
}

void cgsv_fleet_free(cgsv_fleet *f)
{
    if (!f) return;
    const struct device_backend *backend = f->device->backend;
    backend->sync(f->device);
    void *all[] = {f->device_row, f->models, f->updates,    f->scratch,   f->moment1,    f->moment2,
                   f->lr,         f->train_loss, f->round,  f->train_sums, f->test_sums,
                   f->train_x,    f->test_x, f->train_y,    f->test_y,    f->index,
                   f->train_token, f->train_length, f->test_token, f->test_length,
                   f->words.done, f->words.rate, f->words.scale};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) backend->release(f->device, all[i]);
    groups_free(f);
    workspace_free(&f->evaluation, f->device);
    validation_free(f);
    scores_free(f);
    server_step_free(&f->server, f->device);
    if (f->training_graph) backend->graph_free(f->training_graph);
    if (f->server_graph) backend->graph_free(f->server_graph);
    adversaries_free(f);
    members_free(f);
    free(f->train_labels);
    free(f);
}

/* Whether agents are measured before the download of round `round`, the last one of a call. */
static bool is_measured(const cgsv_config *c, int round)
{
    return round == c->rounds || (c->eval_every > 0 && round % c->eval_every == 0);
}

cgsv_status cgsv_fleet_run(cgsv_fleet *f, int rounds)
{
    if (rounds < 0 || rounds > f->config.rounds - f->rounds_done)
        return error_set(CGSV_ERROR_ARGUMENT, "%d more rounds asked for; %d of %d are left", rounds,
                         f->config.rounds - f->rounds_done, f->config.rounds);
    for (int i = 0; i < rounds; i++) {
        TRY(round_enqueue(f, i == rounds - 1 && is_measured(&f->config, f->rounds_done + 1)));
        f->rounds_done++;
    }
    return CGSV_OK;
}

cgsv_federation *cgsv_fleet_federation(cgsv_fleet *fleet, int number)
{
    return number >= 0 && number < fleet->federations ? &fleet->federation[number] : NULL;
}

cgsv_status cgsv_fleet_seconds(cgsv_fleet *f, cgsv_seconds *seconds)
{
    TRY(f->device->backend->sync(f->device));
    const double *s = f->device->seconds;
    *seconds = (cgsv_seconds){s[PHASE_TRAINING], s[PHASE_SERVER], s[PHASE_EVALUATION]};
    return CGSV_OK;
}
