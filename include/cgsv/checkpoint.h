/* Checkpoints: everything that a federation's further rounds depend on, in one safetensors file. A
 * federation that goes on from one gives the bits of an unbroken run.
 *
 * The file holds, as tensors, the models, the optimizer's moments, the scheme's history and the records of
 * the rounds done; as metadata, the version, all settings, the device and a checksum of the data set; and
 * in the end a checksum of itself. Not in it: the agents' latest updates, which the next round makes anew. */
#ifndef CGSV_CHECKPOINT_H
#define CGSV_CHECKPOINT_H

#include "cgsv/federation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the device, then writes the file: beside `path`, synced, and renamed, so that a stop at any
 * moment leaves the file of before or the new one. Errors: CGSV_ERROR_ARGUMENT for a federation of a
 * fleet, CGSV_ERROR_IO, CGSV_ERROR_MEMORY, CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_federation_save_checkpoint(cgsv_federation *federation, const char *path);

/* Reads the whole file and checks it, without a federation. rounds: how many were done; may be NULL.
 * Errors: CGSV_ERROR_DATA for a file that is damaged, of another format, or no checkpoint; CGSV_ERROR_IO. */
CGSV_API cgsv_status cgsv_checkpoint_check(const char *path, int *rounds);

enum {
    CGSV_CHECKPOINT_OTHER_DEVICE = 1 /* take a checkpoint of another kind of device, too */
};

/* Puts a federation that has not run yet where the saved one was: rounds done, models, records, latest
 * evaluation, seconds. It must have been made with the same settings and the same data, by the same
 * version; and on the same kind of device (GPU, or instruction set of the CPU; the number of threads may
 * differ), on which alone the bits are the same, unless `flags` say otherwise.
 * Until the next round cgsv_federation_update is an error.
 * Errors: those of cgsv_checkpoint_check; CGSV_ERROR_ARGUMENT for what differs, with both values, for a
 * federation that has run, and for one of a fleet. These leave it as it was; after CGSV_ERROR_IO,
 * CGSV_ERROR_MEMORY or CGSV_ERROR_DEVICE it must be freed. */
CGSV_API cgsv_status cgsv_federation_load_checkpoint(cgsv_federation *federation, const char *path, unsigned flags);

#ifdef __cplusplus
}
#endif
#endif
