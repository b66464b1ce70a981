/* cgsv report: a page about a run, or about several that it compares. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/options.h"
#include "cli/program.h"
#include "core/error.h"
#include "io/file.h"
#include "io/report.h"

enum { OPTIONS = 4, MARK_WITHIN = 200 };

struct report_command {
    const char **folders; /* [count] */
    int count;
    const char *out, *plots;
    bool force, quiet, help;
    char *page; /* path of the page, NULL for standard output */
    struct report_input input;
    struct report report;
    bool no_pictures; /* rsvg-convert is missing or fails */
};

static void build_table(struct option table[OPTIONS], struct report_command *c)
{
    const struct option options[OPTIONS] = {
        {"out", NULL, OPTION_STRING, &c->out, "FILE", "Output",
         .help = "the page; - for standard output. Without it report.html in the folder, if that is only one"},
        {"plots", NULL, OPTION_STRING, &c->plots, "DIR", "Output",
         .help = "also write each plot to that folder, as .svg, and as .png where rsvg-convert is installed"},
        {"force", NULL, OPTION_FLAG, &c->force, NULL, "Output",
         .help = "replace files that cgsv report has not written; its own are replaced anyway"},
        {"quiet", NULL, OPTION_FLAG, &c->quiet, NULL, "Output", .help = "only warnings and errors"},
    };
    memcpy(table, options, sizeof options);
}

static void print_help(struct report_command *c)
{
    struct option table[OPTIONS];
    build_table(table, c);
    char *text = options_help(table, OPTIONS);
    printf("usage: cgsv report [options] DIR...\n\n"
           "Writes one page of HTML with all plots and tables of a run, from the folder that cgsv run --out\n"
           "wrote. Several folders, or that of a sweep, are compared: what differs, fairness, accuracies. The page\n"
           "holds everything that it needs: it fetches nothing, and can be sent as a file.\n\n%s\n"
           "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
           text ? text : "");
    free(text);
}

static bool to_standard_output(const struct report_command *c) { return c->out && strcmp(c->out, "-") == 0; }

static cgsv_status parse(struct report_command *c, int argc, char **argv)
{
    struct option table[OPTIONS];
    build_table(table, c);
    c->folders = calloc((size_t)argc + 1, sizeof *c->folders);
    if (!c->folders) return error_set(CGSV_ERROR_MEMORY, "no memory for %d arguments", argc);
    struct option_files files = {.paths = c->folders};
    TRY(options_parse_with_files(table, OPTIONS, argc, argv, &c->help, &files));
    c->count = files.count;
    if (c->help) return CGSV_OK;
    if (c->count == 0) return error_set(CGSV_ERROR_ARGUMENT, "no folder of a run is given; see cgsv report --help");
    if (c->count > 1 && !c->out)
        return error_set(CGSV_ERROR_ARGUMENT, "several folders need --out FILE.html, the page that compares them");
    if (to_standard_output(c)) return CGSV_OK;
    if (!c->out) return file_join(&c->page, c->folders[0], "report.html");
    c->page = strdup(c->out);
    return c->page ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", c->out);
}

/* ---- what may be replaced ---- */

/* Whether the file begins as one of ours does. */
static bool has_mark(const char *path, const char *mark)
{
    char start[MARK_WITHIN + 1];
    FILE *stream = fopen(path, "rbe");
    if (!stream) return false;
    start[fread(start, 1, MARK_WITHIN, stream)] = '\0';
    fclose(stream);
    return strstr(start, mark) != NULL;
}

/* `evidence`: the file whose mark shows that `path` is ours. */
static cgsv_status check_target(const char *path, const char *evidence, const char *mark, bool force)
{
    struct stat status;
    if (stat(path, &status) != 0) return CGSV_OK;
    if (S_ISDIR(status.st_mode)) return error_set(CGSV_ERROR_IO, "cannot write '%s': it is a folder", path);
    if (force || (S_ISREG(status.st_mode) && has_mark(evidence, mark))) return CGSV_OK;
    return error_set(CGSV_ERROR_IO, "'%s' is there already, and cgsv report has not written it; choose another path "
                     "or use --force", path);
}

/* Path of a plot without its suffix; both paths below are made from it. */
static cgsv_status plot_path(char **path, const struct report_command *c, int plot, const char *suffix)
{
    if (asprintf(path, "%s/%s%s", c->plots, c->report.plots[plot].name, suffix) >= 0) return CGSV_OK;
    *path = NULL;
    return error_set(CGSV_ERROR_MEMORY, "no memory for a path in '%s'", c->plots);
}

typedef cgsv_status plot_visitor(struct report_command *c, int plot, const char *svg, const char *png);

static cgsv_status each_plot(struct report_command *c, plot_visitor *visit)
{
    cgsv_status status = CGSV_OK;
    for (int i = 0; status == CGSV_OK && i < c->report.plot_count; i++) {
        char *svg, *png = NULL;
        TRY(plot_path(&svg, c, i, ".svg"));
        status = plot_path(&png, c, i, ".png");
        if (status == CGSV_OK) status = visit(c, i, svg, png);
        free(svg);
        free(png);
    }
    return status;
}

static cgsv_status check_plot(struct report_command *c, int plot, const char *svg, const char *png)
{
    (void)plot;
    TRY(check_target(svg, svg, REPORT_PLOT_MARK, c->force));
    return check_target(png, svg, REPORT_PLOT_MARK, c->force); /* a picture has no mark; it is ours with its drawing */
}

/* ---- plots as files ---- */

static cgsv_status write_svg(struct report_command *c, int plot, const char *svg, const char *png)
{
    (void)png;
    return file_write_text(svg, c->report.plots[plot].svg);
}

static cgsv_status write_png(struct report_command *c, int plot, const char *svg, const char *png)
{
    (void)plot;
    if (c->no_pictures) return CGSV_OK;
    const int code = program_run(
        NULL, (const char *const[]){"rsvg-convert", "--zoom=2", "--output", png, "--", svg, NULL});
    c->no_pictures = code != 0;
    if (code == PROGRAM_NOT_FOUND)
        fprintf(stderr, "cgsv: warning: no .png in '%s': rsvg-convert is not installed (Debian: librsvg2-bin); "
                        "the .svg are there\n", c->plots);
    else if (code != 0)
        fprintf(stderr, "cgsv: warning: no .png in '%s': rsvg-convert failed (%d) on '%s'\n", c->plots, code, svg);
    return CGSV_OK;
}

/* ---- the command ---- */

static void say(const struct report_command *c)
{
    char size[FORMAT_SIZE];
    if (c->quiet || to_standard_output(c)) return;
    printf("written to           %s: %s\n", c->page, format_bytes(size, c->report.length));
    if (c->plots)
        printf("plots                %s: %d, as .svg%s\n", c->plots, c->report.plot_count,
               c->no_pictures ? "" : " and .png");
}

static cgsv_status report(struct report_command *c)
{
    TRY(report_input_read(&c->input, c->folders, c->count));
    TRY(report_make(&c->report, &c->input));
    if (c->page) TRY(check_target(c->page, c->page, REPORT_PAGE_MARK, c->force));
    if (c->plots) TRY(file_make_folder(c->plots));
    if (c->plots) TRY(each_plot(c, check_plot));
    if (c->page)
        TRY(file_write_text(c->page, c->report.html));
    else
        fputs(c->report.html, stdout);
    if (c->plots) TRY(each_plot(c, write_svg));
    if (c->plots) TRY(each_plot(c, write_png));
    say(c);
    return CGSV_OK;
}

int command_report(int argc, char **argv)
{
    struct report_command c = {0};
    cgsv_status status = parse(&c, argc, argv);
    if (status == CGSV_OK && c.help)
        print_help(&c);
    else if (status == CGSV_OK)
        status = report(&c);
    int code = report_status(status);
    report_free(&c.report);
    report_input_free(&c.input);
    free(c.folders);
    free(c.page);
    return code;
}
