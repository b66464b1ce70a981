/* One translation unit per build: all kernels, and the table of their launchers. */
#include "kernels/batch.cu"
#include "kernels/conv_input.cu"
#include "kernels/conv_gradient.cu"
#include "kernels/conv_pool.cu"
#include "kernels/dense.cu"
#include "kernels/loss.cu"
#include "kernels/optimizer.cu"

#include "kernels/aggregate.cu"
#include "kernels/contribution.cu"
#include "kernels/download.cu"
#include "kernels/select.cu"

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
    launch_conv_pool_forward,
    launch_conv_gradients,
    launch_bias_activation,
    launch_activation_backward,
    launch_loss,
    launch_optimize,
    launch_round_loss,
    LOCAL_GROUPS,
    span_columns,
    launch_server_norms,
    launch_server_weigh,
    launch_server_aggregate_and_dot,
    launch_server_contribution,
    launch_select_count,
    launch_select_narrow,
    launch_select_count_ties,
    launch_select_end_ties,
    launch_server_download,
    launch_server_record,
    launch_gram_add,
    launch_games_prepare,
    launch_shapley_exact,
    launch_sample,
    launch_closed_form,
    launch_random_updates,
};
