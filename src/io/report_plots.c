/* The plots of one run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/report_page.h"

enum { MOST_SCATTERED = 1000 };

/* Agents of the largest and of the smallest importance at the end. */
static void find_extremes(struct report_curves *curves, const struct report_run *run)
{
    double high = -INFINITY, low = INFINITY;
    for (int i = 0; i < run->agents; i++) {
        const double value = report_run_last(run, REPORT_IMPORTANCE, i);
        if (value > high) curves->high = i;
        if (value < low) curves->low = i;
        high = fmax(high, value);
        low = fmin(low, value);
    }
    curves->high_legend = "largest importance";
    curves->low_legend = "smallest importance";
}

static struct chart over_rounds(const char *title, const char *y_label)
{
    return (struct chart){.title = title, .x_label = "round", .y_label = y_label, .noun = "agent ", .x_whole = true};
}

/* ---- over rounds ---- */

struct over_rounds {
    enum report_metric metric;
    const char *name, *title, *y_label, *caption;
    bool with_beta, zero, one;
    double *(*server)(const struct report_run *run); /* NULL: none */
};

static double *server_loss(const struct report_run *run) { return run->server_loss; }
static double *server_accuracy(const struct report_run *run) { return run->server_accuracy; }

static const struct over_rounds plots[] = {
    {REPORT_IMPORTANCE, "importance", "Importance", "importance r (all agents' sum to 1)",
     "What the server holds each agent to be worth after each round: a running mean of its contributions. Look at how "
     "early the order settles, and at how far the agents are apart.", .zero = true},
    {REPORT_KEEP_RATIO, "keep_ratio", "Keep ratio", "share q of the aggregate",
     "The share of the aggregate's entries that an agent may download; under CGSV, tanh(β r) over the largest of all "
     "agents. The most important agent has 1, which is everything; a small β takes more away from the others.",
     .with_beta = true, .zero = true, .one = true},
    {REPORT_ACCURACY, "accuracy", "Accuracy", "accuracy on the test set (share)",
     "Accuracy of each agent's own model, after its download; dashed, that of the server's model, which takes the "
     "whole aggregate. Distances from the dashed line are what the sparser rewards cost.", .server = server_accuracy},
    {REPORT_ALONE_ACCURACY, "standalone_accuracy", "Accuracy alone", "accuracy on the test set (share)",
     "The same agents, each trained without the others. Accuracies at the end are the contributions that fairness is "
     "measured against.", .server = NULL},
    {REPORT_TEST_LOSS, "loss", "Test loss", "cross-entropy on the test set (nats)",
     "Loss of each agent's model; dashed, that of the server's. A curve that rises again while the others fall shows "
     "an agent that learns its own few samples by heart.", .with_beta = true, .server = server_loss},
    {REPORT_TRAIN_LOSS, "train_loss", "Training loss", "mean cross-entropy (nats)",
     "Loss on an agent's own samples, mean over the local training of the round.", .with_beta = true},
    {REPORT_DISTANCE, "distance", "Distance to the server's model", "Euclidean distance of all parameters",
     "How far each agent's model lies from the server's after its download. The agent that keeps everything stays "
     "near 0; for the others what they were not given adds up.", .zero = true},
    {REPORT_PSI, "contribution", "Contribution of the round", "contribution ψ (cosine)",
     "Cosine between an agent's update and the aggregate, which approximates its Shapley value in the round; "
     "importance is its running mean. Values below 0 pull against the others.", .server = NULL},
};

static void draw_over_rounds(struct report_page *page, const struct report_run *run, const struct over_rounds *p)
{
    const cJSON *beta = report_run_setting(run, "beta");
    char title[96];
    snprintf(title, sizeof title, "%s", p->title);
    if (p->with_beta && cJSON_IsNumber(beta))
        snprintf(title, sizeof title, "%s (β = %g)", p->title, beta->valuedouble);
    struct chart chart = over_rounds(title, p->y_label);
    chart.y_zero = p->zero;
    chart.y_one = p->one;
    struct report_curves curves = {.lines = run->agents, .points = run->rounds, .x = run->round,
                                   .values = run->metric[p->metric], .prefix = ""};
    find_extremes(&curves, run);
    const struct chart_series server = {
        .kind = CHART_LINE, .label = "server", .count = run->server_rows, .x = run->server_round,
        .y = p->server ? p->server(run) : NULL, .style = CHART_REFERENCE};
    report_curves_draw(page, p->name, &chart, &curves, p->server && run->server_rows > 0 ? &server : NULL, p->caption);
}

/* ---- contributions against rewards ---- */

/* Points (x, y) of at most MOST_SCATTERED agents. */
static void scatter(struct report_page *page, const struct report_run *run, const char *name, struct chart chart,
                    enum report_metric x_metric, enum report_metric y_metric, const char *caption)
{
    const int every = (run->agents + MOST_SCATTERED - 1) / MOST_SCATTERED, count = (run->agents + every - 1) / every;
    double *x = malloc((size_t)count * sizeof *x), *y = malloc((size_t)count * sizeof *y);
    char (*names)[CHART_NUMBER] = malloc((size_t)count * sizeof *names), *text = NULL, thinned[64] = "";
    if (every > 1) snprintf(thinned, sizeof thinned, " One of every %d agents is drawn.", every);
    if (!x || !y || !names || asprintf(&text, "%s%s", caption, thinned) < 0) {
        report_no_memory(page);
    } else {
        for (int k = 0; k < count; k++) {
            x[k] = report_run_last(run, x_metric, k * every);
            y[k] = report_run_last(run, y_metric, k * every);
            snprintf(names[k], sizeof names[k], "%d", k * every);
        }
        const struct chart_series points = {CHART_POINTS, NULL, NULL, count, x, y, NULL, names, 0};
        chart.series = &points;
        chart.count = 1;
        report_figure(page, name, &chart, text);
        free(text);
    }
    free(names);
    free(y);
    free(x);
}

static void draw_rewards(struct report_page *page, const struct report_run *run)
{
    const struct chart chart = {.title = "Contributions against rewards", .noun = "agent ",
                          .x_label = "accuracy alone (contribution)", .y_label = "accuracy together (reward)"};
    const double rho = report_number(run->summary, "rho_accuracy");
    char caption[320];
    snprintf(caption, sizeof caption,
             "Each point is an agent at the end of the run. Fair is a rising line: who brings more gets more. %s",
             isfinite(rho) ? "ρ above is the correlation of these points." : "");
    scatter(page, run, "rewards", chart, REPORT_ALONE_ACCURACY, REPORT_ACCURACY, caption);
}

static void draw_shares(struct report_page *page, const struct report_run *run)
{
    const struct chart chart = {.title = "Importance against keep ratio", .noun = "agent ",
                          .x_label = "importance r at the end", .y_label = "keep ratio q at the end", .x_zero = true,
                          .y_zero = true, .y_one = true};
    scatter(page, run, "shares", chart, REPORT_IMPORTANCE, REPORT_KEEP_RATIO,
            "How importance becomes a share of the aggregate. The further β bends this curve towards a "
            "flat line at 1, the more equal the rewards.");
}

/* What each agent has alone, and together with the others. */
static void draw_gains(struct report_page *page, const struct report_run *run)
{
    double index[REPORT_MOST_LINES], alone[REPORT_MOST_LINES], together[REPORT_MOST_LINES];
    char names[REPORT_MOST_LINES][CHART_NUMBER];
    if (run->agents > REPORT_MOST_LINES) return;
    for (int i = 0; i < run->agents; i++) {
        index[i] = i;
        alone[i] = report_run_last(run, REPORT_ALONE_ACCURACY, i);
        together[i] = report_run_last(run, REPORT_ACCURACY, i);
        snprintf(names[i], sizeof names[i], "%d", i);
    }
    const struct chart_series series[] = {
        {CHART_BARS, "alone", "alone", run->agents, index, alone, NULL, NULL, 0},
        {CHART_BARS, "together", "together", run->agents, index, together, NULL, NULL, 1}};
    const struct chart chart = {.title = "Gain by taking part", .x_label = "agent", .y_label = "accuracy (share)",
                                .series = series, .count = 2, .y_zero = true, .categories = names,
                                .category_count = run->agents};
    report_figure(page, "gain", &chart,
                  "Accuracy that each agent reaches alone (open) and together with the others (filled). A filled bar "
                  "that is the shorter one is an agent that would be better off alone.");
}

void report_run_plots(struct report_page *page, const struct report_run *run)
{
    report_plots_begin(page);
    draw_rewards(page, run);
    draw_gains(page, run);
    for (size_t k = 0; k < sizeof plots / sizeof *plots; k++)
        if (run->metric[plots[k].metric]) draw_over_rounds(page, run, &plots[k]);
    draw_shares(page, run);
    report_plots_end(page);
}
