/* The page as a whole: head, parts, foot. */
#include "io/report.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/html.h"
#include "io/report_page.h"
#include "io/text_stream.h"
#include "report_css.h" /* report_css[]: the text of report.css */

void report_no_memory(struct report_page *page)
{
    if (page->status == CGSV_OK) page->status = error_set(CGSV_ERROR_MEMORY, "no memory for the report");
}

/* ---- plots ---- */

static char *plot_alone(const struct chart *chart)
{
    struct text_stream text;
    if (!text_stream_open(&text)) return NULL;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" REPORT_PLOT_MARK "\n", text.to);
    chart_write(text.to, chart, true);
    return text_stream_close(&text);
}

static void keep_plot(struct report_page *page, const char *name, const struct chart *chart)
{
    struct report *report = page->report;
    struct report_plot *grown = realloc(report->plots, ((size_t)report->plot_count + 1) * sizeof *grown);
    if (!grown) {
        report_no_memory(page);
        return;
    }
    report->plots = grown;
    struct report_plot *plot = &grown[report->plot_count];
    *plot = (struct report_plot){.svg = plot_alone(chart)};
    if (asprintf(&plot->name, "%s%s", page->prefix, name) < 0) plot->name = NULL;
    if (!plot->svg || !plot->name) report_no_memory(page);
    report->plot_count++;
}

void report_figure(struct report_page *page, const char *name, const struct chart *chart, const char *caption)
{
    if (!chart_has_data(chart)) return;
    keep_plot(page, name, chart);
    fprintf(page->html, "<figure id=\"%s%s\">\n<h3>", page->prefix, name);
    html_text(page->html, chart->title);
    fputs("</h3>\n", page->html);
    chart_write(page->html, chart, false);
    fputs("<figcaption>", page->html);
    html_text(page->html, caption);
    fputs("</figcaption>\n</figure>\n", page->html);
}

void report_plots_begin(struct report_page *page) { fputs("<div class=\"plots\">\n", page->html); }
void report_plots_end(struct report_page *page) { fputs("</div>\n", page->html); }

/* ---- the page ---- */

/* "cifar10, cifar_cnn, 10 agents" */
static void put_title(FILE *to, const struct report_input *input)
{
    if (input->count != 1) {
        if (input->count > 1) fprintf(to, "Comparison of %d runs", input->count);
        else fputs("Sweep", to);
        return;
    }
    const struct report_run *run = input->runs;
    const cJSON *set = report_any_setting(run, "data set"), *model = report_run_setting(run, "model");
    const cJSON *const parts[] = {set, model};
    for (int i = 0; i < 2; i++)
        if (cJSON_IsString(parts[i])) {
            html_text(to, parts[i]->valuestring);
            fputs(", ", to);
        }
    html_count(to, run->agents);
    fputs(run->agents == 1 ? " agent" : " agents", to);
}

static void put_head(FILE *to, const struct report_input *input)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n" REPORT_PAGE_MARK, to);
    fprintf(to, " %s\" />\n", cgsv_version());
    fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; style-src "
          "&#39;unsafe-inline&#39;\" />\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
          "<title>", to);
    put_title(to, input);
    fputs("</title>\n<style>\n", to);
    chart_style(to, false);
    fputs(report_css, to); /* after the plots' style, of which it changes sizes on a phone */
    fputs("</style>\n</head>\n<body>\n<main>\n<h1>", to);
    put_title(to, input);
    fputs("</h1>\n", to);
}

static void put_body(struct report_page *page, const struct report_input *input)
{
    if (input->count == 1) {
        report_run_part(page, input->runs);
    } else if (input->count > 1) {
        snprintf(page->prefix, sizeof page->prefix, "compare_");
        report_compare_part(page, input);
    }
    if (!input->sweep) return;
    fputs("<h2>The sweep</h2>\n", page->html);
    report_command(page->html, input->sweep_config);
    if (page->status == CGSV_OK) page->status = report_sweep_table(page, input->sweep);
}

static void put_foot(FILE *to)
{
    fprintf(to, "<footer>Written by cgsv report %s. This page fetches nothing and needs no script.</footer>\n"
                "</main>\n</body>\n</html>\n", cgsv_version());
}

cgsv_status report_make(struct report *report, const struct report_input *input)
{
    *report = (struct report){0};
    struct text_stream html;
    if (!text_stream_open(&html)) return error_set(CGSV_ERROR_MEMORY, "no memory for the report");
    struct report_page page = {.report = report, .html = html.to};
    put_head(page.html, input);
    put_body(&page, input);
    put_foot(page.html);
    report->html = text_stream_close(&html);
    report->length = html.length;
    if (!report->html) report_no_memory(&page);
    if (page.status != CGSV_OK) report_free(report);
    return page.status;
}

void report_free(struct report *report)
{
    for (int i = 0; i < report->plot_count; i++) {
        free(report->plots[i].name);
        free(report->plots[i].svg);
    }
    free(report->plots);
    free(report->html);
    *report = (struct report){0};
}
