/* The folders that a report is about. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "io/file.h"
#include "io/report.h"

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Reads one run more; reading them all before any is dropped would take memory for nothing. */
static cgsv_status add_run(struct report_input *input, const char *path)
{
    if (input->count == REPORT_MOST_RUNS)
        return error_set(CGSV_ERROR_ARGUMENT, "more than %d runs, which is all that a report compares",
                         REPORT_MOST_RUNS);
    struct report_run *grown = realloc(input->runs, ((size_t)input->count + 1) * sizeof *grown);
    if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for the runs");
    input->runs = grown;
    TRY(report_run_read(&input->runs[input->count++], path));
    if (input->count <= REPORT_DETAILED_RUNS) return CGSV_OK;
    for (int i = input->count == REPORT_DETAILED_RUNS + 1 ? 0 : input->count - 1; i < input->count; i++)
        report_run_drop_agents(&input->runs[i]);
    return CGSV_OK;
}

/* Neither hidden nor with control characters, which a message would carry to the terminal. */
static bool is_visible(const char *name)
{
    for (const char *at = name; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f) return false;
    return name[0] != '.';
}

/* A cell without config.json has not been run yet. */
static cgsv_status add_cell(void *input, const char *cells, const char *name)
{
    char *path, *config = NULL;
    TRY(file_join(&path, cells, name));
    cgsv_status status = file_join(&config, path, "config.json");
    if (status == CGSV_OK && file_exists(config)) status = add_run(input, path);
    free(config);
    free(path);
    return status;
}

/* `config`, `table` and `cells`: paths within the folder. */
static cgsv_status add_parts(struct report_input *input, const char *path, const char *config, char **table,
                             const char *cells)
{
    const bool has_table = file_exists(*table), has_cells = is_folder(cells);
    if (!has_table && !has_cells) return add_run(input, path);
    if (!has_table && file_exists(config)) return add_run(input, path);
    if (has_table && input->sweep)
        return error_set(CGSV_ERROR_ARGUMENT, "'%s' and '%s': a report takes one sweep", input->sweep, *table);
    if (has_table) {
        input->sweep = *table;
        *table = NULL;
        if (file_exists(config)) TRY(report_read_json(&input->sweep_config, config));
    }
    const int before = input->count;
    if (has_cells) TRY(file_visit_folder(cells, is_visible, add_cell, input));
    if (has_table || input->count > before) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has neither sweep.csv nor the folder of a run in cells/", path);
}

static cgsv_status add_folder(struct report_input *input, const char *path)
{
    char *config, *table = NULL, *cells = NULL;
    if (!file_exists(path)) return error_set(CGSV_ERROR_IO, "there is no folder '%s'", path);
    if (!is_folder(path))
        return error_set(CGSV_ERROR_DATA, "'%s' is no folder; expected one that cgsv run --out wrote", path);
    TRY(file_join(&config, path, "config.json"));
    cgsv_status status = file_join(&table, path, "sweep.csv");
    if (status == CGSV_OK) status = file_join(&cells, path, "cells");
    if (status == CGSV_OK) status = add_parts(input, path, config, &table, cells);
    free(config);
    free(table);
    free(cells);
    return status;
}

cgsv_status report_input_read(struct report_input *input, const char *const *paths, int count)
{
    *input = (struct report_input){0};
    for (int i = 0; i < count; i++) {
        cgsv_status status = add_folder(input, paths[i]);
        if (status == CGSV_OK) continue;
        report_input_free(input);
        return status;
    }
    return CGSV_OK;
}

void report_input_free(struct report_input *input)
{
    for (int i = 0; i < input->count; i++) report_run_free(&input->runs[i]);
    free(input->runs);
    free(input->sweep);
    cJSON_Delete(input->sweep_config);
    *input = (struct report_input){0};
}
