/* The page about a folder, for the targets of both kinds of folders. */
#ifndef REPORT_PAGES_H
#define REPORT_PAGES_H

#include "data_set.h"

#define FILE_OF(name, text) {name, (const uint8_t *)(text), sizeof(text) - 1}

/* Makes the report of the folder in which the input replaces one of the good files, and checks its page: see
 * data_set_folder. */
void report_pages_check(const struct data_set_file *good, int count, const uint8_t *data, size_t size);

#endif
