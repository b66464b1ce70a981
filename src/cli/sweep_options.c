#include "cli/sweep_options.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/list.h"
#include "core/error.h"

enum { TABLE_SIZE = RUN_OPTIONS + 16 };

/* ---- the table ---- */

/* Whether the option decides a federation. */
static bool is_setting(const struct option *option, const struct run_options *run)
{
    const char *value = option->value, *config = (const char *)&run->config;
    return (value >= config && value < config + sizeof run->config) || option->value == &run->scheme;
}

static bool takes_list(const struct option *option)
{
    return option->kind == OPTION_INT || option->kind == OPTION_DOUBLE || option->kind == OPTION_UINT64 ||
           option->kind == OPTION_CHOICE;
}

/* Takes the settings over from `cgsv run`, with their present values as defaults. */
static void take_settings(struct sweep_options *o)
{
    struct option all[RUN_OPTIONS];
    const int count = run_options_table(all, &o->run);
    o->axes = o->plain = 0;
    for (int i = 0; i < count; i++) {
        if (!is_setting(&all[i], &o->run)) continue;
        if (!takes_list(&all[i])) {
            o->plain_option[o->plain++] = all[i];
            continue;
        }
        struct sweep_axis *axis = &o->axis[o->axes++];
        axis->option = all[i];
        snprintf(axis->argument, sizeof axis->argument, "%s,...", all[i].argument);
        options_show_value(axis->first, sizeof axis->first, &all[i]);
        axis->text = axis->first;
    }
}

static int axis_of(const struct sweep_options *o, const void *value)
{
    int axis = 0;
    while (o->axis[axis].option.value != value) axis++;
    return axis;
}

static int scheme_axis(const struct sweep_options *o) { return axis_of(o, &o->run.scheme); }

static struct option list_option(struct sweep_axis *axis)
{
    return (struct option){axis->option.name, axis->option.alias, OPTION_STRING, &axis->text, axis->argument,
                           axis->option.group, .help = axis->option.help};
}

/* An option that the two commands have in common as it is. */
static bool is_shared(const struct option *option)
{
    static const char *const names[] = {"data-set", "data", "device", "threads"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(option->name, names[i]) == 0) return true;
    return false;
}

static int add_fleet_options(struct option *table, struct sweep_options *o, const char *machine)
{
    table[0] = (struct option){
        "fleet", NULL, OPTION_INT, &o->fleet, "K", machine,
        .help = "most cells to train at once; 1 for one by one, 0 for as many as memory allows",
        .range = {.low = 0, .high = INFINITY}};
    table[1] = (struct option){
        "memory", NULL, OPTION_DOUBLE, &o->memory, "GIB", machine,
        .help = "memory that they may take, in GiB; 0 for four fifths of what the device has free",
        .range = {.low = 0, .high = 1e6}};
    return 2;
}

static int add_output_options(struct option *table, struct sweep_options *o, const char *output)
{
    const struct option own[] = {
        {"out", NULL, OPTION_STRING, &o->run.out, "DIR", output,
         .help = "folder for sweep.json and sweep.csv; a sweep that stopped goes on there; without it nothing is "
                 "written"},
        {"checkpoint-every", NULL, OPTION_INT, &o->run.checkpoint_every, "K", output,
         .help = "save the fleet in training after every K-th round, in that folder's checkpoints/, to go on from; 0 "
                 "for every five minutes, where that takes less than a hundredth of the time",
         .range = {.low = 0, .high = INFINITY}},
        {"other-device", NULL, OPTION_FLAG, &o->run.other_device, NULL, output,
         .help = "go on from another kind of device's checkpoint, too; bits will then differ"},
        {"retry", NULL, OPTION_FLAG, &o->retry, NULL, output, .help = "run cells again that failed there before"},
        {"force", NULL, OPTION_FLAG, &o->run.force, NULL, output,
         .help = "start anew, in place of the sweep in that folder"},
        {"details", NULL, OPTION_FLAG, &o->details, NULL, output,
         .help = "also write a folder for every cell, cells/000 and so on, as cgsv run --out does"},
        {"save-models", NULL, OPTION_SWITCH, &o->run.save_models, NULL, output,
         .help = "with the final models of all cells in them"},
        {"dry-run", NULL, OPTION_FLAG, &o->run.dry_run, NULL, output,
         .help = "print the fleets and their memory need, train nothing"},
        {"quiet", NULL, OPTION_FLAG, &o->run.quiet, NULL, output,
         .help = "no progress, only results, warnings and errors"},
    };
    memcpy(table, own, sizeof own);
    return (int)(sizeof own / sizeof *own);
}

/* Fills table[TABLE_SIZE], in the order of `cgsv run`, whose last option ahead of the output's is
 * "threads"; take_settings comes before. */
static int build_table(struct option *table, struct sweep_options *o)
{
    struct option all[RUN_OPTIONS];
    const int from = run_options_table(all, &o->run);
    int count = 0, axis = 0, plain = 0;
    for (int i = 0; i < from; i++) {
        if (is_shared(&all[i]))
            table[count++] = all[i];
        else if (is_setting(&all[i], &o->run))
            table[count++] = takes_list(&all[i]) ? list_option(&o->axis[axis++]) : o->plain_option[plain++];
        if (strcmp(all[i].name, "threads") == 0) count += add_fleet_options(table + count, o, all[i].group);
    }
    return count + add_output_options(table + count, o, all[from - 1].group);
}

/* ---- lists ---- */

static cgsv_status add_value(void *context, const char *text)
{
    struct sweep_axis *axis = context;
    char shown[AXIS_VALUE_LENGTH];
    TRY(options_parse_value(&axis->option, text));
    options_show_value(shown, sizeof shown, &axis->option);
    for (int i = 0; i < axis->count; i++)
        if (strcmp(axis->value[i], shown) == 0)
            return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' stands twice", axis->option.name, text);
    void *grown = realloc(axis->value, ((size_t)axis->count + 1) * sizeof *axis->value);
    if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for the values of --%s", axis->option.name);
    axis->value = grown;
    memcpy(axis->value[axis->count++], shown, sizeof shown);
    return CGSV_OK;
}

/* Whole numbers may come as ranges. */
static cgsv_status add_range(void *context, const char *text)
{
    struct sweep_axis *axis = context;
    char number[AXIS_VALUE_LENGTH];
    struct number_list list = {.low = 0, .high = axis->option.kind == OPTION_INT ? INT_MAX : INT64_MAX};
    if (!strstr(text, "..")) return add_value(axis, text);
    if (number_list_parse(&list, text) != CGSV_OK)
        return error_set(CGSV_ERROR_ARGUMENT, "--%s: %s", axis->option.name, cgsv_last_error());
    for (int i = 0; i < list.count; i++) {
        snprintf(number, sizeof number, "%lld", (long long)list.number[i]);
        TRY(add_value(axis, number));
    }
    return CGSV_OK;
}

static cgsv_status parse_axis(struct sweep_axis *axis)
{
    if (!axis->given) { /* never read, and shown only where all cells have it */
        axis->value = calloc(1, sizeof *axis->value);
        if (!axis->value) return error_set(CGSV_ERROR_MEMORY, "no memory for the values of --%s", axis->option.name);
        memcpy(axis->value[0], axis->first, sizeof axis->first);
        axis->count = 1;
        return CGSV_OK;
    }
    const bool whole = axis->option.kind == OPTION_INT || axis->option.kind == OPTION_UINT64;
    return list_each(axis->text, whole ? add_range : add_value, axis);
}

static cgsv_status parse_axes(struct sweep_options *o)
{
    o->cells = 1;
    for (int i = 0; i < o->axes; i++) {
        TRY(parse_axis(&o->axis[i]));
        if (o->axis[i].count > SWEEP_CELLS / o->cells)
            return error_set(CGSV_ERROR_ARGUMENT, "the sweep has more than %d cells; give fewer values", SWEEP_CELLS);
        o->cells *= o->axis[i].count;
    }
    return CGSV_OK;
}

/* ---- reading all ---- */

/* The defaults of the data set and of the scheme, if that is one. */
static cgsv_status set_defaults(struct sweep_options *o)
{
    const char *schemes = o->axis[scheme_axis(o)].text;
    cgsv_config_defaults(&o->run.config, run_data_set(&o->run));
    if (!strchr(schemes, ',')) TRY(options_parse_value(&o->axis[scheme_axis(o)].option, schemes));
    return cgsv_config_set_scheme(&o->run.config, cgsv_scheme_name(o->run.scheme));
}

static void note_given(struct sweep_options *o, const struct option *table, int count)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < o->axes; k++)
            if (table[i].value == &o->axis[k].text) o->axis[k].given = table[i].given;
}

static cgsv_status check(const struct sweep_options *o, const struct option *table, int count)
{
    static const char *const need_out[] = {"retry", "force", "details", "checkpoint-every", "other-device"};
    for (size_t i = 0; i < sizeof need_out / sizeof *need_out; i++)
        if (!o->run.out && options_given(table, count, need_out[i]))
            return error_set(CGSV_ERROR_ARGUMENT, "--%s needs --out DIR", need_out[i]);
    if (!o->details && options_given(table, count, "save-models"))
        return error_set(CGSV_ERROR_ARGUMENT, "--save-models needs --details");
    return CGSV_OK;
}

cgsv_status sweep_options_parse(struct sweep_options *o, int argc, char **argv)
{
    struct option table[TABLE_SIZE];
    *o = (struct sweep_options){.run = {.device = "auto", .save_models = true}};
    cgsv_config_defaults(&o->run.config, run_data_set(&o->run));
    take_settings(o);

    /* Twice: first for the data set and the scheme, then over their defaults. */
    int count = build_table(table, o);
    TRY(options_parse(table, count, argc, argv, &o->run.help));
    TRY(set_defaults(o));
    take_settings(o);
    if (o->run.help) return CGSV_OK;
    count = build_table(table, o);
    TRY(options_parse(table, count, argc, argv, &o->run.help));
    TRY(check(o, table, count));
    note_given(o, table, count);
    o->base = o->run.config;
    return parse_axes(o);
}

const char *sweep_cell_value(const struct sweep_options *o, int axis, int cell)
{
    for (int i = o->axes - 1; i > axis; i--) cell /= o->axis[i].count;
    return o->axis[axis].value[cell % o->axis[axis].count];
}

cgsv_status sweep_cell_config(cgsv_config *config, struct sweep_options *o, int cell)
{
    const int scheme = scheme_axis(o), model = axis_of(o, &o->run.config.model);
    o->run.config = o->base;
    if (o->axis[model].given) {
        TRY(options_parse_value(&o->axis[model].option, sweep_cell_value(o, model, cell)));
        cgsv_config_set_model(&o->run.config, o->run.config.model);
    }
    if (o->axis[scheme].given) TRY(options_parse_value(&o->axis[scheme].option, sweep_cell_value(o, scheme, cell)));
    TRY(cgsv_config_set_scheme(&o->run.config, cgsv_scheme_name(o->run.scheme)));
    for (int i = 0; i < o->axes; i++)
        if (o->axis[i].given) TRY(options_parse_value(&o->axis[i].option, sweep_cell_value(o, i, cell)));
    *config = o->run.config;
    return CGSV_OK;
}

cgsv_status sweep_cell_settings(axis_value *value, struct sweep_options *o, int cell)
{
    cgsv_config config;
    TRY(sweep_cell_config(&config, o, cell));
    for (int i = 0; i < o->axes; i++) options_show_value(value[i], sizeof value[i], &o->axis[i].option);
    return CGSV_OK;
}

/* The first cell that has scheme number `number` of the list. */
static int cell_of_scheme(const struct sweep_options *o, int number)
{
    for (int i = o->axes - 1; i > scheme_axis(o); i--) number *= o->axis[i].count;
    return number;
}

static char *default_text(struct sweep_options *o, int axis)
{
    axis_value first[RUN_OPTIONS], other[RUN_OPTIONS];
    if (sweep_cell_settings(first, o, 0) != CGSV_OK) return NULL;
    for (int number = 1; number < o->axis[scheme_axis(o)].count; number++) {
        if (sweep_cell_settings(other, o, cell_of_scheme(o, number)) != CGSV_OK) return NULL;
        if (strcmp(first[axis], other[axis]) != 0) return strdup("by scheme");
    }
    return strdup(first[axis]);
}

char *sweep_axis_text(struct sweep_options *o, int number)
{
    const struct sweep_axis *axis = &o->axis[number];
    if (!axis->given) return default_text(o, number);
    char *text = malloc((size_t)axis->count * AXIS_VALUE_LENGTH), *at = text;
    for (int i = 0; text && i < axis->count; i++) at += sprintf(at, "%s%s", i ? "," : "", axis->value[i]);
    return text;
}

void sweep_options_print_help(FILE *stream, struct sweep_options *o)
{
    struct option table[TABLE_SIZE];
    char *text = options_help(table, build_table(table, o));
    fprintf(stream, "usage: cgsv sweep [options]\n\n"
                    "Trains federations for all combinations of settings, the cells, many at once: a fleet. Every\n"
                    "setting marked with ',...' takes a list, '0.5,1,2', and whole numbers also ranges, '1..5'.\n"
                    "A cell gives the same bits as cgsv run does. Defaults below are those of the data set '%s'\n"
                    "and the scheme '%s'.\n\n%s\n"
                    "The same command goes on where a sweep was stopped: without the cells that are done, and with\n"
                    "the fleet that was in training from its latest checkpoint, to the same bits. SIGINT and\n"
                    "SIGTERM finish the round and save; a second signal stops at once.\n"
                    "The table goes to standard output, progress and warnings go to standard error.\n"
                    "Exit codes: 0 done, 1 failed or some cells failed, 2 wrong usage,\n"
                    "130 stopped by SIGINT or SIGTERM\n",
            run_data_set(&o->run), cgsv_scheme_name(o->run.scheme), text ? text : "");
    free(text);
}

void sweep_options_free(struct sweep_options *o)
{
    for (int i = 0; i < o->axes; i++) free(o->axis[i].value);
}
