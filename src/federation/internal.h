/* What the files of a fleet and its federations share. */
#ifndef FEDERATION_INTERNAL_H
#define FEDERATION_INTERNAL_H

#include "cgsv/fleet.h"
#include "data/partition.h"
#include "device/device.h"
#include "federation/adversary.h"
#include "federation/scores.h"
#include "federation/server_step.h"
#include "model/model.h"

/* The agents' samples, shared by the federations that split the data alike. */
struct split {
    int member; /* the first federation that has it */
    struct partition partition;
    int64_t first; /* its first entry in the fleet's list of sample indices */
    int64_t validation_first; /* the same of validation samples */
};

/* A standalone twin of every agent, shared by the federations whose twins would be the same. */
struct twin_set {
    int member; /* the first federation that has it */
};

/* One federation of a fleet. */
struct cgsv_federation {
    cgsv_fleet *fleet;
    bool owns_fleet; /* it was created alone */
    int number;      /* f */
    cgsv_config config;
    int split;
    int twins; /* its twin set, or -1 */
};

/* F federations of N agents with T twin sets.
 *
 * Between rounds, all later ones depend on these arrays alone: models, moment1, moment2; of words.done, which
 * counts are negative; round; importance and removed of `server`, and total, sums, start and summed of the indices of
 * `scores`. Its records are the history of rounds done, test_sums of evaluations. All else is set up once, or scratch
 * that a round writes before it reads it; updates are the latest round's, to be read until the next. */
struct cgsv_fleet {
    cgsv_device *device;
    int federations, agents;
    cgsv_federation *federation; /* [F] */
    unsigned needs;              /* enum scheme_need of all their schemes together */
    cgsv_config config;          /* what all have in common; in the rest, the first's */
    struct model model;
    int classes;
    int32_t *train_labels; /* host copy, to count classes */
    int rounds_done;
    int rounds_loaded; /* of these, those before a checkpoint that was loaded */

    int splits, twin_sets;
    struct split *split;     /* [F] of which `splits` are in use */
    struct twin_set *twins;  /* [F] of which T are in use */

    int rows;              /* R = F N + T N: agents and twins */
    struct row *row;       /* [R] host copy, most samples first */
    int *steps;            /* [R] batches in an epoch, which fall */
    struct row *device_row;

    float *models;         /* W [F (N + 1) + T N][ld]: each federation's agents and server, then the twins */
    void *updates;         /* U [F N][ld], as config.update_storage says */
    float *moment1, *moment2; /* [R][ld] */
    float *scratch;        /* [2 S][ld] models and gradients (with bf16 [3 S], updates) of S = groups_rows() rows, as
                              many as train at a time;
                              after training, models that are evaluated once */
    struct word_steps words; /* of sentences; its batch is the training's */
    double *lr;            /* [R] */
    double *train_loss;    /* [F N] */
    int *round;            /* rounds done, on the device */
    struct loss_sums *train_sums; /* [R] */

    float *train_x, *test_x;
    int32_t *train_token, *train_length, *test_token, *test_length; /* sentences, in place of x */
    int32_t *train_y, *test_y;
    int32_t *index; /* of all splits, one after the other */
    int64_t train_samples, test_samples;
    int sample_width;       /* words of the longest sentence */
    bool data_summed;
    uint32_t data_checksum; /* of all samples and labels, once a checkpoint has asked for it */

    struct adversaries adversaries;
    int shared;                   /* rows that share launches; each later one has a core of its own */
    int together;                 /* of those, rows of a portion, which train at a time */
    struct workspace training;    /* of a portion */
    struct workspace *core;       /* [cores] of the others */
    struct workspace evaluation;
    int evaluation_rows; /* models that are evaluated at a time */
    struct server_step server;
    struct validation validation;
    struct scores scores;
    device_graph *training_graph, *server_graph; /* the halves of a round, once recorded */

    struct loss_sums *test_sums; /* [F (N + 1) + T N + F N]: the rows of W, agents before the download */
    int evaluated_round;         /* rounds done by then; -1: never */
    int trained_round;           /* the latest round whose agents were evaluated before the download; 0: none */
};

/* Samples of the test split, and models, that are evaluated at a time; bytes of their activations at most, unless one
 * model's are more. */
enum { EVALUATION_BATCH = 128, EVALUATION_ROWS = 64, EVALUATION_BYTES = 1 << 30 };

static inline size_t update_size(cgsv_storage storage)
{
    return storage == CGSV_STORAGE_BF16 ? sizeof(uint16_t) : sizeof(float);
}

static inline int fleet_models(const cgsv_fleet *f) { return f->federations * (f->agents + 1); }
static inline int fleet_twins(const cgsv_fleet *f) { return f->twin_sets * f->agents; }
static inline int fleet_agents(const cgsv_fleet *f) { return f->federations * f->agents; }
static inline int fleet_rows(const cgsv_fleet *f) { return fleet_agents(f) + fleet_twins(f); }

static inline struct samples train_samples(const cgsv_fleet *f)
{
    return (struct samples){f->train_x, f->train_token, f->train_length, f->train_y};
}

/* Checks configs[count] and that a fleet may hold them all, and finds out which share splits
 * and twins. Errors leave it to be freed with members_free. */
cgsv_status members_create(cgsv_fleet *fleet, const cgsv_config *configs, int count);
void members_free(cgsv_fleet *fleet);

/* Splits the data. */
cgsv_status members_split(cgsv_fleet *fleet, const cgsv_dataset *data);

/* The rows in training, once the data is split. */
cgsv_status members_make_rows(cgsv_fleet *fleet);

/* CGSV_ERROR_ARGUMENT for a federation of a fleet, which has a `function` of its own. */
cgsv_status federation_check_alone(const cgsv_federation *federation, const char *function, const char *instead);

/* Rows first .. first + rows - 1, which go through the same launches. */
struct group {
    cgsv_device *device;
    struct workspace *workspace;
    float *work, *gradient; /* [rows][ld] the models in training and their gradients, for as long as the group's work */
    float *update;          /* likewise the updates, where they are rounded afterwards; else NULL */
    int first, rows;
};

/* Decides which rows share launches and makes the workspaces; once the rows are made. */
cgsv_status groups_create(cgsv_fleet *fleet);
void groups_free(cgsv_fleet *fleet);

/* Bytes that these workspaces take at most, bytes of `scratch`, and S, rows that train at a time at most. */
size_t groups_bytes(const cgsv_fleet *fleet);
size_t groups_scratch_bytes(const cgsv_fleet *fleet);
int groups_rows(const cgsv_fleet *fleet);

/* Calls `work` for groups that make up all rows. */
typedef cgsv_status group_work(cgsv_fleet *fleet, const struct group *group);
cgsv_status groups_run(cgsv_fleet *fleet, group_work *work);

/* Rows of the group that still have a batch at this step of an epoch: a prefix, as rows are sorted. */
int group_active(const cgsv_fleet *fleet, const struct group *group, int step);

/* The group's part of an array with `stride` entries a row; NULL of NULL. */
static inline float *group_part(const struct group *g, float *array, int64_t stride)
{
    return array ? array + g->first * stride : NULL;
}

/* The workspace as a step of an epoch needs it: the last batch may fill fewer blocks. Nothing is
 * dropped out. */
struct workspace group_workspace(const cgsv_fleet *fleet, const struct group *group, int step);

/* Draws and gathers the group's batches of one step. */
cgsv_status group_batches(cgsv_fleet *fleet, const struct group *group, struct workspace *workspace, int epoch,
                          int step, int rows);

/* Brings the models that the group's rows start from to where they train; updates and sums are zero. */
cgsv_status group_begin(cgsv_fleet *fleet, const struct group *group);

/* A federation's N agents between a round's halves: as local training has left them, before the download. */
struct moved_models trained_models(const cgsv_federation *federation);

/* Evaluates the agents of federations that may end alike, between a round's halves, on the test split. */
cgsv_status evaluate_trained(cgsv_fleet *fleet);

/* The first half of a round. */
cgsv_status local_training(cgsv_fleet *fleet);

/* Enqueues one round; `measured`: with evaluate_trained. */
cgsv_status round_enqueue(cgsv_fleet *fleet, bool measured);

#endif
