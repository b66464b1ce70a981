/* cgsv devices: what this binary can compute on, and why not on the rest. */
#include <stdio.h>
#include <stdlib.h>

#include "cgsv/device.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/options.h"
#include "core/error.h"

static void print_device(const cgsv_device_info *info)
{
    char available[FORMAT_SIZE], total[FORMAT_SIZE];
    printf("%-8s ", info->name);
    if (info->reason[0]) {
        printf("not usable: %s\n", info->reason);
        return;
    }
    printf("%s", info->description);
    if (info->memory_total > 0)
        printf(", %s of %s free", format_bytes(available, info->memory_free), format_bytes(total, info->memory_total));
    putchar('\n');
}

int command_devices(int argc, char **argv)
{
    bool help;
    cgsv_status status = options_parse(NULL, 0, argc, argv, &help);
    if (status != CGSV_OK) return report_status(status);
    if (help) {
        printf("usage: cgsv devices\n\n"
               "Lists the devices that --device knows, and why those that cannot be used cannot.\n");
        return EXIT_DONE;
    }
    int count = cgsv_device_list(NULL, 0);
    cgsv_device_info *info = calloc((size_t)count + 1, sizeof *info);
    if (!info) return report_status(error_set(CGSV_ERROR_MEMORY, "no memory for %d devices", count));
    int listed = cgsv_device_list(info, count);
    for (int i = 0; i < count && i < listed; i++) print_device(&info[i]);
    free(info);
    return EXIT_DONE;
}
