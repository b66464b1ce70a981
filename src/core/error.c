#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/printable.h"

static _Thread_local char message[1024] = "no error";

void error_say(const char *format, ...)
{
    char text[sizeof message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printable_make(text); /* parts of files and command lines are in it */
    snprintf(message, sizeof message, "%s", text); /* `text` first: an argument may be the old message */
}

const char *cgsv_last_error(void) { return message; }

const char *cgsv_version(void) { return CGSV_VERSION; }
