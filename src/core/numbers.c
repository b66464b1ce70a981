#include "core/numbers.h"

#include <stdio.h>
#include <stdlib.h>

void number_text(char *text, size_t size, double value)
{
    char number[32];
    int digits = 10;
    do
        snprintf(number, sizeof number, "%.*g", digits, value);
    while (strtod(number, NULL) != value && ++digits <= 17);
    snprintf(text, size, "%s", number);
}
