/* Values of the agents of a batch of games. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "valuation/internal.h"

enum {
    EXACT_AGENTS = 40,
    MOST_TOP_BITS = 14,       /* blocks of a game: enough for any GPU, few enough partial sums */
    USUAL_MIDDLE_BITS = 5,    /* tiles that a block's tables serve */
    SCRATCH_BYTES = 64 << 20, /* of a launch of sampling */
    FACTORIAL_AGENTS = 12     /* largest N whose N! is below 2^31 */
};
#define COALITIONS_PER_SECOND 2e8 /* of one core of today's CPUs, for an estimate */

static bool samples(cgsv_method m)
{
    return m == CGSV_METHOD_PERMUTATION || m == CGSV_METHOD_ANTITHETIC || m == CGSV_METHOD_STRATIFIED ||
           m == CGSV_METHOD_OWEN;
}

/* ---- what is to be done ---- */

static cgsv_status check_options(const cgsv_valuation_options *o, int games, int agents)
{
    if ((int)o->method < 0 || o->method > CGSV_METHOD_EUCLIDEAN)
        return error_set(CGSV_ERROR_ARGUMENT, "unknown method %d", (int)o->method);
    if (o->method == CGSV_METHOD_EXACT && agents > EXACT_AGENTS)
        return error_set(CGSV_ERROR_ARGUMENT,
                         "exact values of %d agents need %.2g coalitions, about %.2g hours on one core; expected at "
                         "most %d agents: use permutation, antithetic, stratified or owen",
                         agents, exp2(agents), exp2(agents) / COALITIONS_PER_SECOND / 3600, EXACT_AGENTS);
    if (!(o->gamma >= 0) || isinf(o->gamma))
        return error_set(CGSV_ERROR_ARGUMENT, "gamma is %g; expected a length, or 0 to take updates as they are",
                         o->gamma);
    if (o->first_game < 0 || o->first_game > UINT32_MAX - (int64_t)games)
        return error_set(CGSV_ERROR_ARGUMENT, "first_game is %lld; expected 0 to %lld", (long long)o->first_game,
                         (long long)UINT32_MAX - games);
    return CGSV_OK;
}

static bool takes_every_order(cgsv_method method, int64_t permutations, int agents)
{
    int64_t orders = 1;
    if (method != CGSV_METHOD_PERMUTATION && method != CGSV_METHOD_ANTITHETIC) return false;
    if (agents > FACTORIAL_AGENTS) return false;
    for (int i = 2; i <= agents; i++) orders *= i;
    return permutations >= orders;
}

/* Units that a budget pays: a permutation is N evaluations of ν, a pair of them 2 N, a unit of
 * `stratified` 2 for each agent, a unit of `owen` N + 1. */
static int64_t units_of(cgsv_method method, int64_t permutations, int agents)
{
    int64_t units = permutations;
    if (method == CGSV_METHOD_ANTITHETIC || method == CGSV_METHOD_STRATIFIED) units = permutations / 2;
    if (method == CGSV_METHOD_OWEN) units = permutations * agents / (agents + 1);
    return units > 1 ? units : 1;
}

cgsv_status cgsv_valuation_plan(cgsv_valuation_cost *cost, int agents, const cgsv_valuation_options *o)
{
    *cost = (cgsv_valuation_cost){0};
    TRY(check_batch(1, agents));
    TRY(check_options(o, 1, agents));
    if (samples(o->method)) TRY(cgsv_valuation_budget(&cost->permutations, o));
    cost->every_order = takes_every_order(o->method, cost->permutations, agents);
    const double units = (double)units_of(o->method, cost->permutations, agents);
    if (o->method == CGSV_METHOD_EXACT || cost->every_order)
        cost->evaluations = exp2(agents);
    else if (o->method == CGSV_METHOD_PERMUTATION)
        cost->evaluations = units * agents;
    else if (o->method == CGSV_METHOD_ANTITHETIC || o->method == CGSV_METHOD_STRATIFIED)
        cost->evaluations = units * 2 * agents;
    else if (o->method == CGSV_METHOD_OWEN)
        cost->evaluations = units * (agents + 1);
    else if (o->method == CGSV_METHOD_LEAVE_ONE_OUT)
        cost->evaluations = agents + 1;
    return CGSV_OK;
}

/* An even number of units at a time, so that neighbours stay together. */
static int64_t units_of_launch(const struct valuation *v)
{
    const int64_t N = v->games.agents, orders = v->method == CGSV_METHOD_STRATIFIED ? N : 1;
    const size_t unit = BYTES_OF(double, v->games.games, N) + BYTES_OF(uint16_t, v->games.games, N, orders);
    const int64_t units = (int64_t)(SCRATCH_BYTES / unit) / 2 * 2;
    const int64_t least = units > 2 ? units : 2;
    return least < v->sampling.total ? least : v->sampling.total;
}

static void split_agents(struct shapley *s, int agents)
{
    s->tile_bits = agents < SHAPLEY_TILE_BITS ? agents : SHAPLEY_TILE_BITS;
    const int rest = agents - s->tile_bits, top = rest - USUAL_MIDDLE_BITS;
    s->top_bits = top < 0 ? 0 : top > MOST_TOP_BITS ? MOST_TOP_BITS : top;
    s->middle_bits = rest - s->top_bits;
}

static int64_t shapley_weights(const struct shapley *s)
{
    return (int64_t)(s->games.agents - s->tile_bits + 1) << s->tile_bits;
}

/* ---- memory ---- */

/* One walk over the arrays serves to count and to allocate them. */
static cgsv_status walk(struct valuation *v, bool allocate, size_t *bytes)
{
    const int64_t F = v->games.games, N = v->games.agents;
    const bool exact = v->method == CGSV_METHOD_EXACT, sampled = samples(v->method);
    const int64_t units = sampled ? v->units : 0, orders = v->method == CGSV_METHOD_STRATIFIED ? N : 1;
    const struct {
        void **memory;
        size_t bytes;
    } arrays[] = {
        {(void **)&v->gram, BYTES_OF(double, F, N, N)},
        {(void **)&v->weight, BYTES_OF(double, F, N)},
        {(void **)&v->value, BYTES_OF(double, F, N)},
        {(void **)&v->games.product, BYTES_OF(double, F, N, N)},
        {(void **)&v->games.dot, BYTES_OF(double, F, N)},
        {(void **)&v->games.length, BYTES_OF(double, F)},
        {(void **)&v->games.longest, BYTES_OF(double, F)},
        {(void **)&v->shapley.partial, exact ? BYTES_OF(double, F, INT64_C(1) << v->shapley.top_bits, N) : 0},
        {(void **)&v->shapley_weight, exact ? BYTES_OF(double, shapley_weights(&v->shapley)) : 0},
        {(void **)&v->sampling.sample, BYTES_OF(double, F, units, N)},
        {(void **)&v->sampling.order, BYTES_OF(uint16_t, F, units, N, orders)},
        {(void **)&v->sampling.spread, sampled ? BYTES_OF(double, F, N) : 0},
        {(void **)&v->error, sampled ? BYTES_OF(double, F, N) : 0},
        {(void **)&v->everyone, exact || sampled ? 0 : BYTES_OF(uint16_t, F, N)},
    };
    *bytes = 0;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        if (__builtin_add_overflow(*bytes, arrays[i].bytes, bytes)) *bytes = SIZE_MAX;
        if (allocate && arrays[i].bytes)
            TRY(v->device->backend->allocate(v->device, arrays[i].memory, arrays[i].bytes));
    }
    return CGSV_OK;
}

void valuation_free(struct valuation *v)
{
    if (!v->device) return;
    void *all[] = {v->gram,           v->weight,         v->value,           v->games.product,  v->games.dot,
                   v->games.length,   v->games.longest,  v->shapley.partial, v->shapley_weight, v->sampling.sample,
                   v->sampling.order, v->sampling.spread, v->error,          v->everyone};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) v->device->backend->release(v->device, all[i]);
    memset(v, 0, sizeof *v);
}

/* W(s) = (s−1)! (N−s−1)! / (N−1)! = 1 / ((N−1) C(N−2, s−1)) for 0 < s < N, W(N) = 1/N, for every
 * size outside the tile and every subset of the tile. */
static cgsv_status upload_shapley_weights(struct valuation *v)
{
    const int N = v->games.agents, tile = v->shapley.tile_bits;
    double of_size[EXACT_AGENTS + 1] = {0};
    double binomial = 1; /* C(N−2, s−1) */
    for (int s = 1; s < N; s++) {
        of_size[s] = 1 / ((N - 1) * binomial);
        binomial = binomial * (N - 1 - s) / s;
    }
    of_size[N] = 1.0 / N;

    const size_t count = (size_t)shapley_weights(&v->shapley);
    double *weight = malloc(count * sizeof *weight);
    if (!weight) return error_set(CGSV_ERROR_MEMORY, "no memory for %zu weights of coalitions", count);
    for (size_t i = 0; i < count; i++)
        weight[i] = of_size[(i >> tile) + (size_t)__builtin_popcountll(i & ((UINT64_C(1) << tile) - 1))];
    cgsv_status status = v->device->backend->upload(v->device, v->shapley_weight, weight, count * sizeof *weight);
    free(weight);
    return status;
}

static cgsv_status create(struct valuation *v)
{
    size_t bytes;
    walk(v, false, &bytes);
    TRY(memory_suffices(v->device, "the valuation", bytes));
    TRY(walk(v, true, &bytes));
    v->games.gram = v->gram;
    v->games.weight = v->weight;
    v->shapley.games = v->sampling.games = v->games;
    v->shapley.value = v->sampling.mean = v->value;
    v->shapley.weight = v->shapley_weight;
    v->sampling.error = v->error;
    return v->method == CGSV_METHOD_EXACT ? upload_shapley_weights(v) : CGSV_OK;
}

/* All but the memory. */
static cgsv_status plan(struct valuation *v, cgsv_device *device, int games, int agents,
                        const cgsv_valuation_options *options)
{
    int64_t permutations = 0;
    memset(v, 0, sizeof *v);
    TRY(check_batch(games, agents));
    TRY(check_options(options, games, agents));
    if (samples(options->method)) TRY(cgsv_valuation_budget(&permutations, options));
    v->device = device;
    v->options = *options;
    v->method = takes_every_order(options->method, permutations, agents) ? CGSV_METHOD_EXACT : options->method;
    v->games.games = v->shapley.games.games = games;
    v->games.agents = v->shapley.games.agents = agents;
    split_agents(&v->shapley, agents);
    if (v->method == CGSV_METHOD_EXACT && (int64_t)games << v->shapley.top_bits > INT32_MAX)
        return error_set(CGSV_ERROR_ARGUMENT, "%d games of %d agents are too many for one exact valuation; at most %d",
                         games, agents, INT32_MAX >> v->shapley.top_bits);
    v->sampling.method = v->method;
    v->sampling.seed = options->seed;
    v->sampling.first_game = options->first_game;
    v->sampling.total = units_of(v->method, permutations, agents);
    v->units = units_of_launch(v);
    return CGSV_OK;
}

size_t valuation_bytes(int games, int agents, const cgsv_valuation_options *options)
{
    struct valuation v;
    size_t bytes = 0;
    if (plan(&v, NULL, games, agents, options) == CGSV_OK) walk(&v, false, &bytes);
    return bytes;
}

cgsv_status valuation_create(struct valuation *v, cgsv_device *device, int games, int agents,
                             const cgsv_valuation_options *options)
{
    TRY(plan(v, device, games, agents, options));
    cgsv_status status = create(v);
    if (status != CGSV_OK) valuation_free(v);
    return status;
}

/* ---- the computation ---- */

cgsv_status valuation_run(struct valuation *v)
{
    const struct kernels *k = v->device->kernels;
    void *stream = v->device->stream;
    LAUNCHED(v->device, k->games_prepare(stream, v->games));
    if (v->method == CGSV_METHOD_EXACT) {
        LAUNCHED(v->device, k->shapley_exact(stream, v->shapley));
        return CGSV_OK;
    }
    if (!samples(v->method)) {
        LAUNCHED(v->device, k->closed_form(stream, v->value, v->everyone, v->games, v->method, v->options.gamma));
        return CGSV_OK;
    }
    for (int64_t first = 0; first < v->sampling.total; first += v->units) {
        struct sampling s = v->sampling;
        s.first = first;
        s.units = s.total - first < v->units ? s.total - first : v->units;
        LAUNCHED(v->device, k->sample(stream, s));
    }
    return CGSV_OK;
}

/* Not finite, negative on the diagonal, not symmetric, or |G_ij| > √(G_ii G_jj): no Gram matrix. */
static cgsv_status check_matrix(const double *gram, const double *weight, int64_t game, int agents)
{
    const int64_t N = agents;
    for (int64_t i = 0; i < N; i++) {
        const double own = gram[i * N + i];
        if (!(own >= 0) || isinf(own))
            return error_set(CGSV_ERROR_ARGUMENT, "game %lld, agent %lld: squared length %g; expected 0 or more",
                             (long long)game, (long long)i, own);
        if (!(weight[i] >= 0) || isinf(weight[i]))
            return error_set(CGSV_ERROR_ARGUMENT, "game %lld, agent %lld: weight %g; expected 0 or more",
                             (long long)game, (long long)i, weight[i]);
    }
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < i; j++) {
            const double most = sqrt(gram[i * N + i]) * sqrt(gram[j * N + j]), x = gram[i * N + j];
            if (!(fabs(x) <= 1.001 * most && fabs(x - gram[j * N + i]) <= 1e-6 * most))
                return error_set(CGSV_ERROR_ARGUMENT,
                                 "game %lld, agents %lld and %lld: products %g and %g; expected the same, at most %g",
                                 (long long)game, (long long)i, (long long)j, x, gram[j * N + i], most);
        }
    return CGSV_OK;
}

static cgsv_status value_with(struct valuation *v, double *value, double *error, const double *gram,
                              const double *weight, double *seconds)
{
    const struct device_backend *backend = v->device->backend;
    const int64_t rows = (int64_t)v->games.games * v->games.agents;
    TRY(backend->upload(v->device, v->gram, gram, BYTES_OF(double, rows, v->games.agents)));
    TRY(backend->upload(v->device, v->weight, weight, BYTES_OF(double, rows)));
    TRY(backend->sync(v->device));
    const double start = clock_seconds();
    TRY(valuation_run(v));
    TRY(backend->sync(v->device));
    if (seconds) *seconds = clock_seconds() - start;
    TRY(backend->download(v->device, value, v->value, BYTES_OF(double, rows)));
    if (!error) return CGSV_OK;
    if (samples(v->method)) return backend->download(v->device, error, v->error, BYTES_OF(double, rows));
    for (int64_t i = 0; i < rows; i++) error[i] = v->method == CGSV_METHOD_EXACT ? 0.0 : NAN;
    return CGSV_OK;
}

cgsv_status cgsv_value(cgsv_device *device, double *value, double *standard_error, const double *gram,
                       const double *weight, int games, int agents, const cgsv_valuation_options *options,
                       double *seconds)
{
    struct valuation v;
    TRY(check_batch(games, agents));
    for (int64_t game = 0; game < games; game++)
        TRY(check_matrix(gram + game * agents * agents, weight + game * agents, game, agents));
    TRY(valuation_create(&v, device, games, agents, options));
    cgsv_status status = value_with(&v, value, standard_error, gram, weight, seconds);
    valuation_free(&v);
    return status;
}
