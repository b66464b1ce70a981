/* The options of `cgsv report`. */
#include "cli/report_options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "core/error.h"
#include "io/file.h"

enum { OPTIONS = 4 };

static void build_table(struct option table[OPTIONS], struct report_options *o)
{
    const struct option options[OPTIONS] = {
        {"out", NULL, OPTION_STRING, &o->out, "FILE", "Output",
         .help = "the page; - for standard output. Without it report.html in the folder, if that is only one"},
        {"plots", NULL, OPTION_STRING, &o->plots, "DIR", "Output",
         .help = "also write each plot to that folder, as .svg, and as .png where rsvg-convert is installed"},
        {"force", NULL, OPTION_FLAG, &o->force, NULL, "Output",
         .help = "replace files that cgsv report has not written; its own are replaced anyway"},
        {"quiet", NULL, OPTION_FLAG, &o->quiet, NULL, "Output", .help = "only warnings and errors"},
    };
    memcpy(table, options, sizeof options);
}

cgsv_status report_options_parse(struct report_options *o, int argc, char **argv)
{
    struct option table[OPTIONS];
    *o = (struct report_options){0};
    build_table(table, o);
    o->folders = calloc((size_t)argc + 1, sizeof *o->folders);
    if (!o->folders) return error_set(CGSV_ERROR_MEMORY, "no memory for %d arguments", argc);
    struct option_files files = {.paths = o->folders};
    TRY(options_parse_with_files(table, OPTIONS, argc, argv, &o->help, &files));
    o->count = files.count;
    if (o->help) return CGSV_OK;
    if (o->count == 0) return error_set(CGSV_ERROR_ARGUMENT, "no folder of a run is given; see cgsv report --help");
    if (o->count > 1 && !o->out)
        return error_set(CGSV_ERROR_ARGUMENT, "several folders need --out FILE.html, the page that compares them");
    if (report_to_standard_output(o)) return CGSV_OK;
    if (!o->out) return file_join(&o->page, o->folders[0], "report.html");
    o->page = strdup(o->out);
    return o->page ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", o->out);
}

bool report_to_standard_output(const struct report_options *o) { return o->out && strcmp(o->out, "-") == 0; }

void report_options_free(struct report_options *o)
{
    free(o->folders);
    free(o->page);
    *o = (struct report_options){0};
}

void report_options_print_help(FILE *stream, struct report_options *o)
{
    struct option table[OPTIONS];
    build_table(table, o);
    char *text = options_help(table, OPTIONS);
    fprintf(stream, "usage: cgsv report [options] DIR...\n\n"
                    "Writes one page of HTML with all plots and tables of a run, from the folder that cgsv run --out\n"
                    "wrote. Several folders, or that of a sweep, are compared: what differs, fairness, accuracies. The "
                    "page\nholds everything that it needs: it fetches nothing, and can be sent as a file.\n\n%s\n"
                    "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
            text ? text : "");
    free(text);
}
