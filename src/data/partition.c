/* Who owns which training samples. All partitions start from one pool, a seeded
 * shuffle of the training split cut to its cap: equal and power-law shards are runs
 * of it in order; class imbalance draws from the pool's classes; Dirichlet deals
 * each class out by random shares. Sizes follow the paper's published code, and so
 * do the rules of class imbalance; the random numbers are our own. */
#include "data/partition.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"

/* Exponent of the power-law distribution whose quantiles size the shards. */
static const double powerlaw_exponent = 1.65911332899;

enum { DIRICHLET_ATTEMPTS = 1000 };

/* Samples in the order in which they are dealt out; also sorted by class, order kept:
 * class c is by_class[class_first[c] .. class_first[c + 1]). */
struct pool {
    int64_t samples;
    int32_t *order;       /* [samples of the split], of which `samples` are in the pool */
    int32_t *by_class;    /* [samples] */
    int64_t *class_first; /* [classes + 1] */
};

static cgsv_status no_memory(int64_t entries)
{
    return error_set(CGSV_ERROR_MEMORY, "no memory to partition %lld samples", (long long)entries);
}

void partition_powerlaw_sizes(int64_t *sizes, int agents, int64_t samples)
{
    const double low = pow(0.01, 1 / powerlaw_exponent), high = pow(0.99, 1 / powerlaw_exponent);
    const double step = agents > 1 ? (high - low) / (agents - 1) : 0;
    const double sum = agents * (low + step * (agents - 1) / 2);
    const int64_t multiple = samples / agents * agents; /* the published code scales to a multiple of N */
    const double scale = (double)multiple / sum;
    int64_t left = samples;
    for (int i = 0; i < agents; i++) {
        /* Less a little: the middle one of an odd number is whole and must stay so. */
        const int64_t size = (int64_t)ceil((low + step * i) * scale - 1e-9);
        sizes[i] = size < left ? size : left;
        left -= sizes[i];
    }
}

void partition_class_counts(int *counts, int agents, int classes)
{
    for (int i = 0; i < agents; i++)
        counts[i] = agents > 1 ? 1 + (int)((int64_t)i * (classes - 1) / (agents - 1)) : 1;
}

/* How many samples of the split are not kept aside. */
static int64_t training_size(const cgsv_config *config, int64_t samples)
{
    /* The last term takes back what rounding of 1 - fraction may have lost. */
    const int64_t size = (int64_t)floor((double)samples * (1 - config->validation_fraction) + 1e-6);
    return size < samples ? size : samples;
}

int64_t partition_pool_size(const cgsv_config *config, int64_t samples)
{
    const int64_t size = training_size(config, samples);
    const int64_t cap = (int64_t)config->agents * config->samples_per_agent;
    return cap > 0 && size > cap ? cap : size;
}

static cgsv_status pool_create(struct pool *pool, const cgsv_config *config, const int32_t *labels, int64_t samples,
                               int classes)
{
    pool->samples = partition_pool_size(config, samples);
    assert(samples > 0 && pool->samples <= samples);
    pool->order = malloc((size_t)samples * sizeof *pool->order);
    pool->by_class = malloc((size_t)samples * sizeof *pool->by_class);
    pool->class_first = calloc((size_t)classes + 2, sizeof *pool->class_first);
    if (!pool->order || !pool->by_class || !pool->class_first) return no_memory(samples);

    struct random_stream s;
    random_start(&s, config->seed, RANDOM_PARTITION, RANDOM_PARTITION_POOL);
    random_order(&s, pool->order, samples);

    /* A counting sort; two ahead, so that the write positions end as the first ones. */
    int64_t *first = pool->class_first;
    for (int64_t i = 0; i < pool->samples; i++) {
        assert(labels[pool->order[i]] >= 0 && labels[pool->order[i]] < classes);
        first[labels[pool->order[i]] + 2]++;
    }
    for (int c = 2; c <= classes; c++) first[c] += first[c - 1];
    for (int64_t i = 0; i < pool->samples; i++) pool->by_class[first[labels[pool->order[i]] + 1]++] = pool->order[i];
    return CGSV_OK;
}

static void pool_free(struct pool *pool)
{
    free(pool->order);
    free(pool->by_class);
    free(pool->class_first);
}

int64_t partition_validation_size(const cgsv_config *config, int64_t samples)
{
    const int64_t kept = samples - training_size(config, samples), cap = config->validation_samples;
    return cap > 0 && kept > cap ? cap : kept;
}

/* The shuffle's samples behind those that may be trained on, whatever the pool's cap. */
static cgsv_status keep_aside(struct partition *p, const struct pool *pool, const cgsv_config *config, int64_t samples)
{
    p->validation_samples = partition_validation_size(config, samples);
    if (p->validation_samples == 0) return CGSV_OK;
    const size_t bytes = (size_t)p->validation_samples * sizeof *p->validation;
    p->validation = malloc(bytes);
    if (!p->validation) return no_memory(p->validation_samples);
    memcpy(p->validation, pool->order + training_size(config, samples), bytes);
    return CGSV_OK;
}

/* Deals the pool out in order, by the sizes in first[i + 1]. */
static void deal_in_order(struct partition *p, const struct pool *pool)
{
    for (int i = 0; i < p->agents; i++) p->first[i + 1] += p->first[i];
    assert(p->first[p->agents] <= pool->samples);
    memcpy(p->index, pool->order, (size_t)p->first[p->agents] * sizeof *p->index);
}

static void uniform(struct partition *p, const struct pool *pool)
{
    const int64_t size = pool->samples / p->agents, larger = pool->samples % p->agents;
    for (int i = 0; i < p->agents; i++) p->first[i + 1] = size + (i < larger);
    deal_in_order(p, pool);
}

static cgsv_status powerlaw(struct partition *p, const struct pool *pool)
{
    partition_powerlaw_sizes(p->first + 1, p->agents, pool->samples);
    for (int i = 0; i < p->agents; i++)
        if (p->first[i + 1] < 1)
            return error_set(CGSV_ERROR_ARGUMENT,
                             "the power law leaves agent %d of %d without any of the %lld samples; use fewer agents or "
                             "more samples",
                             i, p->agents, (long long)pool->samples);
    deal_in_order(p, pool);
    return CGSV_OK;
}

/* Every agent gets P = pool / N samples, P / c of each of its c classes, drawn with
 * replacement. The remainder is topped up by the first samples of its last class,
 * which later agents no longer draw, until one sample is left; the rest then is drawn
 * like the others. */
static cgsv_status class_imbalance(struct partition *p, const struct pool *pool, int classes, uint64_t seed)
{
    int *counts = malloc((size_t)p->agents * sizeof *counts);
    int64_t *used = calloc((size_t)classes, sizeof *used);
    cgsv_status status = counts && used ? CGSV_OK : no_memory(pool->samples);
    if (status == CGSV_OK) partition_class_counts(counts, p->agents, classes);
    const int seen = status != CGSV_OK ? 0 : counts[p->agents - 1]; /* the last agent sees the most */
    for (int c = 0; c < seen && status == CGSV_OK; c++)
        if (pool->class_first[c] == pool->class_first[c + 1])
            status = error_set(CGSV_ERROR_ARGUMENT,
                               "no sample of class %d among the %lld to share out by class; use more samples per agent "
                               "or another partition",
                               c, (long long)pool->samples);

    struct random_stream s;
    random_start(&s, seed, RANDOM_PARTITION, RANDOM_PARTITION_CLASSES);
    const int64_t size = pool->samples / p->agents;
    for (int i = 0; i < p->agents && status == CGSV_OK; i++) {
        int32_t *at = p->index + p->first[i], *end = at + size;
        for (int c = 0; c < counts[i]; c++) {
            const int32_t *samples = pool->by_class + pool->class_first[c];
            const int64_t held = pool->class_first[c + 1] - pool->class_first[c];
            for (int64_t k = size / counts[i]; k > 0; k--)
                *at++ = samples[used[c] + random_below(&s, (uint32_t)(held - used[c]))];
            if (c < counts[i] - 1) continue;
            while (at < end && used[c] < held - 1) *at++ = samples[used[c]++];
            while (at < end) *at++ = samples[random_below(&s, (uint32_t)held)];
        }
        p->first[i + 1] = p->first[i] + size;
    }
    free(counts);
    free(used);
    return status;
}

/* Uniform in (0, 1), never 0, for logarithms. */
static double open_uniform(struct random_stream *s)
{
    const uint64_t high = random_bits(s), low = random_bits(s);
    return ((double)((high << 32 | low) >> 12) + 0.5) * 0x1p-52;
}

static double normal(struct random_stream *s)
{
    const double radius = sqrt(-2 * log(open_uniform(s)));
    return radius * cos(2 * 3.14159265358979323846 * open_uniform(s));
}

/* The logarithm of a Gamma(shape, 1) number: Marsaglia and Tsang, "A simple method for
 * generating gamma variables" (2000), for shape + 1, brought down to `shape` by
 * U^(1/shape). In logarithms, since small shapes underflow. */
static double log_gamma_draw(struct random_stream *s, double shape)
{
    const double d = shape + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = normal(s), v = (1 + c * x) * (1 + c * x) * (1 + c * x);
        if (1 + c * x <= 0 || log(open_uniform(s)) >= 0.5 * x * x + d - d * v + d * log(v)) continue;
        return log(d) + log(v) + log(open_uniform(s)) / shape;
    }
}

/* How many of a class's `samples` each agent gets: count[agents], with the cumulated
 * shares rounded so that they end at `samples`. */
static void dirichlet_counts(int64_t *count, double *share, int agents, int64_t samples, double concentration,
                             struct random_stream *s)
{
    double largest = -INFINITY, sum = 0, below = 0;
    for (int i = 0; i < agents; i++) {
        share[i] = log_gamma_draw(s, concentration);
        if (share[i] > largest) largest = share[i];
    }
    for (int i = 0; i < agents; i++) sum += share[i] = exp(share[i] - largest);
    int64_t dealt = 0;
    for (int i = 0; i < agents; i++) {
        below += share[i] / sum;
        int64_t until = (int64_t)floor(below * (double)samples + 0.5);
        if (until > samples || i == agents - 1) until = samples;
        count[i] = until - dealt;
        dealt = until;
    }
}

/* Draws counts[classes][agents] and the agents' totals in first[i + 1]; whether every
 * agent got something. */
static int dirichlet_attempt(struct partition *p, const struct pool *pool, int classes, double concentration,
                             struct random_stream *s, int64_t *counts, double *share)
{
    memset(p->first, 0, ((size_t)p->agents + 1) * sizeof *p->first);
    for (int c = 0; c < classes; c++) {
        int64_t *count = counts + (size_t)c * (size_t)p->agents;
        dirichlet_counts(count, share, p->agents, pool->class_first[c + 1] - pool->class_first[c], concentration, s);
        for (int i = 0; i < p->agents; i++) p->first[i + 1] += count[i];
    }
    for (int i = 0; i < p->agents; i++)
        if (p->first[i + 1] == 0) return 0;
    return 1;
}

/* Every class dealt out by shares of its own. A draw that leaves an agent with nothing
 * is drawn again, as is usual with this partition. */
static cgsv_status dirichlet(struct partition *p, const struct pool *pool, int classes, double concentration,
                             uint64_t seed)
{
    int64_t *counts = calloc((size_t)classes * (size_t)p->agents, sizeof *counts);
    int64_t *filled = calloc((size_t)p->agents, sizeof *filled);
    double *share = malloc((size_t)p->agents * sizeof *share);
    cgsv_status status = counts && filled && share ? CGSV_OK : no_memory(pool->samples);

    struct random_stream s;
    random_start(&s, seed, RANDOM_PARTITION, RANDOM_PARTITION_DIRICHLET);
    int attempts = 0;
    while (status == CGSV_OK && !dirichlet_attempt(p, pool, classes, concentration, &s, counts, share))
        if (++attempts == DIRICHLET_ATTEMPTS)
            status = error_set(CGSV_ERROR_ARGUMENT,
                               "Dirichlet concentration %g leaves some of %d agents without any of the %lld samples; "
                               "use a larger concentration, fewer agents or more samples",
                               concentration, p->agents, (long long)pool->samples);
    if (status == CGSV_OK) {
        for (int i = 0; i < p->agents; i++) p->first[i + 1] += p->first[i];
        const int32_t *from = pool->by_class;
        for (int c = 0; c < classes; c++) {
            for (int i = 0; i < p->agents; i++) {
                const int64_t count = counts[(size_t)c * (size_t)p->agents + (size_t)i];
                memcpy(p->index + p->first[i] + filled[i], from, (size_t)count * sizeof *from);
                filled[i] += count;
                from += count;
            }
        }
    }
    free(filled);
    free(counts);
    free(share);
    return status;
}

static cgsv_status check(const cgsv_config *config, int64_t samples, int classes)
{
    if (samples < 1 || samples > INT32_MAX || classes < 1)
        return error_set(CGSV_ERROR_ARGUMENT, "cannot partition %lld samples of %d classes", (long long)samples,
                         classes);
    if (config->agents < 1) return error_set(CGSV_ERROR_ARGUMENT, "%d agents: expected 1 or more", config->agents);
    if (config->samples_per_agent < 0)
        return error_set(CGSV_ERROR_ARGUMENT, "%d samples per agent: expected 0 (no cap) or more",
                         config->samples_per_agent);
    if (config->validation_samples < 0)
        return error_set(CGSV_ERROR_ARGUMENT, "%d validation samples: expected 0 (all that are kept aside) or more",
                         config->validation_samples);
    if (!(config->validation_fraction >= 0 && config->validation_fraction < 1))
        return error_set(CGSV_ERROR_ARGUMENT, "validation fraction %g: expected 0 or more and less than 1",
                         config->validation_fraction);
    if (config->partition == CGSV_PARTITION_DIRICHLET &&
        !(config->dirichlet_concentration >= 1e-100 && config->dirichlet_concentration <= 1e100))
        return error_set(CGSV_ERROR_ARGUMENT, "Dirichlet concentration %g: expected more than 0 and at most 1e100",
                         config->dirichlet_concentration);
    if (partition_pool_size(config, samples) < config->agents)
        return error_set(CGSV_ERROR_ARGUMENT, "%d agents cannot share %lld samples; use %lld agents or fewer",
                         config->agents, (long long)partition_pool_size(config, samples),
                         (long long)partition_pool_size(config, samples));
    return CGSV_OK;
}

cgsv_status partition_create(struct partition *partition, const cgsv_config *config, const int32_t *labels,
                             int64_t samples, int classes)
{
    *partition = (struct partition){0};
    TRY(check(config, samples, classes));
    struct pool pool = {0};
    cgsv_status status = pool_create(&pool, config, labels, samples, classes);
    partition->agents = config->agents;
    partition->first = calloc((size_t)config->agents + 1, sizeof *partition->first);
    partition->index = malloc((size_t)pool.samples * sizeof *partition->index);
    if (status == CGSV_OK && (!partition->first || !partition->index)) status = no_memory(pool.samples);
    if (status == CGSV_OK) {
        switch (config->partition) {
        case CGSV_PARTITION_UNIFORM: uniform(partition, &pool); break;
        case CGSV_PARTITION_POWERLAW: status = powerlaw(partition, &pool); break;
        case CGSV_PARTITION_CLASSIMBALANCE:
            status = class_imbalance(partition, &pool, classes, config->seed);
            break;
        case CGSV_PARTITION_DIRICHLET:
            status = dirichlet(partition, &pool, classes, config->dirichlet_concentration, config->seed);
            break;
        default: status = error_set(CGSV_ERROR_ARGUMENT, "unknown partition %d", (int)config->partition);
        }
    }
    if (status == CGSV_OK) status = keep_aside(partition, &pool, config, samples);
    pool_free(&pool);
    if (status != CGSV_OK) partition_free(partition);
    return status;
}

void partition_free(struct partition *partition)
{
    free(partition->first);
    free(partition->index);
    free(partition->validation);
    *partition = (struct partition){0};
}
