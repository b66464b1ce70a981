#include "cli/checkpoints.h"

#include <stdlib.h>

#include "cgsv/cgsv.h"
#include "core/error.h"
#include "io/checkpoint_folder.h"

cgsv_status checkpoints_save(struct recorder *r)
{
    const char *folder = r->folder.path;
    const int round = cgsv_federation_rounds_done(r->federation);
    char *path;
    TRY(run_folder_sync(&r->folder));
    TRY(checkpoint_folder_make(folder));
    TRY(checkpoint_folder_path(&path, folder, round));
    cgsv_status status = cgsv_federation_save_checkpoint(r->federation, path);
    free(path);
    return status == CGSV_OK ? checkpoint_folder_prune(folder, round) : status;
}

/* Of one checkpoint. *usable: it was loaded; where not, the last error says why. */
static cgsv_status try_one(bool *usable, int round, cgsv_federation *federation, const cgsv_config *config,
                           const char *folder, bool other_device)
{
    char *path;
    int rounds;
    TRY(checkpoint_folder_path(&path, folder, round));
    cgsv_status status = cgsv_checkpoint_check(path, &rounds);
    if (status == CGSV_OK && rounds <= config->rounds)
        status = run_folder_check_rows(folder, recorder_rows(config, rounds));
    *usable = status == CGSV_OK;
    if (*usable)
        status = cgsv_federation_load_checkpoint(federation, path, other_device ? CGSV_CHECKPOINT_OTHER_DEVICE : 0);
    else if (status != CGSV_ERROR_MEMORY)
        status = CGSV_OK;
    free(path);
    return status;
}

cgsv_status checkpoints_load(int *rounds, cgsv_federation *federation, const cgsv_config *config, const char *folder,
                             bool other_device)
{
    int *round, count;
    bool usable = false;
    *rounds = 0;
    TRY(checkpoint_folder_clean(folder));
    TRY(checkpoint_folder_list(&round, &count, folder));
    cgsv_status status = CGSV_OK;
    for (int i = 0; i < count && status == CGSV_OK && !usable; i++) {
        status = try_one(&usable, round[i], federation, config, folder, other_device);
        if (status == CGSV_OK && !usable && i < count - 1)
            fprintf(stderr, "cgsv: warning: %s; going back to the checkpoint before it\n", cgsv_last_error());
    }
    free(round);
    TRY(status);
    *rounds = cgsv_federation_rounds_done(federation);
    if (usable || count == 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "%s; no checkpoint is left to go on from: remove '%s/checkpoints' to start over",
                     cgsv_last_error(), folder);
}
