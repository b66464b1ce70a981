/* Lists in one argument: "5,7,10", "5..10", "cosine,permutation". */
#ifndef CLI_LIST_H
#define CLI_LIST_H

#include <stdint.h>

#include "cgsv/status.h"

/* Calls `take` with every item between commas, in order, until one fails. An empty list or item is
 * CGSV_ERROR_ARGUMENT. */
cgsv_status list_each(const char *text, cgsv_status (*take)(void *context, const char *item), void *context);

enum { LIST_NUMBERS = 256 };

struct number_list {
    int64_t low, high; /* that numbers must lie in: set by the caller */
    int count;
    int64_t number[LIST_NUMBERS];
    const char *text; /* as given, within argv */
};

/* Whole numbers, in order and each once. An item is
 *     7  2^10  4k  1M         a number; k and M stand for thousand and million
 *     5..10  10..100:10       all from the first to the last, in steps of 1 or of the number behind the colon
 *     2^10..2^15              powers of one base: all between them
 *     none                    alone: the empty list */
cgsv_status number_list_parse(struct number_list *list, const char *text);

#endif
