/* cgsv run --profile: the stages of a run's rounds beside what the machine allows. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include <stdio.h>

#include "device/device.h"

/* Measures the machine, in less than a second, and has `device` keep the profile. */
cgsv_status profile_begin(struct profile *profile, cgsv_device *device);

/* As a table; stages that took next to no time are left out. */
void profile_print(FILE *stream, const struct profile *profile);

#endif
