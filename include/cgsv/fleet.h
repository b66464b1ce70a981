/* A fleet: federations that train side by side, in the same launches, as a sweep over
 * settings wants them. A federation of a fleet gives the same bits as it does alone.
 *
 * All have the data set, model, number of agents, rounds, local epochs, batch, optimizer,
 * momentum, learning-rate decay, evaluation interval and the scheme's reward rule in common. They
 * may differ in the rest: the scheme's other stages, β, α, Γ, learning rates, partition, seed,
 * standalone twins. Twins depend on partition, seed and learning rate alone; federations whose
 * twins would be the same share them, and train them once. */
#ifndef CGSV_FLEET_H
#define CGSV_FLEET_H

#include "cgsv/federation.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cgsv_fleet cgsv_fleet;

/* Whether a fleet may hold both: CGSV_OK, or CGSV_ERROR_ARGUMENT with the first setting
 * that differs and must not. */
CGSV_API cgsv_status cgsv_fleet_alike(const cgsv_config *config, const cgsv_config *other);

/* Memory that a fleet of configs[count] will take, known before anything is allocated;
 * plan->rows is that of all. Errors: as cgsv_fleet_create, but for partitions. */
CGSV_API cgsv_status cgsv_fleet_plan(cgsv_memory_plan *plan, cgsv_device *device, const cgsv_config *configs,
                                     int count, const cgsv_dataset *dataset);

/* As cgsv_federation_create, for configs[count]. `dataset` may be freed afterwards;
 * `device` may not. Errors: CGSV_ERROR_ARGUMENT (count not in 1 … 10000, federations that
 * are not alike, a setting out of range, more agents than samples), CGSV_ERROR_MEMORY
 * (with both numbers), CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_fleet_create(cgsv_fleet **fleet, cgsv_device *device, const cgsv_config *configs, int count,
                                       const cgsv_dataset *dataset);

/* With all its federations. NULL is fine. */
CGSV_API void cgsv_fleet_free(cgsv_fleet *fleet);

/* Enqueues `rounds` rounds of all federations and returns. Rounds past their number are
 * an error (CGSV_ERROR_ARGUMENT). */
CGSV_API cgsv_status cgsv_fleet_run(cgsv_fleet *fleet, int rounds);

/* Evaluates all models of all federations on the test split. */
CGSV_API cgsv_status cgsv_fleet_evaluate(cgsv_fleet *fleet);

/* One federation by its number, in the order of creation, to be read; it belongs to the fleet. */
CGSV_API cgsv_federation *cgsv_fleet_federation(cgsv_fleet *fleet, int number);

/* Seconds that all federations together took so far, waiting for the device first. */
CGSV_API cgsv_status cgsv_fleet_seconds(cgsv_fleet *fleet, cgsv_seconds *seconds);

#ifdef __cplusplus
}
#endif
#endif
