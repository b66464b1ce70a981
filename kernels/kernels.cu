/* One translation unit per build: all kernels, and the table of their launchers. */
#include "kernels/augment.cu"
#include "kernels/average_pool.cu"
#include "kernels/batch.cu"
#include "kernels/conv3_tiles.cu"
#include "kernels/conv3.cu"
#include "kernels/conv3_gradient.cu"
#include "kernels/conv_input.cu"
#include "kernels/conv_gradient.cu"
#include "kernels/conv_pool.cu"
#include "kernels/dense.cu"
#include "kernels/group_norm.cu"
#include "kernels/loss.cu"
#include "kernels/optimizer.cu"
#include "kernels/text.cu"
#include "kernels/adversary.cu"
#include "kernels/store.cu"

#include "kernels/aggregate_few.cu"
#include "kernels/aggregate_shared.cu"
#include "kernels/aggregate.cu"
#include "kernels/partial_sums.cu"
#include "kernels/contribution.cu"
#include "kernels/download.cu"
#include "kernels/schemes.cu"
#include "kernels/select.cu"
#include "kernels/select_list.cu"

#include "kernels/coalition.cu"
#include "kernels/estimators.cu"
#include "kernels/gram.cu"
#include "kernels/random_updates.cu"
#include "kernels/shapley.cu"

/* KERNELS_TABLE and KERNELS_NAME come from the build. */
extern "C" const struct kernels KERNELS_TABLE = {
    TO_TEXT(KERNELS_NAME),
    launch_round_begin,
    launch_epoch_begin,
    launch_batch_draw,
    launch_batch_range,
    launch_batch_gather,
    launch_gather_augmented,
    launch_conv_pool_forward,
    launch_conv_gradients,
    launch_conv3_forward,
    launch_conv3_gradients,
    launch_norm_forward,
    launch_norm_backward,
    launch_average_pool,
    launch_average_pool_backward,
    launch_bias_activation,
    launch_activation_backward,
    launch_loss,
    launch_optimize,
    launch_words_begin,
    launch_words_make_up,
    launch_loss_means,
    launch_keep_alone,
    launch_flip_labels,
    launch_round_updates,
    launch_rewrite_updates,
    launch_text_gather,
    launch_word_gather,
    launch_max_over_time,
    launch_text_gradients,
    launch_dropout,
    LOCAL_GROUPS,
    span_columns,
    launch_server_norms,
    launch_server_examine,
    launch_server_weigh,
    launch_server_aggregate_and_dot,
    launch_server_add_dots,
    launch_server_contribution,
    launch_select_begin,
    launch_select_list,
    launch_select_count,
    launch_select_narrow,
    launch_select_count_ties,
    launch_select_end_ties,
    launch_server_download,
    launch_server_add_downloads,
    launch_server_record,
    launch_server_upload,
    launch_server_upload_mask,
    launch_move_models,
    launch_server_exact_begin,
    launch_server_random_keys,
    launch_server_keep_own,
    launch_gram_add,
    launch_games_prepare,
    launch_shapley_exact,
    launch_sample,
    launch_closed_form,
    launch_random_updates,
    launch_coalition_add_updates,
    launch_coalition_orders,
    launch_coalition_models,
    launch_coalition_score,
};
