/* What readers lie in one file with, or only know of: the whole of it would link the targets with all of the library
 * and its kernels. */
#include "cgsv/federation.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "fuzz.h"
#include "io/run_record.h"

const struct benchmark bench_server = {
    .name = "server", .help = "this", .agents = "10,50", .dimensions = "1M", .most_agents = 1000, .selects = true};
const struct benchmark bench_select = {
    .name = "select", .help = "that", .agents = "10,100", .dimensions = "10M", .most_agents = 1000, .selects = true};
const struct benchmark bench_shapley = {
    .name = "shapley", .help = "more", .agents = "10,25", .dimensions = "1000", .most_agents = 100, .values = true};

cgsv_status cgsv_federation_save_model(cgsv_federation *federation, cgsv_who who, int agent, const char *path)
{
    (void)federation, (void)who, (void)agent, (void)path;
    fuzz_failed("reading saves no models", __FILE__, __LINE__);
    return CGSV_ERROR_ARGUMENT;
}

cgsv_status run_setup_json(char **text, const struct run_setup *setup)
{
    (void)text, (void)setup;
    fuzz_failed("reading records no run", __FILE__, __LINE__);
    return CGSV_ERROR_ARGUMENT;
}

cgsv_status run_results_json(char **text, const struct run_results *results)
{
    (void)text, (void)results;
    fuzz_failed("reading has no results", __FILE__, __LINE__);
    return CGSV_ERROR_ARGUMENT;
}

cgsv_status study_run(int argc, char **argv, FILE *table)
{
    (void)argc, (void)argv, (void)table;
    fuzz_failed("reading runs no study", __FILE__, __LINE__);
    return CGSV_ERROR_ARGUMENT;
}
