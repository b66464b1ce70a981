/* A CPU whose rows in training all share launches, as a GPU's do. */
#ifndef TESTS_SHARING_DEVICE_H
#define TESTS_SHARING_DEVICE_H

#include "device/device.h"

/* As many at a time as scratch_bytes hold (0: all), or a quarter of them. One device at a time. */
void share_launches(cgsv_device *device, size_t scratch_bytes);

#endif
