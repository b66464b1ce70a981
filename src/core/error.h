/* Error messages per thread, and the one macro that passes a status up. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include "cgsv/status.h"

/* Sets the calling thread's message and returns `status`. */
cgsv_status error_set(cgsv_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define TRY(call)                                   \
    do {                                            \
        cgsv_status try_status_ = (call);           \
        if (try_status_ != CGSV_OK) return try_status_; \
    } while (0)

#endif
