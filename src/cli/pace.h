/* How many rounds to enqueue before waiting for the device: one that works on its own is kept busy, and
 * yet a request to stop is heard within a fraction of a second, or a round. */
#ifndef CLI_PACE_H
#define CLI_PACE_H

#include "core/clock.h"

#define PACE_SECONDS 0.2

/* Zeroed before the first round. */
struct pace {
    double begin, per_round;
};

/* Rounds to enqueue next, of `left`. */
static inline int pace_begin(struct pace *pace, int left)
{
    pace->begin = clock_seconds();
    if (left <= 1 || pace->per_round * 2 > PACE_SECONDS || pace->per_round <= 0) return left < 1 ? left : 1;
    const double rounds = PACE_SECONDS / pace->per_round;
    return rounds < left ? (int)rounds : left;
}

/* Once these are done. */
static inline void pace_end(struct pace *pace, int rounds)
{
    pace->per_round = (clock_seconds() - pace->begin) / rounds;
}

#endif
