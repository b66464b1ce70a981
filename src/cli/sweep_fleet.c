#include "cli/sweep_fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "cli/pace.h"
#include "cli/recorder.h"
#include "cli/signals.h"
#include "core/error.h"

/* The arguments of the `cgsv run` that gives the same as a cell. */
struct cell_arguments {
    char *argv[2 * RUN_OPTIONS + 1];
    int argc;
    bool complete;
};

static void add_argument(struct cell_arguments *arguments, const char *name, const char *value)
{
    char *text;
    if (asprintf(&text, "--%s=%s", name, value) < 0)
        arguments->complete = false;
    else
        arguments->argv[arguments->argc++] = text;
}

static cgsv_status list_arguments(struct cell_arguments *arguments, struct sweep_options *o, int cell)
{
    axis_value settings[RUN_OPTIONS];
    *arguments = (struct cell_arguments){.complete = true};
    TRY(sweep_cell_settings(settings, o, cell));
    add_argument(arguments, "data-set", run_data_set(&o->run));
    for (int i = 0; i < o->axes; i++) add_argument(arguments, o->axis[i].option.name, settings[i]);
    for (int i = 0; i < o->plain; i++) {
        const struct option *option = &o->plain_option[i];
        char value[256];
        options_show_value(value, sizeof value, option);
        if (option->kind != OPTION_SWITCH) {
            add_argument(arguments, option->name, value);
            continue;
        }
        char *text;
        if (asprintf(&text, "--%s%s", *(const bool *)option->value ? "" : "no-", option->name) < 0)
            arguments->complete = false;
        else
            arguments->argv[arguments->argc++] = text;
    }
    return arguments->complete ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the options of cell %d", cell);
}

static void free_arguments(struct cell_arguments *arguments)
{
    for (int i = 0; i < arguments->argc; i++) free(arguments->argv[i]);
}

static cgsv_status begin_cell(struct recorder *recorder, cgsv_fleet *fleet, const struct sweep_fleet *f, int i)
{
    struct cell_arguments arguments = {.argc = 0};
    cgsv_memory_plan plan; /* of the cell alone */
    struct run_setup setup = {.config = &f->config[i],
                              .data_directory = run_data_directory(&f->options->run),
                              .dataset = f->dataset,
                              .device = cgsv_device_describe(f->device),
                              .threads = f->options->run.threads,
                              .plan = &plan};
    char *path = NULL;
    TRY(cgsv_federation_plan(&plan, f->device, &f->config[i], f->dataset));
    cgsv_status status = f->folder ? list_arguments(&arguments, f->options, f->cell[i]) : CGSV_OK;
    setup.scheme = cgsv_scheme_name(f->options->run.scheme);
    setup.argc = arguments.argc;
    setup.argv = arguments.argv;
    if (status == CGSV_OK && f->folder) status = sweep_folder_cell(&path, f->folder, f->cell[i]);
    if (status == CGSV_OK) status = recorder_begin(recorder, cgsv_fleet_federation(fleet, i), &setup, path);
    recorder->setup.argc = 0; /* plan and arguments end here */
    recorder->setup.argv = NULL;
    recorder->setup.plan = NULL;
    free(path);
    free_arguments(&arguments);
    return status;
}

/* A stop by a signal leaves the fleet's cells undone, but for the last rounds, after which they are done. */
static cgsv_status run_rounds(cgsv_fleet *fleet, struct pace *pace, int rounds, bool last)
{
    cgsv_seconds waited;
    for (int done = 0, next; done < rounds; done += next) {
        next = pace_begin(pace, rounds - done);
        TRY(cgsv_fleet_run(fleet, next));
        TRY(cgsv_fleet_seconds(fleet, &waited));
        pace_end(pace, next);
        if (signals_asked() && !(last && done + next == rounds))
            return error_set(CGSV_ERROR_INTERRUPTED, "stopped by a signal");
    }
    return CGSV_OK;
}

static cgsv_status train(cgsv_fleet *fleet, struct recorder *recorders, const struct sweep_fleet *f)
{
    const cgsv_config *config = &f->config[0]; /* rounds and evaluations are the same for all */
    struct progress progress;
    struct pace pace = {0};
    cgsv_status status = CGSV_OK;
    progress_begin(&progress, config->rounds, 0, f->options->run.quiet);
    for (int done = 0, stop; done < config->rounds && status == CGSV_OK; done = stop) {
        stop = recorder_next_stop(config, done);
        const bool evaluate = recorder_is_evaluated(config, stop);
        status = run_rounds(fleet, &pace, stop - done, stop == config->rounds);
        if (evaluate && status == CGSV_OK) status = cgsv_fleet_evaluate(fleet);
        for (int i = 0; i < f->count && status == CGSV_OK; i++)
            status = recorder_add(&recorders[i], done, stop, evaluate, NULL);
        if (status == CGSV_OK) progress_round(&progress, stop, NAN, NAN);
    }
    progress_end(&progress);
    return status;
}

/* A cell's seconds are its share of the fleet's. One whose numbers cannot be right has failed. */
static cgsv_status finish_cell(struct sweep_row *row, struct recorder *recorder, const struct sweep_fleet *f, int i)
{
    struct run_results *results = &recorder->results;
    TRY(results_collect(results, recorder->federation));
    results->seconds.training /= f->count;
    results->seconds.server /= f->count;
    results->seconds.evaluation /= f->count;
    TRY(recorder_finish(recorder, f->options->run.save_models));
    sweep_row_fill(row, f->cell[i], results);
    if (cgsv_checks_status(&results->checks) != CGSV_OK) sweep_row_fail(row, f->cell[i], cgsv_last_error());
    return CGSV_OK;
}

static cgsv_status train_all(struct sweep_row *rows, cgsv_fleet *fleet, struct recorder *recorders,
                             const struct sweep_fleet *f)
{
    for (int i = 0; i < f->count; i++) TRY(begin_cell(&recorders[i], fleet, f, i));
    TRY(train(fleet, recorders, f));
    for (int i = 0; i < f->count; i++) TRY(finish_cell(&rows[i], &recorders[i], f, i));
    return CGSV_OK;
}

cgsv_status sweep_fleet_train(struct sweep_row *rows, const struct sweep_fleet *f)
{
    cgsv_fleet *fleet;
    TRY(cgsv_fleet_create(&fleet, f->device, f->config, f->count, f->dataset));
    struct recorder *recorders = calloc((size_t)f->count, sizeof *recorders);
    cgsv_status status = recorders ? train_all(rows, fleet, recorders, f)
                                   : error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", f->count);
    for (int i = 0; recorders && i < f->count; i++) recorder_free(&recorders[i]);
    free(recorders);
    cgsv_fleet_free(fleet);
    return status;
}
