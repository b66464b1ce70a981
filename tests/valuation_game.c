#include "valuation_game.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "test_device.h"

cgsv_device *device;

void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

void open_device(void) { check(cgsv_device_open(&device, test_device(), 2)); }
void close_device(void) { cgsv_device_close(device); }

void *take(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    cr_assert_not_null(memory);
    return memory;
}

struct game make_game(int agents, int64_t dimension, cgsv_vectors kind, uint64_t seed)
{
    const int64_t entries = agents * dimension;
    struct game g = {agents, dimension, take((size_t)entries * sizeof(float)), take((size_t)entries * sizeof(double)),
                     take((size_t)agents * sizeof(double))};
    const cgsv_vectors_options options = {kind, cgsv_vectors_parameter(kind), seed, 0};
    check(cgsv_random_updates(device, g.row, 1, agents, &options, 0, dimension));
    for (int64_t i = 0; i < entries; i++) g.exact_row[i] = g.row[i];
    for (int i = 0; i < agents; i++) g.weight[i] = (1.0 + (int)(((uint64_t)i * 7 + seed) % 5)) / agents;
    return g;
}

void free_game(struct game g)
{
    free(g.row);
    free(g.exact_row);
    free(g.weight);
}

void gram_of(double *matrix, const float *row, int games, int agents, int64_t dimension, bool precise)
{
    cgsv_gram *gram;
    check(cgsv_gram_create(&gram, device, games, agents, 0, precise));
    check(cgsv_gram_add(gram, row, dimension, dimension));
    check(cgsv_gram_read(gram, matrix, NULL));
    cgsv_gram_free(gram);
}

cgsv_valuation_options options_of(cgsv_method method, int64_t budget, uint64_t seed)
{
    cgsv_valuation_options o;
    cgsv_valuation_defaults(&o);
    o.method = method;
    o.budget = budget;
    o.seed = seed;
    return o;
}
