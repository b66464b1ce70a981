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

#include "kernels/server_args.h"
#include "kernels/training_args.h"
#include "kernels/valuation_args.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The stream of the CPU build. */
struct cpu_stream {
    int threads;
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
    /* model ← work, for rows that train alone. */
    const char *(*keep_alone)(void *stream, float *model, const float *work, const struct row *row, int rows,
                              int64_t dimension, int64_t ld);
    /* Of the first count[r − first] slots of each row r of a list, in batches of the rows from `first` on:
     * y → classes − 1 − y. */
    const char *(*flip_labels)(void *stream, int32_t *label, const int32_t *count, const int32_t *row, int rows,
                               int first, int classes, int slots);
    const char *(*round_updates)(void *stream, struct update_rounding rounding);
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
    const char *(*server_examine)(void *stream, struct server_step step); /* norms and faults */
    const char *(*server_weigh)(void *stream, struct server_step step);
    const char *(*server_aggregate_and_dot)(void *stream, struct server_step step);
    const char *(*server_add_dots)(void *stream, struct server_step step);
    const char *(*server_contribution)(void *stream, struct server_step step);
    const char *(*select_begin)(void *stream, struct server_step step);
    const char *(*select_list)(void *stream, struct server_step step); /* where step.list is not NULL */
    const char *(*select_count)(void *stream, struct server_step step, int pass);
    const char *(*select_narrow)(void *stream, struct server_step step, int pass);
    const char *(*select_count_ties)(void *stream, struct server_step step);
    const char *(*select_end_ties)(void *stream, struct server_step step);
    const char *(*server_download)(void *stream, struct server_step step);
    const char *(*server_add_downloads)(void *stream, struct server_step step);
    const char *(*server_record)(void *stream, struct server_step step);
    /* What only some schemes need. upload[F N][upload_stride] from step.raw; then, once an upload's selection
     * by magnitude is done, what is not selected is cleared. */
    const char *(*server_upload)(void *stream, float *upload, struct server_step step, int64_t upload_stride);
    const char *(*server_upload_mask)(void *stream, float *upload, struct server_step selection);
    const char *(*move_models)(void *stream, struct moved_models models);
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
extern const struct kernels kernels_threads, kernels_checked; /* tests only */

#ifdef __cplusplus
}
#endif
#endif
