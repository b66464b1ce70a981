/* What the kernels offer to the rest: one table of launchers per build.
 *
 * A launcher enqueues one kernel on `stream` and returns NULL, or a message when that
 * failed. Argument order: outputs, inputs, sizes. Letters: N agents, F federations,
 * R rows (models in training), D parameters, ld the stride of a row of D floats. A batch
 * is cut into B blocks of S samples, which fill its slots. Activations lie as
 * [row][block][channel][height][width][slot]: samples are innermost, so that neighbouring
 * floats belong to neighbouring samples in every layer. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "cgsv/federation.h"
#include "cgsv/valuation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The stream of the CPU build. */
struct cpu_stream {
    int threads;
};

/* Slots of a batch are a multiple of this, which every build's LANES divides. */
enum { SLOT_MULTIPLE = 32 };

enum activation { ACTIVATION_NONE, ACTIVATION_TANH, ACTIVATION_RELU };

/* One model in training: an agent of a federation, or its standalone twin. Rows are
 * sorted by samples, most first, so that a step launches over a prefix of them. */
struct row {
    int32_t agent;      /* row of U: federation × N + agent; -1 for a twin, which has none */
    int32_t model;      /* row of W that it starts a round from; -1 for a twin, which goes on */
    int32_t samples;    /* n_i */
    int32_t stream;     /* agent's number in its federation, key of its shuffles */
    int64_t first;      /* its first entry in the list of sample indices */
    uint64_t seed;
    double lr;          /* before any decay */
};

/* Convolution, bias, 2×2 max pooling, activation. Stride 1, no padding, square kernel. */
struct conv_shape {
    int rows;                     /* R */
    int channels, height, width;  /* of the input */
    int filters, kernel;          /* of the output */
    int blocks, slots;            /* B, S */
    enum activation activation;
};

/* Floats of a sample's input, of a kernel row of a filter, and of a plane of windows, rounded up. */
#define CONV_ROUND(n) (((n) + SLOT_MULTIPLE - 1) / SLOT_MULTIPLE * SLOT_MULTIPLE)
#define CONV_SAMPLE(s) CONV_ROUND((int64_t)(s).channels * (s).height * (s).width)
#define CONV_RUN(s) CONV_ROUND((int64_t)(s).kernel * (s).channels)
#define CONV_LIST(s) CONV_ROUND((int64_t)(((s).height - (s).kernel + 1) / 2) * (((s).width - (s).kernel + 1) / 2))

/* value times the taps that begin at `taps`. */
struct conv_term {
    float value;
    int32_t taps;
};

/* Room for the gradients of a convolution; those of a model share it. PH × PW windows. */
struct conv_scratch {
    float *samples; /* [R][B][S][CONV_SAMPLE] input by pixel and channel, then its gradient; SLOT_MULTIPLE more */
    float *taps;    /* [R][filters][kernel][CONV_RUN] weights, or their gradient */
    float *value;   /* [R][filters][S][CONV_LIST] gradients that are not zero */
    int32_t *patch; /* [R][filters][S][CONV_LIST] where in a sample's input the patch of each begins */
    int32_t *count; /* [R][filters][S] how many there are */
    struct conv_term *term; /* [R][B][PH PW][S][filters] terms of the input's gradient, by winner */
    int32_t *terms;         /* [R][B][PH PW][S][4] where those of each winner end */
};

/* Both gradients of a convolution, from that before its activation. */
struct conv_gradients {
    float *weight_gradient;     /* of row r at + r · w_stride */
    float *x_gradient;          /* [R][B][channels][height][width][S], or NULL */
    const float *delta;         /* [R][B][filters][PH][PW][S] */
    const uint8_t *winner;      /* likewise */
    const float *x;             /* of row r at + r · x_stride, as conv_pool_forward took it */
    const float *weight;
    int64_t x_stride, w_stride;
    struct conv_scratch scratch;
};

/* The updates of one SGD or Adam step. */
struct optimizer_step {
    float *work;            /* [R][ld] the models in training */
    float *update;          /* [F N][ld] U */
    const float *model;     /* [F (N+1)][ld] W */
    const float *gradient;  /* [R][ld] */
    float *moment1;         /* [R][ld] velocity (SGD with momentum) or first moment (Adam), else NULL */
    float *moment2;         /* [R][ld] Adam's second moment, else NULL */
    const struct row *row;  /* [R] */
    const double *lr;       /* [R] of this epoch */
    const int *round;       /* rounds done */
    int64_t dimension, ld;
    int rows;               /* active ones: a prefix */
    double momentum;
    int batch, local_epochs, epoch, step; /* for the number of Adam steps done */
    double *norm_partial;   /* [F N][⌈D / CHUNK_COLUMNS⌉][NORM_SUMS] or NULL: left by a row's last step of a round */
};

/* Samples of one step, drawn without replacement in an order that depends on (seed,
 * agent, epoch) alone. */
struct batch_draw {
    int32_t *sample;       /* [R][B][S] out: index of a sample, -1 in an empty slot */
    int32_t *count;        /* [R] out: samples in the batch */
    const struct row *row; /* [R] */
    const int32_t *index;  /* list of sample indices */
    const int *round;
    int rows, slots, batch, local_epochs, epoch, step;
};

/* Which entries of a parameter vector a block of a server kernel works on. */
struct chunk {
    int64_t begin, end;
    int32_t tensor;
};
enum { CHUNK_COLUMNS = 4096 };

/* Sums per agent and piece of CHUNK_COLUMNS columns: ‖Δw‖²; and of what float32 leaves of
 * the update once it is added to the model, m = fl(w + Δw) − w: <m, Δw> and ‖m‖². */
enum { NORM_SQUARE, NORM_MOVED_DOT, NORM_MOVED_SQUARE, NORM_SUMS };

/* Sums per chunk and model that server_download leaves: ‖v_i‖² and ‖w_i − w_server‖²; in
 * the server's row ‖g‖² and ‖w_server‖². */
enum { DOWNLOAD_KEPT, DOWNLOAD_DISTANCE, DOWNLOAD_SUMS };

/* Settings of one federation's mechanism. */
struct mechanism {
    double gamma, alpha, beta;
};

/* Bits of |g| that one pass of the selection looks at. */
enum { SELECT_PASSES = 3, SELECT_BINS = 2048 };

/* Where the selection of one rank (entries that one agent keeps of one segment) stands. */
struct rank_state {
    uint32_t prefix;   /* leading bits of the threshold's key found so far */
    uint32_t threshold;/* key: entries above it are kept */
    int32_t group;     /* ranks with the same prefix share a histogram; -1 when done */
    int64_t wanted;    /* entries to keep among those that share the prefix */
    int64_t tie_end;   /* entries equal to the threshold are kept when their column is below this */
    int64_t kept;      /* entries kept of the segment */
};

/* Everything the server step reads and writes; all pointers on the device. P = chunks,
 * Q = ⌈D / CHUNK_COLUMNS⌉ pieces, S = spans, G = segments that entries are selected
 * within: the tensors, or the whole vector. */
struct server_step {
    int federations, agents, rounds;
    int64_t dimension;
    int tensors, chunks, pieces, spans, segments;
    enum cgsv_reward reward;
    int norms_given;                   /* norm_partial is the optimizer's */
    const struct chunk *chunk;         /* [P] */
    const struct chunk *span;          /* [S] pieces of segments; `tensor` is the segment */
    const int32_t *segment_span;       /* [G + 1] first span of a segment */
    const int64_t *segment_begin;      /* [G + 1] */
    const struct mechanism *mechanism; /* [F] */
    const double *data_share;          /* [F][N] n_i / Σ n_j */
    const float *update;               /* U: agent i of federation f in row f N + i */
    int64_t update_stride;             /* floats from one row of U to the next */
    float *model;                      /* w_i of federation f at model + f model_block + i model_stride; NULL: none */
    int64_t model_stride, model_block;
    float *server_model;               /* w_server of federation f at server_model + f model_block; NULL: none */
    float *aggregate;                  /* [F][ld] g */
    int64_t ld;
    int *round;                        /* rounds done */
    double *importance;                /* [F][N] r */
    double *norm;                      /* [F][N] ‖Δw_i‖ */
    double *coefficient;               /* [F][N] weight_i Γ / (‖Δw_i‖ + 1e-7); negative for a faulty update */
    double *keep_ratio;                /* [F][N] q */
    int32_t *order;                    /* [F][N] agents by q, most first; ties by number */
    struct rank_state *rank;           /* [F][G][N] in that order */
    int32_t *groups;                   /* [F][G] groups of ranks in the next pass */
    uint32_t *group_prefix;            /* [F][G][N] descending */
    int *histogram;                    /* [F][G][N][SELECT_BINS], zero between passes */
    int *ties;                         /* [F][S][N] entries equal to the threshold of a rank that looks for its end */
    double *norm_partial;              /* [F N][Q][NORM_SUMS] */
    double *dot_partial;               /* [F][P][N + 1] */
    double *download_partial;          /* [F][P][N + 1][DOWNLOAD_SUMS] */
    const double *train_loss;          /* [F][N] or NULL: copied to the record */
    struct cgsv_round_record *record;  /* [rounds][F][N]; past the last round it begins anew */
};

/* Per-model sums over samples that the loss kernel adds to. */
struct loss_sums {
    double loss;
    double correct;
    double samples;
};

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

struct kernels {
    const char *name;

    /* Training; one launch is one step of all active rows. */
    const char *(*round_begin)(void *stream, float *work, float *update, const float *model, struct loss_sums *sums,
                               const struct row *row, int rows, int64_t dimension, int64_t ld);
    const char *(*epoch_begin)(void *stream, double *lr, const struct row *row, const int *round, int rows,
                               double lr_decay, int decay_per_epoch, int local_epochs, int epoch);
    const char *(*batch_draw)(void *stream, struct batch_draw draw);
    /* Samples first .. first + n - 1, the other slots empty. */
    const char *(*batch_range)(void *stream, int32_t *sample, int32_t first, int n, int slots);
    /* x[blocks][features][S] from data[samples][features]; empty slots are zero. */
    const char *(*batch_gather)(void *stream, float *x, int32_t *y, const float *data, const int32_t *label,
                                const int32_t *sample, int64_t features, int blocks, int slots);
    const char *(*conv_pool_forward)(void *stream, float *out, uint8_t *winner, const float *x, int64_t x_stride,
                                     const float *weight, const float *bias, int64_t w_stride,
                                     struct conv_shape shape);
    const char *(*conv_gradients)(void *stream, struct conv_gradients gradients, struct conv_shape shape);
    /* out[R][B][units][S] = act(out + bias). */
    const char *(*bias_activation)(void *stream, float *out, const float *bias, int64_t w_stride,
                                   enum activation activation, int units, int rows, int blocks, int slots);
    /* delta *= act'(out) in place, and the bias gradient: its sum over pixels and samples.
     * Either pointer's arrays: [R][B][units][pixels][S]. */
    const char *(*activation_backward)(void *stream, float *delta, float *bias_gradient, int64_t w_stride,
                                       const float *out, enum activation activation, int units, int pixels,
                                       int rows, int blocks, int slots);
    /* Log-softmax and mean negative log-likelihood over the batch. gradient may be NULL.
     * count: samples per row, or NULL for `samples` everywhere (one label vector for all). */
    const char *(*loss)(void *stream, float *gradient, struct loss_sums *sums, const float *logits, const int32_t *y,
                        const int32_t *count, int samples, int classes, int rows, int blocks, int slots);
    const char *(*optimize)(void *stream, struct optimizer_step step);
    const char *(*round_loss)(void *stream, double *train_loss, const struct loss_sums *sums, const struct row *row,
                              int rows);

    int local_groups; /* groups of ranks that one reading of a span counts for */
    /* Columns of a span, by D; the kernels want the same spans that a step's tables hold. */
    int64_t (*span_columns)(int64_t dimension);
    /* The server step; in this order. server_norms is left out when the optimizer gave them. */
    const char *(*server_norms)(void *stream, struct server_step step);
    const char *(*server_weigh)(void *stream, struct server_step step);
    const char *(*server_aggregate_and_dot)(void *stream, struct server_step step);
    const char *(*server_contribution)(void *stream, struct server_step step);
    const char *(*select_count)(void *stream, struct server_step step, int pass);
    const char *(*select_narrow)(void *stream, struct server_step step, int pass);
    const char *(*select_count_ties)(void *stream, struct server_step step);
    const char *(*select_end_ties)(void *stream, struct server_step step);
    const char *(*server_download)(void *stream, struct server_step step);
    const char *(*server_record)(void *stream, struct server_step step);

    /* Valuation. */
    const char *(*gram_add)(void *stream, struct gram gram);
    const char *(*games_prepare)(void *stream, struct games games); /* first of all that follow */
    const char *(*shapley_exact)(void *stream, struct shapley shapley);
    const char *(*sample)(void *stream, struct sampling sampling);
    /* everyone: [games][N] scratch. */
    const char *(*closed_form)(void *stream, double *value, uint16_t *everyone, struct games games,
                               enum cgsv_method method, double gamma);
    const char *(*random_updates)(void *stream, struct random_updates updates);
};

/* One per instruction set of the CPU, chosen at run time; x86-64 levels 2, 3, 4. */
extern const struct kernels kernels_cpu;
#if defined(CGSV_X86_LEVELS)
extern const struct kernels kernels_cpu_v3, kernels_cpu_v4;
#endif
#if defined(CGSV_CUDA)
extern const struct kernels kernels_cuda;
#endif
extern const struct kernels kernels_threads; /* tests only */

#ifdef __cplusplus
}
#endif
#endif
