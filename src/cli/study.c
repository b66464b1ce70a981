/* cgsv study: how far cheap estimates of contributions are from exact ones, over N and over D. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "cli/commands.h"
#include "cli/study_options.h"
#include "cli/study_plot.h"
#include "cli/study_source.h"
#include "core/error.h"
#include "io/csv.h"
#include "io/json.h"
#include "io/output_folder.h"

enum { SLOW_AGENTS = 25, PROBE_AGENTS = 20 }; /* from which N a warning is due; what its estimate is measured at */

static const char *const output_names[] = {"study.csv", "study.gp", "study.svg", "study.png", "config.json"};
static const struct output_files output = {"study", output_names, 5, NULL, 0};

static const char csv_header[] =
    "sweep,method,N,D,trials,undefined,l1_mean,l1_deviation,l2_mean,l2_deviation,cosine_mean,cosine_deviation,"
    "pearson_mean,pearson_deviation,inverse_i_mean,inverse_i_deviation,bound_mean,bound_deviation,seconds,gram_seconds,"
    "vectors";

/* All that a study holds; zeroed members are fine to release. */
struct study {
    struct study_options options;
    cgsv_device *device;
    struct study_source source;
    int trials, budget;
    FILE *table; /* for people; NULL: none */
    bool header_printed;
    int argc;
    char **argv;
    struct csv csv;
};

struct point {
    const char *sweep; /* "agents" or "dimension" */
    int agents;
    int64_t dimension;
};

static void release(struct study *s)
{
    csv_free(&s->csv);
    study_source_close(&s->source);
    cgsv_device_close(s->device);
}

static const char *vectors_of(const struct study *s)
{
    return s->source.updates ? "recorded" : cgsv_vectors_name(s->options.vectors);
}

/* ---- before the first point ---- */

static cgsv_status beyond_updates(const char *option, int64_t wanted, const char *what, int64_t have)
{
    return error_set(CGSV_ERROR_ARGUMENT, "--%s: %" PRId64 " is more than the %" PRId64 " %s of the updates", option,
                     wanted, have, what);
}

/* Sweeps that real updates allow: by default all numbers of agents, and all powers of two below D. */
static cgsv_status fit_to_updates(struct study *s)
{
    struct study_options *o = &s->options;
    const int64_t agents = updates_agents(s->source.updates), entries = updates_dimension(s->source.updates);
    const int64_t dimension = entries < INT_MAX ? entries : INT_MAX; /* the most columns of a Gram matrix */
    const int64_t most = agents < STUDY_EXACT_AGENTS ? agents : STUDY_EXACT_AGENTS;
    if (agents < 2)
        return error_set(CGSV_ERROR_DATA, "the updates are of one agent; expected at least 2, or one tensor an agent");
    if (agents > STUDY_EXACT_AGENTS && !(o->agents_given && (o->dimensions_agents > 0 || o->dimensions.count == 0)))
        return error_set(CGSV_ERROR_ARGUMENT,
                         "the updates are of %" PRId64 " agents, too many for exact values; choose at most %d by "
                         "--agents and --dimensions-agents", agents, STUDY_EXACT_AGENTS);
    if (o->agents_dimension == 0) o->agents_dimension = (int)dimension;
    if (o->dimensions_agents == 0) o->dimensions_agents = (int)most;
    if (!o->agents_given)
        for (o->agents.count = 0; o->agents.count < most - 1; o->agents.count++)
            o->agents.number[o->agents.count] = o->agents.count + 2;
    if (!o->dimensions_given) {
        o->dimensions.count = 0;
        for (int64_t d = 1024; d < dimension; d *= 2) o->dimensions.number[o->dimensions.count++] = d;
        o->dimensions.number[o->dimensions.count++] = dimension;
    }
    for (int i = 0; i < o->agents.count; i++)
        if (o->agents.number[i] > agents) return beyond_updates("agents", o->agents.number[i], "agents", agents);
    for (int i = 0; i < o->dimensions.count; i++)
        if (o->dimensions.number[i] > dimension)
            return beyond_updates("dimensions", o->dimensions.number[i], "entries", dimension);
    if (o->dimensions_agents > agents)
        return beyond_updates("dimensions-agents", o->dimensions_agents, "agents", agents);
    if (o->agents_dimension > dimension)
        return beyond_updates("agents-dimension", o->agents_dimension, "entries", dimension);
    return CGSV_OK;
}

static cgsv_valuation_options valuation_options(const struct study *s)
{
    return (cgsv_valuation_options){.budget = s->options.budget, .epsilon = s->options.epsilon,
                                    .delta = s->options.delta};
}

static cgsv_status open_inputs(struct study *s)
{
    const struct study_options *o = &s->options;
    int64_t budget;
    const cgsv_valuation_options valuation = valuation_options(s);
    TRY(cgsv_valuation_budget(&budget, &valuation));
    TRY(cgsv_device_open(&s->device, o->device, o->threads));
    s->budget = (int)budget;
    s->source.device = s->device;
    s->source.precise = o->precise;
    s->source.vectors = (cgsv_vectors_options){.kind = o->vectors, .parameter = o->parameter, .seed = o->seed};
    s->trials = o->trials;
    if (o->updates.count > 0) {
        TRY(study_source_open(&s->source, &o->updates));
        s->trials = updates_rounds(s->source.updates);
        return fit_to_updates(s);
    }
    return cgsv_random_updates(s->device, NULL, 1, 1, &s->source.vectors, 0, 0); /* checks the parameter */
}

/* Exact values take twice the time with each agent; says so beforehand where that will be felt. */
static cgsv_status warn_of_time(const struct study *s)
{
    const struct study_options *o = &s->options;
    double gram[PROBE_AGENTS * PROBE_AGENTS] = {0}, weight[PROBE_AGENTS], value[PROBE_AGENTS], seconds, coalitions = 0;
    int most = o->dimensions.count > 0 ? o->dimensions_agents : 0;
    if (most >= SLOW_AGENTS) coalitions = o->dimensions.count * exp2(most);
    for (int i = 0; i < o->agents.count; i++) {
        const int agents = (int)o->agents.number[i];
        if (agents > most) most = agents;
        coalitions += exp2(agents);
    }
    if (most < SLOW_AGENTS) return CGSV_OK;
    for (ptrdiff_t i = 0; i < PROBE_AGENTS; i++) gram[i * (PROBE_AGENTS + 1)] = weight[i] = 1;
    cgsv_valuation_options exact;
    cgsv_valuation_defaults(&exact);
    for (int i = 0; i < 2; i++) /* the first time warms up */
        TRY(cgsv_value(s->device, value, NULL, gram, weight, 1, PROBE_AGENTS, &exact, &seconds));
    coalitions *= s->trials;
    seconds *= coalitions / exp2(PROBE_AGENTS);
    fprintf(stderr, "cgsv: warning: exact values of up to %d agents: %.2g coalitions in all, about %.2g %s here\n",
            most, coalitions, seconds < 3600 ? seconds : seconds / 3600, seconds < 3600 ? "seconds" : "hours");
    return CGSV_OK;
}

static cgsv_status settings_json(char **text, const struct study *s)
{
    const struct study_options *o = &s->options;
    cJSON *root = cJSON_CreateObject();
    bool complete = json_add_origin(root, "study", s->argc, s->argv);
    cJSON *to = cJSON_AddObjectToObject(root, "study");
    complete = complete && json_add_integers(to, "agents", o->agents.number, o->agents.count) &&
               cJSON_AddNumberToObject(to, "agents_dimension", o->agents_dimension) &&
               json_add_integers(to, "dimensions", o->dimensions.number, o->dimensions.count) &&
               cJSON_AddNumberToObject(to, "dimensions_agents", o->dimensions_agents) &&
               cJSON_AddNumberToObject(to, "trials", s->trials) && json_add_text(to, "vectors", vectors_of(s)) &&
               cJSON_AddNumberToObject(to, "parameter", o->parameter) &&
               cJSON_AddNumberToObject(to, "budget", s->budget) &&
               cJSON_AddBoolToObject(to, "normalise", o->normalise) &&
               cJSON_AddBoolToObject(to, "precise", o->precise) && json_add_uint64(to, "seed", o->seed);
    cJSON *methods = cJSON_AddArrayToObject(to, "methods"), *files = cJSON_AddArrayToObject(to, "updates");
    complete = complete && methods && files;
    for (int i = 0; i < o->methods.count; i++)
        complete =
            complete && json_add_item(methods, NULL, cJSON_CreateString(cgsv_method_name(o->methods.method[i])));
    for (int i = 0; i < s->source.path_count; i++)
        complete = complete && json_add_item(files, NULL, cJSON_CreateString(s->source.paths[i]));
    return json_print(text, root, complete && json_add_device(root, cgsv_device_describe(s->device), o->threads));
}

static cgsv_status begin_output(struct study *s)
{
    const char *out = s->options.out;
    char *text;
    if (!out) return CGSV_OK;
    TRY(output_clear(&output, out));
    TRY(settings_json(&text, s));
    cgsv_status status = output_write_text(out, "config.json", text);
    free(text);
    TRY(status);
    return output_create_table(&s->csv, out, "study.csv", csv_header);
}

/* ---- the points ---- */

/* Above the first row, not before: a study that fails at once prints nothing. */
static void print_header(struct study *s)
{
    if (!s->table || s->header_printed) return;
    s->header_printed = true;
    fprintf(s->table, "%-13s %3s %9s  %-21s  %-9s  %-9s  %-9s  %-9s  %-9s  %-9s  %s\n", "method", "N", "D",
            "l1 (mean, deviation)", "l2", "cosine", "Pearson", "1/I", "bound", "seconds", "of Gram");
}

static void print_row(FILE *table, const struct point *p, const cgsv_study_row *row, double gram_seconds)
{
    const char *name = cgsv_method_name(row->method);
    if (row->undefined > 0)
        fprintf(stderr, "cgsv: warning: N = %d, D = %" PRId64 ", %s: no distance in %d trials, values sum up to 0\n",
                p->agents, p->dimension, name, row->undefined);
    if (!table) return;
    fprintf(table,
            "%-13s %3d %9" PRId64 "  %-9.3g ± %-9.3g  %-9.3g  %-9.6f  %-9.4f  %-9.3g  %-9.3g  %-9.3g  %.3g\n", name,
            p->agents, p->dimension, row->l1.mean, row->l1.deviation, row->l2.mean, row->cosine.mean,
            row->pearson.mean, row->inverse_i.mean, row->bound.mean, row->seconds, gram_seconds);
}

static void add_row(struct study *s, const struct point *p, const cgsv_study_row *row, double gram_seconds)
{
    const cgsv_spread *spreads[] = {&row->l1, &row->l2, &row->cosine, &row->pearson, &row->inverse_i, &row->bound};
    csv_text(&s->csv, p->sweep);
    csv_text(&s->csv, cgsv_method_name(row->method));
    csv_integer(&s->csv, p->agents);
    csv_integer(&s->csv, p->dimension);
    csv_integer(&s->csv, s->trials);
    csv_integer(&s->csv, row->undefined);
    for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++) {
        csv_number(&s->csv, spreads[i]->mean);
        csv_number(&s->csv, spreads[i]->deviation);
    }
    csv_number(&s->csv, row->seconds);
    csv_number(&s->csv, gram_seconds);
    csv_text(&s->csv, vectors_of(s));
    csv_end_row(&s->csv);
}

/* Different points draw different numbers, the same whatever else is studied. */
static uint64_t seed_of(const struct study *s, const struct point *p)
{
    return s->options.seed + ((uint64_t)p->agents << 32) + (uint64_t)p->dimension;
}

static cgsv_status study_matrices(struct study *s, const struct point *p, double *matrices)
{
    cgsv_study_row rows[1 + STUDY_METHODS];
    const struct method_list *methods = &s->options.methods;
    cgsv_study_options options = {methods->method, methods->count, valuation_options(s), s->options.normalise};
    double gram_seconds;
    s->source.vectors.seed = options.valuation.seed = seed_of(s, p);
    TRY(study_source_gram(matrices, &gram_seconds, &s->source, s->trials, p->agents, p->dimension));
    TRY(cgsv_study(rows, s->device, matrices, s->trials, p->agents, &options));
    print_header(s);
    for (int i = 0; i <= methods->count; i++) {
        print_row(s->table, p, &rows[i], gram_seconds);
        if (s->options.out) add_row(s, p, &rows[i], gram_seconds);
    }
    if (s->table) fflush(s->table);
    return s->options.out ? csv_flush(&s->csv) : CGSV_OK;
}

static cgsv_status study_point(struct study *s, const struct point *p)
{
    double *matrices = malloc((size_t)s->trials * (size_t)(p->agents * p->agents) * sizeof *matrices);
    if (!matrices) return error_set(CGSV_ERROR_MEMORY, "no memory for %d Gram matrices", s->trials);
    cgsv_status status = study_matrices(s, p, matrices);
    free(matrices);
    return status;
}

static cgsv_status sweep(struct study *s)
{
    const struct study_options *o = &s->options;
    for (int i = 0; i < o->agents.count; i++)
        TRY(study_point(s, &(struct point){"agents", (int)o->agents.number[i], o->agents_dimension}));
    if (s->table && o->agents.count > 0 && o->dimensions.count > 0) fputc('\n', s->table);
    for (int i = 0; i < o->dimensions.count; i++)
        TRY(study_point(s, &(struct point){"dimension", o->dimensions_agents, o->dimensions.number[i]}));
    return CGSV_OK;
}

/* Published numbers stand beside ours where the setting is the published one. */
static struct study_plot describe_plot(const struct study *s)
{
    const struct study_options *o = &s->options;
    const bool published =
        !s->source.updates && o->vectors == CGSV_VECTORS_NORMAL && !o->normalise && s->budget == 150;
    return (struct study_plot){
        .folder = o->out,
        .vectors = vectors_of(s),
        .trials = s->trials,
        .agents = o->agents.count > 0,
        .dimensions = o->dimensions.count > 0,
        .agents_dimension = o->agents_dimension,
        .dimensions_agents = o->dimensions_agents,
        .published_agents = published && o->agents_dimension == 1000,
        .published_dimensions = published && o->dimensions_agents == 10,
    };
}

static cgsv_status study(struct study *s)
{
    const struct study_options *o = &s->options;
    if (o->out) TRY(output_prepare(&output, o->out, o->force));
    TRY(open_inputs(s));
    if (!o->quiet)
        fprintf(stderr, "device  %s: %s\nvectors %s, %d trials, %d permutations\n",
                cgsv_device_describe(s->device)->name, cgsv_device_describe(s->device)->description, vectors_of(s),
                s->trials, s->budget);
    TRY(warn_of_time(s));
    TRY(begin_output(s));
    TRY(sweep(s));
    if (!o->out) return CGSV_OK;
    TRY(csv_close(&s->csv));
    const struct study_plot plot = describe_plot(s);
    bool drawn = false;
    if (o->plot) TRY(study_plot_draw(&drawn, &plot));
    if (!s->table) return CGSV_OK;
    fprintf(s->table, "\nwritten to %s: config.json, study.csv%s%s\n", o->out, o->plot ? ", study.gp" : "",
            drawn ? ", study.svg, study.png" : "");
    return CGSV_OK;
}

cgsv_status study_run(int argc, char **argv, FILE *table)
{
    struct study s = {.argc = argc, .argv = argv, .table = table};
    cgsv_status status = study_options_parse(&s.options, argc, argv);
    if (status == CGSV_OK && s.options.help)
        study_options_print_help(table, &s.options);
    else if (status == CGSV_OK)
        status = study(&s);
    release(&s);
    return status;
}

int command_study(int argc, char **argv) { return report_status(study_run(argc, argv, stdout)); }
