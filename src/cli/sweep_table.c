#include "cli/sweep_table.h"

#include <math.h>
#include <string.h>

/* What a line shows of a cell. */
static const struct {
    enum sweep_number number;
    const char *name, *format;
    int width;
} columns[] = {
    {SWEEP_RHO_ACCURACY, "rho", "%+.4f", 7},       {SWEEP_SERVER_ACCURACY, "server", "%.4f", 6},
    {SWEEP_ACCURACY_MEAN, "mean", "%.4f", 6},      {SWEEP_ACCURACY_MAX, "max", "%.4f", 6},
    {SWEEP_ACCURACY_MIN, "min", "%.4f", 6},        {SWEEP_GAIN_MEAN, "gain", "%+.4f", 7},
    {SWEEP_LOSS_SPREAD, "loss spread", "%.4f", 11},
};
enum { COLUMNS = sizeof columns / sizeof *columns, CELL_WIDTH = 6, NUMBER_LENGTH = 32 };

static int axis_width(const struct sweep_axis *axis)
{
    size_t width = strlen(axis->option.name);
    for (int i = 0; i < axis->count; i++)
        if (strlen(axis->value[i]) > width) width = strlen(axis->value[i]);
    return (int)width;
}

void sweep_table_header(FILE *stream, const struct sweep_options *options)
{
    fprintf(stream, "%*s", CELL_WIDTH, "cell");
    for (int i = 0; i < options->axes; i++)
        if (options->axis[i].count > 1)
            fprintf(stream, "  %*s", axis_width(&options->axis[i]), options->axis[i].option.name);
    for (int i = 0; i < COLUMNS; i++) fprintf(stream, "  %*s", columns[i].width, columns[i].name);
    fputc('\n', stream);
}

static void print_number(FILE *stream, const char *format, int width, double number)
{
    char text[NUMBER_LENGTH] = "-";
    if (!isnan(number)) snprintf(text, sizeof text, format, number);
    fprintf(stream, "  %*s", width, text);
}

void sweep_table_row(FILE *stream, const struct sweep_options *options, const struct sweep_row *row)
{
    fprintf(stream, "%*d", CELL_WIDTH, row->cell);
    for (int i = 0; i < options->axes; i++)
        if (options->axis[i].count > 1)
            fprintf(stream, "  %*s", axis_width(&options->axis[i]), sweep_cell_value(options, i, row->cell));
    if (row->failed)
        fprintf(stream, "  failed: %s", row->error);
    else
        for (int i = 0; i < COLUMNS; i++)
            print_number(stream, columns[i].format, columns[i].width, row->number[columns[i].number]);
    fputc('\n', stream);
    fflush(stream);
}
