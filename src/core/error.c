#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024] = "no error";

cgsv_status error_set(cgsv_status status, const char *format, ...)
{
    char text[sizeof message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(message, sizeof message, "%s", text); /* `text` first: an argument may be the old message */
    return status;
}

const char *cgsv_last_error(void) { return message; }

const char *cgsv_version(void) { return CGSV_VERSION; }
