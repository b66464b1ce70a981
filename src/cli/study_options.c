/* The options of `cgsv study`. */
#include "cli/study_options.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

enum { TABLE_SIZE = 24 };

static cgsv_status parse_numbers(void *v, const char *text) { return number_list_parse(v, text); }
static const char *show_numbers(const void *v) { return ((const struct number_list *)v)->text; }
static cgsv_status parse_vectors(void *v, const char *text) { return cgsv_vectors_parse(v, text); }
static const char *show_vectors(const void *v) { return cgsv_vectors_name(*(const cgsv_vectors *)v); }

/* The exact values are there anyway; to name them is no error. */
static cgsv_status take_method(void *context, const char *item)
{
    struct method_list *list = context;
    cgsv_method method;
    TRY(cgsv_method_parse(&method, item));
    if (method == CGSV_METHOD_EXACT) return CGSV_OK;
    for (int i = 0; i < list->count; i++)
        if (list->method[i] == method)
            return error_set(CGSV_ERROR_ARGUMENT, "'%s' stands twice in the list", item);
    list->method[list->count++] = method;
    return CGSV_OK;
}

static cgsv_status parse_methods(void *v, const char *text)
{
    struct method_list *list = v;
    list->count = 0;
    list->text = text;
    return list_each(strcmp(text, "all") == 0 ? "cosine,permutation,antithetic,stratified,owen,leave-one-out,euclidean"
                                              : text, take_method, list);
}
static const char *show_methods(const void *v) { return ((const struct method_list *)v)->text; }

/* Fills table[TABLE_SIZE] with entries that point into `o`; returns their number. */
static int build_table(struct option *table, struct study_options *o)
{
    const struct option_range from_0 = {.low = 0, .high = INFINITY}, inside = {0, 1, true, true};
    const struct option_range dimension = {.low = 1, .high = INT_MAX};
    const struct option_range agents = {.low = 2, .high = STUDY_EXACT_AGENTS}, trials = {.low = 1, .high = 100000};
    const char *sweeps = "Sweeps", *methods = "Methods", *vectors = "Vectors", *machine = "Machine", *output = "Output";

    const struct option options[] = {
        {"agents", NULL, OPTION_CHOICE, &o->agents, "LIST", sweeps,
         .help = "numbers of agents N to go through: 5,7,10 or 5..10, or none", .parse = parse_numbers,
         .show = show_numbers},
        {"agents-dimension", NULL, OPTION_INT, &o->agents_dimension, "D", sweeps,
         .help = "length of the vectors meanwhile", .range = dimension},
        {"dimensions", NULL, OPTION_CHOICE, &o->dimensions, "LIST", sweeps,
         .help = "lengths D to go through: 1000,2000 or 1k..4k:1k or 2^10..2^15, or none", .parse = parse_numbers,
         .show = show_numbers},
        {"dimensions-agents", NULL, OPTION_INT, &o->dimensions_agents, "N", sweeps,
         .help = "number of agents meanwhile", .range = agents},
        {"trials", NULL, OPTION_INT, &o->trials, "N", sweeps, .help = "games at each point", .range = trials},

        {"methods", NULL, OPTION_CHOICE, &o->methods, "LIST", methods,
         .help = "of cosine, permutation, antithetic, stratified, owen, leave-one-out and euclidean, or all; each is "
                 "compared with the exact values", .parse = parse_methods, .show = show_methods},
        {"budget", NULL, OPTION_INT, &o->budget, "K", methods,
         .help = "permutations that a sampling method may draw; 0: ln(2/delta) / (2 epsilon^2)",
         .range = {.low = 0, .high = INT_MAX}},
        {"epsilon", NULL, OPTION_DOUBLE, &o->epsilon, "E", methods, .help = "error for that", .range = inside},
        {"delta", NULL, OPTION_DOUBLE, &o->delta, "P", methods, .help = "probability to miss it", .range = inside},

        {"vectors", NULL, OPTION_CHOICE, &o->vectors, "KIND", vectors,
         .help = "normal (independent), correlated (with a common direction), heavy-tailed (Student's t, 3 degrees), "
                 "sparse, free-riders (a fifth of the agents) or opposed (the last agent is minus the first)",
         .parse = parse_vectors, .show = show_vectors},
        {"parameter", NULL, OPTION_DOUBLE, &o->parameter, "X", vectors,
         .help = "correlation, share of entries that are not 0, or factor of the free riders' noise", .range = from_0},
        {"updates", NULL, OPTION_STRINGS, &o->updates, "FILE...", vectors,
         .help = "real updates instead: .npy or .safetensors, one file a trial, or the folder of a cgsv run "
                 "--record-updates; the sweeps take the first N agents and the first D entries"},
        {"normalise", NULL, OPTION_FLAG, &o->normalise, NULL, vectors, .help = "scale every vector to length 1"},
        {"precise", NULL, OPTION_FLAG, &o->precise, NULL, vectors, .help = "form products in float64"},
        {"seed", NULL, OPTION_UINT64, &o->seed, "S", vectors,
         .help = "same seed, same numbers: a point depends on it, on N and on D alone"},

        {"device", NULL, OPTION_STRING, &o->device, "NAME", machine,
         .help = "auto, cpu, cuda or cuda:K; see cgsv devices"},
        {"threads", NULL, OPTION_INT, &o->threads, "N", machine, .help = "threads of the CPU; 0 for all",
         .range = {.low = 0, .high = 4096}},

        {"out", NULL, OPTION_STRING, &o->out, "DIR", output,
         .help = "folder for config.json, study.csv and the plot: study.svg, study.png, and study.gp that draws it; "
                 "without it nothing is written"},
        {"force", NULL, OPTION_FLAG, &o->force, NULL, output,
         .help = "replace the results of an earlier study in that folder"},
        {"plot", NULL, OPTION_SWITCH, &o->plot, NULL, output, .help = "draw the plot, by gnuplot"},
        {"quiet", NULL, OPTION_FLAG, &o->quiet, NULL, output, .help = "only the table, warnings and errors"},
    };
    _Static_assert(sizeof options <= TABLE_SIZE * sizeof *options, "TABLE_SIZE holds the table");
    memcpy(table, options, sizeof options);
    return (int)(sizeof options / sizeof *options);
}

static cgsv_status refuse_beside_updates(const struct option *table, int count)
{
    static const char *const others[] = {"vectors", "parameter", "trials"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (options_given(table, count, others[i]))
            return error_set(CGSV_ERROR_ARGUMENT, "--%s is for random vectors; leave it out, or --updates", others[i]);
    return CGSV_OK;
}

static cgsv_status check(struct study_options *o, const struct option *table, int count)
{
    const bool has_parameter = o->vectors == CGSV_VECTORS_CORRELATED || o->vectors == CGSV_VECTORS_SPARSE ||
                               o->vectors == CGSV_VECTORS_FREE_RIDERS;
    if (o->updates.count > 0) TRY(refuse_beside_updates(table, count));
    if (options_given(table, count, "parameter") && !has_parameter)
        return error_set(CGSV_ERROR_ARGUMENT, "--parameter means nothing to %s vectors; leave it out",
                         cgsv_vectors_name(o->vectors));
    if (o->agents.count == 0 && o->dimensions.count == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "--agents none and --dimensions none leave nothing to do");
    if (!o->out && o->force) return error_set(CGSV_ERROR_ARGUMENT, "--force needs --out DIR");
    if (!o->out && o->plot && options_given(table, count, "plot"))
        return error_set(CGSV_ERROR_ARGUMENT, "--plot needs --out DIR");
    return CGSV_OK;
}

cgsv_status study_options_parse(struct study_options *o, int argc, char **argv)
{
    struct option table[TABLE_SIZE];
    *o = (struct study_options){
        .agents = {.low = 2, .high = STUDY_EXACT_AGENTS},
        .dimensions = {.low = 1, .high = INT_MAX},
        .agents_dimension = 1000,
        .dimensions_agents = 10,
        .trials = 10,
        .epsilon = 0.1,
        .delta = 0.1,
        .seed = 1,
        .device = "auto",
        .plot = true,
    };
    TRY(number_list_parse(&o->agents, "5..10"));
    TRY(number_list_parse(&o->dimensions, "2^10..2^15"));
    TRY(parse_methods(&o->methods, "cosine,permutation"));

    int count = build_table(table, o);
    TRY(options_parse(table, count, argc, argv, &o->help));
    if (!options_given(table, count, "parameter")) o->parameter = cgsv_vectors_parameter(o->vectors);
    o->agents_given = options_given(table, count, "agents");
    o->dimensions_given = options_given(table, count, "dimensions");
    if (o->updates.count > 0 && !options_given(table, count, "agents-dimension")) o->agents_dimension = 0;
    if (o->updates.count > 0 && !options_given(table, count, "dimensions-agents")) o->dimensions_agents = 0;
    return o->help ? CGSV_OK : check(o, table, count);
}

void study_options_print_help(FILE *stream, struct study_options *options)
{
    struct option table[TABLE_SIZE];
    char *text = options_help(table, build_table(table, options));
    fprintf(stream, "usage: cgsv study [options]\n\n"
                    "Measures how far cheap estimates of contributions are from exact cosine gradient Shapley values,\n"
                    "over numbers of agents N and over lengths of updates D. The defaults are the published study.\n"
                    "Exact values cost 2^N: up to N = %d.\n\n%s\n"
                    "The table goes to standard output, warnings go to standard error.\n"
                    "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
            STUDY_EXACT_AGENTS, text ? text : "");
    free(text);
}
