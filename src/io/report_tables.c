/* What is said of one run in numbers: key numbers, agents, settings, the command. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/csv_read.h"
#include "io/html.h"
#include "io/report_page.h"

enum { MOST_ROWS = 60, MOST_SETTINGS = 200, MOST_OTHERS = 8, MOST_TABLE_ROWS = 500, MOST_TABLE_COLUMNS = 64 };

/* ---- key numbers ---- */

static void put_key(FILE *to, double value, int decimals, const char *name)
{
    if (!isfinite(value)) return;
    fputs("<li><b>", to);
    html_decimals(to, value, decimals);
    fprintf(to, "</b><span>%s</span></li>\n", name);
}

static void put_whole(FILE *to, double value, const char *name)
{
    if (!isfinite(value)) return;
    fputs("<li><b>", to);
    html_count(to, value);
    fprintf(to, "</b><span>%s</span></li>\n", name);
}

static void put_key_numbers(FILE *to, const struct report_run *run)
{
    const cJSON *summary = run->summary, *seconds = cJSON_GetObjectItemCaseSensitive(summary, "seconds");
    const double rho = report_number(summary, "rho_accuracy");
    const double total = report_number(seconds, "training") + report_number(seconds, "server") +
                         report_number(seconds, "evaluation");
    fputs("<ul class=\"key\">\n", to);
    put_key(to, rho, 3, "fairness ρ");
    if (summary && !isfinite(rho)) fputs("<li><b>undefined</b><span>fairness ρ</span></li>\n", to);
    put_key(to, report_number(cJSON_GetObjectItemCaseSensitive(summary, "server"), "accuracy"), 4, "server’s accuracy");
    put_key(to, report_number(summary, "accuracy_mean"), 4, "agents’ mean accuracy");
    put_key(to, report_number(summary, "gain_mean"), 4, "mean gain over alone");
    put_whole(to, run->round[run->rounds - 1], "rounds");
    put_whole(to, report_number(run->config, "parameters"), "parameters");
    put_key(to, total, total < 10 ? 1 : 0, "seconds");
    fputs("</ul>\n", to);
    if (!summary)
        fputs("<p class=\"warning\">This run was not finished: it has no summary.json. What follows is what it had got "
              "to; ρ is not known.</p>\n", to);
    else
        fputs("<p class=\"lead-in\">" REPORT_RHO "</p>\n", to);
}

/* ---- agents ---- */

/* A column of the table: from summary.json where it is, else the last value of rounds.csv. */
static const struct column {
    const char *key, *name;
    int metric; /* −1: none */
    int decimals; /* −1: a whole number */
} agent_columns[] = {
    {"samples", "samples", REPORT_SAMPLES, -1},
    {"classes", "classes", -1, -1},
    {"importance", "importance", REPORT_IMPORTANCE, 4},
    {"keep_ratio", "keep ratio q", REPORT_KEEP_RATIO, 4},
    {"accuracy", "accuracy", REPORT_ACCURACY, 4},
    {"standalone_accuracy", "accuracy alone", REPORT_ALONE_ACCURACY, 4},
    {"gain", "gain", -1, 4},
    {"loss", "loss", REPORT_TEST_LOSS, 4},
    {"standalone_loss", "loss alone", REPORT_ALONE_LOSS, 4},
};
enum { AGENT_COLUMNS = sizeof agent_columns / sizeof *agent_columns };

struct agents_table {
    const struct report_run *run;
    const cJSON **entry; /* [agents] of summary.json, NULL where there is none */
    int *order;          /* [agents] by importance, the largest first; otherwise by number */
    double *importance;
    bool used[AGENT_COLUMNS];
    const char *other[MOST_OTHERS]; /* members of the entries that this program does not know */
    int others;
    bool faults;
};

static double cell(const struct agents_table *t, const struct column *column, int agent)
{
    const double known = report_number(t->entry[agent], column->key);
    if (isfinite(known) || column->metric < 0) return known;
    return report_run_last(t->run, (enum report_metric)column->metric, agent);
}

static int faulty_rounds(const struct report_run *run, int agent)
{
    const float *fault = run->metric[REPORT_FAULT];
    int count = 0;
    for (int t = 0; fault && t < run->rounds; t++) count += fault[(size_t)t * (size_t)run->agents + (size_t)agent] > 0;
    return count;
}

static bool is_known(const char *key)
{
    static const char *const passed_over[] = {"agent", "class_counts", "faulty_rounds"};
    for (int k = 0; k < AGENT_COLUMNS; k++)
        if (strcmp(key, agent_columns[k].key) == 0) return true;
    for (int k = 0; k < 3; k++)
        if (strcmp(key, passed_over[k]) == 0) return true;
    return false;
}

static void take_entries(struct agents_table *t)
{
    const cJSON *entry, *member;
    int i = 0;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(t->run->summary, "agents"))
        if (i < t->run->agents) t->entry[i++] = entry;
    cJSON_ArrayForEach(member, t->entry[0])
        if (t->others < MOST_OTHERS && member->string && !is_known(member->string) && !cJSON_IsObject(member) &&
            !cJSON_IsArray(member))
            t->other[t->others++] = member->string;
    for (i = 0; i < t->run->agents; i++) {
        for (int k = 0; k < AGENT_COLUMNS; k++) t->used[k] = t->used[k] || isfinite(cell(t, &agent_columns[k], i));
        t->importance[i] = report_run_last(t->run, REPORT_IMPORTANCE, i);
        t->faults = t->faults || faulty_rounds(t->run, i) > 0;
        t->order[i] = i;
    }
}

static int more_important(const void *a, const void *b, void *context)
{
    const double *importance = context, p = importance[*(const int *)a], q = importance[*(const int *)b];
    if (p != q && !(isnan(p) && isnan(q))) return isnan(p) || p < q ? 1 : -1;
    return *(const int *)a - *(const int *)b;
}

static void put_agent(FILE *to, const struct agents_table *t, int agent)
{
    fprintf(to, "<tr><td>%d</td>", agent);
    for (int k = 0; k < AGENT_COLUMNS; k++) {
        if (!t->used[k]) continue;
        const double value = cell(t, &agent_columns[k], agent);
        fputs("<td>", to);
        if (agent_columns[k].decimals < 0)
            html_count(to, value);
        else
            html_decimals(to, value, agent_columns[k].decimals);
        fputs("</td>", to);
    }
    if (t->faults) fprintf(to, "<td>%d</td>", faulty_rounds(t->run, agent));
    for (int k = 0; k < t->others; k++) {
        fputs("<td class=\"text\">", to);
        html_json(to, cJSON_GetObjectItemCaseSensitive(t->entry[agent], t->other[k]));
        fputs("</td>", to);
    }
    fputs("</tr>\n", to);
}

static void put_agents_table(FILE *to, struct agents_table *t)
{
    const int N = t->run->agents;
    take_entries(t);
    if (N > MOST_ROWS) {
        qsort_r(t->order, (size_t)N, sizeof *t->order, more_important, t->importance);
        fprintf(to, "<p class=\"note\">The %d most and the %d least important of %d agents.</p>\n", MOST_ROWS / 2,
                MOST_ROWS / 2, N);
    }
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th>agent</th>", to);
    for (int k = 0; k < AGENT_COLUMNS; k++)
        if (t->used[k]) fprintf(to, "<th>%s</th>", agent_columns[k].name);
    if (t->faults) fputs("<th>faulty rounds</th>", to);
    for (int k = 0; k < t->others; k++) {
        fputs("<th class=\"text\">", to);
        html_text(to, t->other[k]);
        fputs("</th>", to);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    for (int i = 0; i < N; i++)
        if (N <= MOST_ROWS || i < MOST_ROWS / 2 || i >= N - MOST_ROWS / 2) put_agent(to, t, t->order[i]);
    fputs("</tbody>\n</table></div>\n", to);
}

static void put_agents(struct report_page *page, const struct report_run *run)
{
    const size_t N = (size_t)run->agents;
    struct agents_table t = {.run = run, .entry = calloc(N, sizeof *t.entry), .order = malloc(N * sizeof *t.order),
                             .importance = malloc(N * sizeof *t.importance)};
    if (t.entry && t.order && t.importance)
        put_agents_table(page->html, &t);
    else
        report_no_memory(page);
    free(t.importance);
    free(t.order);
    free(t.entry);
}

/* ---- settings ---- */

static void put_row(FILE *to, const char *key, const cJSON *value)
{
    fputs("<tr><td>", to);
    html_text(to, key);
    fputs("</td><td class=\"text wide\">", to);
    html_json(to, value);
    fputs("</td></tr>\n", to);
}

static void put_members(FILE *to, const char *prefix, const cJSON *object)
{
    const cJSON *member;
    int rows = 0;
    cJSON_ArrayForEach(member, object) {
        char key[96];
        if (rows++ == MOST_SETTINGS) return;
        snprintf(key, sizeof key, "%s%s", prefix, member->string ? member->string : "");
        put_row(to, key, member);
    }
}

static void put_settings(FILE *to, const struct report_run *run)
{
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th>setting</th><th class=\"text\">value</th></tr></thead>\n"
          "<tbody>\n", to);
    put_members(to, "", cJSON_GetObjectItemCaseSensitive(run->config, "config"));
    put_members(to, "data: ", cJSON_GetObjectItemCaseSensitive(run->config, "data"));
    put_members(to, "device: ", cJSON_GetObjectItemCaseSensitive(run->config, "device"));
    static const char *const keys[] = {"parameters", "cgsv_version"};
    for (int i = 0; i < 2; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(run->config, keys[i]);
        if (value) put_row(to, keys[i], value);
    }
    put_members(to, "seconds: ", cJSON_GetObjectItemCaseSensitive(run->summary, "seconds"));
    fputs("</tbody>\n</table></div>\n", to);
}

void report_command(FILE *to, const cJSON *config)
{
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(config, "command_line");
    if (!cJSON_IsArray(line)) return;
    fputs("<pre>", to);
    html_command(to, line);
    fputs("</pre>\n", to);
}

void report_run_part(struct report_page *page, const struct report_run *run)
{
    FILE *to = page->html;
    put_key_numbers(to, run);
    report_run_plots(page, run);
    fputs("<h2>Agents</h2>\n", to);
    put_agents(page, run);
    fputs("<h2>Settings</h2>\n", to);
    put_settings(to, run);
    fputs("<h2>To repeat it</h2>\n<p>The same version on the same kind of device gives the same numbers, bit for "
          "bit.</p>\n", to);
    report_command(to, run->config);
    fputs("<p class=\"note\">Folder: <code>", to);
    html_text(to, run->path);
    fputs("</code></p>\n", to);
}

/* ---- a sweep's table ---- */

static cgsv_status put_rows(FILE *to, struct csv_reader *csv, int columns)
{
    for (int64_t rows = 0;; rows++) {
        bool row;
        TRY(csv_reader_next(csv, &row));
        if (!row && rows > MOST_TABLE_ROWS)
            fprintf(to, "</tbody></table></div><p class=\"note\">The first %d of %lld rows.</p>\n", MOST_TABLE_ROWS,
                    (long long)rows);
        else if (!row)
            fputs("</tbody></table></div>\n", to);
        if (!row) return CGSV_OK;
        if (rows >= MOST_TABLE_ROWS) continue;
        fputs("<tr>", to);
        for (int i = 0; i < columns; i++) {
            fputs("<td>", to);
            html_text(to, csv->fields[i]);
            fputs("</td>", to);
        }
        fputs("</tr>\n", to);
    }
}

cgsv_status report_sweep_table(struct report_page *page, const char *path)
{
    struct csv_reader csv;
    FILE *to = page->html;
    TRY(csv_reader_open(&csv, path));
    const int columns = csv.columns < MOST_TABLE_COLUMNS ? csv.columns : MOST_TABLE_COLUMNS;
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", to);
    for (int i = 0; i < columns; i++) {
        fputs("<th>", to);
        html_text(to, csv.names[i]);
        fputs("</th>", to);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    cgsv_status status = put_rows(to, &csv, columns);
    csv_reader_close(&csv);
    return status;
}
