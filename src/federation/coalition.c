#include "federation/coalition.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "federation/config.h"
#include "federation/internal.h"

enum { MOST_EVALUATIONS = 1000000 };

/* Models at once, as bits, and samples in a batch. More gain nothing on a CPU (mnist_cnn: 2 models at once are
 * 10% faster than 8, but leave many cores idle); a GPU needs enough to do. */
enum { CPU_BITS = 3, CPU_BATCH = 32, GPU_BITS = 6, GPU_BATCH = 128 };

cgsv_status coalition_check(const struct coalition_options *o, int agents)
{
    TRY(check_integer("agents of the contribution index", agents, 1, MOST_AGENTS));
    TRY(check_integer("permutations", o->permutations, 0, MOST_EVALUATIONS / agents));
    TRY(check_integer("models at once", o->models, 0, 1 << COALITION_BITS));
    if (!(o->discount > 0 && o->discount <= 1))
        return error_set(CGSV_ERROR_ARGUMENT, "the index's discount is %g; expected a number in (0, 1]", o->discount);
    if (o->index == COALITION_INDEX_LEAVE_ONE_OUT) {
        if (!o->raw && o->permutations == 0) return CGSV_OK;
        return error_set(CGSV_ERROR_ARGUMENT, "leave-one-out takes no %s; leave that out",
                         o->raw ? "raw scale" : "permutations");
    }
    if (o->permutations == 0 && agents > COALITION_EXACT_AGENTS)
        return error_set(CGSV_ERROR_ARGUMENT,
                         "the exact contribution index of %d agents needs 2^%d evaluations a round; it goes up to %d "
                         "agents: take permutations (100 of them need %lld evaluations)",
                         agents, agents, COALITION_EXACT_AGENTS, 100 * (agents - 1LL) + 2);
    return CGSV_OK;
}

/* ---- the programme: which coalition is made from which ---- */

/* Steps and where each batch's begin; both NULL to count. */
struct programme {
    struct coalition_step *step;
    int64_t *first_step, steps;
    int batches;
};

static void add_batch(struct programme *p)
{
    if (p->first_step) p->first_step[p->batches] = p->steps;
    p->batches++;
}

static void add_step(struct programme *p, int row, int64_t member, int from, int to, int sign)
{
    if (p->step)
        p->step[p->steps] = (struct coalition_step){row, (int32_t)member, (int8_t)from, (int8_t)to, (int8_t)sign};
    p->steps++;
}

/* The `count` agents from place `first` of the orders on join, one after the other, in a level. */
static void add_members(struct programme *p, int64_t first, int count, int level)
{
    for (int i = 0; i < count; i++) add_step(p, -1, first + i, i > 0 ? level : -1, level, 1);
}

static int lowest_bit(int bits)
{
    int bit = 0;
    while (!(bits >> bit & 1)) bit++;
    return bit;
}

static void all_coalitions(struct programme *p, int agents, int bits)
{
    for (int high = 0; high < 1 << (agents - bits); high++) {
        int from = -1;
        add_batch(p);
        for (int i = agents - 1; i >= bits; i--) {
            if (!(high >> (i - bits) & 1)) continue;
            add_step(p, -1, i, from, bits, 1);
            from = bits;
        }
        add_step(p, 0, -1, from, -1, 1);
        for (int k = 1; k < 1 << bits; k++) {
            const int level = lowest_bit(k), parent = k & (k - 1);
            add_step(p, k, level, parent ? lowest_bit(parent) : from, level, 1);
        }
    }
}

/* Coalition `number` of those that beginning_row (kernels/coalition.cu) counts. `fresh`: nothing is in level 0. */
static void add_beginning(struct programme *p, int agents, int number, int row, bool fresh)
{
    if (number == 0) {
        add_step(p, row, -1, -1, -1, 1);
    } else if (number == 1) {
        add_members(p, 0, agents, 0);
        add_step(p, row, -1, 0, -1, 1);
    } else {
        assert(agents > 1); /* one agent has but two coalitions */
        const int place = (number - 2) % (agents - 1);
        const int64_t order = (1 + (number - 2) / (agents - 1)) * (int64_t)agents;
        if (fresh) add_members(p, order, place, 0);
        add_step(p, row, order + place, place > 0 ? 0 : -1, 0, 1);
    }
}

static void beginnings(struct programme *p, int agents, int coalitions, int rows)
{
    for (int c = 0; c < coalitions; c++) {
        if (c % rows == 0) add_batch(p);
        add_beginning(p, agents, c, c % rows, c % rows == 0);
    }
}

static void leave_one_out(struct programme *p, int agents, int rows)
{
    for (int c = 0; c <= agents; c++) {
        if (c % rows == 0) {
            add_batch(p);
            add_members(p, 0, agents, 0);
        }
        add_step(p, c % rows, c > 0 ? c - 1 : -1, 0, -1, -1);
    }
}

static void write_programme(struct programme *p, const struct coalition *c)
{
    if (c->kind == COALITION_SHAPLEY)
        all_coalitions(p, c->agents, lowest_bit(c->rows));
    else if (c->kind == COALITION_PERMUTATIONS)
        beginnings(p, c->agents, c->coalitions, c->rows);
    else
        leave_one_out(p, c->agents, c->rows);
    if (p->first_step) p->first_step[p->batches] = p->steps;
}

/* ---- memory ---- */

static int power_of_two(int bits, int most)
{
    while (bits > 0 && 1 << bits > most) bits--;
    return 1 << bits;
}

static void size_all(struct coalition *c, const cgsv_device *device, const struct model *model, int federations,
                     int agents, const struct coalition_options *o)
{
    *c = (struct coalition){.model = model, .options = *o, .federations = federations, .agents = agents};
    const int64_t sampled = (int64_t)o->permutations * (agents - 1) + 2;
    const bool exact = o->permutations == 0 || (agents <= COALITION_EXACT_AGENTS && sampled >= 1 << agents);
    c->kind = o->index == COALITION_INDEX_LEAVE_ONE_OUT ? COALITION_LEAVE_ONE_OUT
              : exact                                   ? COALITION_SHAPLEY
                                                        : COALITION_PERMUTATIONS;
    c->permutations = c->kind == COALITION_PERMUTATIONS ? o->permutations : 0;
    c->coalitions = c->kind == COALITION_LEAVE_ONE_OUT ? agents + 1
                    : c->kind == COALITION_SHAPLEY     ? 1 << agents
                                                       : (int)sampled;
    const int bits = device->backend->block_slots ? CPU_BITS : GPU_BITS;
    const int most = o->models && o->models < c->coalitions ? o->models : c->coalitions;
    c->rows = power_of_two(o->models ? COALITION_BITS : bits, most);
    struct programme counted = {0};
    write_programme(&counted, c);
    c->batches = counted.batches;
    c->steps = counted.steps;
}

static int batch_of(const cgsv_device *device) { return device->backend->block_slots ? CPU_BATCH : GPU_BATCH; }

/* One walk over the arrays serves to count and to allocate them. */
static cgsv_status walk(struct coalition *c, cgsv_device *device, size_t *bytes)
{
    const size_t F = (size_t)c->federations, N = (size_t)c->agents, row = (size_t)c->model->row_stride * sizeof(float);
    const size_t kept = c->options.index == COALITION_INDEX_ONE_ROUND ? F : 0;
    const struct {
        void **memory;
        size_t bytes;
    } arrays[] = {
        {(void **)&c->models, (size_t)c->rows * row},
        {(void **)&c->utility, (size_t)c->coalitions * sizeof *c->utility},
        {(void **)&c->order, (size_t)(1 + c->permutations) * N * sizeof *c->order},
        {(void **)&c->step, (size_t)c->steps * sizeof *c->step},
        {(void **)&c->total, F * N * sizeof *c->total},
        {(void **)&c->sums, kept * N * row},
        {(void **)&c->start, kept * row},
        {(void **)&c->summed, kept * N * sizeof *c->summed},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *bytes += arrays[i].bytes;
        if (device && arrays[i].bytes) TRY(device->backend->allocate(device, arrays[i].memory, arrays[i].bytes));
    }
    return CGSV_OK;
}

size_t coalition_bytes(const cgsv_device *device, const struct model *model, int federations, int agents,
                       const struct coalition_options *options)
{
    struct coalition c;
    size_t bytes = 0;
    size_all(&c, device, model, federations, agents, options);
    walk(&c, NULL, &bytes);
    return bytes + workspace_bytes(device, model, c.rows, 1, batch_of(device), false);
}

static cgsv_status upload_programme(struct coalition *c)
{
    const struct device_backend *backend = c->device->backend;
    struct programme p = {.step = calloc((size_t)c->steps, sizeof *p.step), .first_step = c->first_step};
    uint16_t *order = calloc((size_t)c->agents, sizeof *order);
    cgsv_status status = CGSV_OK;
    if (!p.step || !order) {
        status = error_set(CGSV_ERROR_MEMORY, "no memory for the %lld steps of a contribution index",
                           (long long)c->steps);
    } else {
        write_programme(&p, c);
        for (int i = 0; i < c->agents; i++) order[i] = (uint16_t)i;
        status = backend->upload(c->device, c->step, p.step, (size_t)c->steps * sizeof *p.step);
    }
    if (status == CGSV_OK)
        status = backend->upload(c->device, c->order, order, (size_t)c->agents * sizeof *order);
    free(p.step);
    free(order);
    return status;
}

cgsv_status coalition_create(struct coalition *c, cgsv_device *device, const struct model *model, int federations,
                             int agents, const struct coalition_options *options)
{
    size_t bytes = 0;
    *c = (struct coalition){0};
    TRY(coalition_check(options, agents));
    size_all(c, device, model, federations, agents, options);
    c->device = device;
    c->first_step = calloc((size_t)c->batches + 1, sizeof *c->first_step);
    cgsv_status status = CGSV_OK;
    if (!c->first_step) status = error_set(CGSV_ERROR_MEMORY, "no memory for %d batches of coalitions", c->batches);
    if (status == CGSV_OK) status = walk(c, device, &bytes);
    if (status == CGSV_OK)
        status = workspace_create(&c->workspace, device, model, c->rows, 1, batch_of(device), false);
    if (status == CGSV_OK) status = upload_programme(c);
    if (status != CGSV_OK) coalition_free(c);
    return status;
}

void coalition_free(struct coalition *c)
{
    if (c->device) {
        void *all[] = {c->models, c->utility, c->order, c->step, c->total, c->sums, c->start, c->summed};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) c->device->backend->release(c->device, all[i]);
        workspace_free(&c->workspace, c->device);
    }
    free(c->first_step);
    *c = (struct coalition){0};
}

/* ---- one index ---- */

/* Adds the round's updates to their sums, which take their place. */
static cgsv_status add_updates(struct coalition *c, int federation, struct coalition_inputs *in)
{
    const int64_t ld = c->model->row_stride, first = (int64_t)federation * c->agents;
    const struct coalition_sums sums = {.sum = c->sums + first * ld, .start = c->start + federation * ld,
                                        .rounds = c->summed + first, .model = in->model, .update = in->update,
                                        .norm = in->norm, .round = in->round, .dimension = c->model->parameters,
                                        .ld = ld, .update_stride = in->update_stride, .agents = c->agents};
    LAUNCHED(c->device, c->device->kernels->coalition_add_updates(c->device->stream, sums));
    in->model = sums.start;
    in->update = sums.sum;
    in->update_stride = ld;
    in->norm = sums.rounds;
    return CGSV_OK;
}

static cgsv_status find_utilities(struct coalition *c, const struct coalition_inputs *in)
{
    const int64_t ld = c->model->row_stride;
    for (int batch = 0; batch < c->batches; batch++) {
        const int first = batch * c->rows, left = c->coalitions - first;
        const struct coalition_models models = {.model = c->models, .start = in->model, .update = in->update,
                                                .size = in->size, .norm = in->norm, .order = c->order,
                                                .step = c->step + c->first_step[batch],
                                                .dimension = c->model->parameters, .ld = ld,
                                                .update_stride = in->update_stride,
                                                .steps = (int)(c->first_step[batch + 1] - c->first_step[batch])};
        LAUNCHED(c->device, c->device->kernels->coalition_models(c->device->stream, models));
        TRY(evaluate_rows(c->device, c->model, &c->workspace, c->utility + first, c->models, ld,
                          left < c->rows ? left : c->rows, in->validation));
    }
    return CGSV_OK;
}

cgsv_status coalition_index(struct coalition *c, double *score, int federation, const struct coalition_inputs *inputs)
{
    cgsv_device *device = c->device;
    struct coalition_inputs in = *inputs;
    TRY(validation_check(in.validation.samples));
    if (c->sums) TRY(add_updates(c, federation, &in));
    if (c->permutations > 0)
        LAUNCHED(device, device->kernels->coalition_orders(device->stream, c->order + c->agents, in.round,
                                                           c->options.seed, c->agents, c->permutations));
    TRY(find_utilities(c, &in));
    const struct coalition_score s = {.score = score, .total = c->total + (int64_t)federation * c->agents,
                                      .utility = c->utility, .order = c->order, .round = in.round, .kind = c->kind,
                                      .agents = c->agents, .permutations = c->permutations,
                                      .scale = c->options.raw ? c->agents : 1.0, .discount = c->options.discount};
    LAUNCHED(device, device->kernels->coalition_score(device->stream, s));
    return CGSV_OK;
}

struct coalition_inputs coalition_inputs_of(const struct cgsv_federation *m, const struct server_step *step)
{
    const int64_t first = (int64_t)m->number * step->agents;
    return (struct coalition_inputs){.model = step->server_model + m->number * step->model_block,
                                     .update = (const float *)step->update + first * step->update_stride,
                                     .update_stride = step->update_stride, .size = step->data_share + first,
                                     .norm = step->norm + first, .round = step->round,
                                     .validation = validation_set(m)};
}
