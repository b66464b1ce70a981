/* The contribution index: what agents add to the validation accuracy of coalitions' models
 *
 *     M_S = M + Σ_{i∈S} (n_i / n_S) Δ_i,   U(S) = accuracy of M_S on the validation split,
 *     φ_i = C Σ_{S⊆N∖i} (U(S∪i) − U(S)) / binomial(N−1, |S|),   C = 1/N (Shapley), or 1 (raw)
 *
 * (Song, Tong, Wei, "Profit Allocation for Federated Learning", IEEE Big Data 2019).
 *
 * M is the server's model before the round's aggregate. Where all agents start a round from it
 * (FedAvg and its kin) this is the literature's definition. Under rewards that differ, agent i's Δ_i
 * was trained from its own w_i; it is applied to the server's model, as the server does with the
 * aggregate, so that φ_i says what the update is worth to the one model that stands for all. (From
 * a w_i of its own, U would mix what an agent was given with what it gave.)
 *
 * An agent whose update is zero or not finite is no member of any coalition: φ_i = 0, and the
 * others' values are those of the game without it.
 *
 * M_∅ of a round is M_N of the one before where the server takes the size-weighted mean of raw
 * updates (FedAvg) and nothing else; that evaluation of 2^N is not saved here. */
#ifndef FEDERATION_COALITION_H
#define FEDERATION_COALITION_H

#include "federation/validation.h"

enum contribution_index {
    COALITION_INDEX_MULTI_ROUND,  /* of each round's updates */
    COALITION_INDEX_ONE_ROUND,    /* of the updates' sums since round 0, from the server's model at that time */
    COALITION_INDEX_LEAVE_ONE_OUT /* U(N) − U(N∖i) of each round's updates */
};

struct coalition_options {
    enum contribution_index index;
    bool raw;         /* C = 1, as the published code; not with leave-one-out */
    int permutations; /* 0: exact, for up to 10 agents; else orders sampled anew each round */
    double discount;  /* λ in (0, 1] of the total */
    uint64_t seed;    /* of the orders */
    int models;       /* made and evaluated at once, 1 to 64; 0: as many as suit the device */
};

/* Memory and programme of the index; the federations of a fleet take turns with it. */
struct coalition {
    cgsv_device *device;
    const struct model *model;
    struct coalition_options options;
    enum coalition_kind kind;
    int federations, agents;
    int permutations;            /* 0 where exact values cost no more */
    int coalitions;              /* evaluated for one index */
    int rows;                    /* models at once */
    int batches;
    int64_t steps, *first_step;  /* [batches + 1], on the host */
    struct workspace workspace;  /* from here on the device's */
    float *models;               /* [rows][ld] */
    struct loss_sums *utility;   /* [coalitions] */
    uint16_t *order;             /* [1 + permutations][N], the first 0 .. N − 1 */
    struct coalition_step *step; /* [steps] */
    double *total;               /* [F][N] Σ_t λ^t φ_i^t / Σ_j φ_j^t; not for one-round */
    float *sums, *start;         /* one-round: [F][N][ld] G_i = Σ_t Δ_i^t and [F][ld], else NULL */
    double *summed;              /* one-round: [F][N] rounds that G_i holds */
};

/* One federation at the end of local training; all on the device. */
struct coalition_inputs {
    const float *model;    /* [D] M */
    const float *update;   /* Δ_i at update + i · update_stride */
    int64_t update_stride;
    const double *size;    /* [N] n_i, or n_i / Σ n_j */
    const double *norm;    /* [N] ‖Δ_i‖ */
    const int *round;      /* rounds done */
    struct sample_set validation;
};

/* CGSV_ERROR_ARGUMENT, with what to do, for what cannot be computed. */
cgsv_status coalition_check(const struct coalition_options *options, int agents);

/* Bytes that coalition_create will take. */
size_t coalition_bytes(const cgsv_device *device, const struct model *model, int federations, int agents,
                       const struct coalition_options *options);

/* Checks, allocates all, and uploads the programme. `device` and `model` must stay. */
cgsv_status coalition_create(struct coalition *coalition, cgsv_device *device, const struct model *model,
                             int federations, int agents, const struct coalition_options *options);
void coalition_free(struct coalition *coalition);

/* Enqueues score[N] (device), the round's φ, and adds its shares to total[federation]. φ_j may be negative; a
 * round whose Σ_j φ_j = U(N) − U(∅) is not positive, in which the coalition of all gained nothing, has no
 * shares and is left out (the published code gives all agents the same where any φ_j < 0). */
cgsv_status coalition_index(struct coalition *coalition, double *score, int federation,
                            const struct coalition_inputs *inputs);

struct cgsv_federation;
struct server_step;

/* Of a federation, in its fleet's step: once ‖Δ_i‖ are known, and before the download. */
struct coalition_inputs coalition_inputs_of(const struct cgsv_federation *federation, const struct server_step *step);

#endif
