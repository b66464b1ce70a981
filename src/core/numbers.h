/* Numbers as text. */
#ifndef CORE_NUMBERS_H
#define CORE_NUMBERS_H

#include <stddef.h>

/* The fewest digits that read back as the same number, but at least 10. */
void number_text(char *text, size_t size, double value);

#endif
