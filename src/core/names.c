#include "core/names.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 63 };

int name_index(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

const char *name_of(const char *const *names, int count, int value)
{
    return value >= 0 && value < count ? names[value] : "unknown";
}

/* Levenshtein's distance, one row of the table at a time. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[NAME_MAX_LENGTH + 1];
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *name_nearest(const char *name, const char *const *names, int count)
{
    const char *nearest = NULL;
    if (strlen(name) > NAME_MAX_LENGTH) return NULL;
    size_t best = strlen(name) / 2 + 1; /* further away than this is no suggestion */
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) > NAME_MAX_LENGTH) continue;
        size_t distance = edit_distance(name, names[i]);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

cgsv_status name_parse(int *index, const char *what, const char *name, const char *const *names, int count)
{
    *index = name_index(name, names, count);
    if (*index >= 0) return CGSV_OK;

    char known[512] = "";
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
    const char *nearest = name_nearest(name, names, count);
    if (nearest)
        return error_set(CGSV_ERROR_ARGUMENT, "unknown %s '%s'; did you mean '%s'? Known: %s", what, name, nearest,
                         known);
    return error_set(CGSV_ERROR_ARGUMENT, "unknown %s '%s'. Known: %s", what, name, known);
}
