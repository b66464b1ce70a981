#ifndef FEDERATION_CONFIG_H
#define FEDERATION_CONFIG_H

#include "cgsv/federation.h"

/* CGSV_ERROR_ARGUMENT, with name, value and range, for a setting that is out of range. */
cgsv_status config_check(const cgsv_config *config);

#endif
