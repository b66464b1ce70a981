#include "temporary.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static char folder[32];

void temporary_make(void)
{
    snprintf(folder, sizeof folder, "/tmp/cgsv_test_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

void temporary_remove(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

const char *temporary_folder(void) { return folder; }

const char *temporary_path(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void temporary_put(const char *name, const void *bytes, size_t count)
{
    const size_t length = strlen(name);
    gzFile file = gzopen(temporary_path(name), length > 3 && strcmp(name + length - 3, ".gz") == 0 ? "wb" : "wbT");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    cr_assert_eq(gzclose(file), Z_OK);
}
