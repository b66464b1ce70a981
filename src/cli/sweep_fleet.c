#include "cli/sweep_fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "cli/checkpoint_clock.h"
#include "cli/checkpoints.h"
#include "cli/pace.h"
#include "cli/recorder.h"
#include "cli/signals.h"
#include "core/clock.h"
#include "core/error.h"
#include "io/fleet_folder.h"

/* ---- what a cell is alone ---- */

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

/* ---- a fleet in training ---- */

struct training {
    struct sweep_fleet *of;
    cgsv_fleet *fleet;
    struct recorder *recorder; /* [count] */
    char **path;               /* [count] the cells' own folders; NULL: no */
    int first;                 /* rounds done before, by a sweep that was stopped */
    bool begun;                /* the sweep's folder names the fleet's cells */
    struct checkpoint_clock clock;
    struct pace pace;
    struct progress progress;
};

static void release(struct training *t)
{
    for (int i = 0; i < t->of->count; i++) {
        if (t->recorder) recorder_free(&t->recorder[i]);
        if (t->path) free(t->path[i]);
    }
    free(t->recorder);
    free(t->path);
    cgsv_fleet_free(t->fleet);
}

/* Those of cells that have a row already stay as they are. */
static cgsv_status make_folders(struct training *t)
{
    const struct sweep_fleet *f = t->of;
    struct sweep_row row;
    for (int i = 0; i < f->count && f->options->details; i++)
        if (!sweep_folder_row(f->folder, f->cell[i], &row))
            TRY(sweep_folder_cell(&t->path[i], f->folder, f->cell[i]));
    return CGSV_OK;
}

static cgsv_status begin_cell(struct training *t, int i)
{
    const struct sweep_fleet *f = t->of;
    struct cell_arguments arguments = {.argc = 0};
    cgsv_memory_plan plan; /* of the cell alone */
    struct run_setup setup = {.config = &f->config[i],
                              .data_directory = run_data_directory(&f->options->run),
                              .dataset = f->dataset,
                              .device = cgsv_device_describe(f->device),
                              .threads = f->options->run.threads,
                              .plan = &plan};
    struct recorder *recorder = &t->recorder[i];
    cgsv_federation *federation = cgsv_fleet_federation(t->fleet, i);
    TRY(cgsv_federation_plan(&plan, f->device, &f->config[i], f->dataset));
    cgsv_status status = t->path[i] ? list_arguments(&arguments, f->options, f->cell[i]) : CGSV_OK;
    setup.scheme = cgsv_scheme_name(f->options->run.scheme);
    setup.argc = arguments.argc;
    setup.argv = arguments.argv;
    if (status == CGSV_OK)
        status = t->first > 0 ? recorder_continue(recorder, federation, &setup, t->path[i])
                              : recorder_begin(recorder, federation, &setup, t->path[i]);
    recorder->setup.argc = 0; /* plan and arguments end here */
    recorder->setup.argv = NULL;
    recorder->setup.plan = NULL;
    free_arguments(&arguments);
    return status;
}

/* To where the fleet was when the sweep was stopped; where nothing is left of that, it begins anew. */
static cgsv_status go_on(struct training *t)
{
    const struct sweep_fleet *f = t->of;
    const cgsv_status status = checkpoints_load(&t->first, f->folder->path, t->fleet, &f->config[0],
                                                (const char *const *)t->path, f->count, f->options->run.other_device);
    if (status == CGSV_ERROR_DATA) {
        fprintf(stderr, "cgsv: warning: %s: its %d cells are trained anew\n", cgsv_last_error(), f->count);
        return CGSV_OK;
    }
    TRY(status);
    t->begun = t->first > 0;
    if (t->begun && !f->options->run.quiet)
        fprintf(stderr, "resume  after round %d of %d\n", t->first, f->config[0].rounds);
    return CGSV_OK;
}

static cgsv_status open_all(struct training *t)
{
    struct sweep_fleet *f = t->of;
    t->recorder = calloc((size_t)f->count, sizeof *t->recorder);
    t->path = calloc((size_t)f->count, sizeof *t->path);
    if (!t->recorder || !t->path) return error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", f->count);
    TRY(cgsv_fleet_create(&t->fleet, f->device, f->config, f->count, f->dataset));
    TRY(make_folders(t));
    return f->saved ? go_on(t) : CGSV_OK;
}

/* ---- rounds ---- */

static bool is_due(const struct training *t) { return checkpoint_clock_due(&t->clock, clock_seconds()); }

/* Without a checkpoint the sweep can go on all the same. */
static bool save(struct training *t)
{
    const struct sweep_fleet *f = t->of;
    const double begin = clock_seconds();
    cgsv_status status = t->begun ? CGSV_OK : fleet_folder_begin(f->folder->path, f->cell, f->count);
    t->begun = status == CGSV_OK;
    if (status == CGSV_OK) status = checkpoints_save(f->folder->path, t->fleet, t->recorder, f->count);
    if (status != CGSV_OK) {
        progress_end(&t->progress);
        fprintf(stderr, "cgsv: warning: no checkpoint is saved now: %s\n", cgsv_last_error());
    }
    t->clock.last = clock_seconds();
    t->clock.cost = t->clock.last - begin;
    return status == CGSV_OK;
}

/* Saves what is due after round `round`. After the last one the cells are done, whatever signals ask for. */
static cgsv_status save_or_stop(struct training *t, int round)
{
    struct sweep_fleet *f = t->of;
    const int every = f->options->run.checkpoint_every;
    const bool stopped = signals_asked();
    if (round == f->config[0].rounds) return CGSV_OK;
    const bool due = stopped || (every > 0 ? round % every == 0 : is_due(t));
    const bool saved = f->folder->path && due && save(t);
    if (!stopped) return CGSV_OK;
    f->saved_round = saved ? round : 0;
    return error_set(CGSV_ERROR_INTERRUPTED, "stopped by a signal");
}

/* Trains from `done` rounds to `stop`, or to where a signal or the clock asks to save: *reached. */
static cgsv_status train_to(struct training *t, int done, int stop, int *reached)
{
    const bool clock = t->of->folder->path && t->of->options->run.checkpoint_every == 0;
    cgsv_seconds waited;
    for (*reached = done; *reached < stop;) {
        const int rounds = pace_begin(&t->pace, stop - *reached);
        TRY(cgsv_fleet_run(t->fleet, rounds));
        TRY(cgsv_fleet_seconds(t->fleet, &waited));
        pace_end(&t->pace, rounds);
        *reached += rounds;
        if (signals_asked() || (clock && is_due(t))) break;
    }
    return CGSV_OK;
}

/* Rounds and evaluations are the same for all cells. */
static cgsv_status train(struct training *t)
{
    const struct sweep_fleet *f = t->of;
    const cgsv_config *config = &f->config[0];
    for (int done = t->first, reached; done < config->rounds; done = reached) {
        const int evaluation = recorder_next_stop(config, done);
        const int checkpoint = recorder_next_multiple(f->options->run.checkpoint_every, done, config->rounds);
        TRY(train_to(t, done, evaluation < checkpoint ? evaluation : checkpoint, &reached));
        const bool evaluate = recorder_is_evaluated(config, reached);
        if (evaluate) TRY(cgsv_fleet_evaluate(t->fleet));
        for (int i = 0; i < f->count; i++) TRY(recorder_add(&t->recorder[i], done, reached, evaluate, NULL));
        progress_round(&t->progress, reached, NAN, NAN);
        TRY(save_or_stop(t, reached));
    }
    return CGSV_OK;
}

static cgsv_status train_all(struct training *t)
{
    const struct sweep_fleet *f = t->of;
    t->clock.last = clock_seconds();
    progress_begin(&t->progress, f->config[0].rounds, t->first, f->options->run.quiet);
    const cgsv_status status = train(t);
    progress_end(&t->progress);
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

static cgsv_status begin_train_finish(struct sweep_row *rows, struct training *t)
{
    struct sweep_fleet *f = t->of;
    const cgsv_status status = open_all(t);
    f->refused = f->saved && status != CGSV_OK;
    TRY(status);
    for (int i = 0; i < f->count; i++) TRY(begin_cell(t, i));
    TRY(train_all(t));
    for (int i = 0; i < f->count; i++) TRY(finish_cell(&rows[i], &t->recorder[i], f, i));
    return CGSV_OK;
}

cgsv_status sweep_fleet_train(struct sweep_row *rows, struct sweep_fleet *f)
{
    struct training training = {.of = f};
    const cgsv_status status = begin_train_finish(rows, &training);
    release(&training);
    return status;
}
