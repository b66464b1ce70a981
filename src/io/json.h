/* What the JSON files of all commands have in common. cJSON's functions take NULL and give NULL
 * when memory runs out, so a chain of && builds an object and tells whether it is complete. */
#ifndef IO_JSON_H
#define IO_JSON_H

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgsv/checks.h"
#include "cgsv/device.h"
#include "cgsv/status.h"
#include "core/error.h"

/* Parses text[length]; NULL where it is no JSON. *end: where that ends, or went wrong. `path`: of the
 * message. Errors: CGSV_ERROR_MEMORY, which cJSON tells from a fault of the text by errno alone. */
static inline cgsv_status json_parse(cJSON **object, const char *text, size_t length, const char **end,
                                     const char *path)
{
    errno = 0;
    *object = cJSON_ParseWithLengthOpts(text, length, end, 0);
    if (*object || errno != ENOMEM) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for what '%s' holds", path);
}

/* Adds an item under `key`, or at an array's end with key NULL. One that cannot be added is deleted,
 * which cJSON's own functions leave undone. */
static inline bool json_add_item(cJSON *to, const char *key, cJSON *item)
{
    if (key ? cJSON_AddItemToObject(to, key, item) : cJSON_AddItemToArray(to, item)) return true;
    cJSON_Delete(item);
    return false;
}

bool json_add_text(cJSON *object, const char *key, const char *text); /* null for NULL */
bool json_add_integers(cJSON *object, const char *key, const int64_t *values, int count);
bool json_add_uint64(cJSON *object, const char *key, uint64_t value); /* all digits, which a double would round */

/* "cgsv_version" and "command_line": cgsv, the command, and what followed it. */
bool json_add_origin(cJSON *object, const char *command, int argc, char **argv);

/* "device": name, description, threads. */
bool json_add_device(cJSON *object, const cgsv_device_info *device, int threads);

/* "checks": {"made", "failed", "first_failure": null or what and where}. */
bool json_add_checks(cJSON *root, const cgsv_checks *checks);

/* The text of a complete object, the caller's to free; deletes the object. */
cgsv_status json_print(char **text, cJSON *object, bool complete);

#endif
