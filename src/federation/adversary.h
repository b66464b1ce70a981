/* The adversaries of a fleet: whose samples they hold, which rows train on flipped labels,
 * and which updates are rewritten before the server sees them. */
#ifndef FEDERATION_ADVERSARY_H
#define FEDERATION_ADVERSARY_H

#include "cgsv/fleet.h"
#include "kernels/kernels.h"

/* CGSV_ERROR_ARGUMENT for more adversaries than agents, for replicas without an honest agent
 * to copy, and for a factor that is no positive number. */
cgsv_status adversaries_check(const cgsv_adversaries *adversaries, int agents);

/* The agent whose samples this one holds: itself, but for a replicated one. */
int adversary_holds(const cgsv_adversaries *adversaries, int agent);

/* Whether all agents, and so their twins, train on the same samples and labels by both. */
bool adversaries_same_data(const cgsv_adversaries *a, const cgsv_adversaries *b, int agents);

/* What the device must know; all zero when no agent of the fleet has to be treated. */
struct adversaries {
    int flipped;               /* rows in training whose labels are flipped */
    int32_t *row;              /* [flipped] ascending, host copy */
    int32_t *device_row;
    int rewritten;             /* agents whose update is rewritten */
    struct adversary *rewrite; /* [rewritten], on the device */
};

/* Bytes on the device, at most; and what is there, once the fleet's rows are made. */
size_t adversaries_bytes(const cgsv_fleet *fleet);
cgsv_status adversaries_create(cgsv_fleet *fleet);
void adversaries_free(cgsv_fleet *fleet);

/* Flip the labels of a batch that was drawn for the first `rows` rows of a group into `workspace`; rewrite the updates
 * after local training. Enqueued; nothing where there is nothing to do. */
struct group;
struct workspace;
cgsv_status adversaries_flip(cgsv_fleet *fleet, const struct group *group, const struct workspace *workspace,
                             int rows);
cgsv_status adversaries_rewrite(cgsv_fleet *fleet);

#endif
