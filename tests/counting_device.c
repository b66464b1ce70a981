#include "counting_device.h"

static size_t bytes_so_far;
static struct device_backend counting;
static const struct device_backend *uncounted;

static cgsv_status counted_allocate(cgsv_device *device, void **memory, size_t bytes)
{
    bytes_so_far += bytes;
    return uncounted->allocate(device, memory, bytes);
}

void count_allocations(cgsv_device *device)
{
    bytes_so_far = 0;
    uncounted = device->backend;
    counting = *uncounted;
    counting.allocate = counted_allocate;
    device->backend = &counting;
}

size_t allocations_counted(cgsv_device *device)
{
    device->backend = uncounted;
    return bytes_so_far;
}
