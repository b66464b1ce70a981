#include "cli/paper_cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/csv_read.h"
#include "io/file.h"

cgsv_status paper_cells_add(struct paper_cells *cells, const struct paper_cell *cell)
{
    if (cells->count == cells->room) {
        const int room = cells->room ? 2 * cells->room : 256;
        void *grown = realloc(cells->cell, (size_t)room * sizeof *cells->cell);
        if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", room);
        cells->cell = grown;
        cells->room = room;
    }
    cells->cell[cells->count++] = *cell;
    return CGSV_OK;
}

static cgsv_status take_number(double *value, const struct csv_reader *reader, const char *name)
{
    const int column = csv_reader_column(reader, name);
    if (column < 0) return error_set(CGSV_ERROR_DATA, "'%s' has no column '%s'", reader->path, name);
    return csv_reader_number(reader, column, value);
}

static cgsv_status take_row(struct paper_cells *cells, const struct paper_sweep *sweep, const struct csv_reader *reader)
{
    static const char *const names[] = {
        [PAPER_RHO] = "rho_accuracy",           [PAPER_RHO_LOCAL] = "rho_local",
        [PAPER_ACCURACY_MEAN] = "accuracy_mean", [PAPER_ACCURACY_MAX] = "accuracy_max",
        [PAPER_ACCURACY_MIN] = "accuracy_min",  [PAPER_LOSS_SPREAD] = "loss_spread",
        [PAPER_SERVER_SECONDS] = "seconds_server",
    };
    struct paper_cell cell = {.part = sweep->part, .data_set = sweep->data_set, .agents = sweep->agents};
    char status[AXIS_VALUE_LENGTH];
    double training;
    const char *column = sweep->part == PAPER_BETA ? "beta" : "scheme";
    TRY(csv_reader_name(reader, "partition", cell.partition, sizeof cell.partition));
    TRY(csv_reader_name(reader, column, cell.column, sizeof cell.column));
    if (sweep->part == PAPER_BETA) snprintf(cell.column, sizeof cell.column, "%g", strtod(cell.column, NULL));
    TRY(csv_reader_name(reader, "status", status, sizeof status));
    cell.failed = strcmp(status, "done") != 0;
    for (int k = 0; k <= PAPER_SERVER_SECONDS; k++) TRY(take_number(&cell.value[k], reader, names[k]));
    TRY(take_number(&training, reader, "seconds_training"));
    cell.value[PAPER_SERVER_RATIO] = training > 0 ? cell.value[PAPER_SERVER_SECONDS] / training : NAN;
    cell.value[PAPER_SERVER_SECONDS] /= sweep->config.rounds;
    return paper_cells_add(cells, &cell);
}

cgsv_status paper_cells_read(struct paper_cells *cells, const struct paper_sweep *sweep, const char *folder)
{
    struct csv_reader reader = {0};
    char *path;
    bool row = true;
    TRY(file_join(&path, folder, "sweep.csv"));
    cgsv_status status = csv_reader_open(&reader, path);
    while (status == CGSV_OK && row) {
        status = csv_reader_next(&reader, &row);
        if (status == CGSV_OK && row) status = take_row(cells, sweep, &reader);
    }
    csv_reader_close(&reader);
    free(path);
    return status;
}

int paper_cells_failed(const struct paper_cells *cells)
{
    int failed = 0;
    for (int i = 0; i < cells->count; i++) failed += cells->cell[i].failed;
    return failed;
}

void paper_cells_free(struct paper_cells *cells)
{
    free(cells->cell);
    *cells = (struct paper_cells){0};
}
