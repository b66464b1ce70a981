#include "cli/checkpoints.h"

#include <stdlib.h>

#include "cgsv/cgsv.h"
#include "core/error.h"
#include "io/checkpoint_folder.h"

static int rounds_done(cgsv_fleet *fleet) { return cgsv_federation_rounds_done(cgsv_fleet_federation(fleet, 0)); }

cgsv_status checkpoints_save(const char *folder, cgsv_fleet *fleet, struct recorder *recorders, int count)
{
    const int round = rounds_done(fleet);
    char *path;
    for (int i = 0; i < count; i++)
        if (recorders[i].folder.path) TRY(run_folder_sync(&recorders[i].folder));
    TRY(checkpoint_folder_make(folder));
    TRY(checkpoint_folder_path(&path, folder, round));
    cgsv_status status = cgsv_fleet_save_checkpoint(fleet, path);
    free(path);
    return status == CGSV_OK ? checkpoint_folder_prune(folder, round) : status;
}

static cgsv_status check_tables(const char *const *tables, int count, struct run_rows rows)
{
    for (int i = 0; i < count; i++)
        if (tables[i]) TRY(run_folder_check_rows(tables[i], rows));
    return CGSV_OK;
}

/* What a checkpoint must fit. */
struct wanted {
    cgsv_fleet *fleet;
    const cgsv_config *config;
    const char *const *tables;
    int count;
    unsigned flags;
};

/* Of one checkpoint. *usable: it was loaded; where not, the last error says why. */
static cgsv_status try_one(bool *usable, int round, const char *folder, const struct wanted *w)
{
    char *path;
    int rounds;
    TRY(checkpoint_folder_path(&path, folder, round));
    cgsv_status status = cgsv_checkpoint_check(path, &rounds);
    if (status == CGSV_OK && rounds <= w->config->rounds)
        status = check_tables(w->tables, w->count, recorder_rows(w->config, rounds));
    *usable = status == CGSV_OK;
    if (*usable)
        status = cgsv_fleet_load_checkpoint(w->fleet, path, w->flags);
    else if (status != CGSV_ERROR_MEMORY)
        status = CGSV_OK;
    free(path);
    return status;
}

cgsv_status checkpoints_load(int *rounds, const char *folder, cgsv_fleet *fleet, const cgsv_config *config,
                             const char *const *tables, int count, bool other_device)
{
    const struct wanted wanted = {fleet, config, tables, count, other_device ? CGSV_CHECKPOINT_OTHER_DEVICE : 0};
    int *round, saved;
    bool usable = false;
    *rounds = 0;
    TRY(checkpoint_folder_clean(folder));
    TRY(checkpoint_folder_list(&round, &saved, folder));
    cgsv_status status = CGSV_OK;
    for (int i = 0; i < saved && status == CGSV_OK && !usable; i++) {
        status = try_one(&usable, round[i], folder, &wanted);
        if (status == CGSV_OK && !usable && i < saved - 1)
            fprintf(stderr, "cgsv: warning: %s; going back to the checkpoint before it\n", cgsv_last_error());
    }
    free(round);
    TRY(status);
    *rounds = rounds_done(fleet);
    if (usable || saved == 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "%s; no checkpoint is left to go on from", cgsv_last_error());
}
