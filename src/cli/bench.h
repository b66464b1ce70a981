/* What the parts of `cgsv bench` share. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgsv/federation.h"
#include "cgsv/storage.h"
#include "cli/bench_measure.h"
#include "cli/list.h"

struct bench;

/* Something that is timed at every pair of a number of agents N and a dimension D. */
struct benchmark {
    const char *name, *help;
    const char *agents, *dimensions; /* the usual lists */
    int64_t most_agents;
    bool selects, values; /* whether --reward, or --precise and --exact-agents, mean something to it */
    bool stores;          /* likewise --updates and --norms-given */
    size_t (*bytes)(const struct bench *bench, int agents, int64_t dimension); /* of memory */
    cgsv_status (*run)(struct bench *bench, int agents, int64_t dimension);
};

extern const struct benchmark bench_server, bench_shapley, bench_select;

struct bench_options {
    const struct benchmark *what; /* NULL with `help`: of the command as a whole */
    struct number_list agents, dimensions;
    const char *device;
    struct bench_effort effort;
    int threads, exact_agents;
    cgsv_reward reward;
    cgsv_storage storage;
    bool norms_given, precise, json, help;
};

struct bench {
    struct bench_options options;
    cgsv_device *device;
    double product_rate;   /* operations a second of a matrix product in float32 */
    bool headed;           /* the table has its line of headings */
};

#endif
