/* Status codes and error messages.
 *
 * Every function of the library that can fail returns a cgsv_status. On
 * failure cgsv_last_error() tells, for the calling thread, what was wrong, with
 * which value, and what to do about it. The library never prints and never
 * ends the program. */
#ifndef CGSV_STATUS_H
#define CGSV_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CGSV_API __attribute__((visibility("default")))
#else
#define CGSV_API
#endif

typedef enum cgsv_status {
    CGSV_OK = 0,
    CGSV_ERROR_ARGUMENT,    /* a value out of its range, an unknown name */
    CGSV_ERROR_DATA,        /* a file whose content is not what it should be */
    CGSV_ERROR_IO,          /* a file or folder that cannot be read or written */
    CGSV_ERROR_MEMORY,      /* more memory than there is */
    CGSV_ERROR_DEVICE,      /* a device that is missing or that failed */
    CGSV_ERROR_INTERRUPTED  /* stopped on request */
} cgsv_status;

/* The message of the calling thread's last failure; never NULL. Valid until
 * that thread's next failure. */
CGSV_API const char *cgsv_last_error(void);

/* The library's version, "MAJOR.MINOR.PATCH". */
CGSV_API const char *cgsv_version(void);

#ifdef __cplusplus
}
#endif
#endif
