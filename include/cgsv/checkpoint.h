/* Checkpoints: everything that the further rounds of a federation, or of a fleet, depend on, in one safetensors
 * file. What goes on from one gives the bits of an unbroken run.
 *
 * The file holds, as tensors, the models, the optimizer's moments, the scheme's history and the records of
 * the rounds done, those of all federations together; as metadata, the version, all settings, the device and a
 * checksum of the data set; and in the end a checksum of itself. A setting in which federations differ has all
 * their values, with ";" between them; "federations", their number, is there for more than one. Not in it: the
 * agents' latest updates, which the next round makes anew. A federation alone and a fleet of one write the same. */
#ifndef CGSV_CHECKPOINT_H
#define CGSV_CHECKPOINT_H

#include "cgsv/federation.h"
#include "cgsv/fleet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the device, then writes the file: beside `path`, synced, and renamed, so that a stop at any
 * moment leaves the file of before or the new one. Errors: CGSV_ERROR_ARGUMENT for a federation of a
 * fleet, CGSV_ERROR_IO, CGSV_ERROR_MEMORY, CGSV_ERROR_DEVICE; none changes what is in training. */
CGSV_API cgsv_status cgsv_federation_save_checkpoint(cgsv_federation *federation, const char *path);
CGSV_API cgsv_status cgsv_fleet_save_checkpoint(cgsv_fleet *fleet, const char *path);

/* Reads the whole file and checks it, without a federation. rounds: how many were done; may be NULL.
 * Errors: CGSV_ERROR_DATA for a file that is damaged, of another format, or no checkpoint; CGSV_ERROR_IO. */
CGSV_API cgsv_status cgsv_checkpoint_check(const char *path, int *rounds);

enum {
    CGSV_CHECKPOINT_OTHER_DEVICE = 1 /* take a checkpoint of another kind of device, too */
};

/* Puts a federation, or a fleet, that has not run yet where the saved one was: rounds done, models, records,
 * latest evaluation, seconds. It must have been made with the same settings, a fleet's in the same order, and
 * the same data, by the same version; and on the same kind of device (GPU, or instruction set of the CPU; the
 * number of threads may differ), on which alone the bits are the same, unless `flags` say otherwise.
 * Until the next round cgsv_federation_update is an error.
 * Errors: those of cgsv_checkpoint_check; CGSV_ERROR_ARGUMENT for what differs, with both values, for
 * federations that have run, and for one of a fleet. These leave it as it was; after CGSV_ERROR_IO,
 * CGSV_ERROR_MEMORY or CGSV_ERROR_DEVICE it must be freed. */
CGSV_API cgsv_status cgsv_federation_load_checkpoint(cgsv_federation *federation, const char *path, unsigned flags);
CGSV_API cgsv_status cgsv_fleet_load_checkpoint(cgsv_fleet *fleet, const char *path, unsigned flags);

#ifdef __cplusplus
}
#endif
#endif
