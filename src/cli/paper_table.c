#include "cli/paper_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

const struct paper_kind paper_kinds[PAPER_KINDS] = {
    {"Fairness: ρ × 100", "rho", PAPER_FAIRNESS, PAPER_FAIRNESS, PAPER_RHO, PAPER_RHO_LOCAL, "standalone", 100, 1,
     PAPER_LARGEST,
     "ρ: correlation of the agents' accuracies with those of training alone. † of the accuracies before the download, "
     "as all agents are equal after it and ρ is undefined."},
    {NULL, "rho_local", PAPER_FAIRNESS, PAPER_FAIRNESS, PAPER_RHO_LOCAL, -1, "standalone", 100, 1, PAPER_LARGEST, NULL},
    {"Accuracy × 100: mean over agents", "accuracy_mean", PAPER_ACCURACY, PAPER_FAIRNESS, PAPER_ACCURACY_MEAN, -1, NULL,
     100, 2, PAPER_LARGEST, NULL},
    {"Accuracy × 100: best agent", "accuracy_max", PAPER_ACCURACY, PAPER_FAIRNESS, PAPER_ACCURACY_MAX, -1, NULL, 100, 2,
     PAPER_LARGEST, NULL},
    {"Server's work: seconds a round", "server_seconds", PAPER_RUNTIME, PAPER_RUNTIME, PAPER_SERVER_SECONDS, -1,
     "standalone", 1, -3, PAPER_SMALLEST, "Each federation trained alone on the machine."},
    {"Server's work: ratio to training", "server_ratio", PAPER_RUNTIME, PAPER_RUNTIME, PAPER_SERVER_RATIO, -1,
     "standalone", 1, -3, PAPER_SMALLEST, "Ratio to the training of all agents on the same machine."},
    {"Effect of β: accuracy × 100 of the weakest agent", "accuracy_min", PAPER_BETA, PAPER_BETA, PAPER_ACCURACY_MIN, -1,
     NULL, 100, 2, PAPER_LARGEST, NULL},
    {"Effect of β: spread of the agents' losses", "loss_spread", PAPER_BETA, PAPER_BETA, PAPER_LOSS_SPREAD, -1, NULL, 1,
     -3, PAPER_SMALLEST, "Spread: standard deviation over the agents' test losses."},
};

/* ---- making ---- */

static bool belongs(const struct paper_table *t, const struct paper_cell *cell)
{
    const char *left_out = t->kind->left_out;
    return cell->part == t->kind->part && !(left_out && strcmp(cell->column, left_out) == 0);
}

static bool in_row(const struct paper_cell *cell, const struct paper_row *row)
{
    assert(row->data_set && row->partition); /* as note_keys has left it */
    return cell->agents == row->agents && strcmp(cell->data_set, row->data_set) == 0 &&
           strcmp(cell->partition, row->partition) == 0;
}

int paper_table_column(const struct paper_table *t, const char *name)
{
    for (int k = 0; k < t->columns; k++) {
        assert(t->column[k]);
        if (strcmp(t->column[k], name) == 0) return k;
    }
    return -1;
}

static void note_keys(struct paper_table *t, const struct paper_cell *cell)
{
    int row = 0;
    while (row < t->rows && !in_row(cell, &t->row[row])) row++;
    if (row == t->rows) t->row[t->rows++] = (struct paper_row){cell->data_set, cell->agents, cell->partition};
    if (paper_table_column(t, cell->column) < 0) t->column[t->columns++] = cell->column;
}

/* The statistic of a quantity over the cells of an entry; value and failed[cells.count] are for working in. */
static struct statistic gather(const struct paper_table *t, const struct paper_cells *cells, int row, int column,
                               int quantity, double *value, bool *failed)
{
    int count = 0;
    for (int i = 0; i < cells->count; i++) {
        const struct paper_cell *cell = &cells->cell[i];
        if (!belongs(t, cell) || !in_row(cell, &t->row[row]) || strcmp(cell->column, t->column[column]) != 0) continue;
        value[count] = cell->value[quantity];
        failed[count++] = cell->failed;
    }
    return statistic_of(value, failed, count);
}

static void fill(struct paper_table *t, const struct paper_cells *cells, double *value, bool *failed)
{
    const struct paper_kind *kind = t->kind;
    for (int row = 0; row < t->rows; row++) {
        for (int column = 0; column < t->columns; column++) {
            struct paper_entry *entry = &t->entry[row * t->columns + column];
            entry->value = gather(t, cells, row, column, (int)kind->quantity, value, failed);
            if (entry->value.defined > 0 || kind->fallback < 0) continue;
            entry->value = gather(t, cells, row, column, kind->fallback, value, failed);
            entry->local = entry->value.defined > 0;
        }
    }
}

cgsv_status paper_table_make(struct paper_table *t, const struct paper_kind *kind, const struct paper_cells *cells)
{
    const size_t most = (size_t)cells->count + 1;
    double *value = malloc(most * sizeof *value);
    bool *failed = malloc(most * sizeof *failed);
    *t = (struct paper_table){.kind = kind};
    t->row = calloc(most, sizeof *t->row);
    t->column = calloc(most, sizeof *t->column);
    bool complete = value && failed && t->row && t->column;
    for (int i = 0; complete && i < cells->count; i++)
        if (belongs(t, &cells->cell[i])) note_keys(t, &cells->cell[i]);
    if (complete) t->entry = calloc((size_t)t->rows * (size_t)t->columns + 1, sizeof *t->entry);
    complete = complete && t->entry;
    if (complete) fill(t, cells, value, failed);
    free(value);
    free(failed);
    return complete ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the table '%s'", kind->title);
}

void paper_table_free(struct paper_table *t)
{
    free(t->row);
    free(t->column);
    free(t->entry);
    *t = (struct paper_table){0};
}

/* ---- reading ---- */

const struct paper_entry *paper_table_entry(const struct paper_table *t, int row, int column)
{
    return &t->entry[row * t->columns + column];
}

bool paper_table_is_best(const struct paper_table *t, int row, int column)
{
    const double mean = paper_table_entry(t, row, column)->value.mean;
    if (isnan(mean)) return false;
    for (int k = 0; k < t->columns; k++) {
        const double other = paper_table_entry(t, row, k)->value.mean;
        if (t->kind->best == PAPER_LARGEST ? other > mean : other < mean) return false;
    }
    return true;
}

void paper_row_text(char text[PAPER_ROW_TEXT], const struct paper_row *row)
{
    snprintf(text, PAPER_ROW_TEXT, "%s, N = %d, %s", row->data_set, row->agents, row->partition);
}

/* ---- writing ---- */

enum { ENTRY_TEXT = STATISTIC_TEXT + 8 };

static void entry_text(char text[ENTRY_TEXT], const struct paper_table *t, int row, int column)
{
    const struct paper_entry *entry = paper_table_entry(t, row, column);
    char number[STATISTIC_TEXT];
    statistic_text(number, &entry->value, t->kind->scale, t->kind->decimals);
    snprintf(text, ENTRY_TEXT, "%s%s", number, entry->local ? " †" : "");
}

/* Letters, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static int column_width(const struct paper_table *t, int column)
{
    char text[ENTRY_TEXT];
    int width = width_of(t->column[column]);
    for (int row = 0; row < t->rows; row++) {
        entry_text(text, t, row, column);
        if (width_of(text) > width) width = width_of(text);
    }
    return width;
}

static void print_aligned(FILE *stream, const char *text, int width)
{
    fprintf(stream, "  %*s%s", width - width_of(text), "", text);
}

/* A table for people has as many columns side by side as there is room for, further ones below. */
static int print_columns(FILE *stream, const struct paper_table *t, int from)
{
    enum { ROOM = 118 };
    char text[PAPER_ROW_TEXT];
    int head = 0, end = from, room;
    for (int row = 0; row < t->rows; row++) {
        paper_row_text(text, &t->row[row]);
        if (width_of(text) > head) head = width_of(text);
    }
    for (room = ROOM - head; end < t->columns; end++) {
        room -= 2 + column_width(t, end);
        if (room < 0 && end > from) break;
    }
    fprintf(stream, "%*s", head, "");
    for (int k = from; k < end; k++) print_aligned(stream, t->column[k], column_width(t, k));
    for (int row = 0; row < t->rows; row++) {
        paper_row_text(text, &t->row[row]);
        fprintf(stream, "\n%s%*s", text, head - width_of(text), "");
        for (int k = from; k < end; k++) {
            char entry[ENTRY_TEXT];
            entry_text(entry, t, row, k);
            print_aligned(stream, entry, column_width(t, k));
        }
    }
    fputc('\n', stream);
    return end;
}

void paper_table_print(FILE *stream, const struct paper_table *t)
{
    fprintf(stream, "%s\n", t->kind->title);
    for (int from = 0; from < t->columns;) from = print_columns(stream, t, from);
    if (t->kind->note) fprintf(stream, "%s\n", t->kind->note);
    fputc('\n', stream);
}

void paper_table_markdown(FILE *stream, const struct paper_table *t)
{
    fprintf(stream, "| data set | N | partition |");
    for (int k = 0; k < t->columns; k++) fprintf(stream, " %s |", t->column[k]);
    fprintf(stream, "\n| --- | --- | --- |");
    for (int k = 0; k < t->columns; k++) fputs(" --- |", stream);
    for (int row = 0; row < t->rows; row++) {
        fprintf(stream, "\n| %s | %d | %s |", t->row[row].data_set, t->row[row].agents, t->row[row].partition);
        for (int k = 0; k < t->columns; k++) {
            char text[ENTRY_TEXT];
            const char *mark = paper_table_is_best(t, row, k) ? "**" : "";
            entry_text(text, t, row, k);
            fprintf(stream, " %s%s%s |", mark, text, mark);
        }
    }
    fprintf(stream, "\n\n%s%s", t->kind->note ? t->kind->note : "", t->kind->note ? "\n\n" : "");
}
