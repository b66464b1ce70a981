/* A sweep that goes on in the folder where it stopped. The first byte of the input, modulo 4, chooses the file that
 * the rest becomes: sweep.json; sweep.csv; the config.json of a cell's folder, where the sweep begins anew; or
 * sweep.csv again, with failed cells to be run again. Nothing that others have put there may get lost. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "io/sweep_folder.h"

enum { CELLS = 4 };
enum kind { RECORD, TABLE, CELL, RETRY, KINDS };

static const char *const names[KINDS] = {"sweep.json", "sweep.csv", "cells/000/config.json", "sweep.csv"};
static const char theirs[] = "cells/000/notes.txt", result[] = "cells/000/rounds.csv";

static cgsv_status open_sweep(struct sweep_folder *folder, bool force, bool retry)
{
    static struct sweep_setting settings[] = {
        {"beta", "0.5,1", true}, {"rounds", "3,4", true}, {"data-set", "sst", false}};
    static const cgsv_device_info device = {.name = "cpu", .description = "a processor"};
    const struct sweep_setup setup = {.setting = settings, .settings = 3, .cells = CELLS, .device = &device};
    return sweep_folder_open(folder, fuzz_folder(), &setup, force, retry);
}

/* The sweep's rows as text; the caller frees it. */
static char *rows_of(const struct sweep_folder *folder)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    FUZZ_CHECK(stream);
    for (int cell = 0; cell < CELLS; cell++) {
        struct sweep_row row;
        if (!sweep_folder_row(folder, cell, &row)) continue;
        FUZZ_CHECK(row.cell == cell && strlen(row.error) < sizeof row.error && folder->line[cell]);
        fprintf(stream, "%s\n", folder->line[cell]);
    }
    FUZZ_CHECK(fclose(stream) == 0);
    return text;
}

/* What was taken is written so that it is taken again, after a cell more. */
static void go_on(struct sweep_folder *folder)
{
    struct sweep_folder again;
    struct sweep_row row;
    for (int cell = 0; cell < CELLS; cell++) {
        if (sweep_folder_row(folder, cell, &row)) continue;
        sweep_row_fail(&row, cell, "\"quoted\", and not in memory");
        FUZZ_CHECK(sweep_folder_add(folder, &row, (const char *const[]){"0.5", "3"}) == CGSV_OK);
        break;
    }
    FUZZ_CHECK(sweep_folder_finish(folder) == CGSV_OK);
    char *before = rows_of(folder);
    sweep_folder_free(folder);
    FUZZ_CHECK(open_sweep(&again, false, false) == CGSV_OK);
    char *after = rows_of(&again);
    FUZZ_CHECK(strcmp(before, after) == 0 && strlen(after) > 0);
    sweep_folder_free(&again);
    free(before);
    free(after);
}

/* The folder of a sweep that was not finished. */
static void make_folder(void)
{
    struct sweep_folder folder;
    struct sweep_row row;
    fuzz_folder_clear();
    FUZZ_CHECK(open_sweep(&folder, false, false) == CGSV_OK);
    sweep_row_fail(&row, 2, "no memory");
    FUZZ_CHECK(sweep_folder_add(&folder, &row, (const char *const[]){"1", "3"}) == CGSV_OK);
    sweep_folder_free(&folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sweep_folder folder;
    if (size == 0) return 0;
    const enum kind kind = data[0] % KINDS;
    (void)fuzz_folder();
    make_folder();
    fuzz_put(theirs, "mine", 4);
    fuzz_put(result, "round\n", 6);
    fuzz_put(names[kind], data + 1, size - 1);
    const cgsv_status status = open_sweep(&folder, kind == CELL, kind == RETRY);
    fuzz_count(status);
    FUZZ_CHECK(fuzz_has(theirs) && fuzz_has(result) == (kind != CELL || status != CGSV_OK));
    if (status == CGSV_OK)
        go_on(&folder);
    else
        sweep_folder_free(&folder);
    return 0;
}
