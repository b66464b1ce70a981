/* Look-up of names with a suggestion for misspelt ones. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "core/error.h"

/* Index of `name` in names[count]; -1 when it is not there. */
int name_index(const char *name, const char *const *names, int count);

/* The known name nearest to `name` by edit distance, NULL when none is near. */
const char *name_nearest(const char *name, const char *const *names, int count);

/* Sets *index, or fails with CGSV_ERROR_ARGUMENT: "unknown WHAT 'name'; did you
 * mean 'nearest'? Known: a, b, c". */
cgsv_status name_parse(int *index, const char *what, const char *name, const char *const *names, int count);

/* Name of number `value`, "unknown" where there is none. */
const char *name_of(const char *const *names, int count, int value);

#define NAMES(names) ((int)(sizeof(names) / sizeof *(names)))

/* Defines the public cgsv_NOUN_name and cgsv_NOUN_parse of an enumeration `type`, from the array of its
 * values' names. */
#define NAMED_CHOICE(noun, names, type)                                         \
    const char *cgsv_##noun##_name(type value)                                  \
    {                                                                           \
        return name_of(names, NAMES(names), (int)value);                        \
    }                                                                           \
    cgsv_status cgsv_##noun##_parse(type *value, const char *name)              \
    {                                                                           \
        int index;                                                              \
        TRY(name_parse(&index, #noun, name, names, NAMES(names)));              \
        *value = (type)index;                                                   \
        return CGSV_OK;                                                         \
    }

#endif
