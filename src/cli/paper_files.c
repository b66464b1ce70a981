#include "cli/paper_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/chart.h"
#include "io/csv.h"
#include "io/output_folder.h"
#include "io/text_stream.h"

/* ---- tables ---- */

static void add_rows(struct csv *csv, const struct paper_table *t)
{
    for (int row = 0; row < t->rows; row++) {
        for (int column = 0; column < t->columns; column++) {
            const struct statistic *s = &paper_table_entry(t, row, column)->value;
            csv_text(csv, t->row[row].data_set);
            csv_integer(csv, t->row[row].agents);
            csv_text(csv, t->row[row].partition);
            csv_text(csv, t->column[column]);
            csv_text(csv, t->kind->name);
            csv_number(csv, s->mean);
            csv_number(csv, s->deviation);
            csv_integer(csv, s->defined);
            csv_integer(csv, s->undefined);
            csv_integer(csv, s->failed);
            csv_end_row(csv);
        }
    }
}

/* Numbers as they are: nothing in place of others, nothing left out. */
static cgsv_status add_quantity(struct csv *csv, const struct paper_kind *shown, const struct paper_cells *cells)
{
    struct paper_kind kind = *shown;
    struct paper_table table;
    kind.fallback = -1;
    kind.left_out = NULL;
    const cgsv_status status = paper_table_make(&table, &kind, cells);
    if (status == CGSV_OK) add_rows(csv, &table);
    paper_table_free(&table);
    return status;
}

cgsv_status paper_write_csv(const char *out, enum paper_part part, const struct paper_cells *cells)
{
    static const char *const names[PAPER_PARTS] = {"fairness.csv", "accuracy.csv", "runtime.csv", "beta.csv"};
    char header[128];
    struct csv csv;
    snprintf(header, sizeof header, "data_set,agents,partition,%s,quantity,mean,deviation,defined,undefined,failed",
             part == PAPER_BETA ? "beta" : "scheme");
    TRY(output_create_table(&csv, out, names[part], header));
    cgsv_status status = CGSV_OK;
    for (int i = 0; i < PAPER_KINDS && status == CGSV_OK; i++)
        if (paper_kinds[i].file == part) status = add_quantity(&csv, &paper_kinds[i], cells);
    if (status == CGSV_OK) status = csv_close(&csv);
    csv_free(&csv);
    return status;
}

/* ---- plots ---- */

/* Numbers of one line and its band, over the columns. */
struct curve {
    double *x, *mean, *low, *high; /* [columns] each */
    char label[CHART_NUMBER];
};

void paper_plot_name(char name[PAPER_NAME], const struct paper_kind *kind, const char *data_set)
{
    snprintf(name, PAPER_NAME, "beta_%s_%s.svg", kind->quantity == PAPER_LOSS_SPREAD ? "loss" : "accuracy", data_set);
}

static void fill_curve(struct curve *curve, double *numbers, const struct paper_table *t, int row)
{
    const ptrdiff_t n = t->columns;
    *curve = (struct curve){numbers, numbers + n, numbers + 2 * n, numbers + 3 * n, ""};
    snprintf(curve->label, sizeof curve->label, "%.24s", t->row[row].partition);
    for (int k = 0; k < n; k++) {
        const struct statistic *s = &paper_table_entry(t, row, k)->value;
        curve->x[k] = k;
        curve->mean[k] = t->kind->scale * s->mean;
        curve->low[k] = t->kind->scale * (s->mean - s->deviation);
        curve->high[k] = t->kind->scale * (s->mean + s->deviation);
    }
}

/* Bands first, then lines. Values of β span many powers of ten, most of them near 1: they stand side by side. */
static void add_curve(struct chart_series *series, int lines, int line, const struct curve *curve, int columns)
{
    series[line] = (struct chart_series){.kind = CHART_BAND, .count = columns, .x = curve->x, .y = curve->low,
                                         .top = curve->high,
                                         .legend = line == 0 ? "± one deviation over the seeds" : NULL};
    series[lines + line] = (struct chart_series){.kind = CHART_LINE, .label = curve->label, .count = columns,
                                                 .x = curve->x, .y = curve->mean, .style = line};
}

static cgsv_status write_chart(const char *out, const char *name, const struct chart *chart)
{
    struct text_stream stream;
    char *text = NULL;
    if (text_stream_open(&stream)) {
        chart_write(stream.to, chart, true);
        text = text_stream_close(&stream);
    }
    if (!text) return error_set(CGSV_ERROR_MEMORY, "no memory for the plot %s", name);
    const cgsv_status status = output_write_text(out, name, text);
    free(text);
    return status;
}

static cgsv_status draw(const char *out, const struct paper_table *t, const char *data_set, double *numbers,
                        struct curve *curves, struct chart_series *series, char (*categories)[CHART_NUMBER])
{
    char title[128], name[PAPER_NAME];
    int lines = 0, agents = 0, line = 0;
    for (int row = 0; row < t->rows; row++) lines += strcmp(t->row[row].data_set, data_set) == 0;
    for (int row = 0; row < t->rows; row++) {
        if (strcmp(t->row[row].data_set, data_set) != 0) continue;
        agents = t->row[row].agents;
        fill_curve(&curves[line], numbers + (ptrdiff_t)4 * t->columns * line, t, row);
        add_curve(series, lines, line, &curves[line], t->columns);
        line++;
    }
    for (int k = 0; k < t->columns; k++) snprintf(categories[k], CHART_NUMBER, "%.20s", t->column[k]);
    snprintf(title, sizeof title, "%s (%s, N = %d)",
             t->kind->quantity == PAPER_LOSS_SPREAD ? "Spread of losses" : "Weakest agent", data_set, agents);
    const struct chart chart = {
        .title = title,
        .x_label = "altruism degree β",
        .y_label = t->kind->quantity == PAPER_LOSS_SPREAD ? "standard deviation of the agents' test losses"
                                                          : "accuracy × 100 of the weakest agent",
        .series = series,
        .count = 2 * lines,
        .categories = categories,
        .category_count = t->columns};
    paper_plot_name(name, t->kind, data_set);
    return chart_has_data(&chart) ? write_chart(out, name, &chart) : CGSV_OK;
}

static cgsv_status draw_table(const char *out, const struct paper_table *t, const char *data_set)
{
    const size_t rows = (size_t)t->rows, columns = (size_t)t->columns;
    double *numbers = malloc(4 * rows * columns * sizeof *numbers);
    struct curve *curves = malloc(rows * sizeof *curves);
    struct chart_series *series = malloc(2 * rows * sizeof *series);
    char (*categories)[CHART_NUMBER] = malloc(columns * sizeof *categories);
    cgsv_status status = numbers && curves && series && categories
                             ? draw(out, t, data_set, numbers, curves, series, categories)
                             : error_set(CGSV_ERROR_MEMORY, "no memory for the plots of beta");
    free(numbers);
    free(curves);
    free(series);
    free(categories);
    return status;
}

cgsv_status paper_write_plots(const char *out, const struct paper_plan *plan, const struct paper_cells *cells)
{
    for (int k = 0; k < PAPER_KINDS; k++) {
        struct paper_table table;
        if (paper_kinds[k].part != PAPER_BETA) continue;
        cgsv_status status = paper_table_make(&table, &paper_kinds[k], cells);
        for (int i = 0; i < plan->sweeps && status == CGSV_OK && table.rows > 0; i++)
            if (plan->sweep[i].part == PAPER_BETA) status = draw_table(out, &table, plan->sweep[i].data_set);
        paper_table_free(&table);
        TRY(status);
    }
    return CGSV_OK;
}
