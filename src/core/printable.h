/* Texts that others wrote, on their way to a terminal. */
#ifndef CORE_PRINTABLE_H
#define CORE_PRINTABLE_H

#include <stdbool.h>

/* Whether a text has no control characters, on which a terminal would act: those of ASCII, and U+0080 to
 * U+009F, which are C2 80 to C2 9F in UTF-8. */
bool printable(const char *text);

/* Puts '?' for each byte of a control character, in place. */
void printable_make(char *text);

#endif
