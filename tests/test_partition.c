/* Partitions: shard sizes against the golden numbers, and what must hold for any partition. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "data/partition.h"
#include "data_checks.h"

TestSuite(partition, .timeout = 120);

/* Of partitions.json, the golden numbers. */
static const struct golden {
    int samples, agents;
    int64_t sizes[20];
    int counts[20];
} golden[] = {
        {3000, 5, {71, 336, 600, 865, 1128}, {1, 3, 5, 7, 10}},
        {6000, 10, {71, 189, 306, 424, 542, 659, 777, 895, 1012, 1125}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {12000, 20, {71, 127, 183, 238, 294, 350, 406, 461, 517, 573, 628, 684, 740, 795, 851, 907, 963, 1018, 1074,
     1120}, {1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10}},
        {20000, 10, {236, 628, 1020, 1412, 1804, 2197, 2589, 2981, 3373, 3760}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {8544, 5, {202, 955, 1708, 2462, 3215}, {1, 3, 5, 7, 10}},
        {9595, 5, {227, 1073, 1919, 2766, 3610}, {1, 3, 5, 7, 10}},
        {1000, 3, {40, 333, 627}, {1, 5, 10}},
};

Test(partition, partition_golden_sizes)
{
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        const struct golden *g = &golden[k];
        int64_t sizes[20];
        int counts[20];
        partition_powerlaw_sizes(sizes, g->agents, g->samples);
        partition_class_counts(counts, g->agents, 10);
        for (int i = 0; i < g->agents; i++) {
            cr_expect_eq(sizes[i], g->sizes[i], "%d samples, %d agents, agent %d", g->samples, g->agents, i);
            cr_expect_eq(counts[i], g->counts[i], "%d agents, agent %d", g->agents, i);
        }
    }
    int64_t one;
    int count;
    partition_powerlaw_sizes(&one, 1, 17);
    partition_class_counts(&count, 1, 10);
    cr_expect(one == 17 && count == 1);
}

enum { CLASSES = 10, M = 5000 };

static int32_t labels[M];

static void make_labels(void)
{
    for (int i = 0; i < M; i++) labels[i] = (i * 7 + i / 13) % CLASSES;
}

static cgsv_config config_of(cgsv_partition partition, int agents, int samples_per_agent)
{
    return (cgsv_config){.partition = partition,
                         .dirichlet_concentration = 0.5,
                         .agents = agents,
                         .samples_per_agent = samples_per_agent,
                         .seed = 1111};
}

static struct partition create(const cgsv_config *config)
{
    struct partition p;
    cr_assert_eq(partition_create(&p, config, labels, M, CLASSES), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(p.agents, config->agents);
    cr_assert_eq(p.first[0], 0);
    for (int i = 0; i < p.agents; i++) cr_assert(p.first[i] < p.first[i + 1], "agent %d has nothing", i);
    for (int64_t k = 0; k < p.first[p.agents]; k++) cr_assert(p.index[k] >= 0 && p.index[k] < M);
    return p;
}

static bool same(const struct partition *a, const struct partition *b)
{
    return a->agents == b->agents && memcmp(a->first, b->first, ((size_t)a->agents + 1) * sizeof *a->first) == 0 &&
           memcmp(a->index, b->index, (size_t)a->first[a->agents] * sizeof *a->index) == 0;
}

Test(partition, partition_invariants, .init = make_labels)
{
    for (int kind = CGSV_PARTITION_UNIFORM; kind <= CGSV_PARTITION_DIRICHLET; kind++) {
        static const int shapes[][2] = {{1, 0}, {3, 0}, {5, 600}, {7, 100}, {10, 500}, {20, 1000}, {31, 64}};
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            cgsv_config config = config_of((cgsv_partition)kind, shapes[k][0], shapes[k][1]);
            struct partition p = create(&config), again = create(&config);
            cr_expect(same(&p, &again), "partition %d is not repeatable", kind);

            const int cap = shapes[k][0] * shapes[k][1], pool = cap > 0 && cap < M ? cap : M;
            if (kind == CGSV_PARTITION_CLASSIMBALANCE) {
                cr_expect_eq(p.first[p.agents], (int64_t)pool / p.agents * p.agents);
            } else {
                int seen[M] = {0};
                const int unused = kind == CGSV_PARTITION_POWERLAW ? pool % p.agents : 0;
                cr_expect(p.first[p.agents] <= pool && p.first[p.agents] >= pool - unused);
                for (int64_t i = 0; i < p.first[p.agents]; i++) cr_assert_eq(seen[p.index[i]]++, 0);
            }

            config.seed++;
            struct partition other = create(&config);
            cr_expect(!same(&p, &other), "partition %d does not depend on the seed", kind);
            partition_free(&p);
            partition_free(&again);
            partition_free(&other);
        }
    }
}

Test(partition, partition_uniform_and_powerlaw_sizes, .init = make_labels)
{
    cgsv_config config = config_of(CGSV_PARTITION_UNIFORM, 7, 0);
    struct partition p = create(&config);
    for (int i = 0; i < 7; i++) cr_expect_eq(p.first[i + 1] - p.first[i], M / 7 + (i < M % 7));
    partition_free(&p);

    config = config_of(CGSV_PARTITION_POWERLAW, 5, 600);
    p = create(&config);
    for (int i = 0; i < 5; i++) cr_expect_eq(p.first[i + 1] - p.first[i], golden[0].sizes[i]);
    partition_free(&p);
}

/* The pool is the same run of the same shuffle whoever deals it out, and validation
 * samples lie behind it. */
Test(partition, partition_validation, .init = make_labels)
{
    cgsv_config config = config_of(CGSV_PARTITION_UNIFORM, 5, 0);
    struct partition all = create(&config);
    config.validation_fraction = 0.1;
    struct partition part = create(&config);
    cr_expect_eq(part.first[5], M - M / 10);
    cr_expect_eq(memcmp(all.index, part.index, (M - M / 10) * sizeof *all.index), 0);
    config.partition = CGSV_PARTITION_POWERLAW;
    struct partition power = create(&config);
    cr_expect_eq(memcmp(power.index, part.index, (M - M / 10) * sizeof *all.index), 0);
    partition_free(&all);
    partition_free(&part);
    partition_free(&power);
    static const double fractions[] = {0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9};
    for (int k = 0; k < 8; k++) {
        config.validation_fraction = fractions[k];
        part = create(&config);
        cr_expect_eq(part.first[5], lround(M * (1 - fractions[k])), "fraction %g", fractions[k]);
        partition_free(&part);
    }
}

Test(partition, partition_classimbalance, .init = make_labels)
{
    static const int agents[] = {1, 5, 10, 20};
    for (int k = 0; k < 4; k++) {
        const int n = agents[k];
        cgsv_config config = config_of(CGSV_PARTITION_CLASSIMBALANCE, n, 233);
        struct partition p = create(&config);
        int counts[20];
        partition_class_counts(counts, n, CLASSES);
        for (int i = 0; i < n; i++) {
            const int64_t size = (M < 233 * n ? M : 233 * n) / n;
            int64_t of[CLASSES] = {0};
            cr_expect_eq(p.first[i + 1] - p.first[i], size);
            for (int64_t s = p.first[i]; s < p.first[i + 1]; s++) of[labels[p.index[s]]]++;
            for (int c = 0; c < CLASSES; c++) {
                const int64_t more = c == counts[i] - 1 ? size % counts[i] : 0;
                cr_expect_eq(of[c], c < counts[i] ? size / counts[i] + more : 0, "%d agents, agent %d, class %d", n, i,
                             c);
            }
        }
        partition_free(&p);
    }
    /* So few samples that the topping up runs out of fresh ones. */
    int32_t few[40];
    for (int i = 0; i < 40; i++) few[i] = i % CLASSES;
    struct partition p;
    cgsv_config config = config_of(CGSV_PARTITION_CLASSIMBALANCE, 4, 0);
    cr_assert_eq(partition_create(&p, &config, few, 40, CLASSES), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(p.first[4], 40);
    partition_free(&p);
    config.agents = 5;
    cr_assert_eq(partition_create(&p, &config, few, 40, CLASSES), CGSV_OK, "%s", cgsv_last_error());
    for (int64_t s = p.first[4]; s < p.first[5]; s++) cr_expect_eq(few[p.index[s]], 9);
    partition_free(&p);
    for (int i = 0; i < 40; i++) few[i] += few[i] == 3;
    expect_error(partition_create(&p, &config, few, 40, CLASSES), CGSV_ERROR_ARGUMENT, "class 3");
}

/* Shares of a class over agents, averaged over classes and seeds: each 1/N, with the
 * variance (1/N)(1 - 1/N) / (N a + 1) of Dirichlet(a). */
Test(partition, partition_dirichlet_moments, .init = make_labels)
{
    static const double concentrations[] = {0.1, 0.5, 1, 10, 1000};
    enum { N = 5, SEEDS = 100 };
    double held[CLASSES] = {0};
    for (int i = 0; i < M; i++) held[labels[i]]++;
    for (int k = 0; k < 5; k++) {
        cgsv_config config = config_of(CGSV_PARTITION_DIRICHLET, N, 0);
        config.dirichlet_concentration = concentrations[k];
        double squares = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            config.seed = (uint64_t)seed;
            struct partition p = create(&config);
            for (int i = 0; i < N; i++) {
                double of[CLASSES] = {0};
                for (int64_t s = p.first[i]; s < p.first[i + 1]; s++) of[labels[p.index[s]]]++;
                for (int c = 0; c < CLASSES; c++) squares += pow(of[c] / held[c] - 1.0 / N, 2);
            }
            partition_free(&p);
        }
        const double variance = squares / (SEEDS * N * CLASSES);
        const double expected = 1.0 / N * (1 - 1.0 / N) / (N * concentrations[k] + 1);
        cr_expect(fabs(variance / expected - 1) < 0.15, "concentration %g: variance %g, expected %g",
                  concentrations[k], variance, expected);
    }
}

Test(partition, partition_dirichlet_extremes, .init = make_labels)
{
    cgsv_config config = config_of(CGSV_PARTITION_DIRICHLET, 2, 0);
    static const double concentrations[] = {1e-100, 1e-3, 1e9, 1e100};
    for (int k = 0; k < 4; k++) {
        config.dirichlet_concentration = concentrations[k];
        struct partition p = create(&config);
        cr_expect_eq(p.first[2], M);
        if (k >= 2) cr_expect(llabs(p.first[1] - M / 2) <= CLASSES);
        partition_free(&p);
    }
}

Test(partition, partition_errors, .init = make_labels)
{
    struct partition p;
    for (int kind = CGSV_PARTITION_UNIFORM; kind <= CGSV_PARTITION_DIRICHLET; kind++) {
        cgsv_config config = config_of((cgsv_partition)kind, M + 1, 0);
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "5001 agents");
        cr_expect(p.first == NULL && p.index == NULL);
        config = config_of((cgsv_partition)kind, 5, 0);
        config.validation_fraction = 0.9999;
        cr_expect_eq(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT);
        config.validation_fraction = 1;
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "validation");
        config.validation_fraction = NAN;
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "validation");
        config = config_of((cgsv_partition)kind, 0, 0);
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "0 agents");
        config = config_of((cgsv_partition)kind, 5, -1);
        cr_expect_eq(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT);
        config = config_of((cgsv_partition)kind, 5, 0);
        cr_expect_eq(partition_create(&p, &config, labels, 0, CLASSES), CGSV_ERROR_ARGUMENT);
    }
    cgsv_config config = config_of(CGSV_PARTITION_POWERLAW, M, 0); /* the rich leave nothing to the last */
    expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "power law");
    config = config_of(CGSV_PARTITION_DIRICHLET, 100, 1);
    expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "concentration");
    static const double bad[] = {0, -1, NAN, INFINITY};
    for (int k = 0; k < 4; k++) {
        config = config_of(CGSV_PARTITION_DIRICHLET, 5, 0);
        config.dirichlet_concentration = bad[k];
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "concentration");
    }
    config.partition = (cgsv_partition)99;
    cr_expect_eq(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT);
}
