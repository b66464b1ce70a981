/* Where the time of a run goes: seconds, bytes and operations of every stage of a round.
 *
 * A device that has a profile keeps the time between two calls of PROFILE for the stage that the
 * first one names. On a CPU, stages of rows that train side by side are the mean over the cores.
 * Without a profile nothing is counted; the numbers that a run computes are the same bits. */
#ifndef DEVICE_PROFILE_H
#define DEVICE_PROFILE_H

#include "cgsv/device.h"
#include "core/error.h"

/* Layers' stages stand in the order of enum layer_kind (model/model.h). */
enum { STAGE_LAYERS = 6 };
enum stage {
    STAGE_OTHER,
    STAGE_WAIT,  /* of cores for each other, where rows train side by side */
    STAGE_BEGIN, /* models to their agents, what a round begins with */
    STAGE_GATHER,
    STAGE_FORWARD,
    STAGE_LOSS = STAGE_FORWARD + STAGE_LAYERS,
    STAGE_BACKWARD,
    STAGE_OPTIMIZER = STAGE_BACKWARD + STAGE_LAYERS,
    STAGE_VALIDATION, /* what a scheme measures on samples kept aside */
    STAGE_NORMS,
    STAGE_AGGREGATE, /* with the dot products */
    STAGE_CONTRIBUTION,
    STAGE_SCHEME, /* what only some schemes have */
    STAGE_SELECT,
    STAGE_DOWNLOAD,
    STAGE_EVALUATION,
    STAGES
};
extern const char *const stage_names[STAGES];

/* What a stage has to do at least: bytes that are read or written, each array once; operations in
 * float32, a multiply-add counted as two. */
struct work {
    double bytes, flops;
};

struct profile {
    struct stage_sums {
        double seconds;
        struct work work;
    } stage[STAGES];
    enum stage current;
    enum stage held; /* counts for all stages meanwhile; STAGE_OTHER: none does */

    /* Of the machine, measured: bytes a second of a copy, read and written; operations a second of a
     * matrix product. */
    double copy_bandwidth, product_rate;
};

/* Ends the stage at work and begins another, which has `work` to do; where the caller's function
 * returns a cgsv_status. `work` is not looked at without a profile. */
#define PROFILE(device, stage, work)                                        \
    do {                                                                    \
        if ((device)->profile) TRY(profile_stage(device, stage, work));     \
    } while (0)
cgsv_status profile_stage(cgsv_device *device, enum stage stage, struct work work);

/* Until profile_release, all stages count as this one. */
cgsv_status profile_hold(cgsv_device *device, enum stage stage);
cgsv_status profile_release(cgsv_device *device);

/* Adds to `to` what `cores` cores' profiles have summed up to in `sum`. */
void profile_add_cores(struct profile *to, const struct profile *sum, int cores);
void profile_add(struct profile *to, const struct profile *from);

/* Seconds that the machine needs for the work at least: for its bytes or for its operations,
 * whichever take longer. */
double profile_floor(const struct profile *profile, struct work work);

/* The rate of the convolutions of pictures, forward and all gradients together, over that of a matrix
 * product; NaN where there are none. */
double profile_convolutions(const struct profile *profile);

#endif
