#include "io/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "cgsv/cgsv.h"
#include "core/error.h"

bool json_add_text(cJSON *object, const char *key, const char *text)
{
    return text ? cJSON_AddStringToObject(object, key, text) != NULL : cJSON_AddNullToObject(object, key) != NULL;
}

bool json_add_integers(cJSON *object, const char *key, const int64_t *values, int count)
{
    cJSON *array = cJSON_AddArrayToObject(object, key);
    bool complete = array != NULL;
    for (int i = 0; complete && i < count; i++)
        complete = json_add_item(array, NULL, cJSON_CreateNumber((double)values[i]));
    return complete;
}

bool json_add_uint64(cJSON *object, const char *key, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return cJSON_AddRawToObject(object, key, digits) != NULL;
}

bool json_add_origin(cJSON *object, const char *command, int argc, char **argv)
{
    bool complete = json_add_text(object, "cgsv_version", cgsv_version());
    cJSON *line = cJSON_AddArrayToObject(object, "command_line");
    complete = complete && json_add_item(line, NULL, cJSON_CreateString("cgsv")) &&
               json_add_item(line, NULL, cJSON_CreateString(command));
    for (int i = 0; i < argc; i++) complete = complete && json_add_item(line, NULL, cJSON_CreateString(argv[i]));
    return complete;
}

bool json_add_device(cJSON *object, const cgsv_device_info *device, int threads)
{
    cJSON *to = cJSON_AddObjectToObject(object, "device");
    return json_add_text(to, "name", device->name) && json_add_text(to, "description", device->description) &&
           cJSON_AddNumberToObject(to, "threads", threads);
}

bool json_add_checks(cJSON *root, const cgsv_checks *checks)
{
    const struct cgsv_failed_check *first = &checks->first;
    cJSON *to = cJSON_AddObjectToObject(root, "checks");
    if (!cJSON_AddNumberToObject(to, "made", (double)checks->made) ||
        !cJSON_AddNumberToObject(to, "failed", (double)checks->failed))
        return false;
    if (checks->failed == 0) return cJSON_AddNullToObject(to, "first_failure");
    cJSON *failure = cJSON_AddObjectToObject(to, "first_failure");
    return cJSON_AddNumberToObject(failure, "round", first->round) &&
           (first->agent < 0 ? cJSON_AddNullToObject(failure, "agent")
                             : cJSON_AddNumberToObject(failure, "agent", first->agent)) &&
           json_add_text(failure, "what", first->what) && cJSON_AddNumberToObject(failure, "value", first->value) &&
           cJSON_AddNumberToObject(failure, "least", first->least) &&
           cJSON_AddNumberToObject(failure, "most", first->most);
}

cgsv_status json_print(char **text, cJSON *object, bool complete)
{
    *text = complete ? cJSON_Print(object) : NULL;
    cJSON_Delete(object);
    return *text ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for a text of JSON");
}
