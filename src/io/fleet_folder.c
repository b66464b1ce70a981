#include "io/fleet_folder.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/checkpoint_folder.h"
#include "io/file.h"
#include "io/json.h"

enum { FILE_LIMIT = 64 << 20 };

static const char record[] = "cells.json";

/* With what a kill has left of one in the making. */
static bool is_record(const char *name) { return strncmp(name, record, sizeof record - 1) == 0; }

bool fleet_folder_owns(const char *name) { return is_record(name) || checkpoint_folder_owns(name); }

static cgsv_status record_path(char **path, const char *sweep)
{
    return file_join(path, sweep, "checkpoints/cells.json");
}

cgsv_status fleet_folder_begin(const char *sweep, const int *cell, int count)
{
    char *path, *text;
    TRY(fleet_folder_end(sweep));
    TRY(checkpoint_folder_make(sweep));
    cJSON *root = cJSON_CreateObject();
    const bool complete = root && json_add_item(root, "cells", cJSON_CreateIntArray(cell, count));
    TRY(json_print(&text, root, complete));
    cgsv_status status = record_path(&path, sweep);
    if (status == CGSV_OK) {
        status = file_write_text(path, text);
        free(path);
    }
    free(text);
    return status;
}

/* Numbers in [0, cells) that rise. */
static bool take_cells(int *cell, int *count, const cJSON *list, int cells)
{
    const cJSON *item;
    int least = 0;
    *count = 0;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsNumber(item) || item->valueint < least || item->valueint >= cells) return false;
        cell[(*count)++] = item->valueint;
        least = item->valueint + 1;
    }
    return *count > 0;
}

cgsv_status fleet_folder_read(int *cell, int *count, const char *sweep, int cells)
{
    char *path, *text = NULL;
    cJSON *root = NULL;
    *count = 0;
    TRY(record_path(&path, sweep));
    const bool found = file_exists(path);
    cgsv_status status = found ? file_read_text(&text, path, FILE_LIMIT) : CGSV_OK;
    if (text) status = json_parse(&root, text, strlen(text), NULL, path);
    if (found && status == CGSV_OK &&
        !take_cells(cell, count, cJSON_GetObjectItemCaseSensitive(root, "cells"), cells)) {
        *count = 0;
        status = error_set(CGSV_ERROR_DATA, "'%s' is damaged: it names no cells of this sweep", path);
    }
    cJSON_Delete(root);
    free(text);
    free(path);
    return status;
}

cgsv_status fleet_folder_end(const char *sweep) { return checkpoint_folder_remove(sweep, fleet_folder_owns); }
