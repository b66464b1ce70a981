/* The device that tests of the library run on: the CPU, or what CGSV_TEST_DEVICE names. Those that read and write the
 * device's memory as if it were the host's need CUDA_LAUNCH_BLOCKING=1 and tests/managed_memory.c on a GPU. */
#ifndef TESTS_TEST_DEVICE_H
#define TESTS_TEST_DEVICE_H

#include <stdlib.h>
#include <string.h>

static inline const char *test_device(void)
{
    const char *name = getenv("CGSV_TEST_DEVICE");
    return name ? name : "cpu";
}

static inline int test_device_is_cpu(void) { return strcmp(test_device(), "cpu") == 0; }

#endif
