/* What the files of a federation share. */
#ifndef FEDERATION_INTERNAL_H
#define FEDERATION_INTERNAL_H

#include "cgsv/federation.h"
#include "data/partition.h"
#include "device/device.h"
#include "federation/server_step.h"
#include "model/model.h"

struct cgsv_federation {
    cgsv_device *device;
    cgsv_config config;
    struct model model;
    struct partition partition;
    int classes;
    int32_t *train_labels; /* host copy, to count classes */
    int rounds_done;

    int rows;              /* R: agents, and twins when there are any */
    struct row *row;       /* [R] host copy, most samples first */
    int *steps;            /* [R] batches in an epoch, which fall */
    struct row *device_row;

    float *models;         /* W [N + 1][ld], the server's last */
    float *updates;        /* U [N][ld] */
    float *work;           /* [R][ld] */
    float *gradient;       /* [rows_at_once][ld] */
    float *moment1, *moment2;
    double *lr;            /* [R] */
    double *train_loss;    /* [N] */
    int *round;            /* rounds done, on the device */
    struct loss_sums *train_sums; /* [R] */

    float *train_x, *test_x;
    int32_t *train_y, *test_y, *index;
    int64_t test_samples;

    struct workspace training, evaluation;
    struct server_step server;
    device_graph *training_graph, *server_graph; /* the halves of a round, once recorded */

    struct loss_sums *test_sums; /* [N + 1 + N]: the rows of W, then the twins in the order of rows */
    bool evaluated;
};

enum { EVALUATION_BATCH = 128 }; /* samples of the test split that are evaluated at a time */

/* Of `rows` models, how many train side by side; the others before or after them. */
int rows_at_once(const cgsv_device *device, int rows);

/* Enqueues one round. */
cgsv_status round_enqueue(cgsv_federation *federation);

#endif
