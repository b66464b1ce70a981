/* What the kernels of training take; letters and layouts as in kernels.h. */
#ifndef KERNELS_TRAINING_ARGS_H
#define KERNELS_TRAINING_ARGS_H

#include <stdint.h>

#include "cgsv/federation.h"

/* Slots of a batch are a multiple of this, which every build's LANES divides. */
enum { SLOT_MULTIPLE = 32 };

enum activation { ACTIVATION_NONE, ACTIVATION_TANH, ACTIVATION_RELU };

/* One model in training: an agent of a federation, or its standalone twin. Rows are
 * sorted by samples, most first, so that a step launches over a prefix of them. */
struct row {
    int32_t agent;      /* row of U: federation × N + agent; -1 for a twin, which has none */
    int32_t model;      /* row of W that it starts a round from */
    int32_t samples;    /* n_i */
    int32_t stream;     /* agent's number in its federation, key of its shuffles */
    int64_t first;      /* its first entry in the list of sample indices */
    uint64_t seed;
    double lr;          /* before any decay */
    double mu;          /* of the proximal term; 0: none */
    int32_t alone;      /* a twin, or an agent that trains as one: its model goes on from step to step and from round
                           to round, and takes its row of W */
};

/* Convolution, bias, 2×2 max pooling, activation. Stride 1, no padding, square kernel. */
struct conv_shape {
    int rows;                     /* R */
    int channels, height, width;  /* of the input */
    int filters, kernel;          /* of the output */
    int blocks, slots;            /* B, S */
    enum activation activation;
};

/* Entries of a list whose places are read before their turn comes, so that no address is waited for; the last ones lie
 * behind the list's end. */
enum { CONV_AHEAD = 2 };

/* Floats of a sample's input and of a kernel row of a filter, and room for a list of all windows, rounded up. */
#define CONV_ROUND(n) (((n) + SLOT_MULTIPLE - 1) / SLOT_MULTIPLE * SLOT_MULTIPLE)
#define CONV_SAMPLE(s) CONV_ROUND((int64_t)(s).channels * (s).height * (s).width)
#define CONV_RUN(s) CONV_ROUND((int64_t)(s).kernel * (s).channels)
#define CONV_LIST(s) \
    CONV_ROUND((int64_t)(((s).height - (s).kernel + 1) / 2) * (((s).width - (s).kernel + 1) / 2) + CONV_AHEAD)

/* Gradients that are not zero, and where the floats that each is multiplied with begin. */
struct conv_list {
    float *value;
    int32_t *place;
};

/* Room for the gradients of a convolution; those of a model share it. PH × PW windows. */
struct conv_scratch {
    float *samples; /* [R][B][S][CONV_SAMPLE] input by pixel and channel, then its gradient; SLOT_MULTIPLE more */
    float *taps;    /* [R][filters][kernel][CONV_RUN] weights, or their gradient */
    struct conv_list filter; /* [R][filters][S][CONV_LIST] of a filter, by window; places of patches in the input */
    int32_t *count;          /* [R][filters][S] how many there are */
    struct conv_list window; /* [R][B][PH PW][S][filters] of a window, by winner; places of filters in taps;
                                CONV_AHEAD more */
    int32_t *end;            /* [R][B][PH PW][S][4] where those of each winner end */
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
    cgsv_precision precision;    /* of the products' inputs */
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
    const float *model;     /* W, [ld] each */
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
    int update_by_row;      /* `update` is [R][ld] instead, to be rounded to U afterwards */
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
    void *update;          /* [F N][ld] U, by `storage` */
    double *norm_partial;  /* [F N][⌈D / CHUNK_COLUMNS⌉][NORM_SUMS] */
    const float *model;    /* W, [ld] each */
    const struct adversary *adversary; /* [adversaries] */
    const int *round;      /* rounds done */
    int adversaries;
    int64_t dimension, ld;
    enum cgsv_storage storage;
};

/* Models that updates move: to[r] = from[r] + update[r]. */
struct moved_models {
    float *to;           /* [rows][ld] */
    const float *from;   /* of row r at + r · from_stride; 0: one for all */
    const void *update;  /* likewise, by `storage`; on the host, NULL where `from` is what is wanted */
    int64_t from_stride, update_stride, dimension, ld;
    int rows;
    enum cgsv_storage storage;
};

/* Float rows to be stored as bfloat16, with the sums that the server takes norms from. */
struct update_rounding {
    uint16_t *to;          /* of agent a at + a · to_stride */
    float *from;           /* of row r at + r · from_stride; left as it is stored */
    int64_t to_stride, from_stride, dimension, ld;
    const struct row *row; /* [rows] of which those without an agent are left out; NULL: row r is agent r's */
    const float *model;    /* W, rows ld apart */
    double *norm_partial;  /* [F N][⌈D / CHUNK_COLUMNS⌉][NORM_SUMS]; NULL: no norms, and no row or model is needed */
    int rows;
};

/* Per-model sums over samples that the loss kernel adds to. */
struct loss_sums {
    double loss;
    double correct;
    double samples;
};

#endif
