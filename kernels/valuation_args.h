/* What the kernels of the valuation, and of coalitions' models, take; letters as in kernels.h. */
#ifndef KERNELS_VALUATION_ARGS_H
#define KERNELS_VALUATION_ARGS_H

#include <stdint.h>

#include "cgsv/valuation.h"

/* Columns of a batch of games' updates, to be added to their Gram matrices. */
#define GRAM_RUN INT64_C(2048)
struct gram {
    double *gram;             /* [games][N][N], added to */
    int *not_finite;          /* [games][N] entries that are NaN or infinite, added to */
    double *partial;          /* [games][gram_runs(columns)][N (N + 1) / 2] scratch */
    const float *row;         /* [games][N] rows of `columns`, `stride` apart; or */
    const double *row_double; /* likewise, the other NULL */
    int64_t columns, stride;
    int games, agents;
    int precise;              /* products of floats in float64 */
};
/* Runs of columns, each summed by itself. */
#define gram_runs(columns) (((columns) + GRAM_RUN - 1) / GRAM_RUN)

/* A batch of games and what games_prepare makes of them. */
struct games {
    const double *gram;   /* [games][N][N] of the updates */
    const double *weight; /* [games][N] of each update in u_N */
    double *product;      /* [games][N][N] <a_i, a_j>, a_i = weight_i update_i / longest */
    double *dot;          /* [games][N] <a_i, u_N> / longest */
    double *length;       /* [games] ‖u_N‖ / longest, 0 when its members cancel */
    double *longest;      /* [games] max |weight_i| ‖update_i‖ */
    int games, agents;
};

/* The agents of an exact valuation, lowest first: tile_bits of them are tabulated in a block,
 * middle_bits walked through by a block, top_bits have blocks of their own. */
enum { SHAPLEY_TILE_BITS = 10, SHAPLEY_MIDDLE_BITS = 20 };
struct shapley {
    struct games games;
    double *value;        /* [games][N] out */
    double *partial;      /* [games][2^top_bits][N] scratch */
    const double *weight; /* [N - tile_bits + 1][2^tile_bits] W(|H| + |L|) */
    int tile_bits, middle_bits, top_bits;
};

/* Units first .. first + units - 1 of a sampling estimate. */
struct sampling {
    struct games games;
    enum cgsv_method method;
    uint64_t seed;
    int64_t first_game, first, units, total;
    double *sample;  /* [games][units][N] scratch */
    uint16_t *order; /* [games][units][N], stratified [games][units][N][N]: scratch */
    double *mean;    /* [games][N] over the units so far */
    double *spread;  /* [games][N] likewise */
    double *error;   /* [games][N] standard error, set with the last unit */
};

/* Columns first_column … of random updates. */
struct random_updates {
    float *row; /* [games][N] rows of `columns`, `stride` apart: out */
    enum cgsv_vectors kind;
    double parameter;
    uint64_t seed;
    int64_t first_game, first_column, columns, stride;
    int games, agents;
};

/* Coalitions of one federation's agents; kernels/coalition.cu explains them. */
enum { COALITION_BITS = 6, COALITION_LEVELS = COALITION_BITS + 1, COALITION_EXACT_AGENTS = 10 };

/* One coalition's sum from another's: agent order[member] joins it, or leaves it. */
struct coalition_step {
    int32_t row;         /* that the coalition's model is written to; -1: to none */
    int32_t member;      /* place in the order; -1: nobody */
    int8_t from, to;     /* levels that sums are read from (-1: the empty one) and kept in (-1: nowhere) */
    int8_t sign;         /* 1 joins, -1 leaves */
};

/* Models of the coalitions that the steps reach. */
struct coalition_models {
    float *model;            /* [rows][ld] out */
    const float *start;      /* [D] M */
    const float *update;     /* Δ_i at update + i · update_stride */
    const double *size;      /* [N] n_i, in any unit */
    const double *norm;      /* [N] of an agent that counts: positive and finite. Others' updates are not read */
    const uint16_t *order;
    const struct coalition_step *step; /* [steps] */
    int64_t dimension, ld, update_stride;
    int steps;
};

enum coalition_kind {
    COALITION_SHAPLEY,      /* rows: coalitions, agents as bits */
    COALITION_PERMUTATIONS, /* rows: nobody, everybody, and the other N - 1 beginnings of each order */
    COALITION_LEAVE_ONE_OUT /* rows: everybody, and all without each */
};

/* Scores from utilities; a row of `utility` is a coalition. */
struct coalition_score {
    double *score; /* [N] out */
    double *total; /* [N] Σ_t λ^t score_i^t / Σ_j score_j^t */
    const struct loss_sums *utility;
    const uint16_t *order; /* [1 + permutations][N], the first is 0 .. N - 1 */
    const int *round;      /* t */
    enum coalition_kind kind;
    int agents, permutations;
    double scale, discount; /* of the scores; λ */
};

/* Sums of a federation's updates since round 0. */
struct coalition_sums {
    float *sum;      /* [N][ld] G_i */
    float *start;    /* [D] the model of round 0 */
    double *rounds;  /* [N] rounds in which agent i's update counted */
    const float *model, *update;
    const double *norm;
    const int *round;
    int64_t dimension, ld, update_stride;
    int agents;
};

#endif
