/* A folder of files, such as those of a data set, of which the input replaces one. */
#ifndef DATA_SET_H
#define DATA_SET_H

#include "cgsv/dataset.h"

#include <stddef.h>
#include <stdint.h>

enum { DATA_SET_FILES = 8 };

struct data_set_file {
    const char *name;
    const uint8_t *bytes; /* of a good file */
    size_t size;
};

/* The first byte of the input, modulo count, chooses the file that the rest becomes; the
 * others are good. Returns the folder; NULL for an empty input. */
const char *data_set_folder(const struct data_set_file *good, int count, const uint8_t *data, size_t size);

/* Every word, length and label of the three splits is in range, and every word in UTF-8. */
void data_set_check_sentences(const cgsv_dataset *dataset);

#endif
