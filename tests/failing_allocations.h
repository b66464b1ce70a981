/* Allocations that fail on purpose. A program that links failing_allocations.c has malloc and
 * its kin replaced, for itself and for the libraries it calls. Only the program's own calls are
 * counted and made to fail, and those of the C library, cJSON and zlib on its behalf: OpenMP,
 * OpenBLAS and the dynamic linker end the process when they get no memory. */
#ifndef TESTS_FAILING_ALLOCATIONS_H
#define TESTS_FAILING_ALLOCATIONS_H

#include <stdbool.h>

enum failing_mode {
    FAIL_ONE,    /* allocation number `number` alone */
    FAIL_ONWARDS /* that one and all after it */
};

/* Counts allocations from here on, the first is number 1; number 0: none fails. */
void allocations_watch(long number, enum failing_mode mode);

/* Ends that, and returns how many there were. */
long allocations_end(void);

/* Whether memory has been lost since the program began; AddressSanitizer's build alone can tell. */
bool allocations_leaked(void);

#endif
