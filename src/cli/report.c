/* cgsv report: a page about a run, or about several that it compares. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/program.h"
#include "cli/report_options.h"
#include "core/error.h"
#include "io/file.h"
#include "io/report.h"

enum { MARK_WITHIN = 200 };

struct report_command {
    struct report_options options;
    struct report_input input;
    struct report report;
    bool no_pictures; /* rsvg-convert is missing */
};

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
    if (asprintf(path, "%s/%s%s", c->options.plots, c->report.plots[plot].name, suffix) >= 0) return CGSV_OK;
    *path = NULL;
    return error_set(CGSV_ERROR_MEMORY, "no memory for a path in '%s'", c->options.plots);
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
    const bool force = c->options.force;
    TRY(check_target(svg, svg, REPORT_PLOT_MARK, force));
    return check_target(png, svg, REPORT_PLOT_MARK, force); /* a picture has no mark; it is ours with its drawing */
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
    char *temporary; /* a full disk would leave half a picture */
    if (asprintf(&temporary, "%s.tmp-%ld", png, (long)getpid()) < 0)
        return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", png);
    unlink(temporary); /* a link there, which would be followed */
    const int code = program_run(
        NULL, (const char *const[]){"rsvg-convert", "--zoom=2", "--output", temporary, "--", svg, NULL});
    const bool written = code == 0 && rename(temporary, png) == 0;
    if (!written) unlink(temporary);
    free(temporary);
    c->no_pictures = code == PROGRAM_NOT_FOUND;
    if (c->no_pictures)
        fprintf(stderr, "cgsv: warning: no .png in '%s': rsvg-convert is not installed (Debian: librsvg2-bin); "
                        "the .svg are there\n", c->options.plots);
    return written || c->no_pictures
               ? CGSV_OK
               : error_set(CGSV_ERROR_IO, "cannot write '%s': rsvg-convert failed (%d) on '%s'", png, code, svg);
}

/* ---- the command ---- */

static void say(const struct report_command *c)
{
    const struct report_options *o = &c->options;
    char size[FORMAT_SIZE];
    if (o->quiet || report_to_standard_output(o)) return;
    printf("written to           %s: %s\n", o->page, format_bytes(size, c->report.length));
    if (o->plots)
        printf("plots                %s: %d, as .svg%s\n", o->plots, c->report.plot_count,
               c->no_pictures ? "" : " and .png");
}

static cgsv_status report(struct report_command *c)
{
    const struct report_options *o = &c->options;
    TRY(report_input_read(&c->input, o->folders, o->count));
    TRY(report_make(&c->report, &c->input));
    if (o->page) TRY(check_target(o->page, o->page, REPORT_PAGE_MARK, o->force));
    if (o->plots) TRY(file_make_folder(o->plots));
    if (o->plots) TRY(each_plot(c, check_plot));
    if (o->page)
        TRY(file_write_text(o->page, c->report.html));
    else
        fputs(c->report.html, stdout);
    if (o->plots) TRY(each_plot(c, write_svg));
    if (o->plots) TRY(each_plot(c, write_png));
    say(c);
    return CGSV_OK;
}

int command_report(int argc, char **argv)
{
    struct report_command c = {0};
    cgsv_status status = report_options_parse(&c.options, argc, argv);
    if (status == CGSV_OK && c.options.help)
        report_options_print_help(stdout, &c.options);
    else if (status == CGSV_OK)
        status = report(&c);
    int code = report_status(status);
    report_free(&c.report);
    report_input_free(&c.input);
    report_options_free(&c.options);
    return code;
}
