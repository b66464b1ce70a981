#include "in_turn.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

/* FNV-1a of all that a call computes. */
static uint64_t digest;

void take_in(const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) digest = (digest ^ at[i]) * 1099511628211u;
}

/* The first allocations that fail, and those that a whole call makes. */
static long failed, tolerated;

static cgsv_status watched(cgsv_status (*call)(void), long number, enum failing_mode mode, long *made)
{
    digest = 14695981039346656037u;
    allocations_watch(number, mode);
    const cgsv_status status = call();
    *made = allocations_end();
    return status;
}

static void expect_told(const char *name, cgsv_status status, long number)
{
    const char *message = cgsv_last_error();
    if (status != CGSV_ERROR_MEMORY && status != CGSV_ERROR_IO)
        cr_expect(false, "%s, allocation %ld: status %d, '%s'", name, number, (int)status, message);
    if (!strstr(message, "memory")) cr_expect(false, "%s, allocation %ld: '%s'", name, number, message);
}

void each_in_turn(const char *name, cgsv_status (*call)(void), enum failing_mode mode)
{
    long made;
    cr_assert_eq(watched(call, 0, mode, &made), CGSV_OK, "%s: %s", name, cgsv_last_error());
    const uint64_t expected = digest;
    const long all = made;
    cr_assert_gt(all, 0, "%s allocates nothing", name);
    for (long number = 1; number <= all; number++) {
        error_say("no message");
        const cgsv_status status = watched(call, number, mode, &made);
        failed++;
        if (status != CGSV_OK)
            expect_told(name, status, number);
        else if (digest != expected)
            cr_expect(false, "%s: other numbers without allocation %ld", name, number);
        else
            tolerated++;
    }
    cr_assert_eq(watched(call, 0, mode, &made), CGSV_OK, "%s: %s", name, cgsv_last_error());
    cr_expect_eq(digest, expected, "%s: other numbers afterwards", name);
    cr_expect_not(allocations_leaked(), "%s leaks", name);
}

void turn_by_turn(const char *name, cgsv_status (*call)(void))
{
    each_in_turn(name, call, FAIL_ONE);
    each_in_turn(name, call, FAIL_ONWARDS);
}

void report(const char *what)
{
    fprintf(stderr, "%s: %ld allocations failed in turn, %ld of them did no harm\n", what, failed, tolerated);
}
