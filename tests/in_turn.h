/* Every allocation of a call in turn fails: the call says so, or does without and computes the same; and right
 * afterwards it computes the same. Under AddressSanitizer nothing may leak. */
#ifndef TESTS_IN_TURN_H
#define TESTS_IN_TURN_H

#include <stddef.h>

#include "cgsv/status.h"
#include "failing_allocations.h"

/* To be told by the call what it has computed. */
void take_in(const void *bytes, size_t count);

void each_in_turn(const char *name, cgsv_status (*call)(void), enum failing_mode mode);
void turn_by_turn(const char *name, cgsv_status (*call)(void)); /* in both modes */

/* Prints how many have failed so far. */
void report(const char *what);

#endif
