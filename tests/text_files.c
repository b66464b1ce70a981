#include "text_files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

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
        temporary_put(positive ? "rt-polarity.pos" : "rt-polarity.neg", text, used);
    }
    free(text);
}
