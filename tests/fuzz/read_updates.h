/* Opening and reading a file as updates, for the targets of both formats. */
#ifndef READ_UPDATES_H
#define READ_UPDATES_H

#include <stddef.h>

#include "cgsv/status.h"

/* Opens the file and, if it is good, reads all its numbers in both types, which must
 * agree. `file_size` bounds what a good file can hold. */
cgsv_status read_updates(const char *path, const char *tensor, size_t file_size);

#endif
