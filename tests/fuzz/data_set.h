/* A folder of data-set files of which the input replaces one. */
#ifndef DATA_SET_H
#define DATA_SET_H

#include <stddef.h>
#include <stdint.h>

enum { DATA_SET_FILES = 6 };

struct data_set_file {
    const char *name;
    const uint8_t *bytes; /* of a good file */
    size_t size;
};

/* The first byte of the input, modulo count, chooses the file that the rest becomes; the
 * others are good. Returns the folder; NULL for an empty input. */
const char *data_set_folder(const struct data_set_file *good, int count, const uint8_t *data, size_t size);

#endif
