/* Counter-based random numbers for kernels: Random123's Philox4x32-10, four words a counter. */
#ifndef KERNELS_RANDOM_H
#define KERNELS_RANDOM_H

#include <Random123/philox.h>

#include "kernels/portable.h"

/* Go on where the uses of src/core/random.h end: streams of one seed never meet. */
enum {
    RANDOM_USE_SHUFFLE = 4,
    RANDOM_USE_COALITIONS,
    RANDOM_USE_UPDATES,
    RANDOM_USE_SPARSE,
    RANDOM_USE_ORDERS,
    RANDOM_USE_SCHEME,
    RANDOM_USE_DROPOUT,
    RANDOM_USE_ADVERSARY,
    RANDOM_USE_AUGMENT
};

DEVICE philox4x32_ctr_t random_words(uint64_t seed, uint32_t use, uint32_t index, uint32_t stream, uint32_t game)
{
    philox4x32_ctr_t counter = {{index, use, stream, game}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    return philox4x32(counter, key);
}

/* A sequence of words, from counter `index` on. */
struct draws {
    uint64_t seed;
    uint32_t use, index, stream, game;
    uint32_t word[4];
    int used;
};

DEVICE struct draws draws_start(uint64_t seed, uint32_t use, uint32_t index, uint32_t stream, uint32_t game)
{
    struct draws d = {seed, use, index, stream, game, {0, 0, 0, 0}, 4};
    return d;
}

DEVICE uint32_t draws_next(struct draws *d)
{
    if (d->used == 4) {
        const philox4x32_ctr_t words = random_words(d->seed, d->use, d->index++, d->stream, d->game);
        for (int i = 0; i < 4; i++) d->word[i] = words.v[i];
        d->used = 0;
    }
    return d->word[d->used++];
}

/* Uniform in (0, 1). */
DEVICE double draws_uniform(struct draws *d) { return ((double)draws_next(d) + 0.5) * 0x1p-32; }

/* Uniform in 0..bound-1 up to bound / 2^32. */
DEVICE int draws_below(struct draws *d, int bound) { return (int)((uint64_t)draws_next(d) * (uint64_t)bound >> 32); }

/* Fisher–Yates: the first `count` of n listed agents become a random choice in random order. */
DEVICE void shuffle(uint16_t *list, int n, int count, struct draws *draws)
{
    for (int k = 0; k < count; k++) {
        const int from = k + draws_below(draws, n - k);
        const uint16_t taken = list[from];
        list[from] = list[k];
        list[k] = taken;
    }
}

#endif
