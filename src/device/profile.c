#include "device/profile.h"

#include <math.h>

#include "device/device.h"

const char *const stage_names[STAGES] = {
    [STAGE_OTHER] = "other",
    [STAGE_WAIT] = "waiting for cores",
    [STAGE_BEGIN] = "begin",
    [STAGE_GATHER] = "gather",
    [STAGE_FORWARD] = "forward conv_pool",
    [STAGE_FORWARD + 1] = "forward dense",
    [STAGE_FORWARD + 2] = "forward text",
    [STAGE_FORWARD + 3] = "forward conv3",
    [STAGE_FORWARD + 4] = "forward norm",
    [STAGE_FORWARD + 5] = "forward average",
    [STAGE_LOSS] = "loss",
    [STAGE_BACKWARD] = "backward conv_pool",
    [STAGE_BACKWARD + 1] = "backward dense",
    [STAGE_BACKWARD + 2] = "backward text",
    [STAGE_BACKWARD + 3] = "backward conv3",
    [STAGE_BACKWARD + 4] = "backward norm",
    [STAGE_BACKWARD + 5] = "backward average",
    [STAGE_OPTIMIZER] = "optimizer",
    [STAGE_VALIDATION] = "validation",
    [STAGE_NORMS] = "norms",
    [STAGE_AGGREGATE] = "aggregate and dots",
    [STAGE_CONTRIBUTION] = "contribution",
    [STAGE_SCHEME] = "scheme's own",
    [STAGE_SELECT] = "selection",
    [STAGE_DOWNLOAD] = "download",
    [STAGE_EVALUATION] = "evaluation",
};

cgsv_status profile_stage(cgsv_device *device, enum stage stage, struct work work)
{
    struct profile *p = device->profile;
    if (p->held != STAGE_OTHER) stage = p->held;
    p->stage[stage].work.bytes += work.bytes;
    p->stage[stage].work.flops += work.flops;
    return stage == p->current ? CGSV_OK : device->backend->stage(device, stage);
}

/* Holds `stage`, or none with STAGE_OTHER. */
static cgsv_status hold(cgsv_device *device, enum stage stage)
{
    if (!device->profile) return CGSV_OK;
    device->profile->held = stage;
    return device->backend->stage(device, stage);
}

cgsv_status profile_hold(cgsv_device *device, enum stage stage) { return hold(device, stage); }
cgsv_status profile_release(cgsv_device *device) { return hold(device, STAGE_OTHER); }

void profile_add(struct profile *to, const struct profile *from)
{
    for (int i = 0; i < STAGES; i++) {
        to->stage[i].seconds += from->stage[i].seconds;
        to->stage[i].work.bytes += from->stage[i].work.bytes;
        to->stage[i].work.flops += from->stage[i].work.flops;
    }
}

/* `to` times one stage while the cores work, which keeps what they do not account for. */
void profile_add_cores(struct profile *to, const struct profile *sum, int cores)
{
    struct profile mean = *sum;
    for (int i = 0; i < STAGES; i++) {
        mean.stage[i].seconds /= cores;
        to->stage[to->current].seconds -= mean.stage[i].seconds;
    }
    profile_add(to, &mean);
}

double profile_convolutions(const struct profile *p)
{
    static const enum stage stages[] = {STAGE_FORWARD, STAGE_FORWARD + 3, STAGE_BACKWARD, STAGE_BACKWARD + 3};
    double seconds = 0, flops = 0;
    for (int i = 0; i < 4; i++) {
        seconds += p->stage[stages[i]].seconds;
        flops += p->stage[stages[i]].work.flops;
    }
    return flops > 0 ? flops / seconds / p->product_rate : NAN;
}

double profile_floor(const struct profile *p, struct work work)
{
    const double bytes = work.bytes / p->copy_bandwidth, flops = work.flops / p->product_rate;
    return bytes > flops ? bytes : flops;
}
