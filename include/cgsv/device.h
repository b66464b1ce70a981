/* Devices: where models live and kernels run. */
#ifndef CGSV_DEVICE_H
#define CGSV_DEVICE_H

#include <stddef.h>

#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A device with its memory, its stream of work, its BLAS and its kernels.
 * Not to be used by two threads at once. */
typedef struct cgsv_device cgsv_device;

/* What there is to know of a device before it is opened. */
typedef struct cgsv_device_info {
    char name[32];          /* what cgsv_device_open takes: "cpu", "cuda:0" */
    char description[160];  /* "NVIDIA H200", "2 threads, AVX-512, OpenBLAS SkylakeX" */
    char reason[256];       /* why it cannot be used; empty when it can */
    size_t memory_total;    /* bytes; 0 when unknown */
    size_t memory_free;     /* bytes; 0 when unknown */
} cgsv_device_info;

/* Fills up to `capacity` entries and returns how many devices there are. A kind
 * of device that this binary or machine cannot use is listed with its reason. */
CGSV_API int cgsv_device_list(cgsv_device_info *info, int capacity);

/* Opens a device. name: "auto" (the first usable GPU, else the CPU), "cpu",
 * "cuda" or "cuda:K". A named GPU that cannot be used is an error, never a
 * silent fall back. threads: CPU threads, 0 for all.
 * Errors: CGSV_ERROR_ARGUMENT for an unknown name, CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_device_open(cgsv_device **device, const char *name, int threads);

/* Closes it; NULL is fine. Everything made on it must be gone before. */
CGSV_API void cgsv_device_close(cgsv_device *device);

/* The entry of cgsv_device_list that this device was opened from. */
CGSV_API const cgsv_device_info *cgsv_device_describe(const cgsv_device *device);

#ifdef __cplusplus
}
#endif
#endif
