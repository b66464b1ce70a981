#include "io/checkpoint_folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "io/file.h"

static const char prefix[] = "round_", suffix[] = ".safetensors", temporary[] = ".safetensors.tmp-";

/* The name's round, and in *rest what follows its digits; -1 where it has none. */
static int round_of(const char *name, const char **rest)
{
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return -1;
    const char *digits = name + sizeof prefix - 1;
    const size_t count = strspn(digits, "0123456789");
    const long round = count >= 6 && count <= 10 ? strtol(digits, NULL, 10) : -1;
    *rest = digits + count;
    return round <= INT_MAX ? (int)round : -1;
}

static bool is_checkpoint(const char *name)
{
    const char *rest;
    return round_of(name, &rest) >= 0 && strcmp(rest, suffix) == 0;
}

bool checkpoint_folder_owns(const char *name)
{
    const char *rest;
    return is_checkpoint(name) || (round_of(name, &rest) >= 0 && strncmp(rest, temporary, sizeof temporary - 1) == 0);
}

static cgsv_status folder_of(char **path, const char *run) { return file_join(path, run, "checkpoints"); }

cgsv_status checkpoint_folder_path(char **path, const char *run, int round)
{
    char name[64];
    snprintf(name, sizeof name, "checkpoints/%s%06d%s", prefix, round, suffix);
    return file_join(path, run, name);
}

cgsv_status checkpoint_folder_make(const char *run)
{
    char *folder;
    TRY(folder_of(&folder, run));
    const cgsv_status status = file_make_folder(folder);
    if (status == CGSV_OK) file_sync_folder_of(folder);
    free(folder);
    return status;
}

struct found {
    int *round, count;
};

static cgsv_status take(void *context, const char *folder, const char *name)
{
    struct found *found = context;
    const char *rest;
    int *grown = realloc(found->round, (size_t)(found->count + 1) * sizeof *grown);
    if (!grown) return error_set(CGSV_ERROR_MEMORY, "no memory for the names in '%s'", folder);
    grown[found->count++] = round_of(name, &rest);
    found->round = grown;
    return CGSV_OK;
}

static int latest_first(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x < y) - (x > y);
}

cgsv_status checkpoint_folder_list(int **rounds, int *count, const char *run)
{
    struct found found = {NULL, 0};
    char *folder;
    TRY(folder_of(&folder, run));
    const cgsv_status status = file_visit_folder(folder, is_checkpoint, take, &found);
    free(folder);
    if (found.count > 1) qsort(found.round, (size_t)found.count, sizeof *found.round, latest_first);
    *rounds = found.round;
    *count = found.count;
    if (status == CGSV_OK) return CGSV_OK;
    free(found.round);
    *rounds = NULL;
    return status;
}

/* Those of [first, last] stay. */
struct kept {
    int first, last;
};

static cgsv_status drop(void *context, const char *folder, const char *name)
{
    const struct kept *kept = context;
    const char *rest;
    const int round = round_of(name, &rest);
    char *path;
    if (is_checkpoint(name) && round >= kept->first && round <= kept->last) return CGSV_OK;
    TRY(file_join(&path, folder, name));
    cgsv_status status = CGSV_OK;
    if (unlink(path) != 0 && errno != ENOENT)
        status = error_set(CGSV_ERROR_IO, "cannot remove '%s': %s", path, strerror(errno));
    free(path);
    return status;
}

static cgsv_status drop_others(const char *run, struct kept kept)
{
    char *folder;
    TRY(folder_of(&folder, run));
    const cgsv_status status = file_visit_folder(folder, checkpoint_folder_owns, drop, &kept);
    free(folder);
    return status;
}

cgsv_status checkpoint_folder_clean(const char *run) { return drop_others(run, (struct kept){0, INT_MAX}); }

static cgsv_status drop_any(void *unused, const char *folder, const char *name)
{
    struct kept none = {0, -1};
    (void)unused;
    return drop(&none, folder, name);
}

cgsv_status checkpoint_folder_remove(const char *run, bool (*owned)(const char *name))
{
    char *folder;
    TRY(folder_of(&folder, run));
    const cgsv_status status = file_visit_folder(folder, owned, drop_any, NULL);
    rmdir(folder); /* not there, or with files of others in it: left alone */
    free(folder);
    return status;
}

cgsv_status checkpoint_folder_prune(const char *run, int round)
{
    struct kept kept = {round, round};
    int *rounds, count;
    TRY(checkpoint_folder_list(&rounds, &count, run));
    for (int i = 0, left = CHECKPOINTS_KEPT; i < count && left > 0; i++) {
        if (rounds[i] > round) continue;
        kept.first = rounds[i];
        left--;
    }
    free(rounds);
    return drop_others(run, kept);
}
