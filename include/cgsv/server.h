/* The server's half of a round alone, on matrices that the caller owns: for those who
 * train their agents with something else.
 *
 * A step normalises the agents' updates, aggregates them by importance, values each by
 * its cosine with the aggregate, and adds to each agent's model its reward: the largest
 * entries of the aggregate, the more of them the more the agent has contributed. Formulas
 * and notation: the README and the paper (Xu, Lyu, Ma, Miao, Foo, Low: "Gradient-Driven
 * Rewards to Guarantee Fairness in Collaborative Machine Learning", NeurIPS 2021).
 *
 * Example:
 *
 *     #include <cgsv/cgsv.h>
 *     #include <stdio.h>
 *
 *     enum { AGENTS = 3, DIMENSION = 4 };
 *
 *     static int failed(cgsv_status status)
 *     {
 *         if (status != CGSV_OK) fprintf(stderr, "%s\n", cgsv_last_error());
 *         return status != CGSV_OK;
 *     }
 *
 *     int main(void)
 *     {
 *         const float updates[AGENTS][DIMENSION] = {{4, 3, 2, 1}, {4, 3, 2, -1}, {-1, 0, 0, 1}};
 *         float models[AGENTS][DIMENSION] = {{0}}, value[DIMENSION];
 *         int64_t index[DIMENSION], count;
 *         cgsv_round_record record[AGENTS];
 *         cgsv_device *device;
 *         cgsv_server *server;
 *         cgsv_server_config config;
 *
 *         cgsv_server_config_defaults(&config, AGENTS, DIMENSION);
 *         if (failed(cgsv_device_open(&device, "cpu", 0))) return 1;
 *         if (failed(cgsv_server_create(&server, device, &config))) return 1;
 *         if (failed(cgsv_server_step(server, updates[0], DIMENSION, models[0], DIMENSION, NULL, NULL))) return 1;
 *         if (failed(cgsv_server_records(server, record))) return 1;
 *         for (int i = 0; i < AGENTS; i++) {
 *             if (failed(cgsv_server_reward(server, i, DIMENSION, index, value, &count))) return 1;
 *             printf("agent %d: contribution %.3f, importance %.3f, reward", i, record[i].psi, record[i].importance);
 *             for (int64_t k = 0; k < count; k++) printf(" %+.3f at %d", value[k], (int)index[k]);
 *             printf("\n");
 *         }
 *         cgsv_server_free(server);
 *         cgsv_device_close(device);
 *         return 0;
 *     }
 */
#ifndef CGSV_SERVER_H
#define CGSV_SERVER_H

#include <stdint.h>

#include "cgsv/device.h"
#include "cgsv/federation.h"
#include "cgsv/status.h"
#include "cgsv/storage.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The state of one federation's server: importance, and what the latest step computed.
 * Not to be used by two threads at once. */
typedef struct cgsv_server cgsv_server;

typedef struct cgsv_server_config {
    int agents;                  /* N, 1 to 10000 */
    int64_t dimension;           /* D, 1 to 2^31 - 1 */
    int tensors;                 /* T parameter tensors; 0: the vector is one tensor */
    const int64_t *tensor_begin; /* [T + 1] first column of each tensor, ascending from 0, and D; NULL when T = 0 */
    cgsv_scheme scheme;          /* what is done at each stage; zeroed: CGSV with rewards by layer */
    double gamma;                /* Γ > 0, norm of a normalised update */
    double alpha;                /* in [0, 1), weight of the past in the importance */
    double beta;                 /* > 0, altruism degree */
    const double *shares;        /* [N] weights of the first aggregate, >= 0, scaled to sum 1; NULL: equal ones */
    uint64_t seed;               /* of what is random in a scheme */
    int rounds;                  /* T, which scheme.sinh_growth counts by; 0: no growth */
    cgsv_storage update_storage; /* of the updates that steps are given; all arithmetic is float32's and float64's */
} cgsv_server_config;

/* One tensor, rewards by layer, Γ = 0.5, α = 0.95, β = 1, equal shares. */
CGSV_API void cgsv_server_config_defaults(cgsv_server_config *config, int agents, int64_t dimension);

/* Allocates on the device all that a step needs, 4 D bytes (8 D up to 16 agents) and what histograms and partial
 * sums take, and copies the tables and shares of `config`. `device` must outlive it.
 * Errors: CGSV_ERROR_ARGUMENT (NULL, a setting out of range, a table that does not
 * ascend), CGSV_ERROR_MEMORY (with both numbers), CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_server_create(cgsv_server **server, cgsv_device *device, const cgsv_server_config *config);

/* Waits for the latest step. NULL is fine. */
CGSV_API void cgsv_server_free(cgsv_server *server);

/* What the next steps read, N numbers each, copied: scores by a scheme whose contributions are measured on
 * samples kept aside (accuracies, or what is made of them), losses by one with weights by loss. Either may be
 * NULL to leave them as they are; such a step without them fails.
 * Errors: CGSV_ERROR_ARGUMENT (NULL), CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_server_set_scores(cgsv_server *server, const double *scores, const double *losses);

/* One server step. All matrices lie in the device's memory (on the CPU: anywhere), are
 * read and written in place and not copied; rows may be longer than D.
 *   updates       [N][update_stride] raw updates Δw_i, read only: float, or with CGSV_STORAGE_BF16 uint16_t. What is
 *                 stored counts, norms included: rounding to bfloat16 is the caller's
 *   models        [N][model_stride] w_i, to which the rewards v_i are added; NULL: only the
 *                 results below are computed, and model_stride is ignored
 *   server_model  [D] the server's own model, to which the whole aggregate is added; or NULL
 *   stream        of a GPU: the caller's cudaStream_t on the device, on which the step is
 *                 enqueued; NULL: the device's own stream. The legacy default stream is
 *                 named cudaStreamLegacy. On the CPU NULL, and the step is done on return.
 * An update that is zero or not finite is valued 0 and weighs nothing; the others go on.
 * Strides are counted in entries. Steps on different streams are the caller's to order.
 * Matrices must stay until the step is done, the stream until its results were read or the
 * server was freed; a GPU of several must be the calling thread's current one.
 * Errors: CGSV_ERROR_ARGUMENT (NULL, a stride below D, a stream on the CPU,
 * scores that the scheme lacks), CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_server_step(cgsv_server *server, const void *updates, int64_t update_stride, float *models,
                                      int64_t model_stride, float *server_model, void *stream);

/* Steps enqueued so far. */
CGSV_API int cgsv_server_steps(const cgsv_server *server);

/* The functions below wait for the latest step and give what it computed, to arrays of the
 * host; before the first step they fail with CGSV_ERROR_ARGUMENT. */

/* records[N]: norm, contribution ψ, importance r, keep ratio q, entries kept, fault and
 * more of each agent. CGSV_FAULT_ROUNDED is never reported, as only who trains the models
 * sees it; distances are NaN without both kinds of models, train_loss always is. */
CGSV_API cgsv_status cgsv_server_records(cgsv_server *server, cgsv_round_record *records);

/* weights[N]: what each raw update was multiplied by, g = Σ weights_i Δw_i, so r_i Γ /
 * (‖Δw_i‖ + 1e-7) with the importance before the step (the share in the first); 0 for a
 * faulty update. */
CGSV_API cgsv_status cgsv_server_weights(cgsv_server *server, double *weights);

/* aggregate[D]: g. */
CGSV_API cgsv_status cgsv_server_aggregate(cgsv_server *server, float *aggregate);

/* Agent i's reward v_i as pairs of column and value, columns ascending, entries that are
 * zero left out: what the step has added to the agent's model, or would have. *count
 * receives their number, whether they fit or not; index[capacity] and value[capacity] may
 * both be NULL with capacity 0, to ask for the number alone. The aggregate is copied to
 * the host once per step, so asking for all agents costs N passes over it there.
 * Errors: CGSV_ERROR_ARGUMENT (no such agent, capacity below *count, NULL),
 * CGSV_ERROR_MEMORY. */
CGSV_API cgsv_status cgsv_server_reward(cgsv_server *server, int agent, int64_t capacity, int64_t *index, float *value,
                                        int64_t *count);

#ifdef __cplusplus
}
#endif
#endif
