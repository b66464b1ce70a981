/* Where each agent's numbers lie in a file of updates. */
#ifndef IO_UPDATES_LAYOUT_H
#define IO_UPDATES_LAYOUT_H

#include <stdint.h>

#include "cgsv/status.h"
#include "io/elements.h"
#include "io/file.h"

struct layout {
    int64_t agents, dimension; /* each at least 1 */
    enum element type;
    uint64_t offset;   /* of a matrix, agents x dimension, in the file */
    uint64_t *offsets; /* of each agent's tensor; NULL for a matrix */
    char **names;      /* of each agent's tensor; NULL for a matrix */
};

/* Reads the headers of a .npy or .safetensors file; see updates_open. The layout is
 * the caller's to free, after a failure too. */
cgsv_status layout_read(struct layout *layout, const struct file_reader *reader, const char *tensor);
void layout_free(struct layout *layout);

/* The place of an agent's first number in the file, in bytes. */
uint64_t layout_offset(const struct layout *layout, int64_t agent);

#endif
