/* cgsv bench: times parts of the library at given sizes, beside what this machine's memory can do. */
#include "cli/bench.h"

#include <stdio.h>

#include "cgsv/cgsv.h"
#include "cli/bench_options.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "core/error.h"

static cgsv_status check_bytes(const struct bench *bench, size_t bytes, int agents, int64_t dimension)
{
    char needed[FORMAT_SIZE], available[FORMAT_SIZE];
    const size_t memory = bench->device->backend->memory_free(bench->device);
    if (memory == 0 || bytes <= memory) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "bench %s with N = %d, D = %lld needs %s of memory, %s has %s free; take fewer "
                     "agents or a smaller dimension", bench->options.what->name, agents, (long long)dimension,
                     format_bytes(needed, bytes), bench->device->info.name, format_bytes(available, memory));
}

/* Calls `each` for every pair of N and D. */
static cgsv_status for_pairs(struct bench *bench, cgsv_status (*each)(struct bench *, int, int64_t))
{
    const struct number_list *agents = &bench->options.agents, *dimensions = &bench->options.dimensions;
    for (int i = 0; i < agents->count; i++)
        for (int j = 0; j < dimensions->count; j++)
            TRY(each(bench, (int)agents->number[i], dimensions->number[j]));
    return CGSV_OK;
}

static cgsv_status check_memory(struct bench *bench, int agents, int64_t dimension)
{
    const size_t bytes = bench->options.what->bytes(bench, agents, dimension) + bench_flush_bytes(bench->device);
    return check_bytes(bench, bytes, agents, dimension);
}

/* What cannot be measured for want of memory is refused before anything is measured. */
static cgsv_status run_all(struct bench *bench)
{
    TRY(cgsv_device_open(&bench->device, bench->options.device, bench->options.threads));
    TRY(for_pairs(bench, check_memory));
    TRY(bench_product_rate(&bench->product_rate, bench->device));
    bench_report_begin(bench);
    return for_pairs(bench, bench->options.what->run);
}

int command_bench(int argc, char **argv)
{
    struct bench bench = {0};
    cgsv_status status = bench_options_parse(&bench.options, argc, argv);
    if (status == CGSV_OK && bench.options.help)
        bench_options_print_help(stdout, &bench.options);
    else if (status == CGSV_OK)
        status = run_all(&bench);
    int code = report_status(status);
    cgsv_device_close(bench.device);
    return code;
}
