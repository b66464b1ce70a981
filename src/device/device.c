/* Choosing and opening devices. */
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 64 };

int cgsv_device_list(cgsv_device_info *info, int capacity)
{
    int count = cpu_list(info, capacity);
    int room = capacity > count ? capacity - count : 0;
    return count + cuda_list(room ? info + count : NULL, room);
}

/* Number of the GPU that "cuda" or "cuda:K" names, -1 when it is no such name. */
static int cuda_index(const char *name)
{
    if (strcmp(name, "cuda") == 0) return 0;
    if (strncmp(name, "cuda:", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
    char *end;
    long index = strtol(name + 5, &end, 10);
    return *end || index > 1000 ? -1 : (int)index;
}

static cgsv_status open_auto(cgsv_device *device, int threads)
{
    cgsv_device_info found[MAX_DEVICES];
    int count = cuda_list(found, MAX_DEVICES);
    for (int i = 0; i < count && i < MAX_DEVICES; i++)
        if (!found[i].reason[0]) return cuda_open(device, cuda_index(found[i].name));
    return cpu_open(device, threads);
}

cgsv_status cgsv_device_open(cgsv_device **out, const char *name, int threads)
{
    *out = NULL;
    if (threads < 0 || threads > 4096)
        return error_set(CGSV_ERROR_ARGUMENT, "threads is %d; expected 0 (all) to 4096", threads);
    cgsv_device *device = calloc(1, sizeof *device);
    if (!device) return error_set(CGSV_ERROR_MEMORY, "no memory for a device handle");
    cgsv_status status;
    if (strcmp(name, "auto") == 0)
        status = open_auto(device, threads);
    else if (strcmp(name, "cpu") == 0)
        status = cpu_open(device, threads);
    else if (cuda_index(name) >= 0)
        status = cuda_open(device, cuda_index(name));
    else
        status = error_set(CGSV_ERROR_ARGUMENT, "unknown device '%s'. Known: auto, cpu, cuda, cuda:K", name);
    if (status != CGSV_OK) {
        free(device);
        return status;
    }
    *out = device;
    return CGSV_OK;
}

void cgsv_device_close(cgsv_device *device)
{
    if (!device) return;
    device->backend->close(device);
    free(device);
}

const cgsv_device_info *cgsv_device_describe(const cgsv_device *device) { return &device->info; }

cgsv_status device_launched(const cgsv_device *device, const char *message)
{
    if (!message) return CGSV_OK;
    return error_set(CGSV_ERROR_DEVICE, "%s: a kernel could not be launched: %s", device->info.name, message);
}
