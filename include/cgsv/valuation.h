/* What agents' updates are worth: the cosine gradient Shapley value, exact and estimated.
 *
 * A game is N agents with an update and a weight each. A coalition S has the vector
 * u_S = Σ_{i∈S} weight_i update_i and the value ν(S) = cos(u_S, u_N), 0 where a vector has no
 * length. Exact CGSV is its Shapley value,
 *     φ_i = Σ_{S ⊆ N∖i} |S|! (N−|S|−1)! / N! · (ν(S ∪ i) − ν(S)).
 * "the paper" is Xu, Lyu, Ma, Miao, Foo, Low: "Gradient-Driven Rewards to Guarantee Fairness in
 * Collaborative Machine Learning", NeurIPS 2021.
 *
 * All of it needs the updates' Gram matrix alone, so that the length of the updates matters only
 * while that is made. Everything takes one game or a batch of games of the same N. */
#ifndef CGSV_VALUATION_H
#define CGSV_VALUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "cgsv/device.h"
#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Gram matrices ---- */

/* G[games][N][N] with G_ij = <update_i, update_j>, summed up from columns as they come. */
typedef struct cgsv_gram cgsv_gram;

/* Agents of a game and agents of a batch that the library takes. */
enum { CGSV_MAX_AGENTS = 32768 };

/* Starts at zero. chunk_columns: columns that are worked on at a time, rounded up to a multiple
 * of 2048; 0 chooses them. precise: products in float64. Else products and sums over 2048
 * columns are float32, all further sums float64: an error of about 1e-7 of ‖u_i‖ ‖u_j‖ for entries
 * whose squares float32 holds (magnitudes of 1e-18 to 1e18).
 * Errors: CGSV_ERROR_ARGUMENT, CGSV_ERROR_MEMORY (with both numbers), CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_gram_create(cgsv_gram **gram, cgsv_device *device, int games, int agents,
                                      int64_t chunk_columns, bool precise);

/* NULL is fine. */
CGSV_API void cgsv_gram_free(cgsv_gram *gram);

/* Adds `columns` more columns of all updates, from the host: row game × N + agent begins at
 * rows + that × stride. On the CPU, columns added in pieces of a multiple of 2048 give the bits
 * of those added at once; else the order of additions differs. At most 2^31 − 1 columns in all.
 * Doubles need a precise Gram matrix. */
CGSV_API cgsv_status cgsv_gram_add(cgsv_gram *gram, const float *rows, int64_t stride, int64_t columns);
CGSV_API cgsv_status cgsv_gram_add_double(cgsv_gram *gram, const double *rows, int64_t stride, int64_t columns);

/* Waits, then copies G[games][N][N], symmetric to the bit. An agent whose update holds NaN or
 * infinity, or whose squared length overflows, is CGSV_ERROR_DATA, which names it; unless
 * faulty[games][N] is given: it receives the number of entries that are not finite (−1: none, an
 * overflow), 0 for a sound agent, and a faulty agent's row and column of G are 0, as if its update
 * were. */
CGSV_API cgsv_status cgsv_gram_read(cgsv_gram *gram, double *matrices, int *faulty);

/* ---- Random updates, for studies ---- */

typedef enum cgsv_vectors {
    CGSV_VECTORS_NORMAL,       /* independent N(0, 1) */
    CGSV_VECTORS_CORRELATED,   /* N(0, 1) with correlation `parameter` in [0, 1] between agents */
    CGSV_VECTORS_HEAVY_TAILED, /* Student's t with 3 degrees of freedom */
    CGSV_VECTORS_SPARSE,       /* N(0, 1) in a share `parameter` in (0, 1] of entries, else 0 */
    CGSV_VECTORS_FREE_RIDERS,  /* N(0, 1); of two or more agents the last fifth, rounded up, times
                                  `parameter` >= 0 */
    CGSV_VECTORS_OPPOSED       /* N(0, 1), and the last agent is minus the first */
} cgsv_vectors;

CGSV_API const char *cgsv_vectors_name(cgsv_vectors vectors);
CGSV_API cgsv_status cgsv_vectors_parse(cgsv_vectors *vectors, const char *name);

/* What a kind's `parameter` is unless one says otherwise: 0.5, 0.1 and 0; 0 where it has none. */
CGSV_API double cgsv_vectors_parameter(cgsv_vectors vectors);

/* An entry depends on (seed, game, agent, column) alone. */
typedef struct cgsv_vectors_options {
    cgsv_vectors kind;
    double parameter;
    uint64_t seed;
    int64_t first_game; /* number of the batch's first game, 0 … 2^32 − 1 */
} cgsv_vectors_options;

/* Adds columns first … first + columns − 1 of random updates, made on the device a chunk at a
 * time: updates of 10^7 entries never lie in memory whole. first + columns at most 2^31 − 1. */
CGSV_API cgsv_status cgsv_gram_add_random(cgsv_gram *gram, const cgsv_vectors_options *options, int64_t first,
                                          int64_t columns);

/* The same columns of updates themselves: rows[games × N][columns]. */
CGSV_API cgsv_status cgsv_random_updates(cgsv_device *device, float *rows, int games, int agents,
                                         const cgsv_vectors_options *options, int64_t first, int64_t columns);

/* ---- Values ---- */

typedef enum cgsv_method {
    CGSV_METHOD_EXACT,         /* all 2^N coalitions; N <= 40 */
    CGSV_METHOD_COSINE,        /* ψ_i = cos(update_i, u_N), the paper's approximation */
    CGSV_METHOD_PERMUTATION,   /* mean marginal contribution along random permutations */
    CGSV_METHOD_ANTITHETIC,    /* permutations in pairs, one the other's reverse */
    CGSV_METHOD_STRATIFIED,    /* marginal contributions, stratified by the coalition's size; N times the time
                                  of `permutation` for the same budget */
    CGSV_METHOD_OWEN,          /* multilinear extension, inclusion probability stratified */
    CGSV_METHOD_LEAVE_ONE_OUT, /* ν(N) − ν(N∖i) */
    CGSV_METHOD_EUCLIDEAN      /* 1 / (1 + ‖u_i − u_N‖) */
} cgsv_method;

CGSV_API const char *cgsv_method_name(cgsv_method method);
CGSV_API cgsv_status cgsv_method_parse(cgsv_method *method, const char *name);

typedef struct cgsv_valuation_options {
    cgsv_method method;
    int64_t budget;     /* of a sampling method, in permutations: N evaluations of ν each; below 2^31;
                           0: ceil(ln(2 / delta) / (2 epsilon²)) */
    double epsilon;     /* in (0, 1), for that: Hoeffding's bound on the error of a mean … */
    double delta;       /* … in (0, 1), missed with this probability */
    uint64_t seed;      /* of a sampling method */
    int64_t first_game; /* number of the batch's first game, 0 … 2^32 − 1: a game draws by (seed, number) */
    double gamma;       /* > 0: the Euclidean similarity rescales each update to this length; 0: takes it as it is */
} cgsv_valuation_options;

/* Exact, epsilon = delta = 0.1 (a budget of 150 permutations), all else 0. */
CGSV_API void cgsv_valuation_defaults(cgsv_valuation_options *options);

/* The budget that these options come to, in permutations. */
CGSV_API cgsv_status cgsv_valuation_budget(int64_t *permutations, const cgsv_valuation_options *options);

/* What a valuation of one game comes to. */
typedef struct cgsv_valuation_cost {
    int64_t permutations; /* the budget of a sampling method; else 0 */
    double evaluations;   /* of ν; 0 for cosine and euclidean, which need none */
    bool every_order;     /* the budget pays for every order of the agents, so the values will be exact */
} cgsv_valuation_cost;

/* Before anything is read: fails, but for the memory, as cgsv_value will for so many agents. */
CGSV_API cgsv_status cgsv_valuation_plan(cgsv_valuation_cost *cost, int agents,
                                         const cgsv_valuation_options *options);

/* value[games][N] from gram[games][N][N] of the updates and weight[games][N], >= 0.
 *
 * A coalition whose squared length is below 1e-13 of the sum of its members' counts as cancelled:
 * ν = 0. That is the rounding of float64; a coalition of tiny agents alone is not touched by it.
 * An agent without update or weight has the exact value 0. Permutations that are at least as many
 * as there are orders (budget >= N!) mean every order once, which is the exact value and is
 * computed as such.
 *
 * standard_error[games][N], or NULL: of a sampling method, NaN for a single draw; too large, up to
 * some 1.6 times, for `stratified` with few draws to a size; 0 for exact values, NaN for the other
 * methods, which are biased. seconds, or NULL: of the computation.
 * Errors: CGSV_ERROR_ARGUMENT (a size, an option, a matrix that is none of Gram's; exact beyond 40
 * agents, with what that would cost), CGSV_ERROR_MEMORY, CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_value(cgsv_device *device, double *value, double *standard_error, const double *gram,
                                const double *weight, int games, int agents, const cgsv_valuation_options *options,
                                double *seconds);

/* weight_i = importance_i Γ / (‖update_i‖ + 1e-7), the weight of an agent in the mechanism's aggregate;
 * 0 for an update that is zero. gram[games][N][N], importance, weight: [games][N]. */
CGSV_API void cgsv_normalised_weights(double *weight, const double *gram, const double *importance, double gamma,
                                      int games, int agents);

/* How far an estimate is from the exact values of a game, both scaled to sum 1; NaN where a sum is 0. */
typedef struct cgsv_comparison {
    double l1, l2;  /* norms of the difference */
    double cosine;  /* similarity */
    double pearson; /* correlation; NaN without variance */
} cgsv_comparison;

CGSV_API cgsv_comparison cgsv_compare(const double *estimate, const double *exact, int agents);

/* The paper's Theorem 1: if ‖u_i‖ = Γ and |<u_i, u_N>| >= 1/I for all i, then φ_i − L_i ψ_i <= I Γ². */
typedef struct cgsv_theorem1 {
    double inverse_i; /* 1/I: min_i |<update_i, u_N>| */
    double gamma;     /* Γ: max_i ‖update_i‖ */
    double bound;     /* I Γ²; infinite where 1/I is 0 */
} cgsv_theorem1;

/* Of one game: gram[N][N], weight[N]. */
CGSV_API cgsv_theorem1 cgsv_theorem1_measure(const double *gram, const double *weight, int agents);

#ifdef __cplusplus
}
#endif
#endif
