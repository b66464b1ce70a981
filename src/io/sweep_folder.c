#include "io/sweep_folder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "core/error.h"
#include "io/file.h"
#include "io/fleet_folder.h"
#include "io/json.h"
#include "io/output_folder.h"
#include "io/run_folder.h"
#include "io/text_stream.h"

enum { FILE_LIMIT = 256 << 20 };

static const char *const top_files[] = {"sweep.csv", "sweep.json"};
static const struct output_subfolder subfolders[] = {{"checkpoints", fleet_folder_owns}};
static const struct output_files files = {"sweep", top_files, 2, subfolders, 1};

static cgsv_status no_memory(const char *path) { return error_set(CGSV_ERROR_MEMORY, "no memory for '%s'", path); }

/* ---- sweep.json ---- */

static bool add_axis(cJSON *axes, const struct sweep_setting *setting)
{
    cJSON *axis = cJSON_CreateObject(), *values;
    bool complete = json_add_item(axes, NULL, axis) && json_add_text(axis, "name", setting->name);
    complete = complete && (values = cJSON_AddArrayToObject(axis, "values"));
    for (const char *at = setting->value; complete; at++) {
        const size_t length = strcspn(at, ",");
        char *value = strndup(at, length);
        complete = value && json_add_item(values, NULL, cJSON_CreateString(value));
        free(value);
        at += length;
        if (!*at) break;
    }
    return complete;
}

/* Axes: the settings with several values. */
static cgsv_status setup_json(char **text, const struct sweep_setup *setup)
{
    cJSON *root = cJSON_CreateObject();
    bool complete = json_add_origin(root, "sweep", setup->argc, setup->argv) &&
                    json_add_device(root, setup->device, setup->threads) &&
                    cJSON_AddNumberToObject(root, "cells", setup->cells);
    cJSON *settings = cJSON_AddObjectToObject(root, "settings"), *axes = cJSON_AddArrayToObject(root, "axes");
    complete = complete && settings && axes;
    for (int i = 0; complete && i < setup->settings; i++) {
        const struct sweep_setting *setting = &setup->setting[i];
        complete = json_add_text(settings, setting->name, setting->value);
        if (complete && setting->axis && strchr(setting->value, ',')) complete = add_axis(axes, setting);
    }
    return json_print(text, root, complete);
}

static cgsv_status compare(const char *path, const cJSON *record, const struct sweep_setup *setup)
{
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(record, "settings");
    const char *version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "cgsv_version"));
    if (!version || strcmp(version, cgsv_version()) != 0)
        return error_set(CGSV_ERROR_IO, "'%s' holds a sweep of cgsv %s, and this is %s; choose another folder, or "
                         "--force to start anew", path, version ? version : "?", cgsv_version());
    for (int i = 0; i < setup->settings; i++) {
        const struct sweep_setting *setting = &setup->setting[i];
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(settings, setting->name));
        if (value && strcmp(value, setting->value) == 0) continue;
        return error_set(CGSV_ERROR_IO, "'%s' holds a sweep with %s %s, not %s; choose another folder, or --force "
                         "to start anew", path, setting->name, value ? value : "(unknown)", setting->value);
    }
    return CGSV_OK;
}

/* Whether a sweep is there, which then must be the same one. */
static cgsv_status find_sweep(bool *found, const char *path, const struct sweep_setup *setup)
{
    char *file, *text = NULL;
    TRY(file_join(&file, path, "sweep.json"));
    *found = file_exists(file);
    cgsv_status status = *found ? file_read_text(&text, file, FILE_LIMIT) : CGSV_OK;
    cJSON *record = NULL;
    const char *end;
    if (text) status = json_parse(&record, text, strlen(text), &end, file);
    if (status == CGSV_OK && *found)
        status = record ? compare(path, record, setup)
                        : error_set(CGSV_ERROR_DATA, "'%s' is damaged; choose another folder", file);
    cJSON_Delete(record);
    free(text);
    free(file);
    return status;
}

/* ---- sweep.csv ---- */

static cgsv_status table_path(char **path, const struct sweep_folder *f)
{
    return file_join(path, f->path, "sweep.csv");
}

static void forget_lines(struct sweep_folder *f)
{
    for (int cell = 0; f->line && cell < f->cells; cell++) {
        free(f->line[cell]);
        f->line[cell] = NULL;
    }
}

/* Takes the complete lines of `text`; what a kill or a crash has left of a last one is dropped. */
static cgsv_status take_lines(struct sweep_folder *f, char *text, const char *path)
{
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        struct sweep_row row;
        *end = '\0';
        if (line == text) {
            if (strcmp(line, f->header) == 0) continue;
            return error_set(CGSV_ERROR_DATA, "'%s' has other columns than this sweep; choose another folder", path);
        }
        if (!sweep_row_read(&row, line, f->axes) || row.cell >= f->cells || f->line[row.cell])
            return error_set(CGSV_ERROR_DATA, "'%s' holds a line that is no row of this sweep: '%.40s'", path, line);
        f->line[row.cell] = strdup(line);
        if (!f->line[row.cell]) return no_memory(path);
    }
    return CGSV_OK;
}

static cgsv_status load(struct sweep_folder *f)
{
    char *path, *text = NULL;
    TRY(table_path(&path, f));
    forget_lines(f);
    cgsv_status status = file_exists(path) ? file_read_text(&text, path, FILE_LIMIT) : CGSV_OK;
    if (text) status = take_lines(f, text, path);
    free(text);
    free(path);
    return status;
}

/* Writes the table anew, in the order of the cells. */
static cgsv_status store(const struct sweep_folder *f)
{
    char *path;
    struct file_writer writer;
    TRY(table_path(&path, f));
    cgsv_status status = file_begin(&writer, path);
    if (status == CGSV_OK) status = file_write(&writer, f->header, strlen(f->header));
    if (status == CGSV_OK) status = file_write(&writer, "\n", 1);
    for (int cell = 0; status == CGSV_OK && cell < f->cells; cell++) {
        if (!f->line[cell]) continue;
        status = file_write(&writer, f->line[cell], strlen(f->line[cell]));
        if (status == CGSV_OK) status = file_write(&writer, "\n", 1);
    }
    if (status == CGSV_OK) status = file_commit(&writer);
    free(path);
    return status;
}

static void drop_failed(struct sweep_folder *f)
{
    struct sweep_row row;
    for (int cell = 0; cell < f->cells; cell++) {
        if (!sweep_folder_row(f, cell, &row) || !row.failed) continue;
        free(f->line[cell]);
        f->line[cell] = NULL;
    }
}

static cgsv_status make_header(struct sweep_folder *f, const struct sweep_setup *setup)
{
    struct text_stream text;
    if (!text_stream_open(&text)) return no_memory(f->path);
    for (int i = 0; i < setup->settings; i++) {
        if (!setup->setting[i].axis) continue;
        for (const char *at = setup->setting[i].name; *at; at++) fputc(*at == '-' ? '_' : *at, text.to);
        fputc(',', text.to);
        f->axes++;
    }
    char *axes = text_stream_close(&text);
    cgsv_status status = axes ? sweep_row_header(&f->header, axes) : no_memory(f->path);
    free(axes);
    return status;
}

/* ---- cells/ ---- */

static bool is_cell_name(const char *name)
{
    const size_t digits = strspn(name, "0123456789");
    return digits >= 3 && !name[digits];
}

/* `remove`: NULL to see whether the cell could be removed. */
static cgsv_status visit_cell(void *remove, const char *cells, const char *name)
{
    char *cell;
    TRY(file_join(&cell, cells, name));
    cgsv_status status = remove ? run_folder_remove(cell) : run_folder_check(cell, true);
    free(cell);
    return status;
}

/* Removes the folders of an earlier sweep's cells: all, or none where one is not a run's. */
static cgsv_status remove_cells(const char *path)
{
    char *cells;
    bool remove = true;
    TRY(file_join(&cells, path, "cells"));
    cgsv_status status = file_visit_folder(cells, is_cell_name, visit_cell, NULL);
    if (status == CGSV_OK) status = file_visit_folder(cells, is_cell_name, visit_cell, &remove);
    rmdir(cells); /* with others' files in it, it stays */
    free(cells);
    return status;
}

cgsv_status sweep_folder_cell(char **path, const struct sweep_folder *folder, int cell)
{
    char name[32];
    snprintf(name, sizeof name, "cells/%03d", cell);
    TRY(file_join(path, folder->path, name));
    cgsv_status status = run_folder_prepare(*path, true);
    if (status != CGSV_OK) free(*path);
    return status;
}

/* ---- the folder ---- */

static cgsv_status lock(struct sweep_folder *f) { return output_lock(&files, f->path, &f->lock); }

static cgsv_status begin(struct sweep_folder *f, const struct sweep_setup *setup, bool force)
{
    char *text;
    TRY(output_prepare(&files, f->path, force));
    TRY(lock(f));
    if (force) TRY(remove_cells(f->path));
    TRY(output_clear(&files, f->path));
    TRY(setup_json(&text, setup));
    cgsv_status status = output_write_text(f->path, "sweep.json", text);
    free(text);
    TRY(status);
    return lock(f);
}

cgsv_status sweep_folder_open(struct sweep_folder *f, const char *path, const struct sweep_setup *setup, bool force,
                              bool retry)
{
    bool found = false;
    *f = (struct sweep_folder){.path = strdup(path), .cells = setup->cells, .csv = {.descriptor = -1}, .lock = -1};
    f->line = calloc((size_t)setup->cells, sizeof *f->line);
    if (!f->path || !f->line) return no_memory(path);
    TRY(make_header(f, setup));
    if (!force) TRY(find_sweep(&found, path, setup));
    if (found)
        TRY(lock(f));
    else
        TRY(begin(f, setup, force));
    TRY(load(f));
    if (retry) drop_failed(f);
    TRY(store(f));
    char *table;
    TRY(table_path(&table, f));
    cgsv_status status = csv_append(&f->csv, table, f->header);
    free(table);
    return status;
}

bool sweep_folder_row(const struct sweep_folder *f, int cell, struct sweep_row *row)
{
    return f->line && f->line[cell] && sweep_row_read(row, f->line[cell], f->axes);
}

cgsv_status sweep_folder_add(struct sweep_folder *f, const struct sweep_row *row, const char *const *axis_values)
{
    sweep_row_write(&f->csv, row, axis_values, f->axes);
    return csv_sync(&f->csv);
}

cgsv_status sweep_folder_finish(struct sweep_folder *f)
{
    TRY(csv_close(&f->csv));
    TRY(load(f));
    return store(f);
}

void sweep_folder_free(struct sweep_folder *f)
{
    forget_lines(f);
    csv_free(&f->csv);
    if (f->path && f->lock >= 0) close(f->lock);
    free(f->line);
    free(f->path);
    free(f->header);
    *f = (struct sweep_folder){.lock = -1};
}
