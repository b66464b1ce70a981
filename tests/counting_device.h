/* Counts what a device allocates, to be held against what was planned. */
#ifndef TESTS_COUNTING_DEVICE_H
#define TESTS_COUNTING_DEVICE_H

#include "device/device.h"

/* From now on. One device at a time. */
void count_allocations(cgsv_device *device);

/* Bytes that were asked for since; no longer counts. */
size_t allocations_counted(cgsv_device *device);

#endif
