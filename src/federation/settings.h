/* A federation's settings as text, each under the name that the command line gives it: what a
 * checkpoint says of the run that it is of. */
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

enum { SETTING_LENGTH = 176 };

struct setting {
    const char *name;
    char value[SETTING_LENGTH];
};

/* Adds the settings of `config` to list[count ...] and returns how many there are then. */
enum { CONFIG_SETTINGS = 64 }; /* at most */
int settings_add(struct setting *list, int count, const cgsv_config *config);

#endif
