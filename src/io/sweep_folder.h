/* The folder that a sweep leaves behind, and goes on from after a stop:
 *
 *   sweep.json   settings, axes and cells
 *   sweep.csv    one row per cell, on the disk as soon as the cell is done; in the order of the
 *                cells once all are
 *   cells/       000, 001 …: a run's folder for every cell, where they were asked for
 *   checkpoints/ of the fleet in training, until its cells are done (io/fleet_folder.h) */
#ifndef IO_SWEEP_FOLDER_H
#define IO_SWEEP_FOLDER_H

#include "io/sweep_row.h"

/* A setting as on the command line: "beta" and "0.5,1". */
struct sweep_setting {
    const char *name;
    char *value; /* the caller's */
    bool axis;   /* a column of sweep.csv */
};

/* What a sweep is. All pointers are the caller's. */
struct sweep_setup {
    const struct sweep_setting *setting; /* a sweep goes on only with the same ones */
    int settings, cells;
    const cgsv_device_info *device;
    int threads;
    int argc; /* what followed "cgsv sweep" */
    char **argv;
};

struct sweep_folder {
    char *path;
    char *header;
    char **line; /* [cells] rows of sweep.csv, NULL for cells to come */
    struct csv csv;
    int cells, axes;
    int lock; /* descriptor, −1: none */
};

/* Begins a sweep in `path`, or goes on with the one that is there: drops a last row that was cut short
 * and, with `retry`, rows of cells that failed. With `force` it begins anew in any case. Errors:
 * CGSV_ERROR_IO (the folder cannot be used, is another command's, is in use, or holds a sweep with
 * other settings, the first of which the message names), CGSV_ERROR_DATA (damaged files). */
cgsv_status sweep_folder_open(struct sweep_folder *folder, const char *path, const struct sweep_setup *setup,
                              bool force, bool retry);

/* Whether the folder has a row of the cell, and that row. */
bool sweep_folder_row(const struct sweep_folder *folder, int cell, struct sweep_row *row);

/* Appends a row, and waits until it is on the disk. axis_values[axes]. */
cgsv_status sweep_folder_add(struct sweep_folder *folder, const struct sweep_row *row, const char *const *axis_values);

/* The cell's own folder, made and cleared of an earlier run; the caller frees it. */
cgsv_status sweep_folder_cell(char **path, const struct sweep_folder *folder, int cell);

/* After the last cell: brings the rows into order. */
cgsv_status sweep_folder_finish(struct sweep_folder *folder);

/* A zeroed folder is fine. */
void sweep_folder_free(struct sweep_folder *folder);

#endif
