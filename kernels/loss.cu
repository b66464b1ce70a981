/* Log-softmax with the negative log-likelihood, and its gradient. */
#include "kernels/portable.h"

/* Block: a row. loss = mean over the batch of −log softmax(logits)[y];
 * ∂loss/∂logit = (softmax − onehot(y)) / batch. */
KERNEL(loss, float *gradient, struct loss_sums *sums, const float *logits, const int32_t *y, const int32_t *count,
       int samples, int classes, int blocks, int slots)
{
    const int64_t row = BLOCK_X, all = (int64_t)blocks * slots;
    const int n = count ? count[row] : samples;
    const int32_t *label = count ? y + row * all : y;
    double loss_sum = 0, correct = 0;
    BLOCK_FOR(sample, all)
    {
        const int64_t first = (row * blocks + sample / slots) * classes * slots + sample % slots;
        const float *z = logits + first;
        if (sample >= n) {
            if (gradient)
                for (int c = 0; c < classes; c++) gradient[first + (int64_t)c * slots] = 0.0f;
            continue;
        }
        int best = 0;
        for (int c = 1; c < classes; c++)
            if (z[(int64_t)c * slots] > z[(int64_t)best * slots]) best = c;
        const float top = z[(int64_t)best * slots];
        float sum = 0.0f;
        for (int c = 0; c < classes; c++) sum += expf(z[(int64_t)c * slots] - top);
        const float log_sum = logf(sum);
        const int at = label[sample];
        loss_sum += (double)(log_sum + top - z[(int64_t)at * slots]);
        correct += best == at && log_sum == log_sum ? 1.0 : 0.0; /* NaN is never right */
        if (gradient)
            for (int c = 0; c < classes; c++) {
                const float p = expf(z[(int64_t)c * slots] - top - log_sum);
                gradient[first + (int64_t)c * slots] = (p - (c == at ? 1.0f : 0.0f)) / (float)n;
            }
    }
    loss_sum = block_sum(loss_sum);
    correct = block_sum(correct);
    if (THREAD_INDEX == 0) {
        sums[row].loss += loss_sum;
        sums[row].correct += correct;
        sums[row].samples += n;
    }
}

static const char *launch_loss(void *stream, float *gradient, struct loss_sums *sums, const float *logits,
                               const int32_t *y, const int32_t *count, int samples, int classes, int rows,
                               int blocks, int slots)
{
    return LAUNCH(stream, grid_of(rows, 1, 1), loss, gradient, sums, logits, y, count, samples, classes, blocks, slots);
}

/* What the sums mean, for the rows that are agents; without `row`, for all. */
KERNEL(loss_means, double *accuracy, double *mean_loss, const struct loss_sums *sums, const struct row *row, int rows)
{
    GRID_FOR(i, rows)
    {
        const int64_t at = row ? row[i].agent : i;
        if (at >= 0 && accuracy) accuracy[at] = sums[i].correct / sums[i].samples;
        if (at >= 0 && mean_loss) mean_loss[at] = sums[i].loss / sums[i].samples;
    }
}

static const char *launch_loss_means(void *stream, double *accuracy, double *mean_loss, const struct loss_sums *sums,
                                     const struct row *row, int rows)
{
    return LAUNCH(stream, grid_for(rows), loss_means, accuracy, mean_loss, sums, row, rows);
}
