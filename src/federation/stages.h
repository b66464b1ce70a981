/* The stages of the server step that only some schemes have. */
#ifndef FEDERATION_STAGES_H
#define FEDERATION_STAGES_H

#include "federation/server_step.h"

/* Bytes that stages_create will take for the needs of `sizes`. */
size_t stages_bytes(const struct kernels *kernels, const struct server_sizes *sizes);

/* Allocates what the needs of `sizes` ask for and puts it in `step`, whose own arrays are there. step->stages
 * stays NULL where there are none. mechanism[F] is the host's. */
cgsv_status stages_create(struct server_step *step, cgsv_device *device, const struct server_sizes *sizes,
                          const struct mechanism *mechanism);
void stages_free(struct server_step *step, cgsv_device *device);

/* Enqueue their work; without stages nothing. In the order of a step: */
cgsv_status stages_upload(cgsv_device *device, struct server_step *step, void *stream); /* first; changes `step` */
cgsv_status stages_value(cgsv_device *device, const struct server_step *step, void *stream);  /* once weighed */
cgsv_status stages_order(cgsv_device *device, const struct server_step *step, void *stream);  /* before selecting */
cgsv_status stages_own(cgsv_device *device, const struct server_step *step, void *stream);    /* before the download */

#endif
