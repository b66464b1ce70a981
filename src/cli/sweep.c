/* cgsv sweep: federations for all combinations of settings, in fleets as large as memory allows. A cell
 * that cannot run is reported and the others go on; a sweep that was stopped goes on where it was. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/signals.h"
#include "cli/sweep.h"
#include "cli/sweep_fleet.h"
#include "cli/sweep_table.h"
#include "core/error.h"
#include "device/device.h"
#include "io/fleet_folder.h"

#define MEMORY_SHARE 0.8 /* of what the device has free: the host's side of a fleet wants some too */
enum { MOST_IN_FLEET = 10000, SPARE_FILES = 64 };

enum cell_state { CELL_PENDING, CELL_CHECKED, CELL_SETTLED };

/* All that a sweep holds; zeroed members are fine to release. */
struct sweep {
    struct sweep_options options;
    cgsv_dataset *dataset;
    cgsv_device *device;
    struct sweep_setting *setting; /* [settings] */
    int settings;
    struct sweep_folder folder; /* path NULL: nothing is written */
    enum cell_state *state;     /* [cells] */
    size_t budget;              /* bytes that a fleet may take */
    int failed, fleets;
    int saved_round, saved_cells; /* of a fleet that a signal has stopped; 0 where it was not saved */
    FILE *table; /* for people; NULL: none */

    cgsv_config *config; /* [cells] of the fleet in the making */
    int *cell;           /* [cells] likewise */
    struct sweep_row *row; /* [cells] what came of it */
};

static void release(struct sweep *s)
{
    sweep_folder_free(&s->folder);
    cgsv_device_close(s->device);
    cgsv_dataset_free(s->dataset);
    for (int i = 0; i < s->settings; i++) free(s->setting[i].value);
    free(s->setting);
    free(s->state);
    free(s->config);
    free(s->cell);
    free(s->row);
    sweep_options_free(&s->options);
}

/* ---- before the first cell ---- */

static void add_setting(struct sweep *s, const char *name, char *value, bool axis)
{
    s->setting[s->settings++] = (struct sweep_setting){.name = name, .value = value, .axis = axis};
}

/* What must be the same for a sweep to go on. */
static cgsv_status list_settings(struct sweep *s)
{
    struct sweep_options *o = &s->options;
    char value[256];
    bool complete = true;
    s->setting = calloc((size_t)(o->axes + o->plain) + 2, sizeof *s->setting);
    if (!s->setting) return error_set(CGSV_ERROR_MEMORY, "no memory for the settings");
    add_setting(s, "data-set", strdup(run_data_set(&o->run)), false);
    for (int i = 0; i < o->axes; i++) add_setting(s, o->axis[i].option.name, sweep_axis_text(o, i), true);
    for (int i = 0; i < o->plain; i++) {
        options_show_value(value, sizeof value, &o->plain_option[i]);
        add_setting(s, o->plain_option[i].name, strdup(value), false);
    }
    add_setting(s, "details", strdup(!o->details ? "off" : o->run.save_models ? "on" : "without models"), false);
    for (int i = 0; i < s->settings; i++) complete = complete && s->setting[i].value;
    return complete ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the settings");
}

static cgsv_status open_folder(struct sweep *s, int argc, char **argv)
{
    const struct run_options *run = &s->options.run;
    TRY(list_settings(s));
    const struct sweep_setup setup = {.setting = s->setting, .settings = s->settings, .cells = s->options.cells,
                                      .device = cgsv_device_describe(s->device), .threads = run->threads,
                                      .argc = argc, .argv = argv};
    return sweep_folder_open(&s->folder, run->out, &setup, run->force, s->options.retry);
}

static cgsv_status open_all(struct sweep *s, int argc, char **argv)
{
    const struct sweep_options *o = &s->options;
    const size_t cells = (size_t)o->cells;
    TRY(cgsv_dataset_load(&s->dataset, run_data_set(&o->run), o->run.data));
    TRY(cgsv_device_open(&s->device, o->run.device, o->run.threads));
    const size_t available = s->device->backend->memory_free(s->device);
    s->budget = o->memory > 0 ? (size_t)(o->memory * (1 << 30))
                : available   ? (size_t)((double)available * MEMORY_SHARE)
                              : SIZE_MAX;
    s->state = calloc(cells, sizeof *s->state);
    s->config = calloc(cells, sizeof *s->config);
    s->cell = calloc(cells, sizeof *s->cell);
    s->row = calloc(cells, sizeof *s->row);
    if (!s->state || !s->config || !s->cell || !s->row)
        return error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", o->cells);
    return o->run.out && !o->run.dry_run ? open_folder(s, argc, argv) : CGSV_OK;
}

/* ---- results ---- */

static cgsv_status report_row(struct sweep *s, const struct sweep_row *row)
{
    axis_value value[RUN_OPTIONS];
    const char *values[RUN_OPTIONS];
    s->state[row->cell] = CELL_SETTLED;
    s->failed += row->failed;
    if (s->table) sweep_table_row(s->table, &s->options, row);
    if (!s->folder.path) return CGSV_OK;
    TRY(sweep_cell_settings(value, &s->options, row->cell));
    for (int i = 0; i < s->options.axes; i++) values[i] = value[i];
    return sweep_folder_add(&s->folder, row, values);
}

static cgsv_status report_failure(struct sweep *s, int cell)
{
    struct sweep_row row;
    sweep_row_fail(&row, cell, cgsv_last_error());
    return report_row(s, &row);
}

/* Rows of earlier are shown again, so that the table is complete. */
static void take_earlier(struct sweep *s)
{
    struct sweep_row row;
    for (int cell = 0; cell < s->options.cells; cell++) {
        if (!sweep_folder_row(&s->folder, cell, &row)) continue;
        s->state[cell] = CELL_SETTLED;
        s->failed += row.failed;
        if (s->table) sweep_table_row(s->table, &s->options, &row);
    }
}

/* ---- fleets ---- */

static cgsv_status make_config(cgsv_config *config, struct sweep *s, int cell)
{
    TRY(sweep_cell_config(config, &s->options, cell));
    if (!s->options.details) config->eval_every = 0; /* nobody sees evaluations before the last */
    return CGSV_OK;
}

/* Whether the cell could be run alone, as far as can be told before. */
static cgsv_status check_cell(struct sweep *s, int cell, const cgsv_config *config)
{
    char *path = NULL;
    if (s->state[cell] == CELL_CHECKED) return CGSV_OK;
    TRY(cgsv_config_check(config, s->dataset));
    if (s->options.details && !s->options.run.dry_run) TRY(sweep_folder_cell(&path, &s->folder, cell));
    free(path);
    s->state[cell] = CELL_CHECKED;
    return CGSV_OK;
}

/* Cells at most in a fleet: as asked for, and as files may be open at a time. */
static int most_cells(const struct sweep *s)
{
    const int asked = s->options.fleet > 0 && s->options.fleet < MOST_IN_FLEET ? s->options.fleet : MOST_IN_FLEET;
    const long files = s->options.details ? (sysconf(_SC_OPEN_MAX) - SPARE_FILES) / 2 : MOST_IN_FLEET;
    return files < 1 ? 1 : files < asked ? (int)files : asked;
}

/* The first pending cell and those that may train beside it; reports those that cannot run. */
static cgsv_status gather(struct sweep *s, int *count)
{
    const int most = most_cells(s);
    *count = 0;
    for (int cell = 0; cell < s->options.cells && *count < most; cell++) {
        cgsv_config *config = &s->config[*count];
        if (s->state[cell] == CELL_SETTLED) continue;
        TRY(make_config(config, s, cell));
        if (*count > 0 && cgsv_fleet_alike(&s->config[0], config) != CGSV_OK) continue;
        if (check_cell(s, cell, config) == CGSV_OK)
            s->cell[(*count)++] = cell;
        else
            TRY(report_failure(s, cell));
    }
    return CGSV_OK;
}

static cgsv_status fits(bool *fit, cgsv_memory_plan *plan, const struct sweep *s, int count)
{
    TRY(cgsv_fleet_plan(plan, s->device, s->config, count, s->dataset));
    const int most = s->device->backend->most_rows;
    *fit = plan->total <= s->budget && (most == 0 || plan->rows <= most);
    return CGSV_OK;
}

/* The largest number of them, from the first on, that memory holds; *plan is theirs, or of one. */
static cgsv_status fit_to_memory(cgsv_memory_plan *plan, const struct sweep *s, int *count)
{
    int least = 0, most = *count;
    bool fit;
    TRY(fits(&fit, plan, s, most));
    if (fit) return CGSV_OK;
    while (least < most) {
        const int middle = least + (most - least + 1) / 2;
        TRY(fits(&fit, plan, s, middle));
        if (fit)
            least = middle;
        else
            most = middle - 1;
    }
    *count = least;
    return fits(&fit, plan, s, least > 0 ? least : 1);
}

static cgsv_status report_too_large(struct sweep *s, const cgsv_memory_plan *plan)
{
    char needed[FORMAT_SIZE], allowed[FORMAT_SIZE];
    error_say("%s: the cell needs %s of memory and may take %s; raise --memory, or take fewer agents",
              cgsv_device_describe(s->device)->name, format_bytes(needed, plan->total),
              format_bytes(allowed, s->budget));
    return report_failure(s, s->cell[0]);
}

static void print_fleet(FILE *stream, struct sweep *s, int count, const cgsv_memory_plan *plan)
{
    char bytes[FORMAT_SIZE];
    fprintf(stream, "fleet %d: %d cell%s from cell %d on, %d models in training, needs %s\n", ++s->fleets, count,
            count == 1 ? "" : "s", s->cell[0], plan->rows, format_bytes(bytes, plan->total));
}

/* Of a fleet that has come to its end; what it was saved in is needed no more. */
static cgsv_status report_fleet(struct sweep *s, int count, cgsv_status status)
{
    for (int i = 0; i < count; i++) {
        if (s->state[s->cell[i]] == CELL_SETTLED) continue;
        if (status == CGSV_OK)
            TRY(report_row(s, &s->row[i]));
        else
            TRY(report_failure(s, s->cell[i]));
    }
    return s->folder.path ? fleet_folder_end(s->folder.path) : CGSV_OK;
}

/* Trains s->cell[count]; where memory is short after all, half of them. */
static cgsv_status train(struct sweep *s, int count, bool saved)
{
    struct sweep_fleet fleet = {.device = s->device, .dataset = s->dataset, .options = &s->options,
                                .folder = &s->folder, .config = s->config, .cell = s->cell, .count = count,
                                .saved = saved};
    const cgsv_status status = sweep_fleet_train(s->row, &fleet);
    if (fleet.refused)
        return error_set(status, "the %d cells that were in training cannot go on: %s; or remove '%s/checkpoints', to "
                         "train them anew", count, cgsv_last_error(), s->folder.path);
    if (status == CGSV_ERROR_MEMORY && count > 1) return train(s, count / 2, false);
    if (status != CGSV_ERROR_INTERRUPTED) return report_fleet(s, count, status);
    s->saved_round = fleet.saved_round;
    s->saved_cells = fleet.count;
    return status;
}

/* The fleet that was in training when the sweep was stopped, with the cells that it had then: they may be others than
 * would be gathered now. */
static cgsv_status go_on(struct sweep *s)
{
    int count, settled = 0;
    const cgsv_status status = fleet_folder_read(s->cell, &count, s->folder.path, s->options.cells);
    if (status == CGSV_ERROR_DATA)
        fprintf(stderr, "cgsv: warning: %s: they are trained anew\n", cgsv_last_error());
    else
        TRY(status);
    for (int i = 0; i < count; i++) {
        TRY(make_config(&s->config[i], s, s->cell[i]));
        settled += s->state[s->cell[i]] == CELL_SETTLED;
    }
    if (settled == count) return fleet_folder_end(s->folder.path);
    if (!s->options.run.quiet)
        fprintf(stderr, "fleet %d: %d cell%s from cell %d on, in training before\n", ++s->fleets, count,
                count == 1 ? "" : "s", s->cell[0]);
    return train(s, count, true);
}

static void skip(struct sweep *s, int count)
{
    for (int i = 0; i < count; i++) s->state[s->cell[i]] = CELL_SETTLED;
}

static cgsv_status run_cells(struct sweep *s)
{
    const struct run_options *run = &s->options.run;
    if (s->folder.path) TRY(go_on(s));
    for (;;) {
        cgsv_memory_plan plan;
        int count;
        TRY(gather(s, &count));
        if (count == 0) return CGSV_OK;
        if (signals_asked()) return error_set(CGSV_ERROR_INTERRUPTED, "stopped by a signal");
        TRY(fit_to_memory(&plan, s, &count));
        if (count == 0) {
            TRY(report_too_large(s, &plan));
            continue;
        }
        if (run->dry_run || !run->quiet) print_fleet(run->dry_run ? stdout : stderr, s, count, &plan);
        if (run->dry_run)
            skip(s, count);
        else
            TRY(train(s, count, false));
    }
}

/* ---- the sweep ---- */

static cgsv_status report_stop(const struct sweep *s)
{
    int settled = 0;
    for (int cell = 0; cell < s->options.cells; cell++) settled += s->state[cell] == CELL_SETTLED;
    char more[64] = "";
    if (s->saved_round > 0) snprintf(more, sizeof more, " and round %d of %d more", s->saved_round, s->saved_cells);
    return error_set(CGSV_ERROR_INTERRUPTED, "stopped after %d of %d cells%s; %s", settled, s->options.cells, more,
                     !s->folder.path        ? "without --out nothing was saved"
                     : s->options.run.force ? "the same command, without --force, goes on with the others"
                                            : "the same command goes on with the others");
}

static cgsv_status run_all(struct sweep *s, int argc, char **argv)
{
    const bool dry_run = s->options.run.dry_run;
    TRY(open_all(s, argc, argv));
    if (s->table && !dry_run) sweep_table_header(s->table, &s->options);
    if (!dry_run) take_earlier(s);
    signals_watch();
    const cgsv_status status = run_cells(s);
    signals_release();
    if (status == CGSV_ERROR_INTERRUPTED) return report_stop(s);
    TRY(status);
    return s->folder.path ? sweep_folder_finish(&s->folder) : CGSV_OK;
}

cgsv_status sweep_run(struct sweep_outcome *outcome, int argc, char **argv, FILE *table)
{
    struct sweep s = {.table = table};
    cgsv_status status = sweep_options_parse(&s.options, argc, argv);
    if (status == CGSV_OK) status = run_all(&s, argc, argv);
    *outcome = (struct sweep_outcome){s.options.cells, s.failed, s.fleets};
    release(&s);
    return status;
}

/* ---- the command ---- */

static cgsv_status conclude(const struct sweep *s)
{
    const struct sweep_options *o = &s->options;
    if (o->run.dry_run)
        printf("%d cells in %d fleet%s\n", o->cells, s->fleets, s->fleets == 1 ? "" : "s");
    else if (o->run.out)
        printf("written to %s: sweep.json, sweep.csv%s\n", o->run.out, o->details ? ", cells/" : "");
    if (s->failed == 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "%d of %d cells failed; the table says why", s->failed, o->cells);
}

int command_sweep(int argc, char **argv)
{
    struct sweep s = {.table = stdout};
    cgsv_status status = sweep_options_parse(&s.options, argc, argv);
    if (status == CGSV_OK && s.options.run.help)
        sweep_options_print_help(stdout, &s.options);
    else if (status == CGSV_OK)
        status = run_all(&s, argc, argv);
    if (status == CGSV_OK && !s.options.run.help) status = conclude(&s);
    const int code = report_status(status);
    release(&s);
    return code;
}
