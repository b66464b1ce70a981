/* Files of sentences that tests make in their temporary folder. */
#ifndef TESTS_TEXT_FILES_H
#define TESTS_TEXT_FILES_H

#include "temporary.h"

/* `sentences` of each class of a made-up rt-polarity: good ones hold "good", bad ones "bad",
 * among words that say nothing. */
void text_put_reviews(int sentences);

#endif
