/* Files of sentences that tests make, in a folder of their own. */
#ifndef TESTS_TEXT_FILES_H
#define TESTS_TEXT_FILES_H

#include <stddef.h>

/* A new folder; text_folder_remove removes it and what is in it. */
void text_folder_make(void);
void text_folder_remove(void);
const char *text_folder(void);

/* Path of a file in it, good until the next call. */
const char *text_path(const char *name);

/* Writes a file there, gzipped when its name says so. */
void text_put(const char *name, const char *bytes, size_t count);

/* `sentences` of each class of a made-up rt-polarity: good ones hold "good", bad ones "bad",
 * among words that say nothing. */
void text_put_reviews(int sentences);

#endif
