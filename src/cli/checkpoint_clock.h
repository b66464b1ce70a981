/* When to save a fleet that nobody asked to save: every five minutes, but not where saving would then take more than
 * a hundredth of the time. */
#ifndef CLI_CHECKPOINT_CLOCK_H
#define CLI_CHECKPOINT_CLOCK_H

#include <stdbool.h>

#define CHECKPOINT_SECONDS 300.0
#define CHECKPOINT_SHARE 0.01

/* In seconds of clock_seconds. */
struct checkpoint_clock {
    double last; /* when the latest was saved, or training began */
    double cost; /* what saving it took; 0 before the first */
};

static inline bool checkpoint_clock_due(const struct checkpoint_clock *clock, double now)
{
    const double least = clock->cost / CHECKPOINT_SHARE;
    return now - clock->last >= (least > CHECKPOINT_SECONDS ? least : CHECKPOINT_SECONDS);
}

#endif
