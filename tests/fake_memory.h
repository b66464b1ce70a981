/* Memory of a GPU on the host, as strict as that of a GPU: an allocation ends where a page begins that nobody may touch
 * (to 256 bytes), begins as NaN, and what is not shared with the host cannot be read or written but by work on the
 * device. Whoever does so all the same is stopped by a signal. */
#ifndef TESTS_FAKE_MEMORY_H
#define TESTS_FAKE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* NULL: not to be had. */
void *fake_memory_take(size_t bytes, bool shared_with_host);
void fake_memory_give(void *memory);

/* Around work on the device. */
void fake_memory_open(void);
void fake_memory_close(void);

/* Bytes of the allocation that an address lies in, or whose last page is the one before it; 0: of none. */
size_t fake_memory_around(const void *address);

#endif
