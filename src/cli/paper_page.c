#include "cli/paper_page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cgsv/cgsv.h"
#include "cli/paper_files.h"
#include "cli/paper_verdict.h"
#include "core/error.h"
#include "io/file.h"
#include "io/output_folder.h"
#include "io/text_stream.h"

static const char own[] = "cgsv", variant[] = "cgsv-exact";

/* ---- what was run ---- */

/* An argument as a shell takes it. */
static void put_argument(FILE *to, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+.,:/^%@";
    if (*text && text[strspn(text, plain)] == '\0') {
        fprintf(to, " %s", text);
        return;
    }
    fputs(" '", to);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    fputc('\'', to);
}

static void put_command(FILE *to, const char *command, int argc, char *const *argv)
{
    fprintf(to, "cgsv %s", command);
    for (int i = 0; i < argc; i++) put_argument(to, argv[i]);
    fputc('\n', to);
}

static void put_origin(FILE *to, const struct paper_page *p)
{
    char date[32];
    const time_t now = time(NULL);
    struct tm parts;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &parts));
    fprintf(to, "# Experiments of the CGSV paper\n\nXu, Lyu, Ma, Miao, Foo, Low: Gradient-Driven Rewards to Guarantee "
                "Fairness in Collaborative Machine Learning, NeurIPS 2021.\n\n");
    fprintf(to, "- version: cgsv %s\n- date: %s\n- machine: %s, %s\n\n", cgsv_version(), date, p->device->name,
            p->device->description);
    fputs("An entry is the mean over the seeds ± their sample deviation; (2 of 3) tells that the others are undefined "
          "or failed; - is undefined. Bold is the best mean of a row.\n\n## Settings\n\n", to);
    paper_plan_print_settings(to, p->plan);
    const int failed = paper_cells_failed(p->cells);
    if (failed > 0) fprintf(to, "- %d of %d cells failed; the sweeps' tables say why.\n", failed, p->cells->count);
    fprintf(to, "%s\n", p->missing);
}

static void put_commands(FILE *to, const struct paper_page *p)
{
    fputs("## Commands\n\nAll of it, then its parts by themselves:\n\n```sh\n", to);
    put_command(to, "paper", p->argc, p->argv);
    for (int i = 0; i < p->plan->sweeps; i++)
        put_command(to, "sweep", p->plan->sweep[i].arguments, p->plan->sweep[i].argument);
    if (p->study) put_command(to, "study", p->study->arguments, p->study->argument);
    fputs("```\n", to);
}

/* ---- tables ---- */

static bool is_wanted(const struct paper_page *p, const struct paper_kind *kind)
{
    return kind->title && p->options->part[kind->file];
}

/* Calls `put` with every table that is wanted and has rows. */
static cgsv_status each_table(FILE *to, const struct paper_page *p,
                              cgsv_status (*put)(FILE *to, const struct paper_page *p,
                                                 const struct paper_table *table))
{
    for (int k = 0; k < PAPER_KINDS; k++) {
        struct paper_table table;
        if (!is_wanted(p, &paper_kinds[k])) continue;
        cgsv_status status = paper_table_make(&table, &paper_kinds[k], p->cells);
        if (status == CGSV_OK && table.rows > 0) status = put(to, p, &table);
        paper_table_free(&table);
        TRY(status);
    }
    return CGSV_OK;
}

static cgsv_status print_table(FILE *to, const struct paper_page *p, const struct paper_table *table)
{
    (void)p;
    paper_table_print(to, table);
    if (table->kind->quantity == PAPER_RHO) paper_verdict_write(to, table, own, variant);
    return CGSV_OK;
}

static cgsv_status put_plots(FILE *to, const struct paper_page *p, const struct paper_kind *kind)
{
    char name[PAPER_NAME], *path;
    for (int i = 0; i < p->plan->sweeps; i++) {
        const struct paper_sweep *sweep = &p->plan->sweep[i];
        if (sweep->part != PAPER_BETA) continue;
        paper_plot_name(name, kind, sweep->data_set);
        TRY(file_join(&path, p->options->out, name));
        if (file_exists(path)) fprintf(to, "![%s, %s](%s)\n\n", kind->title, sweep->data_set, name);
        free(path);
    }
    return CGSV_OK;
}

static cgsv_status put_table(FILE *to, const struct paper_page *p, const struct paper_table *table)
{
    fprintf(to, "## %s\n\n", table->kind->title);
    paper_table_markdown(to, table);
    if (table->kind->quantity == PAPER_RHO) paper_verdict_write(to, table, own, variant);
    return table->kind->part == PAPER_BETA ? put_plots(to, p, table->kind) : CGSV_OK;
}

static const char study_title[] = "Approximation: distance from exact values";

static cgsv_status put_study(FILE *to, const struct paper_page *p)
{
    char *path;
    if (!p->study) return CGSV_OK;
    fprintf(to, "## %s\n\n", study_title);
    TRY(paper_study_print(to, p->study, true));
    TRY(file_join(&path, p->study->folder, "study.svg"));
    fputs(file_exists(path) ? "\n![Approximation study](study/study.svg)\n\n" : "\n", to);
    free(path);
    return CGSV_OK;
}

cgsv_status paper_page_print(FILE *stream, const struct paper_page *p)
{
    fputs("Settings\n", stream);
    paper_plan_print_settings(stream, p->plan);
    fputs("Entries: mean ± sample deviation over the seeds\n\n", stream);
    TRY(each_table(stream, p, print_table));
    if (!p->study) return CGSV_OK;
    fprintf(stream, "%s\n", study_title);
    TRY(paper_study_print(stream, p->study, false));
    fputc('\n', stream);
    return CGSV_OK;
}

cgsv_status paper_page_write(const struct paper_page *p)
{
    struct text_stream page;
    if (!text_stream_open(&page)) return error_set(CGSV_ERROR_MEMORY, "no memory for paper.md");
    FILE *to = page.to;
    put_origin(to, p);
    cgsv_status status = each_table(to, p, put_table);
    if (status == CGSV_OK) status = put_study(to, p);
    put_commands(to, p);
    char *text = text_stream_close(&page);
    if (!text && status == CGSV_OK) status = error_set(CGSV_ERROR_MEMORY, "no memory for paper.md");
    if (status == CGSV_OK) status = output_write_text(p->options->out, "paper.md", text);
    free(text);
    return status;
}
