#include "cli/paper_verdict.h"

#include <math.h>
#include <string.h>

enum standing { STANDING_ABOVE, STANDING_NOT_ABOVE, STANDING_UNDEFINED };

struct verdict {
    const struct paper_table *table;
    int own, variant; /* columns; variant −1: none */
};

static bool is_rival(const struct verdict *v, int row, int column)
{
    return column != v->own && column != v->variant && paper_table_entry(v->table, row, column)->value.defined > 0;
}

/* How far the own mean is above a column's. */
static struct margin lead_over(const struct verdict *v, int row, int column)
{
    return statistic_margin(&paper_table_entry(v->table, row, v->own)->value,
                            &paper_table_entry(v->table, row, column)->value);
}

static enum standing standing_of(const struct verdict *v, int row)
{
    if (paper_table_entry(v->table, row, v->own)->value.defined == 0) return STANDING_UNDEFINED;
    for (int k = 0; k < v->table->columns; k++)
        if (is_rival(v, row, k) && !(lead_over(v, row, k).difference > 0)) return STANDING_NOT_ABOVE;
    return STANDING_ABOVE;
}

/* The rival with the largest mean, −1 when there is none. */
static int nearest(const struct verdict *v, int row)
{
    int best = -1;
    for (int k = 0; k < v->table->columns; k++)
        if (is_rival(v, row, k) && (best < 0 || lead_over(v, row, k).difference < lead_over(v, row, best).difference))
            best = k;
    return best;
}

/* "by 0.9, 1.3 times the deviation of the difference (0.7)" */
static void write_margin(FILE *stream, const struct paper_kind *kind, struct margin margin)
{
    const double difference = kind->scale * fabs(margin.difference), deviation = kind->scale * margin.deviation;
    fprintf(stream, "by %.*f", kind->decimals, difference);
    if (isnan(deviation))
        fputs(", of unknown deviation", stream);
    else if (deviation > 0)
        fprintf(stream, ", %.1f times the deviation of the difference (%.*f)", difference / deviation, kind->decimals,
                deviation);
}

static void write_rival(FILE *stream, const struct verdict *v, int row, int column)
{
    const struct paper_table *t = v->table;
    fprintf(stream, "%s%s ", t->column[column], paper_table_entry(t, row, column)->local ? " (†)" : "");
    write_margin(stream, t->kind, lead_over(v, row, column));
}

static void write_row(FILE *stream, const struct verdict *v, int row, enum standing standing)
{
    const struct paper_table *t = v->table;
    const int rival = nearest(v, row);
    const char *own = t->column[v->own];
    char text[PAPER_ROW_TEXT];
    paper_row_text(text, &t->row[row]);
    fprintf(stream, "- %s: ", text);
    if (standing == STANDING_UNDEFINED) {
        fprintf(stream, "%s has no defined value.\n", own);
        return;
    }
    if (standing == STANDING_ABOVE && rival < 0) {
        fputs("no baseline has a defined value.\n", stream);
        return;
    }
    if (standing == STANDING_ABOVE) {
        fprintf(stream, "%s is above all baselines, and above the next one, ", own);
        write_rival(stream, v, row, rival);
    } else {
        int count = 0;
        fprintf(stream, "%s is exceeded or equalled: ", own);
        for (int k = 0; k < t->columns; k++) {
            if (!is_rival(v, row, k) || lead_over(v, row, k).difference > 0) continue;
            if (count++ > 0) fputs("; ", stream);
            write_rival(stream, v, row, k);
        }
    }
    fputs(".\n", stream);
}

/* Rows in which the own mean is above that of all rivals, or of those alone whose value is of the models after
 * the download as its own is. */
static int count_above(const struct verdict *v, bool with_local)
{
    int above = 0;
    for (int row = 0; row < v->table->rows; row++) {
        int rivals = 0;
        bool ahead = true;
        for (int k = 0; k < v->table->columns; k++) {
            if (!is_rival(v, row, k) || (paper_table_entry(v->table, row, k)->local && !with_local)) continue;
            ahead = ahead && lead_over(v, row, k).difference > 0;
            rivals++;
        }
        above += ahead && rivals > 0;
    }
    return above;
}

void paper_verdict_write(FILE *stream, const struct paper_table *t, const char *own, const char *variant)
{
    const struct verdict v = {t, paper_table_column(t, own), paper_table_column(t, variant)};
    if (v.own < 0 || t->rows == 0) {
        fprintf(stream, "%s is not among the schemes, so there is nothing to compare.\n\n", own);
        return;
    }
    fprintf(stream, "The mean of %s is above that of every baseline in %d of %d rows, and above that of every baseline "
                    "without † in %d of them.", own, count_above(&v, true), t->rows, count_above(&v, false));
    if (v.variant >= 0) fprintf(stream, " Its own variant %s is left out.", variant);
    fputs(" The deviation of a difference is the root of the sum of both variances over the seeds.\n\n", stream);
    for (int row = 0; row < t->rows; row++) write_row(stream, &v, row, standing_of(&v, row));
    fputc('\n', stream);
}
