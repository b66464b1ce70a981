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
    double mu;          /* of the proximal term; 0: none */
    int32_t alone;      /* an agent that trains as a twin does: its model goes on from step to step */
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

/* Samples of one step, drawn without replacement in an order that depends on (seed,
 * agent, epoch) alone. With `bucket`, samples stay among those of that many neighbouring
 * batches of the list, and an epoch takes the batches in an order of its own. */
struct batch_draw {
    int32_t *sample;       /* [R][B][S] out: index of a sample, -1 in an empty slot */
    int32_t *count;        /* [R] out: samples in the batch */
    const struct row *row; /* [R] */
    const int32_t *index;  /* list of sample indices */
    const int *round;
    int rows, slots, batch, local_epochs, epoch, step;
    int bucket; /* 0: the whole shard */
};

/* Sentences: words in a window of the convolutions; the most values of a word's vector, and
 * filters, that the kernels have shared memory for. */
enum { TEXT_KERNEL = 3, TEXT_MOST_VALUES = CGSV_WORD_VALUES, TEXT_MOST_FILTERS = 512 };

/* The sentences of R batches, or of one that all rows share; text_gather fills it. */
struct text_batch {
    int32_t *word;   /* [R][most_words] the batch's different words, ascending */
    int32_t *words;  /* [R] how many */
    int32_t *place;  /* [R][B][S][longest] words of the sentences, as places in `word`; -1 in an empty slot */
    int32_t *width;  /* [R] positions of the batch: its longest sentence, TEXT_KERNEL at least */
    int32_t *mark;   /* [R][vocabulary] scratch */
    int vocabulary;  /* V */
    int row_words;   /* length of a data set's row of words */
    int longest;     /* the same, but TEXT_KERNEL at least */
    int most_words;  /* different words that a batch may have */
    int one_batch;   /* all rows share the first */
    int blocks, slots;
};

/* Words' vectors, in the first columns, of which a step touches those of its batch alone. What
 * it would have done to others, whose gradients are zero, is made up for before a word is read
 * again and at the end of a round; done NULL: every step touches all columns. */
struct word_steps {
    int32_t *done;       /* [R][vocabulary] steps of this round that a word went through; -1: never had a gradient */
    float *rate, *scale; /* [R][most] of this round's steps so far */
    int most;            /* steps of a round at most */
    int values;
    struct text_batch batch;
};

/* 3×3 convolution, padding 1, no bias; its output is ⌈height / stride⌉ × ⌈width / stride⌉, OH × OW. */
struct conv3_shape {
    int rows;                    /* R */
    int channels, height, width; /* of the input */
    int filters, stride;         /* stride 1 or 2 */
    int blocks, slots;           /* B, S */
};

/* Both gradients of such a convolution. */
struct conv3_gradients {
    float *weight_gradient; /* of row r at + r · w_stride */
    float *x_gradient;      /* [R][B][channels][height][width][S], or NULL */
    const float *delta;     /* [R][B][filters][OH][OW][S] */
    const float *x;         /* of row r at + r · x_stride */
    const float *weight;
    const float *shortcut;  /* shape of delta, filters >= channels, or NULL: the gradient that reaches the input's
                               pixels at multiples of the stride by a shortcut without parameters */
    int64_t x_stride, w_stride;
};

/* Group normalisation of x, then a shortcut added, then an activation. */
struct norm_shape {
    int rows;
    int channels, height, width;
    int groups; /* divides channels; each is of neighbouring ones */
    int blocks, slots;
    enum activation activation; /* none or ReLU */
};
struct norm {
    float *out;             /* [R][B][channels][height][width][S] */
    float *statistic;       /* [R][B][groups][2][S] mean, and 1 / √(variance + ε) */
    const float *x;         /* shape of out */
    const float *weight, *bias;
    int64_t w_stride;
    const float *shortcut;  /* [R][B][shortcut_channels][shortcut_height][shortcut_width][S], or NULL: its pixels at
                               multiples of shortcut_stride are added to the first channels */
    int shortcut_channels, shortcut_height, shortcut_width, shortcut_stride;
};
struct norm_gradients {
    float *weight_gradient, *bias_gradient; /* of row r at + r · w_stride */
    float *x_gradient;                      /* shape of x */
    float *delta;                           /* gradient of out; left is that before the activation, the shortcut's */
    float *sums;                            /* [R][B][channels][2][S] scratch */
};

/* The augmentation of a batch of pictures. */
struct augmentation {
    const struct row *row; /* [R] */
    const int *round;
    int local_epochs, epoch;
    int channels, height, width;
};

/* The updates of one SGD or Adam step. */
struct optimizer_step {
    float *work;            /* [R][ld] the models in training */
    float *update;          /* [F N][ld] U */
    const float *model;     /* [F (N+1)][ld] W */
    float *gradient;        /* [R][ld]; weight decay and a proximal term are added to it */
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
    double weight_decay;    /* λ of an L2 penalty λ/2 ‖w‖², whose gradient λ w is added, as PyTorch's does; 0: none */
    struct word_steps words;
};

/* Gradients of the convolutions and of the words' vectors, E values each. */
struct text_gradients {
    float *weight_gradient;    /* [filters][TEXT_KERNEL][E] of row r at + r · w_stride */
    float *embedding_gradient; /* [V][E], likewise; rows of words outside the batch are left as they are */
    float *position;           /* [R][B][S][longest][E] scratch */
    const float *delta;        /* [R][B][filters][S] before the activation */
    const int32_t *winner;     /* [R][B][S][filters] */
    const float *vector;       /* [R][most_words][E] as word_gather copied them */
    const float *weight;       /* of row r at + r · w_stride */
    int64_t w_stride;
    int filters, values;
};

/* Which step of which row's training a mask of dropout is for. */
struct dropout_step {
    const struct row *row; /* [R] */
    const int *round;
    double rate;           /* in [0, 1) */
    int batch, local_epochs, epoch, step;
};

/* An agent whose update is not what its training gives. */
struct adversary {
    enum cgsv_adversary kind;
    int32_t agent;  /* row of U */
    int32_t model;  /* row of W */
    int32_t stream; /* agent's number in its federation, key of its random updates */
    uint64_t seed;
    float factor;   /* of a rescaled update */
};

/* Rewrites the updates of adversaries after local training. */
struct adversary_step {
    float *update;         /* [F N][ld] U */
    double *norm_partial;  /* [F N][⌈D / CHUNK_COLUMNS⌉][NORM_SUMS] */
    const float *model;    /* [F (N+1)][ld] W */
    const struct adversary *adversary; /* [adversaries] */
    const int *round;      /* rounds done */
    int adversaries;
    int64_t dimension, ld;
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
    struct cgsv_scheme scheme;
    uint64_t seed;       /* of what is random in it */
    double lr, lr_decay; /* before any decay, and the factor of a round: for 1 / lr as a Lipschitz constant */
    int rounds;          /* T; 0: unknown */
    int alone;           /* local training leaves its result in the models: nothing is left to be added */
};

/* Bits of |g| that one pass of the selection looks at. */
enum { SELECT_PASSES = 3, SELECT_BINS = 2048 };

/* Its last pass notes the runs of MET_COLUMNS columns of a span in which it met entries that
 * may equal a threshold; those that do are counted by parts of TIE_COLUMNS columns. */
enum { MET_COLUMNS = 32, TIE_COLUMNS = 2048, TIE_RUNS = TIE_COLUMNS / MET_COLUMNS };

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
    int span_parts;                    /* K, parts of TIE_COLUMNS columns in the longest span */
    enum cgsv_reward reward;
    int norms_given;                   /* norm_partial is the optimizer's, where raw updates are uploaded */
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
    double *coefficient;               /* [F][N] of each raw update in g; NaN for a faulty one */
    double *contribution;              /* [F][N] ψ, or what the scheme takes for it */
    int32_t *removed;                  /* [F][N] agents that the scheme has excluded */
    double *own_share;                 /* [F][N] κ: part of its upload that an agent gives away */
    const double *score;               /* [F][N] contributions measured on samples kept aside; or NULL */
    const double *local_loss;          /* [F][N] agents' losses before training; or NULL */
    const double *exact;               /* [F][N] Shapley values; or NULL */
    const float *raw;                  /* raw updates, where `update` holds what is uploaded of them; else `update` */
    int64_t raw_stride;
    const float *key;                  /* [F][ld] entries are selected by its magnitudes: the aggregate, or random */
    double *keep_ratio;                /* [F][N] q */
    int32_t *order;                    /* [F][N] agents by q, most first; ties by number */
    struct rank_state *rank;           /* [F][G][N] in that order */
    int32_t *groups;                   /* [F][G] groups of ranks in the next pass */
    uint32_t *group_prefix;            /* [F][G][N] descending */
    int *histogram;                    /* [F][G][N][SELECT_BINS], zero between passes */
    uint8_t *met;                      /* [F][S][K][TIE_RUNS] */
    int *ties;                         /* [F][N][S][K] entries equal to the threshold of a rank that seeks its end */
    double *norm_partial;              /* [F N][Q][NORM_SUMS] */
    double *dot_partial;               /* [F][P][N + 1] */
    double *download_partial;          /* [F][P][N + 1][DOWNLOAD_SUMS] */
    const double *train_loss;          /* [F][N] or NULL: copied to the record */
    struct cgsv_round_record *record;  /* [rounds][F][N]; past the last round it begins anew */
    struct server_stages *stages;      /* the host's, of stages that only some schemes have; NULL: none */
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

struct kernels {
    const char *name;

    /* Training; one launch is one step of all active rows. */
    const char *(*round_begin)(void *stream, float *work, float *update, const float *model, struct loss_sums *sums,
                               const struct row *row, int rows, int64_t dimension, int64_t ld);
    const char *(*epoch_begin)(void *stream, double *lr, const struct row *row, const int *round, int rows,
                               double lr_decay, int decay_per_epoch, int local_epochs, int epoch);
    const char *(*batch_draw)(void *stream, struct batch_draw draw);
    /* Samples first .. first + n - 1, of an index list or (NULL) of the split; the other slots empty. */
    const char *(*batch_range)(void *stream, int32_t *sample, const int32_t *index, int32_t first, int n, int slots);
    /* x[blocks][features][S] from data[samples][features]; empty slots are zero. */
    const char *(*batch_gather)(void *stream, float *x, int32_t *y, const float *data, const int32_t *label,
                                const int32_t *sample, int64_t features, int blocks, int slots);
    /* The same with crops and flips. */
    const char *(*gather_augmented)(void *stream, float *x, int32_t *y, const float *data, const int32_t *label,
                                    const int32_t *sample, struct augmentation augmentation, int rows, int blocks,
                                    int slots);
    const char *(*conv_pool_forward)(void *stream, float *out, uint8_t *winner, const float *x, int64_t x_stride,
                                     const float *weight, const float *bias, int64_t w_stride,
                                     struct conv_shape shape);
    const char *(*conv_gradients)(void *stream, struct conv_gradients gradients, struct conv_shape shape);
    /* out[R][B][filters][OH][OW][S]. */
    const char *(*conv3_forward)(void *stream, float *out, const float *x, int64_t x_stride, const float *weight,
                                 int64_t w_stride, struct conv3_shape shape);
    const char *(*conv3_gradients)(void *stream, struct conv3_gradients gradients, struct conv3_shape shape);
    const char *(*norm_forward)(void *stream, struct norm norm, struct norm_shape shape);
    const char *(*norm_backward)(void *stream, struct norm norm, struct norm_gradients gradients,
                                 struct norm_shape shape);
    /* out[R][B][channels][S], the mean of x over pixels, and its gradient. */
    const char *(*average_pool)(void *stream, float *out, const float *x, int pixels, int channels, int rows,
                                int blocks, int slots);
    const char *(*average_pool_backward)(void *stream, float *x_gradient, const float *delta, int pixels,
                                         int channels, int rows, int blocks, int slots);
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
    /* A round begins: n counts of `done`. Then before each forward pass: the step to come. */
    const char *(*words_begin)(void *stream, int32_t *done, int64_t n);
    const char *(*words_make_up)(void *stream, struct optimizer_step step);
    /* Accuracy and mean loss (either may be NULL) of the rows that are agents, at their number; without
     * `row`, of all rows. */
    const char *(*loss_means)(void *stream, double *accuracy, double *loss, const struct loss_sums *sums,
                              const struct row *row, int rows);
    /* model ← work, for agents that train alone. */
    const char *(*keep_alone)(void *stream, float *model, const float *work, const struct row *row, int rows,
                              int64_t dimension, int64_t ld);
    /* Of the first count[r − first] slots of each row r of a list, in batches of the rows from `first` on:
     * y → classes − 1 − y. */
    const char *(*flip_labels)(void *stream, int32_t *label, const int32_t *count, const int32_t *row, int rows,
                               int first, int classes, int slots);
    const char *(*rewrite_updates)(void *stream, struct adversary_step step);

    /* Sentences. Labels y: [R][B][S]. */
    const char *(*text_gather)(void *stream, struct text_batch batch, int32_t *y, const int32_t *token,
                               const int32_t *length, const int32_t *label, const int32_t *sample, int batches);
    /* vector[R][most_words][values]; no batch has more than `words`. */
    const char *(*word_gather)(void *stream, float *vector, const float *embedding, int64_t w_stride,
                               struct text_batch batch, int values, int rows, int words);
    /* out[R][B][filters][S] with ReLU, from part[R][TEXT_KERNEL][most_words][filters]; winner
     * [R][B][S][filters], or NULL: the window that gave the maximum. */
    const char *(*max_over_time)(void *stream, float *out, int32_t *winner, const float *part, const float *bias,
                                 int64_t w_stride, struct text_batch batch, int filters, int rows);
    const char *(*text_gradients)(void *stream, struct text_gradients gradients, struct text_batch batch, int rows);
    /* x[R][B][units][S], in place. */
    const char *(*dropout)(void *stream, float *x, struct dropout_step step, int units, int rows, int blocks,
                           int slots);

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
    /* What only some schemes need. upload[F N][upload_stride] from step.raw; then, once an upload's selection
     * by magnitude is done, what is not selected is cleared. */
    const char *(*server_upload)(void *stream, float *upload, struct server_step step, int64_t upload_stride);
    const char *(*server_upload_mask)(void *stream, float *upload, struct server_step selection);
    /* Norms and faults before server_weigh, which finds them as well; then model[N], ld apart: the server's
     * model with the upload of each agent of one federation. */
    const char *(*server_examine)(void *stream, struct server_step step);
    const char *(*server_try_uploads)(void *stream, float *model, int64_t ld, struct server_step step,
                                      int federation);
    const char *(*server_exact_begin)(void *stream, double *gram, double *weight, struct server_step step);
    const char *(*server_random_keys)(void *stream, float *key, struct server_step step);
    const char *(*server_keep_own)(void *stream, struct server_step step);

    /* Valuation. */
    const char *(*gram_add)(void *stream, struct gram gram);
    const char *(*games_prepare)(void *stream, struct games games); /* first of all that follow */
    const char *(*shapley_exact)(void *stream, struct shapley shapley);
    const char *(*sample)(void *stream, struct sampling sampling);
    /* everyone: [games][N] scratch. */
    const char *(*closed_form)(void *stream, double *value, uint16_t *everyone, struct games games,
                               enum cgsv_method method, double gamma);
    const char *(*random_updates)(void *stream, struct random_updates updates);

    /* The contribution index. */
    const char *(*coalition_add_updates)(void *stream, struct coalition_sums sums);
    /* Random orders of 0 .. agents - 1, which depend on (seed, round, number of the order). */
    const char *(*coalition_orders)(void *stream, uint16_t *order, const int *round, uint64_t seed, int agents,
                                    int orders);
    const char *(*coalition_models)(void *stream, struct coalition_models models);
    const char *(*coalition_score)(void *stream, struct coalition_score score);
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
