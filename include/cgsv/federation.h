/* A federation: N agents that train with CGSV rewards.
 *
 * "the paper" is Xu, Lyu, Ma, Miao, Foo, Low: "Gradient-Driven Rewards to
 * Guarantee Fairness in Collaborative Machine Learning", NeurIPS 2021. */
#ifndef CGSV_FEDERATION_H
#define CGSV_FEDERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgsv/adversary.h"
#include "cgsv/dataset.h"
#include "cgsv/device.h"
#include "cgsv/scheme.h"
#include "cgsv/status.h"
#include "cgsv/storage.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cgsv_model {
    CGSV_MODEL_MLP,       /* any input, fc1 64 tanh, fc2 */
    CGSV_MODEL_MNIST_CNN, /* 1×32×32, D = 104,242 at 10 classes */
    CGSV_MODEL_CIFAR_CNN, /* 3×32×32, D = 121,182 at 10 classes */
    CGSV_MODEL_TEXT_CNN,  /* sentences, D = 300 V + 345,984 + 385 classes */
    /* 3×32×32, D = 1,166,506 at 10 classes: a residual network with group normalisation. Stem of 32
     * filters, three blocks of two 3×3 convolutions that halve the picture, with 64, 128 and 256
     * filters, global average, fc. A sample takes 43.4 million multiply-adds forward, and 720 KB
     * of activations. */
    CGSV_MODEL_CIFAR_RESNET
} cgsv_model;

typedef enum cgsv_partition {
    CGSV_PARTITION_UNIFORM,        /* equal shards */
    CGSV_PARTITION_POWERLAW,       /* sizes from the power law, the last agent's the largest */
    CGSV_PARTITION_CLASSIMBALANCE, /* equal sizes, agent i sees its first c_i classes, c evenly spaced from 1 */
    CGSV_PARTITION_DIRICHLET       /* every class spread by Dirichlet(concentration) shares */
} cgsv_partition;

typedef enum cgsv_optimizer { CGSV_OPTIMIZER_SGD, CGSV_OPTIMIZER_ADAM } cgsv_optimizer;

/* What training does to pictures; never done in evaluation. */
typedef enum cgsv_augment {
    CGSV_AUGMENT_NONE,
    CGSV_AUGMENT_CROP_FLIP /* random crops with 4 pixels of zeros around, the pictures' mean once they are
                              normalised; flips from left to right. By (seed, agent, epoch, sample) */
} cgsv_augment;

/* What the products of training and evaluation round their inputs to: activations, weights, gradients. Sums stay
 * float32, and so does all else: models, updates, optimizer, loss, the whole server step. It holds for dense layers,
 * for 3×3 convolutions, and forward for convolutions over sentences; convolutions with pooling compute in float32, as
 * do the gradients of those over sentences. A GPU multiplies such inputs on its tensor cores; a CPU rounds them
 * alike, which makes it slower. */
typedef enum cgsv_precision {
    CGSV_PRECISION_FLOAT32, /* nothing is rounded */
    CGSV_PRECISION_TF32,    /* 11 bits of precision, to the nearest, ties away from zero; range of a float */
    CGSV_PRECISION_BF16     /* 8 bits of precision, to the nearest, ties to even; range of a float */
} cgsv_precision;

typedef enum cgsv_decay { CGSV_DECAY_ROUND, CGSV_DECAY_EPOCH } cgsv_decay;

/* Everything that decides a run, together with the data set. */
typedef struct cgsv_config {
    cgsv_model model;
    cgsv_partition partition;
    double dirichlet_concentration; /* > 0 */
    int agents;                     /* N >= 1 */
    int samples_per_agent;          /* the pool is capped at N times this; 0: no cap */
    double validation_fraction;     /* share of the training split kept aside, in [0, 1) */
    int validation_samples;         /* how many of these at most are evaluated on, for speed; 0: all */
    cgsv_adversaries adversaries;   /* the first agents */
    int rounds;                     /* T >= 1 */
    int local_epochs;               /* E >= 1 */
    int batch;                      /* B >= 1 */
    cgsv_optimizer optimizer;
    double momentum;         /* of SGD, in [0, 1) */
    double weight_decay;     /* >= 0: λ w is added to the gradient, as PyTorch's optimizers do */
    cgsv_augment augment;
    cgsv_precision precision; /* of products' inputs */
    cgsv_storage update_storage; /* of the updates once training has ended: rounded to the nearest, ties to even. What
                                    is stored is what agents upload, what norms and contributions are of, what stays
                                    with an agent that keeps its own; training itself and all sums are float32's and
                                    float64's. An agent that trains alone keeps its model as it is */
    double lr;               /* > 0 */
    double lr_decay;         /* factor per round or per local epoch, in (0, 1] */
    cgsv_decay decay_per;
    double gamma;            /* Γ > 0, norm of a normalised update */
    double alpha;            /* in [0, 1), weight of the past in the importance */
    double beta;             /* > 0, altruism degree */
    cgsv_scheme scheme;      /* how contributions are measured and rewarded */
    bool standalone;         /* also train every agent alone, for ρ */
    double standalone_lr;    /* > 0, or 0 for `lr` */
    int eval_every;          /* rounds between two evaluations; the last round always is evaluated; 0: only that */
    uint64_t seed;
} cgsv_config;

/* The published settings for "mnist", "cifar10", "mr", "sst"; "synthetic" takes mnist's with
 * learning rate 0.15. Any other name takes the MLP.
 * Source: the paper's published code; see the README. */
CGSV_API void cgsv_config_defaults(cgsv_config *config, const char *data_set);

/* Sets all stages to those of a named scheme, and α where the scheme has its own (cffl: 0.8).
 * Errors: CGSV_ERROR_ARGUMENT, naming the nearest known one. */
CGSV_API cgsv_status cgsv_config_set_scheme(cgsv_config *config, const char *name);

/* Sets the model and, for cifar_resnet, settings that suit it: SGD with momentum 0.9, weight decay
 * and augmentation, 30 rounds, Γ = 1. The other models keep the data set's settings. */
CGSV_API void cgsv_config_set_model(cgsv_config *config, cgsv_model model);

/* Names of the enumerations' values, as the command line knows them. The parse
 * functions' error names the nearest known one. */
CGSV_API const char *cgsv_model_name(cgsv_model model);
CGSV_API const char *cgsv_partition_name(cgsv_partition partition);
CGSV_API const char *cgsv_optimizer_name(cgsv_optimizer optimizer);
CGSV_API const char *cgsv_augment_name(cgsv_augment augment);
CGSV_API const char *cgsv_precision_name(cgsv_precision precision);
CGSV_API const char *cgsv_decay_name(cgsv_decay decay);
CGSV_API cgsv_status cgsv_model_parse(cgsv_model *model, const char *name);
CGSV_API cgsv_status cgsv_partition_parse(cgsv_partition *partition, const char *name);
CGSV_API cgsv_status cgsv_optimizer_parse(cgsv_optimizer *optimizer, const char *name);
CGSV_API cgsv_status cgsv_augment_parse(cgsv_augment *augment, const char *name);
CGSV_API cgsv_status cgsv_precision_parse(cgsv_precision *precision, const char *name);
CGSV_API cgsv_status cgsv_decay_parse(cgsv_decay *decay, const char *name);

/* Memory that a federation will take, in bytes, known before anything is
 * allocated. */
typedef struct cgsv_memory_plan {
    size_t models;        /* W: the agents' models and the server's, (N + 1) × ld, or (2 N + 1) × ld with twins */
    size_t updates;       /* U: N × ld */
    size_t training;      /* models in training and their gradients, 2 × ld for every row that trains at a time: on a
                             GPU all that fit into 256 MiB, or R / 4; on a CPU one a core, and all where these are fewer
                             than two a core. With bfloat16 updates 3 × ld */
    size_t optimizer;     /* R × ld for momentum, 2 R × ld for Adam's moments; of sentences, steps of each word */
    size_t activations;   /* of the rows that train at a time, forward and backward; of an evaluation */
    size_t data;          /* training and test samples */
    size_t server;        /* aggregate, histograms, partial sums, history, tables of rows */
    size_t total;
    size_t available;     /* what the device has free; 0 when unknown */
    int64_t parameters;   /* D */
    int64_t row_stride;   /* ld: D rounded up */
    int rows;             /* R: agents and twins, N or 2 N, over all federations of a fleet */
} cgsv_memory_plan;

CGSV_API cgsv_status cgsv_federation_plan(cgsv_memory_plan *plan, cgsv_device *device, const cgsv_config *config,
                                          const cgsv_dataset *dataset);

typedef struct cgsv_federation cgsv_federation;

/* Partitions the data, puts data and models on the device and allocates all that
 * the rounds will need. `dataset` may be freed afterwards; `device` may not.
 * Errors: CGSV_ERROR_ARGUMENT (a setting out of range, more agents than samples),
 * CGSV_ERROR_MEMORY (with both numbers), CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_federation_create(cgsv_federation **federation, cgsv_device *device,
                                            const cgsv_config *config, const cgsv_dataset *dataset);

/* Whether a federation can be made of them on any device with memory enough: the errors of
 * cgsv_federation_create that come from settings and data, at the cost of a partition. */
CGSV_API cgsv_status cgsv_config_check(const cgsv_config *config, const cgsv_dataset *dataset);

/* NULL is fine, and a federation of a fleet is left to the fleet. */
CGSV_API void cgsv_federation_free(cgsv_federation *federation);

/* Enqueues `rounds` rounds and returns; it does not wait for the device. Rounds
 * past config.rounds are an error (CGSV_ERROR_ARGUMENT), and so is a federation of a
 * fleet. */
CGSV_API cgsv_status cgsv_federation_run(cgsv_federation *federation, int rounds);

/* Evaluates the agents', the standalone twins' and the server's models on the
 * test split. Errors: CGSV_ERROR_ARGUMENT for a federation of a fleet, CGSV_ERROR_DEVICE. */
CGSV_API cgsv_status cgsv_federation_evaluate(cgsv_federation *federation);

/* What one round meant for one agent. Fields that are undefined are NaN. */
typedef struct cgsv_round_record {
    double update_norm;           /* ‖Δw_i‖; of what is uploaded, where that is less */
    double psi;                   /* ψ_i = cos(u_i, g), or the contribution that the scheme takes for it */
    double importance;            /* r_i after the round */
    double keep_ratio;            /* q_i */
    double kept;                  /* entries of g downloaded */
    double reward_cos;            /* cos(v_i, g) */
    double reward_error;          /* ‖v_i − g‖ */
    double distance;              /* ‖w_i − w_server‖ after the download */
    double distance_last_layer;   /* the same over the last layer's weight and bias */
    double server_norm;           /* ‖w_server‖ */
    double train_loss;            /* mean over the round's local training */
    double fault;                 /* 0, or CGSV_FAULT_… */
} cgsv_round_record;

enum {
    CGSV_FAULT_ZERO = 1,       /* the update was zero: valued 0, weight 0 */
    CGSV_FAULT_NOT_FINITE = 2, /* it held NaN or infinity: likewise */
    CGSV_FAULT_ROUNDED = 4     /* it vanishes beside the model in float32: training no longer moves it */
};

/* Test results of one model. */
typedef struct cgsv_evaluation {
    double loss;     /* mean negative log-likelihood */
    double accuracy; /* in [0, 1] */
} cgsv_evaluation;

CGSV_API int cgsv_federation_rounds_done(const cgsv_federation *federation);

/* Waits for the device, then gives the records of round `round` (0-based), one
 * per agent: records[agents]. */
CGSV_API cgsv_status cgsv_federation_round(cgsv_federation *federation, int round, cgsv_round_record *records);

/* Results of the latest cgsv_federation_evaluate: agents[N] and standalone[N]
 * (either may be NULL; standalone's are NaN without twins), and the server's. */
CGSV_API cgsv_status cgsv_federation_evaluation(cgsv_federation *federation, cgsv_evaluation *agents,
                                                cgsv_evaluation *standalone, cgsv_evaluation *server);

/* The same of the agents' models as the round's local training has left them, before the download:
 * agents[N]. With a scheme that may give everyone the same model (quota `all`, or contributions by
 * size), fairness is measured by these; with others they are NaN. Those models are not kept: a
 * cgsv_federation_run measures them where it ends in a round that is to be evaluated by
 * config.eval_every, or in the last. After other rounds, and before the first, they are NaN. */
CGSV_API cgsv_status cgsv_federation_local_evaluation(cgsv_federation *federation, cgsv_evaluation *agents);

/* Pearson correlation of x[n] and y[n]; NaN when either has no variance. Of standalone
 * and final test accuracies it is the paper's collaborative fairness ρ. */
CGSV_API double cgsv_pearson(const double *x, const double *y, int n);

/* Jain's index (Σx)² / (n Σx²); NaN for n = 0 or all zero. */
CGSV_API double cgsv_jain_index(const double *x, int n);

/* Samples of agent i, and how many of each class, flipped or not: counts[classes] (may be NULL). */
CGSV_API int64_t cgsv_federation_samples(const cgsv_federation *federation, int agent, int64_t *counts);

/* Number of model parameters D, and the table of parameter tensors. */
CGSV_API int64_t cgsv_federation_parameters(const cgsv_federation *federation);

typedef struct cgsv_tensor {
    const char *name; /* PyTorch's: "conv1.weight" */
    int dimensions;
    int64_t shape[4];
    int64_t offset; /* of its first entry in a model's D parameters */
    int64_t size;
} cgsv_tensor;

/* Returns the number of tensors and points `tensors` at them. */
CGSV_API int cgsv_federation_tensors(const cgsv_federation *federation, const cgsv_tensor **tensors);

/* Which model cgsv_federation_model reads. */
typedef enum cgsv_who { CGSV_AGENT, CGSV_STANDALONE, CGSV_SERVER } cgsv_who;

/* Waits, then copies a model's D parameters to `w`. `agent` is ignored for the
 * server. */
CGSV_API cgsv_status cgsv_federation_model(cgsv_federation *federation, cgsv_who who, int agent, float *w);

/* Waits, then copies agent i's latest raw update Δw_i, D floats. */
CGSV_API cgsv_status cgsv_federation_update(cgsv_federation *federation, int agent, float *update);

/* Seconds spent so far, by the fleet if the federation is part of one; waits for the
 * device first. */
typedef struct cgsv_seconds {
    double training, server, evaluation;
} cgsv_seconds;

CGSV_API cgsv_status cgsv_federation_seconds(cgsv_federation *federation, cgsv_seconds *seconds);

/* Writes one model as safetensors with PyTorch's names and layouts, written
 * beside and renamed. Errors: CGSV_ERROR_IO. */
CGSV_API cgsv_status cgsv_federation_save_model(cgsv_federation *federation, cgsv_who who, int agent,
                                                const char *path);

#ifdef __cplusplus
}
#endif
#endif
