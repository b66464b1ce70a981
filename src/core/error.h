/* Error messages per thread, and the one macro that passes a status up. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include "cgsv/status.h"

/* Sets the calling thread's message. */
void error_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline cgsv_status error_status(cgsv_status status) { return status; }

/* The same, with `status` as its value: a macro, so that compilers and analysers see which. */
#define error_set(status, ...) (error_say(__VA_ARGS__), error_status(status))

#define TRY(call)                                   \
    do {                                            \
        cgsv_status try_status_ = (call);           \
        if (try_status_ != CGSV_OK) return try_status_; \
    } while (0)

#endif
