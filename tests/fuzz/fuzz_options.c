/* The command lines of all commands: one argument per line of the input, the first of them the command. Nothing is
 * run; whatever was taken can be shown, as help and as the values that --dry-run shows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_options.h"
#include "cli/paper_plan.h"
#include "cli/report_options.h"
#include "cli/run_options.h"
#include "cli/study_options.h"
#include "cli/sweep_options.h"
#include "cli/value_options.h"
#include "fuzz.h"

enum { ARGUMENTS = 64 };

static cgsv_status read_run(int argc, char **argv, FILE *to)
{
    struct run_options options;
    const cgsv_status status = run_options_parse(&options, argc, argv);
    const cgsv_config *c = &options.config;
    if (status != CGSV_OK) return status;
    FUZZ_CHECK(c->agents >= 1 && c->rounds >= 1 && c->batch >= 1 && isfinite(c->lr) && c->lr > 0);
    FUZZ_CHECK(c->beta > 0 && c->alpha >= 0 && c->alpha < 1 && run_data_set(&options));
    (options.help ? run_options_print_help : run_options_print_values)(to, &options);
    return status;
}

/* Every cell of a small sweep, the first ones of a large one, reads back what its axes say. */
static void read_cells(struct sweep_options *options)
{
    enum { MOST = 16 };
    cgsv_config config;
    axis_value value[RUN_OPTIONS];
    for (int cell = 0; cell < options->cells && cell < MOST; cell++)
        if (sweep_cell_config(&config, options, cell) == CGSV_OK)
            FUZZ_CHECK(config.agents >= 1 && sweep_cell_settings(value, options, cell) == CGSV_OK);
    for (int i = 0; i < options->axes; i++) {
        char *text = sweep_axis_text(options, i);
        FUZZ_CHECK(options->axis[i].count >= 1 && options->cells % options->axis[i].count == 0);
        free(text);
    }
}

static cgsv_status read_sweep(int argc, char **argv, FILE *to)
{
    struct sweep_options options;
    const cgsv_status status = sweep_options_parse(&options, argc, argv);
    FUZZ_CHECK(status != CGSV_OK || options.run.help || (options.cells >= 1 && options.cells <= SWEEP_CELLS));
    if (status == CGSV_OK && !options.run.help) read_cells(&options);
    if (status == CGSV_OK) sweep_options_print_help(to, &options);
    sweep_options_free(&options);
    return status;
}

static cgsv_status read_value(int argc, char **argv, FILE *to)
{
    struct value_options options;
    const cgsv_status status = value_options_parse(&options, argc, argv);
    FUZZ_CHECK(status != CGSV_OK || options.help || (options.rounds >= 1 && options.rounds <= argc));
    FUZZ_CHECK(status != CGSV_OK || (options.memory.bytes >= 0 && isfinite(options.gamma)));
    if (status == CGSV_OK) value_options_print_help(to, &options);
    value_options_free(&options);
    return status;
}

static cgsv_status read_study(int argc, char **argv, FILE *to)
{
    struct study_options options;
    const cgsv_status status = study_options_parse(&options, argc, argv);
    for (int i = 0; status == CGSV_OK && i < options.agents.count; i++) FUZZ_CHECK(options.agents.number[i] >= 1);
    if (status == CGSV_OK) study_options_print_help(to, &options);
    return status;
}

static cgsv_status read_paper(int argc, char **argv, FILE *to)
{
    struct paper_options options;
    struct paper_plan plan = {0};
    cgsv_status status = paper_options_parse(&options, argc, argv);
    if (status != CGSV_OK) return status;
    if (!options.help) status = paper_plan_make(&plan, &options);
    for (int i = 0; status == CGSV_OK && i < plan.sweeps; i++) FUZZ_CHECK(!strpbrk(plan.sweep[i].name, "/\\."));
    if (status == CGSV_OK) paper_plan_print_settings(to, &plan);
    if (status == CGSV_OK) paper_options_print_help(to, &options);
    paper_plan_free(&plan);
    return status;
}

static cgsv_status read_report(int argc, char **argv, FILE *to)
{
    struct report_options options;
    const cgsv_status status = report_options_parse(&options, argc, argv);
    FUZZ_CHECK(status != CGSV_OK || options.help || (options.count >= 1 && options.count <= argc));
    if (status == CGSV_OK) report_options_print_help(to, &options);
    report_options_free(&options);
    return status;
}

static cgsv_status read_bench(int argc, char **argv, FILE *to)
{
    struct bench_options options;
    const cgsv_status status = bench_options_parse(&options, argc, argv);
    FUZZ_CHECK(status != CGSV_OK || options.help || (options.effort.repeat >= 1 && options.agents.count >= 1));
    if (status == CGSV_OK) bench_options_print_help(to, &options);
    return status;
}

static const struct {
    const char *name;
    cgsv_status (*read)(int argc, char **argv, FILE *to);
} commands[] = {{"run", read_run},     {"sweep", read_sweep},   {"value", read_value}, {"study", read_study},
                {"paper", read_paper}, {"report", read_report}, {"bench", read_bench}};

static void read_line(int argc, char **argv)
{
    char *text;
    size_t length;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[0], commands[i].name) != 0) continue;
        FILE *to = open_memstream(&text, &length);
        FUZZ_CHECK(to);
        const cgsv_status status = commands[i].read(argc - 1, argv + 1, to);
        FUZZ_CHECK(fclose(to) == 0 && (status != CGSV_OK || length > 0));
        free(text);
        fuzz_count(status);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *argv[ARGUMENTS + 1] = {NULL};
    int argc = 0;
    FUZZ_CHECK(text);
    for (size_t i = 0; i < size; i++) text[i] = data[i] == '\n' ? '\0' : (char)data[i];
    text[size] = '\0';
    for (size_t at = 0; at < size && argc < ARGUMENTS; at += strlen(text + at) + 1) argv[argc++] = text + at;
    if (argc > 0) read_line(argc, argv);
    free(text);
    return 0;
}
