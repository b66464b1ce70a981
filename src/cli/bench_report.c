#include "cli/bench_report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format.h"

enum { LEAST_WIDTH = 9 };

void bench_report_begin(const struct bench *bench)
{
    const cgsv_device_info *info = cgsv_device_describe(bench->device);
    if (bench->options.json) return;
    printf("%s: %s; %d repeat%s\n\n", info->name, info->description, bench->options.effort.repeat,
           bench->options.effort.repeat == 1 ? "" : "s");
    fflush(stdout);
}

/* ---- JSON ---- */

/* Threads that compute; a GPU's are not counted. */
static double threads_of(const cgsv_device *device)
{
    if (!device->backend->shares_memory) return NAN;
    return ((const struct cpu_stream *)device->stream)->threads;
}

/* cJSON writes what is not finite as null. */
static bool add_numbers(cJSON *object, const struct bench_field *fields, int count)
{
    for (int i = 0; i < count; i++)
        if (!cJSON_AddNumberToObject(object, fields[i].key, fields[i].value)) return false;
    return true;
}

static cgsv_status print_json(const struct bench *bench, const char *what, int agents, int64_t dimension,
                              const struct bench_times *times, const struct bench_field *fields, int count)
{
    const cgsv_device_info *info = cgsv_device_describe(bench->device);
    const struct bench_field common[] = {
        {.key = "threads", .value = threads_of(bench->device)},
        {.key = "agents", .value = agents},
        {.key = "dimension", .value = (double)dimension},
        {.key = "repeat", .value = times->count},
        {.key = "copy_gb_per_second", .value = 1e-9 * times->copy_bandwidth},
        {.key = "product_gflop_per_second", .value = 1e-9 * bench->product_rate},
        {.key = "seconds", .value = times->median},
        {.key = "least_seconds", .value = times->least},
        {.key = "lower_seconds", .value = times->lower},
        {.key = "upper_seconds", .value = times->upper},
        {.key = "most_seconds", .value = times->most},
    };
    cJSON *object = cJSON_CreateObject();
    const bool complete = cJSON_AddStringToObject(object, "what", what) &&
                          cJSON_AddStringToObject(object, "device", info->name) &&
                          cJSON_AddStringToObject(object, "description", info->description) &&
                          (!bench->options.what->selects ||
                           cJSON_AddStringToObject(object, "reward", cgsv_reward_name(bench->options.reward))) &&
                          (!bench->options.what->stores ||
                           (cJSON_AddStringToObject(object, "updates", cgsv_storage_name(bench->options.storage)) &&
                            cJSON_AddBoolToObject(object, "norms_given", bench->options.norms_given))) &&
                          add_numbers(object, common, sizeof common / sizeof *common) &&
                          add_numbers(object, fields, count);
    char *text = complete ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (!text) return error_set(CGSV_ERROR_MEMORY, "no memory for a row of the benchmark");
    puts(text);
    free(text);
    return CGSV_OK;
}

/* ---- table ---- */

static int width_of(const char *heading)
{
    const int length = (int)strlen(heading);
    return length > LEAST_WIDTH ? length : LEAST_WIDTH;
}

static void print_headings(const struct bench_field *fields, int count)
{
    printf("%-14s %7s %13s %*s %*s  copy GB/s", "what", "N", "D", LEAST_WIDTH, "seconds", LEAST_WIDTH, "least");
    for (int i = 0; i < count; i++)
        if (fields[i].heading) printf("  %*s", width_of(fields[i].heading), fields[i].heading);
    putchar('\n');
}

static void print_row(const char *what, int agents, int64_t dimension, const struct bench_times *times,
                      const struct bench_field *fields, int count)
{
    char agents_text[FORMAT_SIZE], dimension_text[FORMAT_SIZE];
    printf("%-14s %7s %13s %*.3g %*.3g  %*.3g", what, format_count(agents_text, agents),
           format_count(dimension_text, dimension), LEAST_WIDTH, times->median, LEAST_WIDTH, times->least, LEAST_WIDTH,
           1e-9 * times->copy_bandwidth);
    for (int i = 0; i < count; i++) {
        if (!fields[i].heading) continue;
        const int width = width_of(fields[i].heading);
        if (isnan(fields[i].value))
            printf("  %*s", width, "-");
        else
            printf("  %*.3g", width, fields[i].value);
    }
    putchar('\n');
}

cgsv_status bench_report_row(struct bench *bench, const char *what, int agents, int64_t dimension,
                             const struct bench_times *times, const struct bench_field *fields, int count)
{
    if (bench->options.json) {
        TRY(print_json(bench, what, agents, dimension, times, fields, count));
    } else {
        if (!bench->headed) print_headings(fields, count);
        bench->headed = true;
        print_row(what, agents, dimension, times, fields, count);
    }
    fflush(stdout); /* the next row may take long */
    return CGSV_OK;
}
