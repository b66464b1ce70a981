/* The server step as a library call of its own. */
#include "cgsv/server.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "federation/config.h"
#include "federation/scheme.h"
#include "federation/server_step.h"

struct cgsv_server {
    cgsv_device *device;
    struct server_step step;
    void *stream; /* of the latest step */
    int steps;
    int64_t *segment_begin;        /* [segments + 1] host copy */
    cgsv_scheme scheme;
    double *score, *local_loss;    /* [N] on the device; NULL until set */
    float *aggregate;              /* [D] host copies for rewards, of step number `copied` */
    float *key;                    /* [D] likewise, where entries are selected by other numbers; else NULL */
    struct rank_state *rank;       /* [segments][N] */
    int32_t *order;                /* [N] */
    int copied;
};

static cgsv_status null_argument(const char *function, const char *name)
{
    return error_set(CGSV_ERROR_ARGUMENT, "%s: %s is NULL", function, name);
}

static cgsv_status check_tensors(const cgsv_server_config *c)
{
    TRY(check_integer("tensors", c->tensors, 0, INT32_MAX));
    if (c->tensors == 0) return CGSV_OK;
    if (!c->tensor_begin)
        return error_set(CGSV_ERROR_ARGUMENT, "tensor_begin is NULL with %d tensors; expected %d columns", c->tensors,
                         c->tensors + 1);
    if (c->tensor_begin[0] != 0 || c->tensor_begin[c->tensors] != c->dimension)
        return error_set(CGSV_ERROR_ARGUMENT, "tensor_begin goes from %lld to %lld; expected 0 to the dimension %lld",
                         (long long)c->tensor_begin[0], (long long)c->tensor_begin[c->tensors],
                         (long long)c->dimension);
    for (int t = 0; t < c->tensors; t++)
        if (c->tensor_begin[t + 1] <= c->tensor_begin[t])
            return error_set(CGSV_ERROR_ARGUMENT, "tensor_begin[%d] is %lld after %lld; expected ascending columns",
                             t + 1, (long long)c->tensor_begin[t + 1], (long long)c->tensor_begin[t]);
    return CGSV_OK;
}

static cgsv_status check_shares(const cgsv_server_config *c)
{
    double sum = 0;
    if (!c->shares) return CGSV_OK;
    for (int i = 0; i < c->agents; i++) {
        if (!(c->shares[i] >= 0 && c->shares[i] <= DBL_MAX / c->agents))
            return error_set(CGSV_ERROR_ARGUMENT, "shares[%d] is %g; expected a number of at least 0", i, c->shares[i]);
        sum += c->shares[i];
    }
    return sum > 0 ? CGSV_OK : error_set(CGSV_ERROR_ARGUMENT, "shares are all 0; expected one above it, or NULL");
}

static cgsv_status check_config(const cgsv_server_config *c)
{
    TRY(check_integer("agents", c->agents, 1, MOST_AGENTS));
    TRY(check_integer("dimension", c->dimension, 1, INT32_MAX));
    TRY(check_mechanism(c->gamma, c->alpha, c->beta));
    TRY(scheme_check(&c->scheme, c->agents));
    TRY(check_integer("update_storage", (int64_t)c->update_storage, 0, CGSV_STORAGE_BF16));
    TRY(check_integer("rounds", c->rounds, 0, INT32_MAX));
    if (c->scheme.weights == CGSV_WEIGHTS_LOSS && c->scheme.lipschitz == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "lipschitz is 0; weights by loss expect a number above it, such as 1 / "
                         "the agents' learning rate");
    TRY(check_tensors(c));
    return check_shares(c);
}

static struct server_sizes sizes_of(const cgsv_server_config *c, const int64_t *whole)
{
    return (struct server_sizes){.federations = 1, .agents = c->agents, .rounds = 1, .dimension = c->dimension,
                                 .ld = c->dimension, .tensors = c->tensors ? c->tensors : 1,
                                 .tensor_begin = c->tensors ? c->tensor_begin : whole,
                                 .reward = c->scheme.reward,
                                 .needs = needs_with_storage(scheme_needs(&c->scheme), c->update_storage)};
}

/* The device's arrays, and the shares scaled to sum 1. */
static cgsv_status create_step(cgsv_server *s, const cgsv_server_config *c)
{
    const int64_t whole[2] = {0, c->dimension};
    const struct mechanism mechanism = {.gamma = c->gamma, .alpha = c->alpha, .beta = c->beta, .scheme = c->scheme,
                                        .seed = c->seed, .rounds = c->rounds};
    const struct server_sizes sizes = sizes_of(c, whole);
    double sum = 0, *share = calloc((size_t)c->agents, sizeof *share);
    if (!share) return error_set(CGSV_ERROR_MEMORY, "no memory for %d agents", c->agents);
    for (int i = 0; i < c->agents; i++) sum += c->shares ? c->shares[i] : 1;
    for (int i = 0; i < c->agents; i++) share[i] = (c->shares ? c->shares[i] : 1) / sum;
    cgsv_status status = server_step_create(&s->step, s->device, &sizes, &mechanism, share);
    free(share);
    TRY(status);
    s->step.storage = c->update_storage;
    s->segment_begin = calloc((size_t)s->step.segments + 1, sizeof *s->segment_begin);
    if (!s->segment_begin) return error_set(CGSV_ERROR_MEMORY, "no memory for a table of %d tensors", c->tensors);
    memcpy(s->segment_begin, c->scheme.reward == CGSV_REWARD_LAYER ? sizes.tensor_begin : whole,
           ((size_t)s->step.segments + 1) * sizeof *s->segment_begin);
    TRY(s->device->backend->allocate(s->device, (void **)&s->step.round, sizeof *s->step.round));
    return s->device->backend->sync(s->device);
}

static cgsv_status check_memory(const cgsv_device *device, const cgsv_server_config *c)
{
    const int64_t whole[2] = {0, c->dimension};
    const struct server_sizes sizes = sizes_of(c, whole);
    const size_t bytes = server_step_bytes(device->kernels, &sizes), available = device->backend->memory_free(device);
    if (!available || bytes <= available) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "%s: the server step needs %zu bytes of memory and %zu are free; "
                     "take fewer agents or tensors", device->info.name, bytes, available);
}

cgsv_status cgsv_server_create(cgsv_server **out, cgsv_device *device, const cgsv_server_config *config)
{
    if (!out) return null_argument("cgsv_server_create", "server");
    *out = NULL;
    if (!device) return null_argument("cgsv_server_create", "device");
    if (!config) return null_argument("cgsv_server_create", "config");
    TRY(check_config(config));
    TRY(check_memory(device, config));
    cgsv_server *server = calloc(1, sizeof *server);
    if (!server) return error_set(CGSV_ERROR_MEMORY, "no memory for a server");
    server->device = device;
    server->stream = device->stream;
    server->scheme = config->scheme;
    cgsv_status status = create_step(server, config);
    if (status == CGSV_OK)
        *out = server;
    else
        cgsv_server_free(server);
    return status;
}

void cgsv_server_free(cgsv_server *s)
{
    if (!s) return;
    s->device->backend->wait(s->device, s->stream);
    void *arrays[] = {s->step.round, s->score, s->local_loss};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) s->device->backend->release(s->device, arrays[i]);
    server_step_free(&s->step, s->device);
    free(s->segment_begin);
    free(s->aggregate);
    free(s->key);
    free(s->rank);
    free(s->order);
    free(s);
}

static cgsv_status set_numbers(cgsv_server *s, double **array, const double *from)
{
    const size_t bytes = (size_t)s->step.agents * sizeof **array;
    if (!from) return CGSV_OK;
    TRY(s->device->backend->wait(s->device, s->stream)); /* a step may still read the old ones */
    if (!*array) TRY(s->device->backend->allocate(s->device, (void **)array, bytes));
    return s->device->backend->upload(s->device, *array, from, bytes);
}

cgsv_status cgsv_server_set_scores(cgsv_server *s, const double *scores, const double *losses)
{
    if (!s) return null_argument("cgsv_server_set_scores", "server");
    TRY(set_numbers(s, &s->score, scores));
    TRY(set_numbers(s, &s->local_loss, losses));
    s->step.score = s->score;
    s->step.local_loss = s->local_loss;
    return s->device->backend->sync(s->device);
}

static cgsv_status check_scores(const cgsv_server *s)
{
    if (scheme_takes_scores(&s->scheme) && !s->score)
        return error_set(CGSV_ERROR_ARGUMENT, "contribution '%s' needs scores; call cgsv_server_set_scores first",
                         cgsv_contribution_name(s->scheme.contribution));
    if (s->scheme.weights == CGSV_WEIGHTS_LOSS && !s->local_loss)
        return error_set(CGSV_ERROR_ARGUMENT, "weights by loss need losses; call cgsv_server_set_scores first");
    return CGSV_OK;
}

static cgsv_status check_stride(const char *name, int64_t stride, int64_t dimension)
{
    if (stride >= dimension) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "%s is %lld; expected at least the dimension %lld", name, (long long)stride,
                     (long long)dimension);
}

cgsv_status cgsv_server_step(cgsv_server *s, const void *updates, int64_t update_stride, float *models,
                             int64_t model_stride, float *server_model, void *stream)
{
    if (!s) return null_argument("cgsv_server_step", "server");
    if (!updates) return null_argument("cgsv_server_step", "updates");
    TRY(check_stride("update_stride", update_stride, s->step.dimension));
    if (models) TRY(check_stride("model_stride", model_stride, s->step.dimension));
    if (stream && !s->device->backend->has_streams)
        return error_set(CGSV_ERROR_ARGUMENT, "%s has no streams; expected NULL as stream", s->device->info.name);
    TRY(check_scores(s));
    s->step.update = updates;
    s->step.update_stride = update_stride;
    s->step.model = models;
    s->step.model_stride = model_stride;
    s->step.server_model = server_model;
    s->stream = stream ? stream : s->device->stream;
    s->steps++;
    return server_step_run(s->device, &s->step, s->stream);
}

void server_keep_norms(cgsv_server *s) { s->step.norms_given = 1; }

int cgsv_server_steps(const cgsv_server *s) { return s->steps; }

/* Waits for the latest step; `to`, the array it shall be read to, must be there. */
static cgsv_status wait_for_step(cgsv_server *s, const char *function, const char *name, const void *to)
{
    if (!s) return null_argument(function, "server");
    if (!to) return null_argument(function, name);
    if (s->steps == 0) return error_set(CGSV_ERROR_ARGUMENT, "%s: no step yet; call cgsv_server_step first", function);
    return s->device->backend->wait(s->device, s->stream);
}

cgsv_status cgsv_server_records(cgsv_server *s, cgsv_round_record *records)
{
    TRY(wait_for_step(s, "cgsv_server_records", "records", records));
    return s->device->backend->download(s->device, records, s->step.record,
                                        (size_t)s->step.agents * sizeof *records);
}

cgsv_status cgsv_server_weights(cgsv_server *s, double *weights)
{
    TRY(wait_for_step(s, "cgsv_server_weights", "weights", weights));
    const size_t bytes = (size_t)s->step.agents * sizeof *weights;
    TRY(s->device->backend->download(s->device, weights, s->step.coefficient, bytes));
    for (int i = 0; i < s->step.agents; i++) if (isnan(weights[i])) weights[i] = 0; /* a faulty one's */
    return CGSV_OK;
}

cgsv_status cgsv_server_aggregate(cgsv_server *s, float *aggregate)
{
    TRY(wait_for_step(s, "cgsv_server_aggregate", "aggregate", aggregate));
    return s->device->backend->download(s->device, aggregate, s->step.aggregate,
                                        (size_t)s->step.dimension * sizeof *aggregate);
}

/* The host's copies of what rewards are made from. */
static cgsv_status copy_selection(cgsv_server *s)
{
    const size_t N = (size_t)s->step.agents, D = (size_t)s->step.dimension;
    const struct {
        void **to;
        const void *from;
        size_t bytes;
    } arrays[] = {
        {(void **)&s->aggregate, s->step.aggregate, D * sizeof *s->aggregate},
        {(void **)&s->key, s->step.key, s->step.key == s->step.aggregate ? 0 : D * sizeof *s->key},
        {(void **)&s->rank, s->step.rank, (size_t)s->step.segments * N * sizeof *s->rank},
        {(void **)&s->order, s->step.order, N * sizeof *s->order},
    };
    if (s->copied == s->steps) return CGSV_OK;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        if (arrays[i].bytes == 0) continue;
        if (!*arrays[i].to) *arrays[i].to = malloc(arrays[i].bytes);
        if (!*arrays[i].to) return error_set(CGSV_ERROR_MEMORY, "no memory for %zu bytes of rewards", arrays[i].bytes);
        TRY(s->device->backend->download(s->device, *arrays[i].to, arrays[i].from, arrays[i].bytes));
    }
    s->copied = s->steps;
    return CGSV_OK;
}

/* Appends one segment's entries that the rank keeps; returns how many there are by then. */
static int64_t append_kept(int64_t *index, float *value, int64_t capacity, int64_t count, const float *g,
                           const float *keys, int64_t begin, int64_t end, const struct rank_state *rank)
{
    for (int64_t d = begin; d < end; d++) {
        uint32_t key;
        memcpy(&key, &keys[d], sizeof key);
        key &= 0x7fffffffu;
        if (g[d] == 0 || key < rank->threshold || (key == rank->threshold && d >= rank->tie_end)) continue;
        if (count < capacity) {
            index[count] = d;
            value[count] = g[d];
        }
        count++;
    }
    return count;
}

cgsv_status cgsv_server_reward(cgsv_server *s, int agent, int64_t capacity, int64_t *index, float *value,
                               int64_t *count)
{
    TRY(wait_for_step(s, "cgsv_server_reward", "count", count));
    *count = 0;
    TRY(check_integer("agent", agent, 0, s->step.agents - 1));
    TRY(check_integer("capacity", capacity, 0, INT64_MAX));
    if (!index != !value || (capacity > 0 && !index))
        return null_argument("cgsv_server_reward", index ? "value" : "index");
    TRY(copy_selection(s));
    int place = 0;
    while (s->order[place] != agent) place++;
    for (int segment = 0; segment < s->step.segments; segment++)
        *count = append_kept(index, value, capacity, *count, s->aggregate, s->key ? s->key : s->aggregate,
                             s->segment_begin[segment], s->segment_begin[segment + 1],
                             &s->rank[(int64_t)segment * s->step.agents + place]);
    if (!index || *count <= capacity) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "the reward of agent %d has %lld entries and capacity is %lld; make room",
                     agent, (long long)*count, (long long)capacity);
}
