#include "core/printable.h"

/* Bytes of the control character at `at`, 0 where there is none. */
static int control(const unsigned char *at)
{
    if (*at < 0x20 || *at == 0x7f) return 1;
    return at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0 ? 2 : 0;
}

bool printable(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (control(at)) return false;
    return true;
}

void printable_make(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++)
        for (int bytes = control(at); bytes > 0; bytes--) at[bytes - 1] = '?';
}
