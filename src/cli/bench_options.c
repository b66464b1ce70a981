/* The options of `cgsv bench`: one table, of which each benchmark takes what means something to it. */
#include "cli/bench_options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "core/error.h"
#include "core/names.h"

static const struct benchmark *const benchmarks[] = {&bench_server, &bench_shapley, &bench_select};
enum { BENCHMARKS = sizeof benchmarks / sizeof *benchmarks, TABLE_SIZE = 16 };

static cgsv_status parse_numbers(void *v, const char *text)
{
    TRY(number_list_parse(v, text));
    if (((const struct number_list *)v)->count == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "'%s' leaves nothing to measure; expected numbers", text);
    return CGSV_OK;
}
static const char *show_numbers(const void *v) { return ((const struct number_list *)v)->text; }
static cgsv_status parse_reward(void *v, const char *text) { return cgsv_reward_parse(v, text); }
static const char *show_reward(const void *v) { return cgsv_reward_name(*(const cgsv_reward *)v); }

static cgsv_status parse_storage(void *v, const char *text) { return cgsv_storage_parse(v, text); }
static const char *show_storage(const void *v) { return cgsv_storage_name(*(const cgsv_storage *)v); }

/* Fills table[TABLE_SIZE] with entries that point into `o`; returns their number. */
static int build_table(struct option *table, struct bench_options *o)
{
    const char *sizes = "Sizes", *work = "Work", *machine = "Machine", *output = "Output";
    const bool selects = o->what->selects, values = o->what->values, stores = o->what->stores;
    const struct {
        bool meant;
        struct option option;
    } options[] = {
        {true, {"agents", NULL, OPTION_CHOICE, &o->agents, "LIST", sizes,
                .help = "numbers of agents N: 10,50 or 10..50:10", .parse = parse_numbers, .show = show_numbers}},
        {true, {"dimension", NULL, OPTION_CHOICE, &o->dimensions, "LIST", sizes,
                .help = "numbers of parameters D: 62006,1M or 2^20..2^23; every N is measured with every D",
                .parse = parse_numbers, .show = show_numbers}},

        {selects, {"reward", NULL, OPTION_CHOICE, &o->reward, "RULE", work,
                   .help = "entries are selected within each of eight tensors (layer) or the whole vector (global)",
                   .parse = parse_reward, .show = show_reward}},
        {stores, {"updates", NULL, OPTION_CHOICE, &o->storage, "STORAGE", work,
                  .help = "of the matrix of updates: float32 or bf16", .parse = parse_storage, .show = show_storage}},
        {stores, {"norms-given", NULL, OPTION_FLAG, &o->norms_given, NULL, work,
                  .help = "norms of the updates are at hand, as in a round, where training leaves them"}},
        {values, {"precise", NULL, OPTION_FLAG, &o->precise, NULL, work, .help = "Gram matrices in float64"}},
        {values, {"exact-agents", NULL, OPTION_INT, &o->exact_agents, "N", work,
                  .help = "most agents whose exact values are measured: one more doubles the time",
                  .range = {.low = 0, .high = 40}}},

        {true, {"device", NULL, OPTION_STRING, &o->device, "NAME", machine,
                .help = "auto, cpu, cuda or cuda:K; see cgsv devices"}},
        {true, {"threads", NULL, OPTION_INT, &o->threads, "N", machine, .help = "threads of the CPU; 0 for all",
                .range = {.low = 0, .high = 4096}}},
        {true, {"repeat", NULL, OPTION_INT, &o->effort.repeat, "K", machine,
                .help = "times that each size is measured, after a warm-up", .range = {.low = 1, .high = 10000}}},
        {true, {"seconds", NULL, OPTION_DOUBLE, &o->effort.seconds, "S", machine,
                .help = "but no more than three times once so long was measured; 0 for no such limit",
                .range = {.low = 0, .high = 1e6}}},

        {true, {"json", NULL, OPTION_FLAG, &o->json, NULL, output,
                .help = "a JSON object a line instead of a table, with more numbers"}},
    };
    _Static_assert(sizeof options / sizeof *options <= TABLE_SIZE, "TABLE_SIZE holds the table");
    int count = 0;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].meant) table[count++] = options[i].option;
    return count;
}

static cgsv_status find_benchmark(const struct benchmark **what, const char *name)
{
    const char *names[BENCHMARKS];
    int index;
    for (int i = 0; i < BENCHMARKS; i++) names[i] = benchmarks[i]->name;
    TRY(name_parse(&index, "benchmark", name, names, BENCHMARKS));
    *what = benchmarks[index];
    return CGSV_OK;
}

cgsv_status bench_options_parse(struct bench_options *o, int argc, char **argv)
{
    struct option table[TABLE_SIZE];
    *o = (struct bench_options){.device = "auto", .effort = {.repeat = 11, .flush = true}, .exact_agents = 25,
                                .reward = CGSV_REWARD_LAYER};
    o->help = argc > 0 && (strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "--help") == 0);
    if (o->help) return CGSV_OK;
    if (argc == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "bench needs to know what to time: server, shapley or select");
    TRY(find_benchmark(&o->what, argv[0]));
    o->agents = (struct number_list){.low = 1, .high = o->what->most_agents};
    o->dimensions = (struct number_list){.low = 1, .high = INT_MAX};
    TRY(number_list_parse(&o->agents, o->what->agents));
    TRY(number_list_parse(&o->dimensions, o->what->dimensions));
    return options_parse(table, build_table(table, o), argc - 1, argv + 1, &o->help);
}

void bench_options_print_help(FILE *stream, struct bench_options *o)
{
    struct option table[TABLE_SIZE];
    if (o->what) {
        char *text = options_help(table, build_table(table, o));
        fprintf(stream, "usage: cgsv bench %s [options]\n\nTimes %s.\n\n%s", o->what->name, o->what->help,
                text ? text : "");
        free(text);
    } else {
        fprintf(stream, "usage: cgsv bench WHAT [options]\n\nMeasures on random updates, after a warm-up:\n");
        for (int i = 0; i < BENCHMARKS; i++) fprintf(stream, "  %-9s %s\n", benchmarks[i]->name, benchmarks[i]->help);
        fprintf(stream, "\nOptions and their defaults: cgsv bench WHAT --help\n");
    }
    fprintf(stream, "\nGB are 10^9 bytes. The copy bandwidth counts bytes read and bytes written; copies "
                    "take turns with\nwhat is measured, and flush caches. "
                    "Seconds are medians; least seconds stand beside them.\n"
                    "Measure on an idle machine.\n"
                    "Exit codes: 0 done, 1 failed, 2 wrong usage\n");
}
