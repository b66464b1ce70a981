#include "text_files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static char folder[64], path[256];

void text_folder_make(void)
{
    snprintf(folder, sizeof folder, "/tmp/cgsv_text_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

void text_folder_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

const char *text_folder(void) { return folder; }

const char *text_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void text_put(const char *name, const char *bytes, size_t count)
{
    const size_t length = strlen(name);
    gzFile file = gzopen(text_path(name), length > 3 && strcmp(name + length - 3, ".gz") == 0 ? "wb" : "wbT");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    cr_assert_eq(gzclose(file), Z_OK);
}

void text_put_reviews(int sentences)
{
    static const char *const filler[] = {"the", "film", "is", "a", "story", "of", "people", "and", "time", "with"};
    const size_t most = (size_t)sentences * 128 + 1;
    char *text = malloc(most);
    cr_assert_not_null(text);
    unsigned state = 1;
    for (int positive = 0; positive < 2; positive++) {
        size_t used = 0;
        for (int i = 0; i < sentences; i++) {
            const int words = 1 + i % 9;
            for (int j = 0; j < words; j++) {
                state = state * 1103515245u + 12345u;
                used += (size_t)snprintf(text + used, most - used, "%s ", filler[state >> 16 & 7]);
                if (j == words / 2) used += (size_t)snprintf(text + used, most - used, positive ? "good " : "bad ");
            }
            text[used++] = '\n';
        }
        text_put(positive ? "rt-polarity.pos" : "rt-polarity.neg", text, used);
    }
    free(text);
}
