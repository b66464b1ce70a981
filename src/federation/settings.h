/* A federation's settings as text, each under the name that the command line gives it. */
#ifndef FEDERATION_SETTINGS_H
#define FEDERATION_SETTINGS_H

#include "cgsv/federation.h"

/* A member of cgsv_config. */
struct setting_field {
    const char *name;
    size_t offset, size;
    void (*show)(char *text, size_t size, const void *value);
};

/* All of them; returns their number. */
int setting_fields(const struct setting_field **fields);

enum { CONFIG_SETTINGS = 64, SETTING_LENGTH = 176 }; /* of them, and of a value as text, at most */

#endif
