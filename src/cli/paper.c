/* cgsv paper: the experiments of the CGSV paper as a list of sweeps, and tables over their rows. A data set
 * that is missing is named and left out; what was stopped goes on where it was. */
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/paper_estimate.h"
#include "cli/paper_files.h"
#include "cli/paper_page.h"
#include "cli/signals.h"
#include "cli/sweep.h"
#include "core/clock.h"
#include "core/error.h"
#include "io/file.h"
#include "io/json.h"
#include "io/output_folder.h"
#include "io/text_stream.h"

static const char *const output_names[] = {"paper.md", "fairness.csv", "accuracy.csv", "runtime.csv", "beta.csv",
                                           "paper.json"};
static const struct output_files output = {"paper", output_names, 6, NULL, 0};

/* All that the command holds; zeroed members are fine to release. */
struct paper {
    struct paper_options options;
    struct paper_plan plan;
    struct paper_cells cells;
    struct paper_study study;
    cgsv_device *device;
    cgsv_dataset *dataset[PAPER_DATA_SETS]; /* of a dry run */
    bool missing[PAPER_DATA_SETS];
    int missing_sets;
    struct text_stream missing_text;
    int argc;
    char **argv;
};

static void release(struct paper *p)
{
    for (int i = 0; i < p->options.data_sets; i++) cgsv_dataset_free(p->dataset[i]);
    if (p->missing_text.to) free(text_stream_close(&p->missing_text));
    cgsv_device_close(p->device);
    paper_cells_free(&p->cells);
    paper_plan_free(&p->plan);
}

/* ---- before the first sweep ---- */

static cgsv_status find_data_sets(struct paper *p)
{
    const struct paper_options *o = &p->options;
    if (!text_stream_open(&p->missing_text)) return error_set(CGSV_ERROR_MEMORY, "no memory for a list of data sets");
    for (int i = 0; i < o->data_sets && p->plan.sweeps > 0; i++) {
        const cgsv_status status = cgsv_dataset_load(&p->dataset[i], o->data_set[i], o->data);
        if (status == CGSV_ERROR_MEMORY) return status; /* says nothing about the data set */
        if (status != CGSV_OK) {
            p->missing[i] = true;
            p->missing_sets++;
            fprintf(stderr, "cgsv: warning: data set %s is left out: %s\n", o->data_set[i], cgsv_last_error());
            fprintf(p->missing_text.to, "- %s was left out: %s\n", o->data_set[i], cgsv_last_error());
        }
        if (o->dry_run) continue;
        cgsv_dataset_free(p->dataset[i]); /* the sweeps load their own */
        p->dataset[i] = NULL;
    }
    if (text_stream_flush(&p->missing_text)) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for a list of data sets");
}

static int data_set_of(const struct paper *p, const struct paper_sweep *sweep)
{
    int i = 0;
    while (p->options.data_set[i] != sweep->data_set) i++;
    return i;
}

static bool is_missing(const struct paper *p, const struct paper_sweep *sweep)
{
    return p->missing[data_set_of(p, sweep)];
}

/* The sweeps and the study have checked the text. */
static int threads_of(const struct paper_options *o) { return o->threads ? (int)strtol(o->threads, NULL, 10) : 0; }

static cgsv_status write_record(const struct paper *p)
{
    char *text;
    cJSON *root = cJSON_CreateObject();
    const bool complete = json_add_origin(root, "paper", p->argc, p->argv) &&
                          json_add_device(root, cgsv_device_describe(p->device), threads_of(&p->options));
    TRY(json_print(&text, root, complete));
    const cgsv_status status = output_write_text(p->options.out, "paper.json", text);
    free(text);
    return status;
}

/* Only the folder of another paper may hold such files already: with it this one goes on. */
static cgsv_status open_folder(struct paper *p)
{
    char *record;
    TRY(file_join(&record, p->options.out, "paper.json"));
    const bool goes_on = file_exists(record);
    free(record);
    TRY(output_prepare(&output, p->options.out, goes_on || p->options.force));
    return write_record(p);
}

/* ---- a dry run ---- */

static cgsv_status print_estimate(struct paper *p, struct paper_sweep *s, double *total)
{
    struct paper_estimate e;
    char time[FORMAT_SIZE], training[FORMAT_SIZE], server[FORMAT_SIZE], evaluation[FORMAT_SIZE];
    TRY(paper_estimate_make(&e, s, p->device, p->dataset[data_set_of(p, s)]));
    *total += e.training + e.server + e.evaluation;
    printf("%-24s %6d %6d %7d %9s %9s %9s %11s\n", s->name, s->options.cells, s->config.rounds, e.models,
           format_time(time, e.training + e.server + e.evaluation), format_time(training, e.training),
           format_time(server, e.server), format_time(evaluation, e.evaluation));
    fflush(stdout);
    return CGSV_OK;
}

static cgsv_status dry_run(struct paper *p)
{
    const double start = clock_seconds();
    double total = 0;
    char text[FORMAT_SIZE], measured[FORMAT_SIZE];
    printf("Settings\n");
    paper_plan_print_settings(stdout, &p->plan);
    printf("\n%-24s %6s %6s %7s %9s %9s %9s %11s\n", "sweep", "cells", "rounds", "models", "time", "training", "server",
           "evaluation");
    for (int i = 0; i < p->plan.sweeps; i++)
        if (!is_missing(p, &p->plan.sweep[i])) TRY(print_estimate(p, &p->plan.sweep[i], &total));
    if (p->options.part[PAPER_STUDY]) printf("%-24s the approximation study is not reckoned with\n", "study");
    printf("\nabout %s in all on %s, from single rounds that took %s\n", format_time(text, total),
           cgsv_device_describe(p->device)->name, format_time(measured, clock_seconds() - start));
    return CGSV_OK;
}

/* ---- the sweeps ---- */

static cgsv_status train(struct paper *p, const struct paper_sweep *s, const char *folder)
{
    const struct paper_options *o = &p->options;
    struct sweep_outcome outcome;
    char *argument[PAPER_ARGUMENTS + 8];
    int count = s->arguments;
    memcpy(argument, s->argument, (size_t)count * sizeof *argument);
    argument[count++] = "--out";
    argument[count++] = (char *)folder; /* options are only read */
    if (o->force) argument[count++] = "--force";
    if (o->retry) argument[count++] = "--retry";
    if (o->quiet) argument[count++] = "--quiet";
    TRY(sweep_run(&outcome, count, argument, o->quiet ? NULL : stderr));
    return paper_cells_read(&p->cells, s, folder);
}

static cgsv_status warm_up(struct paper *p, const struct paper_sweep *s)
{
    cgsv_dataset *dataset;
    TRY(cgsv_dataset_load(&dataset, s->data_set, p->options.data));
    const cgsv_status status = paper_warm_up(s, p->device, dataset);
    cgsv_dataset_free(dataset);
    return status;
}

static cgsv_status run_sweep(struct paper *p, int number)
{
    const struct paper_sweep *s = &p->plan.sweep[number];
    char *folder;
    if (!p->options.quiet)
        fprintf(stderr, "sweep %d of %d: %s, %d cells of %d rounds\n", number + 1, p->plan.sweeps, s->name,
                s->options.cells, s->config.rounds);
    if (s->part == PAPER_RUNTIME) TRY(warm_up(p, s));
    TRY(paper_sweep_folder(&folder, p->options.out, s));
    const cgsv_status status = train(p, s, folder);
    free(folder);
    return status;
}

/* ---- results ---- */

static cgsv_status write_results(struct paper *p)
{
    const struct paper_options *o = &p->options;
    const struct paper_page page = {.options = o,
                                    .plan = &p->plan,
                                    .cells = &p->cells,
                                    .study = o->part[PAPER_STUDY] ? &p->study : NULL,
                                    .device = cgsv_device_describe(p->device),
                                    .missing = p->missing_text.text,
                                    .argc = p->argc,
                                    .argv = p->argv};
    TRY(paper_page_print(stdout, &page));
    for (int part = 0; part < PAPER_STUDY; part++)
        if (o->part[part]) TRY(paper_write_csv(o->out, (enum paper_part)part, &p->cells));
    TRY(paper_write_plots(o->out, &p->plan, &p->cells));
    TRY(paper_page_write(&page));
    printf("written to %s: paper.md, tables, plots, sweeps/%s\n", o->out, page.study ? ", study/" : "");
    return CGSV_OK;
}

/* What keeps the exit code from being 0. */
static cgsv_status conclude(const struct paper *p)
{
    const int failed = paper_cells_failed(&p->cells);
    if (failed > 0)
        return error_set(CGSV_ERROR_DATA, "%d of %d cells failed; sweep.csv in '%s/sweeps/' says why", failed,
                         p->cells.count, p->options.out);
    if (p->missing_sets > 0)
        return error_set(CGSV_ERROR_IO, "%d of %d data sets were left out", p->missing_sets, p->options.data_sets);
    return CGSV_OK;
}

static cgsv_status run_all(struct paper *p)
{
    const struct paper_options *o = &p->options;
    TRY(paper_plan_make(&p->plan, o));
    if (o->part[PAPER_STUDY]) TRY(paper_study_plan(&p->study, o));
    TRY(cgsv_device_open(&p->device, o->device ? o->device : "auto", threads_of(o)));
    TRY(find_data_sets(p));
    if (o->dry_run) {
        TRY(dry_run(p));
        return conclude(p);
    }
    TRY(open_folder(p));
    for (int i = 0; i < p->plan.sweeps; i++)
        if (!is_missing(p, &p->plan.sweep[i])) TRY(run_sweep(p, i));
    /* In the last moments of a sweep; the study has nothing to be finished. */
    if (signals_asked() && o->part[PAPER_STUDY])
        return error_set(CGSV_ERROR_INTERRUPTED, "stopped before the study; the same command goes on with it");
    if (o->part[PAPER_STUDY]) TRY(paper_study_run(&p->study, o, o->quiet ? NULL : stderr));
    TRY(write_results(p));
    return conclude(p);
}

int command_paper(int argc, char **argv)
{
    struct paper p = {.argc = argc, .argv = argv};
    cgsv_status status = paper_options_parse(&p.options, argc, argv);
    if (status == CGSV_OK && p.options.help)
        paper_options_print_help(stdout, &p.options);
    else if (status == CGSV_OK)
        status = run_all(&p);
    const int code = report_status(status);
    release(&p);
    return code;
}
