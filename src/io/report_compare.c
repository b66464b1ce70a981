/* Several runs side by side: the settings that differ, results in a table, curves, fairness against
 * each setting. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/html.h"
#include "io/report_page.h"
#include "io/text_stream.h"

enum { MOST_AXES = 3, MOST_ROUNDS = 100000 };

const char *report_symbol(const char *key)
{
    static const char *const symbols[][2] = {{"alpha", "α"}, {"beta", "β"}, {"gamma", "Γ"}};
    for (int i = 0; i < 3; i++)
        if (strcmp(key, symbols[i][0]) == 0) return symbols[i][1];
    return key;
}

/* ---- what differs ---- */

const cJSON *report_any_setting(const struct report_run *run, const char *key)
{
    if (strcmp(key, "data set") != 0) return report_run_setting(run, key);
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(run->config, "data"), "set");
}

static bool differs(const struct report_input *input, const char *key)
{
    const cJSON *first = report_any_setting(input->runs, key);
    for (int i = 1; i < input->count; i++) {
        const cJSON *other = report_any_setting(&input->runs[i], key);
        if ((first || other) && !cJSON_Compare(first, other, true)) return true;
    }
    return false;
}

static bool listed(const char *const *keys, int count, const char *key)
{
    for (int i = 0; i < count; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

static void add_key(const char *keys[REPORT_MOST_KEYS], int *count, const struct report_input *input, const char *key)
{
    if (*count < REPORT_MOST_KEYS && !listed(keys, *count, key) && differs(input, key)) keys[(*count)++] = key;
}

int report_differing(const char *keys[REPORT_MOST_KEYS], const struct report_input *input)
{
    /* What one varies on purpose comes first. */
    static const char *const first[] = {"beta",      "scheme", "reward", "data set", "model",
                                        "partition", "alpha",  "gamma",  "seed"};
    int count = 0;
    for (size_t k = 0; k < sizeof first / sizeof *first; k++) add_key(keys, &count, input, first[k]);
    for (int i = 0; i < input->count; i++) {
        const cJSON *member;
        cJSON_ArrayForEach(member, cJSON_GetObjectItemCaseSensitive(input->runs[i].config, "config"))
            if (member->string) add_key(keys, &count, input, member->string);
    }
    return count;
}

/* A setting as plain text. */
static void put_plain(FILE *to, const cJSON *value)
{
    if (cJSON_IsString(value))
        fprintf(to, "%.40s", value->valuestring);
    else if (cJSON_IsNumber(value))
        fprintf(to, "%.6g", value->valuedouble);
    else
        fputs(cJSON_IsTrue(value) ? "yes" : cJSON_IsFalse(value) ? "no" : "–", to);
}

/* "β = 0.5", or "powerlaw" alone: a name says what it is of. */
static void put_setting(FILE *to, const struct report_run *run, const char *key)
{
    const cJSON *value = report_any_setting(run, key);
    if (!cJSON_IsString(value)) fprintf(to, "%.40s = ", report_symbol(key));
    put_plain(to, value);
}

char *report_run_label(const struct report_input *input, int run)
{
    const char *keys[REPORT_MOST_KEYS];
    const int count = report_differing(keys, input);
    struct text_stream text;
    if (!text_stream_open(&text)) return NULL;
    FILE *to = text.to;
    fprintf(to, "#%d ", run + 1);
    for (int k = 0; k < count && k < 3; k++) {
        if (k > 0) fputs(", ", to);
        put_setting(to, &input->runs[run], keys[k]);
    }
    if (count == 0) fprintf(to, "%.60s", input->runs[run].path);
    if (count > 3) fputs(", …", to);
    return text_stream_close(&text);
}

/* ---- the table ---- */

static const struct result {
    const char *object, *key, *name;
    int decimals;
} results[] = {
    {NULL, "rho_accuracy", "fairness ρ", 3},
    {"server", "accuracy", "server’s accuracy", 4},
    {NULL, "accuracy_mean", "mean accuracy", 4},
    {NULL, "accuracy_max", "best accuracy", 4},
    {NULL, "gain_mean", "mean gain", 4},
    {NULL, "jain_index", "Jain’s index", 4},
    {"server", "loss", "server’s loss", 4},
};
enum { RESULTS = sizeof results / sizeof *results };

static double result_of(const struct report_run *run, const struct result *result)
{
    const cJSON *from = run->summary;
    return report_number(result->object ? cJSON_GetObjectItemCaseSensitive(from, result->object) : from, result->key);
}

static void put_table(FILE *to, const struct report_input *input)
{
    const char *keys[REPORT_MOST_KEYS];
    const int count = report_differing(keys, input);
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th>run</th>", to);
    for (int k = 0; k < count; k++) {
        fputs("<th>", to);
        html_text(to, report_symbol(keys[k]));
        fputs("</th>", to);
    }
    for (int k = 0; k < RESULTS; k++) fprintf(to, "<th>%s</th>", results[k].name);
    fputs("<th>rounds</th><th class=\"text\">folder</th></tr></thead>\n<tbody>\n", to);
    for (int i = 0; i < input->count; i++) {
        const struct report_run *run = &input->runs[i];
        fprintf(to, "<tr><td>#%d</td>", i + 1);
        for (int k = 0; k < count; k++) {
            fputs("<td>", to);
            html_json(to, report_any_setting(run, keys[k]));
            fputs("</td>", to);
        }
        for (int k = 0; k < RESULTS; k++) {
            fputs("<td>", to);
            html_decimals(to, result_of(run, &results[k]), results[k].decimals);
            fputs("</td>", to);
        }
        fprintf(to, "<td>%.0f%s</td><td class=\"text\">", run->round[run->rounds - 1],
                run->summary ? "" : ", unfinished");
        html_text(to, run->path);
        fputs("</td></tr>\n", to);
    }
    fputs("</tbody>\n</table></div>\n", to);
    if (count == 0) fputs("<p class=\"note\">The runs have the same settings.</p>\n", to);
}

/* ---- curves ---- */

static int by_value(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

/* A quantity of a run over rounds. */
struct quantity {
    const char *name, *title, *y_label, *caption;
    int metric; /* mean over agents; −1: of the server */
    bool loss;  /* of the server: loss or accuracy */
};

static int quantity_points(const struct report_run *run, const struct quantity *q, const double **x, const double **y)
{
    *x = q->metric < 0 ? run->server_round : run->round;
    *y = q->metric >= 0 ? run->mean[q->metric] : q->loss ? run->server_loss : run->server_accuracy;
    return !*y ? 0 : q->metric < 0 ? run->server_rows : run->rounds;
}

/* All rounds of all runs, each once; too many are refused by drawing none. */
static int all_rounds(double **rounds, const struct report_input *input, const struct quantity *q)
{
    const double *x, *y;
    int count = 0, distinct = 0;
    for (int i = 0; i < input->count; i++) count += quantity_points(&input->runs[i], q, &x, &y);
    *rounds = malloc(((size_t)count + 1) * sizeof **rounds);
    for (int i = 0, at = 0; *rounds && i < input->count; i++) {
        const int points = quantity_points(&input->runs[i], q, &x, &y);
        if (points > 0) memcpy(*rounds + at, x, (size_t)points * sizeof *x);
        at += points;
    }
    if (!*rounds) return 0;
    qsort(*rounds, (size_t)count, sizeof **rounds, by_value);
    for (int i = 0; i < count; i++)
        if (isfinite((*rounds)[i]) && (distinct == 0 || (*rounds)[i] > (*rounds)[distinct - 1]))
            (*rounds)[distinct++] = (*rounds)[i];
    return distinct;
}

static void fill(float *values, const double *rounds, int points, const struct report_input *input,
                 const struct quantity *q)
{
    const int N = input->count;
    for (size_t k = 0; k < (size_t)points * (size_t)N; k++) values[k] = NAN;
    for (int i = 0; i < N; i++) {
        const double *x, *y;
        const int count = quantity_points(&input->runs[i], q, &x, &y);
        for (int k = 0; k < count; k++) {
            const double *at = bsearch(&x[k], rounds, (size_t)points, sizeof *rounds, by_value);
            if (at && *at == x[k]) values[(size_t)(at - rounds) * (size_t)N + (size_t)i] = (float)y[k];
        }
    }
}

static void draw_quantity(struct report_page *page, const struct report_input *input, char **labels,
                          const struct quantity *q)
{
    double *rounds;
    const int points = all_rounds(&rounds, input, q), N = input->count;
    float *values = points < MOST_ROUNDS ? malloc(((size_t)points * (size_t)N + 1) * sizeof *values) : NULL;
    if (values && points > 0) {
        fill(values, rounds, points, input, q);
        int high = 0, low = 0;
        for (int i = 0; i < N; i++) {
            const double rho = result_of(&input->runs[i], &results[0]);
            if (rho > result_of(&input->runs[high], &results[0])) high = i;
            if (rho < result_of(&input->runs[low], &results[0])) low = i;
        }
        const struct report_curves curves = {.lines = N, .points = points, .x = rounds, .values = values, .prefix = "#",
                                             .first = 1, .legends = labels, .bridge = true, .high = high, .low = low,
                                             .high_legend = "fairest run", .low_legend = "least fair run"};
        const struct chart chart = {.title = q->title, .x_label = "round", .y_label = q->y_label, .noun = "run ",
                                    .x_whole = true};
        report_curves_draw(page, q->name, &chart, &curves, NULL, q->caption);
    } else if (!rounds || !values) {
        report_no_memory(page);
    }
    free(values);
    free(rounds);
}

/* ---- results against a setting ---- */

static bool is_axis(const struct report_input *input, const char *key)
{
    static const char *const others[] = {"seed", "rounds", "eval_every"};
    if (listed(others, 3, key)) return false;
    for (int i = 0; i < input->count; i++)
        if (!cJSON_IsNumber(report_any_setting(&input->runs[i], key))) return false;
    return true;
}

static void draw_against(struct report_page *page, const struct report_input *input, const char *key, int number,
                         const struct result *result, const char *caption)
{
    const size_t N = (size_t)input->count;
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), low = INFINITY, high = 0;
    char (*names)[CHART_NUMBER] = malloc(N * sizeof *names), title[160], name[64];
    if (!x || !y || !names) {
        report_no_memory(page);
    } else {
        bool whole = true;
        for (size_t i = 0; i < N; i++) {
            x[i] = report_any_setting(&input->runs[i], key)->valuedouble;
            y[i] = result_of(&input->runs[i], result);
            snprintf(names[i], sizeof names[i], "#%zu", i + 1);
            low = fmin(low, x[i]);
            high = fmax(high, x[i]);
            whole = whole && x[i] == floor(x[i]);
        }
        snprintf(title, sizeof title, "%s against %.64s", result == results ? "Fairness" : "Mean accuracy",
                 report_symbol(key));
        snprintf(name, sizeof name, "%s_%d", result == results ? "fairness" : "mean_accuracy", number + 1);
        const struct chart_series points = {CHART_POINTS, NULL, NULL, input->count, x, y, NULL, names, 0};
        const struct chart chart = {.title = title, .x_label = report_symbol(key), .y_label = result->name,
                                    .noun = "run ", .series = &points, .count = 1, .x_whole = whole,
                                    .x_log = low > 0 && high >= 20 * low};
        report_figure(page, name, &chart, caption);
    }
    free(names);
    free(y);
    free(x);
}

static void draw_all_against(struct report_page *page, const struct report_input *input)
{
    const char *keys[REPORT_MOST_KEYS];
    const int count = report_differing(keys, input);
    for (int k = 0, drawn = 0; k < count && drawn < MOST_AXES; k++) {
        if (!is_axis(input, keys[k])) continue;
        draw_against(page, input, keys[k], drawn, &results[0],
                     "ρ of each run over a setting that differs. Points one above the other differ in something "
                     "else, as the seed.");
        draw_against(page, input, keys[k], drawn++, &results[2],
                     "What fairness costs, or does not: mean accuracy of the agents at the end of each run.");
    }
}

void report_compare_plots(struct report_page *page, const struct report_input *input)
{
    static const struct quantity quantities[] = {
        {"accuracy", "Mean accuracy of agents", "accuracy on the test set (share)",
         "Mean over the agents of each run, after their downloads.", REPORT_ACCURACY, false},
        {"server_accuracy", "Accuracy of the server’s model", "accuracy on the test set (share)",
         "The server's model takes the whole aggregate of its run.", -1, false},
        {"loss", "Mean test loss of agents", "cross-entropy on the test set (nats)",
         "Mean over the agents of each run: loss curves under the settings that differ.", REPORT_TEST_LOSS, false},
        {"train_loss", "Mean training loss of agents", "mean cross-entropy (nats)",
         "Mean over the agents of each run, on their own samples.", REPORT_TRAIN_LOSS, false},
        {"distance", "Mean distance to the server’s model", "Euclidean distance of all parameters",
         "How far the rewards let agents fall behind the server's model: mean over the agents of each run.",
         REPORT_DISTANCE, false},
        {"keep_ratio", "Mean keep ratio", "share q of the aggregate",
         "Mean share of the aggregate that agents download.",
         REPORT_KEEP_RATIO, false},
    };
    char **labels = calloc((size_t)input->count, sizeof *labels);
    bool complete = labels != NULL;
    for (int i = 0; complete && i < input->count; i++) complete = (labels[i] = report_run_label(input, i)) != NULL;
    report_plots_begin(page);
    if (complete) {
        draw_all_against(page, input);
        for (size_t k = 0; k < sizeof quantities / sizeof *quantities; k++)
            draw_quantity(page, input, labels, &quantities[k]);
    } else {
        report_no_memory(page);
    }
    report_plots_end(page);
    for (int i = 0; labels && i < input->count; i++) free(labels[i]);
    free(labels);
}

/* ---- the whole ---- */

static void put_commands(FILE *to, const struct report_input *input)
{
    fprintf(to, "<p class=\"note\">More than %d runs: for one of them by itself, <code>cgsv report DIR</code>.</p>\n"
                "<details><summary>The commands of all runs</summary>\n", REPORT_DETAILED_RUNS);
    for (int i = 0; i < input->count; i++) report_command(to, input->runs[i].config);
    fputs("</details>\n", to);
}

static void put_details(struct report_page *page, const struct report_input *input)
{
    FILE *to = page->html;
    for (int i = 0; i < input->count; i++) {
        char *label = report_run_label(input, i);
        if (!label) report_no_memory(page);
        fputs("<details><summary>", to);
        html_text(to, label ? label : "");
        fputs("</summary>\n", to);
        snprintf(page->prefix, sizeof page->prefix, "run_%d_", i + 1);
        report_run_part(page, &input->runs[i]);
        fputs("</details>\n", to);
        free(label);
    }
}

void report_compare_part(struct report_page *page, const struct report_input *input)
{
    FILE *to = page->html;
    fputs("<p class=\"lead-in\">" REPORT_RHO "</p>\n", to);
    put_table(to, input);
    report_compare_plots(page, input);
    fputs("<h2>The runs</h2>\n", to);
    if (input->count > REPORT_DETAILED_RUNS)
        put_commands(to, input);
    else
        put_details(page, input);
}
