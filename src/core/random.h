/* Counter-based random numbers for the host: Random123's Philox4x32-10.
 * The same key and counter give the same numbers on any machine. */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include <Random123/philox.h>
#include <stdint.h>

/* What a stream of numbers is for; part of its counter, so that streams of one
 * seed never meet. kernels/random.h goes on from RANDOM_SHUFFLE. */
enum random_use { RANDOM_INIT = 1, RANDOM_PARTITION, RANDOM_SYNTHETIC, RANDOM_SHUFFLE };

/* Streams of RANDOM_PARTITION. */
enum { RANDOM_PARTITION_POOL, RANDOM_PARTITION_CLASSES, RANDOM_PARTITION_DIRICHLET, RANDOM_PARTITION_MR };

/* A sequence of numbers keyed by (seed, use, stream). */
struct random_stream {
    philox4x32_key_t key;
    philox4x32_ctr_t counter;
    philox4x32_ctr_t block;
    int used;
};

static inline void random_start(struct random_stream *s, uint64_t seed, enum random_use use, uint64_t stream)
{
    s->key.v[0] = (uint32_t)seed;
    s->key.v[1] = (uint32_t)(seed >> 32);
    s->counter.v[0] = 0;
    s->counter.v[1] = (uint32_t)use;
    s->counter.v[2] = (uint32_t)stream;
    s->counter.v[3] = (uint32_t)(stream >> 32);
    s->used = 4;
}

static inline uint32_t random_bits(struct random_stream *s)
{
    if (s->used == 4) {
        s->block = philox4x32(s->counter, s->key);
        s->counter.v[0]++;
        s->used = 0;
    }
    return s->block.v[s->used++];
}

/* Uniform in [0, 1), 24 bits. */
static inline float random_uniform(struct random_stream *s) { return (float)(random_bits(s) >> 8) * 0x1p-24f; }

/* Uniform in 0..bound-1 without bias, bound >= 1. */
static inline uint32_t random_below(struct random_stream *s, uint32_t bound)
{
    uint32_t reject = -bound % bound; /* 2^32 mod bound */
    uint32_t bits;
    do bits = random_bits(s);
    while (bits < reject);
    return bits % bound;
}

/* The numbers 0..n-1 in a random order (Fisher and Yates). */
static inline void random_order(struct random_stream *s, int32_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;
    for (int64_t i = n - 1; i > 0; i--) {
        const uint32_t j = random_below(s, (uint32_t)i + 1);
        const int32_t other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

#endif
