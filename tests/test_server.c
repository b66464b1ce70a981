/* The server step as a library call: against reference values, against the float64 oracle
 * on matrices with room to spare, rewards as pairs, faults, bad arguments. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "golden.h"
#include "reference.h"
#include "test_device.h"

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static cgsv_device *open_device(int threads)
{
    cgsv_device *device;
    check(cgsv_device_open(&device, test_device(), threads));
    return device;
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    cr_assert_not_null(memory);
    return memory;
}

/* ---- reference values ---- */

static void check_golden_round(cgsv_server *server, const struct safetensors *file, int r, int agents, int tensors,
                               cgsv_reward reward)
{
    cgsv_round_record *record = take((size_t)agents, sizeof *record);
    check(cgsv_server_records(server, record));
    for (int i = 0; i < agents; i++) {
        cr_assert_float_eq(record[i].psi, golden_at(golden_get(file, "r%d.psi", r), i), 1e-6);
        cr_assert_float_eq(record[i].importance, golden_at(golden_get(file, "r%d.importance", r), i), 1e-6);
        cr_assert_float_eq(record[i].keep_ratio, golden_at(golden_get(file, "r%d.q_ratio", r), i), 1e-6);
        double kept = 0;
        if (reward == CGSV_REWARD_GLOBAL) kept = golden_at(golden_get(file, "r%d.kept_global", r), i);
        for (int t = 0; reward == CGSV_REWARD_LAYER && t < tensors; t++)
            kept += golden_at(golden_get(file, "r%d.kept_per_layer", r), (int64_t)i * tensors + t);
        cr_assert_eq(record[i].kept, kept, "round %d agent %d keeps %g, expected %g", r, i, record[i].kept, kept);
    }
    free(record);
}

/* All rounds of a file, straight from its matrices; then the agents' models. */
static void check_golden(const char *name, cgsv_reward reward)
{
    struct safetensors *file = golden_open(name);
    cgsv_device *device = open_device(0);
    cgsv_server *server;
    const struct safetensors_tensor *layer_sizes = golden_get(file, "layer_sizes"), *w0 = golden_get(file, "w0");
    const int N = atoi(safetensors_metadata_value(file, "N"));
    const int rounds = atoi(safetensors_metadata_value(file, "rounds")), T = (int)layer_sizes->elements;
    const int64_t D = w0->elements;
    int64_t begin[16] = {0};
    double samples[16];
    for (int t = 0; t < T; t++) begin[t + 1] = begin[t] + (int64_t)golden_at(layer_sizes, t);
    for (int i = 0; i < N; i++) samples[i] = golden_at(golden_get(file, "sizes"), i);
    const cgsv_server_config config = {.agents = N, .dimension = D, .tensors = T, .tensor_begin = begin,
                                       .scheme.reward = reward, .shares = samples,
                                       .gamma = atof(safetensors_metadata_value(file, "Gamma")),
                                       .alpha = atof(safetensors_metadata_value(file, "alpha")),
                                       .beta = atof(safetensors_metadata_value(file, "beta"))};
    float *model = take((size_t)(N * D), sizeof *model);
    for (int i = 0; i < N; i++) memcpy(model + i * D, w0->data, (size_t)D * sizeof *model);
    check(cgsv_server_create(&server, device, &config));
    double largest = 0;
    for (int r = 0; r < rounds; r++) {
        const struct safetensors_tensor *aggregate = golden_get(file, "r%d.aggregate", r);
        check(cgsv_server_step(server, golden_get(file, "r%d.update", r)->data, D, model, D, NULL, NULL));
        check_golden_round(server, file, r, N, config.tensors, reward);
        for (int64_t d = 0; d < D; d++) largest = fmax(largest, fabs(golden_at(aggregate, d)));
    }
    const struct safetensors_tensor *final =
        golden_get(file, "r%d.model_%s", rounds - 1, reward == CGSV_REWARD_LAYER ? "layerwise" : "global");
    for (int64_t i = 0; i < N * D; i++) {
        const double expected = golden_at(final, i), bound = 4.0 * FLT_EPSILON * rounds * (fabs(expected) + largest);
        cr_assert(fabs(model[i] - expected) <= bound, "agent %d, entry %d: %g, expected %g", (int)(i / D), (int)(i % D),
                  (double)model[i], expected);
    }
    cgsv_server_free(server);
    cgsv_device_close(device);
    safetensors_close(file);
    free(model);
}

Test(server, golden_small_layer) { check_golden("server_small.safetensors", CGSV_REWARD_LAYER); }
Test(server, golden_small_global) { check_golden("server_small.safetensors", CGSV_REWARD_GLOBAL); }
Test(server, golden_mid_layer) { check_golden("server_mid.safetensors", CGSV_REWARD_LAYER); }
Test(server, golden_mid_global) { check_golden("server_mid.safetensors", CGSV_REWARD_GLOBAL); }

/* ---- against the oracle ---- */

enum { TENSORS = 4, ROUNDS = 3, UPDATE_SPARE = 5, MODEL_SPARE = 2 };
static const float spare = 12345.0f; /* between rows, where nothing may be written */
static uint64_t random_state = 20211206;

static float uniform(void) /* in ±1 */
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(random_state >> 40) * 0x1p-23f - 1.0f;
}

static void fill_rows(float *rows, int count, int64_t stride, int64_t dimension)
{
    for (int64_t i = 0; i < count * stride; i++) rows[i] = i % stride < dimension ? uniform() : spare;
}

static void check_spare(const float *rows, int count, int64_t stride, int64_t dimension)
{
    for (int64_t i = 0; i < count * stride; i++)
        cr_assert(i % stride < dimension || rows[i] == spare, "written between rows, at %lld", (long long)i);
}

struct matrices {
    cgsv_server_config config;
    int64_t tensor_begin[TENSORS + 1], update_stride, model_stride;
    double share[128];
    float *update, *model, *before, *server_model, *server_before;
    uint16_t *stored; /* as bfloat16, in place of `update`, which holds the same numbers; or NULL */
};

static void matrices_make(struct matrices *b, int agents, int64_t dimension, cgsv_reward reward)
{
    cgsv_server_config_defaults(&b->config, agents, dimension);
    b->update_stride = dimension + UPDATE_SPARE;
    b->model_stride = dimension + MODEL_SPARE;
    b->config.scheme.reward = reward;
    if (dimension >= TENSORS) {
        const int64_t begin[TENSORS + 1] = {0, 1, dimension / 2, dimension - 1, dimension};
        memcpy(b->tensor_begin, begin, sizeof begin);
        b->config.tensors = TENSORS;
        b->config.tensor_begin = b->tensor_begin;
    }
    for (int i = 0; i < agents; i++) b->share[i] = (i + 1) % 7; /* a share of 0 counts for nothing, but is valued */
    b->config.shares = b->share;
    b->update = take((size_t)(agents * b->update_stride), sizeof *b->update);
    b->model = take((size_t)(agents * b->model_stride), sizeof *b->model);
    b->before = take((size_t)(agents * b->model_stride), sizeof *b->before);
    b->server_model = take((size_t)dimension, sizeof *b->server_model);
    b->server_before = take((size_t)dimension, sizeof *b->server_before);
    fill_rows(b->model, agents, b->model_stride, dimension);
    fill_rows(b->server_model, 1, dimension, dimension);
}

static void matrices_free(struct matrices *b)
{
    float *all[] = {b->update, b->model, b->before, b->server_model, b->server_before};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(b->stored);
}

/* Updates with a common part; `faulty`: one agent's is zero, another's holds NaN or infinity. */
static void fill_updates(struct matrices *b, int round, bool faulty)
{
    const int N = b->config.agents;
    const int64_t D = b->config.dimension, ld = b->update_stride;
    fill_rows(b->update, N, ld, D);
    for (int64_t d = 0; d < D; d++) {
        const float common = uniform();
        for (int i = 0; i < N; i++) b->update[i * ld + d] = 0.01f * (common + (float)i / 4 * b->update[i * ld + d]);
    }
    if (!faulty) return;
    for (int64_t d = 0; d < D; d++) b->update[round % N * ld + d] = 0;
    b->update[(round + 1) % N * ld + D / 2] = round % 2 ? INFINITY : NAN;
}

/* Agent i's reward as pairs against `v`, dense; and a capacity that is one too small. */
static void check_pairs(cgsv_server *server, int agent, const float *v, int64_t dimension)
{
    int64_t count, again, *index = take((size_t)dimension, sizeof *index), k = 0;
    float *value = take((size_t)dimension, sizeof *value);
    check(cgsv_server_reward(server, agent, dimension, index, value, &count));
    for (int64_t d = 0; d < dimension; d++) {
        if (v[d] == 0) continue;
        cr_assert(k < count && index[k] == d && value[k] == v[d], "agent %d: column %lld is not pair %lld", agent,
                  (long long)d, (long long)k);
        k++;
    }
    cr_assert_eq(count, k, "agent %d: %lld pairs, expected %lld", agent, (long long)count, (long long)k);
    check(cgsv_server_reward(server, agent, 0, NULL, NULL, &again));
    cr_assert_eq(again, count);
    if (count > 0) {
        cr_assert_eq(cgsv_server_reward(server, agent, count - 1, index, value, &again), CGSV_ERROR_ARGUMENT);
        cr_assert_eq(again, count);
    }
    free(index), free(value);
}

/* What the round did to the models, given the aggregate and the keep ratios it reports. */
static void check_models(const struct matrices *b, cgsv_server *server, const float *g, const cgsv_round_record *record)
{
    const int64_t D = b->config.dimension, whole[2] = {0, D};
    const bool layers = b->config.scheme.reward == CGSV_REWARD_LAYER && b->config.tensors;
    float *v = take((size_t)D, sizeof *v);
    for (int i = 0; i < b->config.agents; i++) {
        const float *w = b->model + i * b->model_stride, *before = b->before + i * b->model_stride;
        reference_reward(v, g, record[i].keep_ratio, layers ? b->tensor_begin : whole, layers ? TENSORS : 1,
                         b->config.scheme.reward);
        for (int64_t d = 0; d < D; d++)
            cr_assert_eq(w[d], before[d] + v[d], "agent %d: w[%lld] is %.9g, expected %.9g", i, (long long)d,
                         (double)w[d], (double)(before[d] + v[d]));
        check_pairs(server, i, v, D);
    }
    for (int64_t d = 0; d < D; d++) cr_assert_eq(b->server_model[d], b->server_before[d] + g[d]);
    free(v);
}

static void check_round(const struct matrices *b, cgsv_server *server, int round, double *importance)
{
    const size_t N = (size_t)b->config.agents, D = (size_t)b->config.dimension;
    cgsv_round_record *record = take(N, sizeof *record);
    double *out = take(5 * N + 2 * D, sizeof *out), *share = out + 4 * N, *weight = take(N, sizeof *weight), sum = 0;
    float *g = take(D, sizeof *g);
    struct reference_round r = {.agents = (int)N, .dimension = (int64_t)D, .update_stride = b->update_stride,
                                .gamma = b->config.gamma, .alpha = b->config.alpha, .beta = b->config.beta,
                                .round = round, .importance_before = importance, .update = b->update, .aggregate = g,
                                .norm = out, .psi = out + N, .importance = out + 2 * N, .keep_ratio = out + 3 * N,
                                .g = out + 5 * N, .g_size = out + 5 * N + D, .fault = take(N, sizeof *r.fault)};
    for (size_t i = 0; i < N; i++) sum += b->share[i];
    for (size_t i = 0; i < N; i++) share[i] = b->share[i] / sum;
    r.data_share = share;
    check(cgsv_server_aggregate(server, g));
    check(cgsv_server_records(server, record));
    check(cgsv_server_weights(server, weight));
    reference_server_round(&r);
    for (size_t d = 0; d < D; d++)
        cr_assert(fabs(g[d] - r.g[d]) <= FLT_EPSILON * fabs(r.g[d]) + 1e-12 * r.g_size[d] + 1e-45, "aggregate[%zu]", d);
    for (size_t i = 0; i < N; i++) {
        const bool left_out = r.fault[i] != 0;
        const double part = round ? importance[i] : share[i], scale = b->config.gamma / (r.norm[i] + 1e-7);
        cr_assert_eq(record[i].fault, r.fault[i], "agent %zu: fault %g", i, record[i].fault);
        if (!left_out) cr_assert_float_eq(record[i].update_norm, r.norm[i], 1e-12 * r.norm[i]);
        cr_assert_float_eq(weight[i], left_out ? 0 : part * scale, left_out ? 0 : 1e-9 * scale);
        cr_assert_float_eq(record[i].psi, r.psi[i], 1e-10);
        cr_assert_float_eq(record[i].importance, r.importance[i], 1e-10);
        cr_assert_float_eq(record[i].keep_ratio, r.keep_ratio[i], 1e-9);
        cr_assert(isnan(record[i].train_loss) && isfinite(record[i].distance) && isfinite(record[i].server_norm));
        importance[i] = record[i].importance;
    }
    check_models(b, server, g, record);
    free(record), free(out), free(weight), free(g), free(r.fault);
}

/* Updates become numbers of eight bits, which both matrices can hold; the last column is none of the caller's rows. */
static void store_updates(struct matrices *b)
{
    const int64_t entries = b->config.agents * b->update_stride;
    for (int64_t i = 0; i < entries; i++) {
        uint32_t bits;
        memcpy(&bits, &b->update[i], sizeof bits);
        bits &= 0xffff0000u;
        if (isnan(b->update[i])) bits |= 0x400000u;
        memcpy(&b->update[i], &bits, sizeof bits);
        b->stored[i] = (uint16_t)(bits >> 16);
    }
}

static void check_oracle(int agents, int64_t dimension, cgsv_reward reward, bool faulty, cgsv_storage storage)
{
    cgsv_device *device = open_device(0);
    cgsv_server *server;
    double importance[128];
    struct matrices b = {0};
    matrices_make(&b, agents, dimension, reward);
    b.config.update_storage = storage;
    if (storage == CGSV_STORAGE_BF16) b.stored = take((size_t)(agents * b.update_stride), sizeof *b.stored);
    check(cgsv_server_create(&server, device, &b.config));
    for (int round = 0; round < ROUNDS; round++) {
        fill_updates(&b, round, faulty);
        if (b.stored) store_updates(&b);
        memcpy(b.before, b.model, (size_t)(agents * b.model_stride) * sizeof *b.model);
        memcpy(b.server_before, b.server_model, (size_t)dimension * sizeof *b.server_model);
        check(cgsv_server_step(server, b.stored ? (const void *)b.stored : b.update, b.update_stride, b.model,
                               b.model_stride, b.server_model, NULL));
        cr_assert_eq(cgsv_server_steps(server), round + 1);
        check_round(&b, server, round, importance);
        check_spare(b.model, agents, b.model_stride, dimension);
    }
    cgsv_server_free(server);
    cgsv_device_close(device);
    matrices_free(&b);
}

static void check_oracles(cgsv_reward reward, cgsv_storage storage)
{
    static const int agents[] = {1, 2, 5, 33, 100};
    static const int64_t dimensions[] = {1, 31, 4097, 20011};
    for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
        for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++)
            if (agents[i] * dimensions[d] < 500000) check_oracle(agents[i], dimensions[d], reward, false, storage);
    check_oracle(5, 4097, reward, true, storage);
    check_oracle(2, 31, reward, true, storage); /* nobody is left */
}

Test(server, oracle_layer) { check_oracles(CGSV_REWARD_LAYER, CGSV_STORAGE_FLOAT32); }
Test(server, oracle_global) { check_oracles(CGSV_REWARD_GLOBAL, CGSV_STORAGE_FLOAT32); }
Test(server, oracle_stored_as_bf16) { check_oracles(CGSV_REWARD_LAYER, CGSV_STORAGE_BF16); }

/* Without models the same results and rewards, and without one kind no distances. */
Test(server, models_are_optional)
{
    enum { N = 6, D = 5003 };
    struct matrices b = {0};
    cgsv_round_record with[N], without[N];
    int64_t index[D], count;
    float value[D], last[D];
    matrices_make(&b, N, D, CGSV_REWARD_LAYER);
    fill_updates(&b, 0, false);
    for (int kind = 0; kind < 4; kind++) { /* both kinds of models, then the agents', the server's, none */
        cgsv_device *device = open_device(kind % 2 + 1);
        cgsv_server *server;
        const bool models = kind == 0 || kind == 1, own = kind == 0 || kind == 2;
        cgsv_round_record *record = kind == 0 ? with : without;
        check(cgsv_server_create(&server, device, &b.config));
        check(cgsv_server_step(server, b.update, b.update_stride, models ? b.model : NULL, models ? b.model_stride : 0,
                               own ? b.server_model : NULL, NULL));
        check(cgsv_server_records(server, record));
        check(cgsv_server_reward(server, 2, D, index, value, &count));
        for (int i = 0; i < N; i++) {
            cr_assert_eq(record[i].psi, with[i].psi);
            cr_assert_eq(record[i].kept, with[i].kept);
            cr_assert_float_eq(record[i].reward_cos, with[i].reward_cos, 1e-12);
            cr_assert_eq(isnan(record[i].distance) != 0, kind != 0);
            cr_assert_eq(isnan(record[i].server_norm) != 0, !own);
        }
        cr_assert_eq(count, (int64_t)with[2].kept, "no entry of these is zero");
        if (kind > 0) cr_assert_eq(memcmp(value, last, (size_t)count * sizeof *value), 0);
        memcpy(last, value, sizeof last);
        cgsv_server_free(server);
        cgsv_device_close(device);
    }
    matrices_free(&b);
}

/* ---- bad arguments ---- */

static void refused(cgsv_status status, const char *word)
{
    cr_assert_eq(status, CGSV_ERROR_ARGUMENT, "%s: status %d", word, (int)status);
    cr_assert(strstr(cgsv_last_error(), word), "no '%s' in: %s", word, cgsv_last_error());
}

Test(server, bad_settings_are_named)
{
    static const int64_t falls[] = {0, 5, 5, 8}, late[] = {1, 5, 8}, shortened[] = {0, 5, 7};
    static const double negative[] = {1, -1, 1}, none[] = {0, 0, 0}, nan[] = {1, NAN, 1};
    cgsv_device *device = open_device(1);
    cgsv_server_config good;
    cgsv_server_config_defaults(&good, 3, 8);
#define BAD(word, ...)                                                    \
    {                                                                     \
        cgsv_server_config c = good;                                      \
        cgsv_server *server = (cgsv_server *)&c;                          \
        __VA_ARGS__;                                                      \
        refused(cgsv_server_create(&server, device, &c), word);           \
        cr_assert_null(server);                                           \
    }
    BAD("agents", c.agents = 0)
    BAD("dimension", c.dimension = 0)
    BAD("dimension", c.dimension = INT64_C(1) << 31)
    BAD("reward", c.scheme.reward = (cgsv_reward)7)
    BAD("gamma", c.gamma = 0)
    BAD("alpha", c.alpha = 1)
    BAD("beta", c.beta = 0)
    BAD("beta", c.beta = NAN)
    BAD("tensors", c.tensors = -1)
    BAD("tensor_begin", c.tensors = 2)
    BAD("tensor_begin[2]", c.tensors = 3, c.tensor_begin = falls)
    BAD("tensor_begin", c.tensors = 2, c.tensor_begin = late)
    BAD("tensor_begin", c.tensors = 2, c.tensor_begin = shortened)
    BAD("shares[1]", c.shares = negative)
    BAD("shares[1]", c.shares = nan)
    BAD("shares", c.shares = none)
    cgsv_server *server;
    refused(cgsv_server_create(NULL, device, &good), "server");
    refused(cgsv_server_create(&server, NULL, &good), "device");
    refused(cgsv_server_create(&server, device, NULL), "config");
    cgsv_server_free(NULL);
    cgsv_device_close(device);
}

Test(server, bad_calls_are_named)
{
    enum { N = 2, D = 8 };
    float update[N * D] = {1, 2, 3}, model[N * D] = {0}, value[D];
    int64_t index[D], count;
    double weight[N];
    cgsv_round_record record[N];
    cgsv_device *device = open_device(1);
    cgsv_server *server;
    cgsv_server_config config;
    cgsv_server_config_defaults(&config, N, D);
    check(cgsv_server_create(&server, device, &config));
    refused(cgsv_server_records(server, record), "no step");
    refused(cgsv_server_weights(server, weight), "no step");
    refused(cgsv_server_aggregate(server, value), "no step");
    refused(cgsv_server_reward(server, 0, D, index, value, &count), "no step");
    refused(cgsv_server_step(NULL, update, D, model, D, NULL, NULL), "server");
    refused(cgsv_server_step(server, NULL, D, model, D, NULL, NULL), "updates");
    refused(cgsv_server_step(server, update, D - 1, model, D, NULL, NULL), "update_stride");
    refused(cgsv_server_step(server, update, D, model, D - 1, NULL, NULL), "model_stride");
    if (test_device_is_cpu()) refused(cgsv_server_step(server, update, D, model, D, NULL, &count), "stream");
    cr_assert_eq(cgsv_server_steps(server), 0);
    check(cgsv_server_step(server, update, D, model, D, NULL, NULL));
    refused(cgsv_server_records(server, NULL), "records");
    refused(cgsv_server_records(NULL, record), "server");
    refused(cgsv_server_reward(server, N, D, index, value, &count), "agent");
    refused(cgsv_server_reward(server, -1, D, index, value, &count), "agent");
    refused(cgsv_server_reward(server, 0, -1, index, value, &count), "capacity");
    refused(cgsv_server_reward(server, 0, D, NULL, value, &count), "index");
    refused(cgsv_server_reward(server, 0, D, index, NULL, &count), "value");
    refused(cgsv_server_reward(server, 0, D, index, value, NULL), "count");
    cgsv_server_free(server);
    cgsv_device_close(device);
}
