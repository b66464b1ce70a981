/* Minibatches: which samples, and their pictures in the order that layers read.
 *
 * The order of an agent's samples in an epoch is a permutation that is never stored: a
 * Feistel network over the smallest power of four that holds the shard, walked again
 * while it points outside (Black and Rogaway, "Ciphers with arbitrary finite domains",
 * 2002). Its round function is Philox, keyed by (seed, agent, epoch). */
#include "kernels/random.h"

enum { FEISTEL_ROUNDS = 6 };

/* Position `i` of 0..n-1 under the permutation with this key. */
DEVICE uint32_t permuted(uint32_t i, uint32_t n, uint32_t key0, uint32_t key1)
{
    int half = 1;
    while (half < 16 && (1u << 2 * half) < n) half++;
    const uint32_t mask = (1u << half) - 1;
    do {
        uint32_t left = i >> half, right = i & mask;
        for (uint32_t r = 0; r < FEISTEL_ROUNDS; r++) {
            philox2x32_ctr_t counter = {{right, key1 ^ r}};
            philox2x32_key_t key = {{key0}};
            const uint32_t mixed = left ^ (philox2x32(counter, key).v[0] & mask);
            left = right;
            right = mixed;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* Block: a row. */
KERNEL(batch_draw, struct batch_draw d)
{
    const struct row row = d.row[BLOCK_X];
    const uint32_t epoch = (uint32_t)(*d.round * d.local_epochs + d.epoch);
    const uint32_t batches = (uint32_t)((row.samples + d.batch - 1) / d.batch);
    const philox4x32_ctr_t keys = random_words(row.seed, RANDOM_USE_SHUFFLE, epoch, (uint32_t)row.stream, 0);
    int64_t batch = d.step, begin = 0, length = row.samples;
    if (d.bucket > 0 && d.step < (int)batches) {
        batch = permuted((uint32_t)d.step, batches, keys.v[2], keys.v[3]);
        begin = batch / d.bucket * d.bucket * d.batch;
        length = smaller((int64_t)d.bucket * d.batch, row.samples - begin);
    }
    const int64_t first = batch * d.batch;
    const int64_t left = row.samples - first;
    const int n = (int)(left < 0 ? 0 : left < d.batch ? left : d.batch);
    const uint32_t key1 = keys.v[1] ^ (uint32_t)begin << 3; /* `permuted` uses the low bits itself */
    BLOCK_FOR(slot, d.slots)
    {
        int32_t sample = -1;
        if (slot < n)
            sample = d.index[row.first + begin +
                             permuted((uint32_t)(first - begin + slot), (uint32_t)length, keys.v[0], key1)];
        d.sample[BLOCK_X * d.slots + slot] = sample;
    }
    if (THREAD_INDEX == 0) d.count[BLOCK_X] = n;
}

static const char *launch_batch_draw(void *stream, struct batch_draw draw)
{
    return LAUNCH(stream, grid_of(draw.rows, 1, 1), batch_draw, draw);
}

KERNEL(batch_range, int32_t *sample, const int32_t *index, int32_t first, int n, int slots)
{
    GRID_FOR(slot, slots)
    {
        sample[slot] = slot >= n ? -1 : index ? index[first + slot] : first + (int32_t)slot;
    }
}

static const char *launch_batch_range(void *stream, int32_t *sample, const int32_t *index, int32_t first, int n,
                                      int slots)
{
    return LAUNCH(stream, grid_for(slots), batch_range, sample, index, first, n, slots);
}

#define GATHER_FEATURES INT64_C(512)

/* Block: GATHER_FEATURES features of a block of samples. A warp transposes LANES features
 * of LANES samples. */
KERNEL(batch_gather, float *x, int32_t *y, const float *data, const int32_t *label, const int32_t *sample,
       int64_t features, int slots)
{
    const int64_t part = BLOCK_Z, begin = BLOCK_X * GATHER_FEATURES, along = GATHER_FEATURES / LANES;
    sample += part * slots;
    WARP_FOR(tile, along * slots / LANES)
    {
        const int64_t feature = begin + tile % along * LANES, slot = tile / along * LANES, left = features - feature;
        lanes v[LANES];
        if (left <= 0) continue;
        UNROLL for (int i = 0; i < LANES; i++)
        {
            const int64_t from = sample[slot + i];
            v[i] = from < 0 ? lanes_of(0.0f) : lanes_load_part(data + from * features + feature, left);
        }
        lanes_transpose(v);
        UNROLL for (int i = 0; i < LANES; i++)
            if (i < left) lanes_store(x + (part * features + feature + i) * slots + slot, v[i]);
    }
    if (BLOCK_X == 0)
        BLOCK_FOR(slot, slots) { y[part * slots + slot] = sample[slot] < 0 ? 0 : label[sample[slot]]; }
}

static const char *launch_batch_gather(void *stream, float *x, int32_t *y, const float *data, const int32_t *label,
                                       const int32_t *sample, int64_t features, int blocks, int slots)
{
    return LAUNCH(stream, grid_of((features + GATHER_FEATURES - 1) / GATHER_FEATURES, 1, blocks), batch_gather, x, y,
                  data, label, sample, features, slots);
}
