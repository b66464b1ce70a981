/* A page must be well-formed whatever the texts in it: only tags and attributes that the report itself writes,
 * quotes that close, elements that end in the order of their nesting. */
#include "report_pages.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "io/report.h"

enum { NAME = 24, DEEPEST = 32, PAGE_MOST = 64 << 20 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:";

static bool listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

/* The name at *at, which is stepped over. */
static void take_name(char name[NAME], const char **at)
{
    const size_t length = strspn(*at, letters);
    FUZZ_CHECK(length > 0 && length < NAME);
    memcpy(name, *at, length);
    name[length] = '\0';
    *at += length;
}

/* Behind a tag's name, up to and with its end; whether it is the element's end too. */
static bool take_attributes(const char **at)
{
    static const char *const fetching[] = {"src", "href", "srcset", "action", "data", "poster", "background", "style",
                                           "formaction", NULL};
    for (;;) {
        *at += strspn(*at, " \n");
        if (**at == '>' || strncmp(*at, "/>", 2) == 0) break;
        char name[NAME];
        take_name(name, at);
        FUZZ_CHECK(strncmp(name, "on", 2) != 0 && !listed(name, fetching) && strncmp(*at, "=\"", 2) == 0);
        *at += 2;
        const size_t length = strcspn(*at, "\"<>");
        FUZZ_CHECK((*at)[length] == '"' && strncmp(*at, "nan", 3) != 0 && strncmp(*at, "inf", 3) != 0);
        *at += length + 1;
    }
    const bool ends = **at == '/';
    *at += ends ? 2 : 1;
    return ends;
}

static void check_entity(const char *at)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (strncmp(at, entities[i], strlen(entities[i])) == 0) return;
    fuzz_failed("an entity that is known", __FILE__, __LINE__);
}

/* The tag at *at, which is stepped over; a style sheet with all that it holds. */
static void check_tag(const char **at, char open[DEEPEST][NAME], int *depth)
{
    static const char *const ours[] = {
        "b",    "body", "circle", "code",  "details", "div",   "figcaption", "figure", "footer", "g",    "h1", "h2",
        "h3",   "head", "html",   "li",    "line",    "main",  "meta",       "p",      "path",   "polyline", "pre",
        "rect", "span", "style",  "summary", "svg",   "table", "tbody",      "td",     "text",   "th",   "thead",
        "title", "tr",  "tspan",  "ul",    NULL};
    char name[NAME];
    const bool closes = *++*at == '/';
    *at += closes;
    take_name(name, at);
    FUZZ_CHECK(listed(name, ours));
    if (closes) {
        FUZZ_CHECK(*depth > 0 && strcmp(open[--*depth], name) == 0 && **at == '>');
        ++*at;
        return;
    }
    if (take_attributes(at)) return;
    FUZZ_CHECK(*depth < DEEPEST);
    memcpy(open[(*depth)++], name, NAME);
    if (strcmp(name, "style") == 0) *at += strcspn(*at, "<");
}

static void check_page(const struct report *report)
{
    static const char begin[] = "<!DOCTYPE html>";
    char open[DEEPEST][NAME];
    int depth = 0;
    FUZZ_CHECK(report->length < PAGE_MOST && strlen(report->html) == report->length);
    FUZZ_CHECK(strncmp(report->html, begin, sizeof begin - 1) == 0);
    for (const char *at = report->html + sizeof begin - 1; *at;) {
        FUZZ_CHECK((unsigned char)*at >= 0x20 || *at == '\n' || *at == '\t');
        if (*at == '&') check_entity(at);
        if (*at == '<')
            check_tag(&at, open, &depth);
        else
            at++;
    }
    FUZZ_CHECK(depth == 0);
}

/* Names of plots become names of files. */
static void check_plots(const struct report *report)
{
    for (int i = 0; i < report->plot_count; i++) {
        const char *name = report->plots[i].name;
        FUZZ_CHECK(*name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name));
    }
}

void report_pages_check(const struct data_set_file *good, int count, const uint8_t *data, size_t size)
{
    struct report_input input;
    struct report report;
    const char *folder = data_set_folder(good, count, data, size);
    if (!folder) return;
    cgsv_status status = report_input_read(&input, &folder, 1);
    if (status == CGSV_OK) {
        status = report_make(&report, &input);
        if (status == CGSV_OK) {
            check_page(&report);
            check_plots(&report);
        }
        report_free(&report);
    }
    fuzz_count(status);
    report_input_free(&input);
}
