/* Look-up of names with a suggestion for misspelt ones. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "cgsv/status.h"

/* Index of `name` in names[count]; -1 when it is not there. */
int name_index(const char *name, const char *const *names, int count);

/* The known name nearest to `name` by edit distance, NULL when none is near. */
const char *name_nearest(const char *name, const char *const *names, int count);

/* Sets *index, or fails with CGSV_ERROR_ARGUMENT: "unknown WHAT 'name'; did you
 * mean 'nearest'? Known: a, b, c". */
cgsv_status name_parse(int *index, const char *what, const char *name, const char *const *names, int count);

#endif
