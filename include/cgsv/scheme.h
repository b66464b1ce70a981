/* Reward schemes: one pipeline with a choice at each stage.
 *
 *     u_i = normalise(Δw_i)            local training has given Δw_i
 *     g   = Σ_i weight_i u_i           the aggregate
 *     c_i = contribution of agent i
 *     r_i ← importance from c_i and the past
 *     q_i = quota from r_i             share of g's entries that agent i may download
 *     v_i = reward of q_i of g         added to w_i, with the agent's own update or without it
 *
 * A scheme is a setting of all stages; a zeroed one is CGSV. Published methods have names
 * (cgsv_scheme_count and the functions after it). n_i: the agent's samples; T: rounds; t: rounds done. */
#ifndef CGSV_SCHEME_H
#define CGSV_SCHEME_H

#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Faulty updates (zero, not finite) have no u_i: they count for nothing. */
typedef enum cgsv_normalise {
    CGSV_NORMALISE_RESCALE, /* u = Γ Δw / (‖Δw‖ + 1e-7) */
    CGSV_NORMALISE_CLIP,    /* the same, but only where ‖Δw‖ + 1e-7 > Γ */
    CGSV_NORMALISE_NONE,    /* u = Δw */
    CGSV_NORMALISE_ENTRIES  /* every entry clipped to ±clip (CFFL) */
} cgsv_normalise;

typedef enum cgsv_weights {
    CGSV_WEIGHTS_IMPORTANCE, /* r_i of the round before; n_i / Σ n in the first */
    CGSV_WEIGHTS_SIZE,       /* n_i / Σ n */
    CGSV_WEIGHTS_UNIFORM,    /* 1 / N */
    CGSV_WEIGHTS_SUM,        /* 1 (CFFL) */
    CGSV_WEIGHTS_LOSS        /* q-FedAvg (Li et al., "Fair Resource Allocation in Federated Learning", 2020):
                                L F_i^q / Σ_k h_k, h_k = q F_k^(q−1) L² ‖u_k‖² + L F_k^q, with F_k the loss of
                                agent k's model on its samples before training, L a Lipschitz constant */
} cgsv_weights;

typedef enum cgsv_contribution {
    CGSV_CONTRIBUTION_COSINE,          /* ψ_i = cos(u_i, g) */
    CGSV_CONTRIBUTION_EXACT,           /* the exact cosine gradient Shapley value; N up to 20 */
    CGSV_CONTRIBUTION_EUCLIDEAN,       /* from d_i = ‖u_i − g‖, see cgsv_similarity */
    CGSV_CONTRIBUTION_SIZE,            /* n_i / Σ n */
    CGSV_CONTRIBUTION_INDEX,           /* contribution index of the round (Song et al. 2019, multi-round) */
    CGSV_CONTRIBUTION_INDEX_ONE_ROUND, /* the same of all rounds together */
    CGSV_CONTRIBUTION_LEAVE_ONE_OUT,   /* accuracy with all agents less that without agent i */
    CGSV_CONTRIBUTION_VALIDATION,      /* accuracy of the server's model with agent i's update (CFFL) */
    CGSV_CONTRIBUTION_RANK,            /* rank of the agent's own accuracy, over N: 1 for the best */
    CGSV_CONTRIBUTION_RANDOM           /* uniform in (0, 1) */
} cgsv_contribution;
/* The five from INDEX to RANK need accuracies on samples that the partition keeps aside; all of these
 * but RANK are divided by the sum of their magnitudes over the agents that are not removed. */

/* Euclidean similarity. The published comparison names the distance but not its use; both rank agents
 * as the cosine does where all ‖u_i‖ are equal. −d_i is not offered: the floor of the moving average
 * would make all agents equal. */
typedef enum cgsv_similarity {
    CGSV_SIMILARITY_INVERSE, /* 1 / (1 + d_i) */
    CGSV_SIMILARITY_SHARE    /* 1 − d_i / Σ_j d_j */
} cgsv_similarity;

typedef enum cgsv_importance_rule {
    CGSV_IMPORTANCE_AVERAGE, /* r ← max(α r + (1 − α) c, 1e-3), scaled to sum 1 */
    CGSV_IMPORTANCE_REMOVAL, /* r ← α r + (1 − α) c scaled to sum 1; who is below the threshold is removed (RFFL) */
    CGSV_IMPORTANCE_SINH,    /* r ← sinh(a (α r + (1 − α) c)) scaled to sum 1; removal likewise (CFFL). Where c does
                                not depend on g, r is that of this round already when updates are weighted */
    CGSV_IMPORTANCE_FIXED    /* r = max(c, 0) scaled to sum 1 */
} cgsv_importance_rule;

typedef enum cgsv_quota {
    CGSV_QUOTA_TANH,   /* tanh(β r_i) / max_j tanh(β r_j) */
    CGSV_QUOTA_LINEAR, /* max(r_i, 0) / max_j r_j */
    CGSV_QUOTA_CFFL,   /* that times n_i / max_j n_j */
    CGSV_QUOTA_ALL,    /* 1 */
    CGSV_QUOTA_NONE,   /* 0 */
    CGSV_QUOTA_RANDOM  /* uniform in (0, 1) */
} cgsv_quota;
/* Removed agents have quota 0, whatever the rule. */

typedef enum cgsv_reward {
    CGSV_REWARD_LAYER,  /* ceil(q n) largest entries of every parameter tensor (the published code of CGSV) */
    CGSV_REWARD_GLOBAL, /* floor(q D) largest entries of the whole vector (the paper of CGSV) */
    CGSV_REWARD_RANDOM, /* the first floor(q D) entries of a random order, one of each round for all agents */
    CGSV_REWARD_FULL    /* all of g where q > 0 */
} cgsv_reward;

typedef enum cgsv_own_update {
    CGSV_OWN_DROPPED,     /* w_i ← w_i + v_i */
    CGSV_OWN_KEPT,        /* w_i ← w_i + Δw_i + v_i; with clipped entries, of these */
    CGSV_OWN_MINUS_SHARE  /* the same less κ_i times what the agent has uploaded: κ_i = n_i / max_j n_j with weights
                             by size, else 1; 0 when removed (CFFL) */
} cgsv_own_update;

typedef struct cgsv_scheme {
    cgsv_normalise normalise;
    cgsv_weights weights;
    cgsv_contribution contribution;
    cgsv_similarity similarity;
    cgsv_importance_rule importance;
    cgsv_quota quota;
    cgsv_reward reward;
    cgsv_own_update own_update;
    double mu;           /* >= 0: local training adds μ (w − w_before) to the gradient (FedProx) */
    double q;            /* >= 0, of weights by loss; 0: uniform */
    double lipschitz;    /* >= 0, L of weights by loss; 0: 1 / the round's learning rate */
    double clip;         /* > 0, of clipped entries */
    double upload;       /* in [0, 1]: share of its entries that an agent uploads, the largest; 0 or 1: all */
    double sinh_scale;   /* a > 0 of the sinh rule … */
    double sinh_growth;  /* … >= 0, which grows to a (1 + growth · t / T) */
    double removal;      /* >= 0: agents with r_i < removal / (agents not removed) are removed; 0: none */
    int removal_round;   /* rounds before that begins */
    int permutations;    /* >= 0: orders that a contribution index samples in every round; 0: all coalitions of
                            at most 10 agents */
} cgsv_scheme;

/* Names of the stages' choices, as the command line knows them. */
CGSV_API const char *cgsv_normalise_name(cgsv_normalise normalise);
CGSV_API const char *cgsv_weights_name(cgsv_weights weights);
CGSV_API const char *cgsv_contribution_name(cgsv_contribution contribution);
CGSV_API const char *cgsv_similarity_name(cgsv_similarity similarity);
CGSV_API const char *cgsv_importance_rule_name(cgsv_importance_rule rule);
CGSV_API const char *cgsv_quota_name(cgsv_quota quota);
CGSV_API const char *cgsv_reward_name(cgsv_reward reward);
CGSV_API const char *cgsv_own_update_name(cgsv_own_update own_update);
CGSV_API cgsv_status cgsv_normalise_parse(cgsv_normalise *normalise, const char *name);
CGSV_API cgsv_status cgsv_weights_parse(cgsv_weights *weights, const char *name);
CGSV_API cgsv_status cgsv_contribution_parse(cgsv_contribution *contribution, const char *name);
CGSV_API cgsv_status cgsv_similarity_parse(cgsv_similarity *similarity, const char *name);
CGSV_API cgsv_status cgsv_importance_rule_parse(cgsv_importance_rule *rule, const char *name);
CGSV_API cgsv_status cgsv_quota_parse(cgsv_quota *quota, const char *name);
CGSV_API cgsv_status cgsv_reward_parse(cgsv_reward *reward, const char *name); /* selections by size alone */
CGSV_API cgsv_status cgsv_realise_parse(cgsv_reward *reward, const char *name);
CGSV_API cgsv_status cgsv_own_update_parse(cgsv_own_update *own_update, const char *name);

/* Named schemes: their number; name, one line of help and source of number `index`. */
CGSV_API int cgsv_scheme_count(void);
CGSV_API const char *cgsv_scheme_name(int index);
CGSV_API const char *cgsv_scheme_help(int index);
CGSV_API const char *cgsv_scheme_source(int index);

/* The setting of that name. Errors: CGSV_ERROR_ARGUMENT, naming the nearest known one. */
CGSV_API cgsv_status cgsv_scheme_named(cgsv_scheme *scheme, const char *name);

#ifdef __cplusplus
}
#endif
#endif
