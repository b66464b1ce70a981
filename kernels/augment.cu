/* Pictures of a training batch, changed at random on their way into it: a crop from the
 * picture with CROP_MARGIN pixels of zeros around it, and a flip from left to right. What
 * happens to a sample depends on (seed, agent, epoch, sample) alone, so that an agent and its
 * standalone twin see the same pictures. */
#include "kernels/random.h"

enum { CROP_MARGIN = 4, AUGMENT_FEATURES = 64 };

/* Pixel (y, x) of the new picture is (y + down, x + right) of the old one, flipped after that. */
struct change {
    int down, right, flip;
};

DEVICE struct change change_of(struct augmentation a, struct row row, int32_t sample)
{
    const uint32_t epoch = (uint32_t)(*a.round * a.local_epochs + a.epoch);
    struct draws d = draws_start(row.seed, RANDOM_USE_AUGMENT, epoch, (uint32_t)row.stream, (uint32_t)sample);
    struct change change;
    change.down = draws_below(&d, 2 * CROP_MARGIN + 1) - CROP_MARGIN;
    change.right = draws_below(&d, 2 * CROP_MARGIN + 1) - CROP_MARGIN;
    change.flip = draws_below(&d, 2);
    return change;
}

/* Block: AUGMENT_FEATURES features of LANES slots, a block of samples. */
KERNEL(gather_augmented, float *x, int32_t *y, const float *data, const int32_t *label, const int32_t *sample,
       struct augmentation a, int blocks, int slots)
{
    const int64_t plane = (int64_t)a.height * a.width, features = a.channels * plane;
    const int64_t begin = BLOCK_X * AUGMENT_FEATURES;
    const int64_t part = BLOCK_Z, slot0 = BLOCK_Y * LANES, end = smaller(begin + AUGMENT_FEATURES, features);
    SHARED(struct change, change, LANES);
    BLOCK_FOR(i, LANES)
    {
        const int32_t from = sample[part * slots + slot0 + i];
        if (from >= 0) change[i] = change_of(a, a.row[part / blocks], from);
        if (BLOCK_X == 0) y[part * slots + slot0 + i] = from < 0 ? 0 : label[from];
    }
    block_sync();
    WARP_FOR(i, end - begin)
    {
        const int64_t feature = begin + i, row = feature % plane / a.width, column = feature % a.width;
        float *to = x + (part * features + feature) * slots + slot0;
        LANE_FOR(lane, LANES)
        {
            const int64_t from = sample[part * slots + slot0 + lane];
            float value = 0.0f;
            if (from >= 0) {
                const int64_t old_row = row + change[lane].down;
                const int64_t old_column = (change[lane].flip ? a.width - 1 - column : column) + change[lane].right;
                if (old_row >= 0 && old_row < a.height && old_column >= 0 && old_column < a.width)
                    value = data[from * features + feature / plane * plane + old_row * a.width + old_column];
            }
            to[lane] = value;
        }
    }
}

static const char *launch_gather_augmented(void *stream, float *x, int32_t *y, const float *data,
                                           const int32_t *label, const int32_t *sample, struct augmentation a,
                                           int rows, int blocks, int slots)
{
    const int64_t features = (int64_t)a.channels * a.height * a.width;
    return LAUNCH(stream, grid_of((features + AUGMENT_FEATURES - 1) / AUGMENT_FEATURES, slots / LANES,
                                  (int64_t)rows * blocks),
                  gather_augmented, x, y, data, label, sample, a, blocks, slots);
}
