/* What the kernels of the server step share. */
#ifndef KERNELS_SERVER_H
#define KERNELS_SERVER_H

#include "kernels/portable.h"

/* Coefficient of an update that is zero or not finite: it is never read, and valued 0. */
#define FAULTY_UPDATE NAN

DEVICE int is_faulty(double coefficient) { return !(coefficient == coefficient); }

/* The 31 bits of |g|, which order as |g| does. */
DEVICE uint32_t key_of(float g) { return bits_of(g) & 0x7fffffffu; }

/* Above every finite key. */
#define KEY_INFINITE 0x7f800000u

/* The segment of the selection that a parameter tensor belongs to. */
DEVICE int64_t segment_of(struct server_step s, int32_t tensor) { return s.reward == CGSV_REWARD_LAYER ? tensor : 0; }

/* The agents upload their updates as they are. */
DEVICE int uploads_raw(const struct mechanism *m)
{
    return m->scheme.normalise != CGSV_NORMALISE_ENTRIES && (m->scheme.upload == 0 || m->scheme.upload == 1);
}

/* x as its place stores it. To the nearest, ties to even; beyond the largest by half a unit to infinity. What is
 * not a number stays so. */
DEVICE uint16_t narrowed(float x, const uint16_t *)
{
    const uint32_t bits = bits_of(x), half = bits >> 16;
    return (uint16_t)(x == x ? (bits + 0x7fffu + (half & 1)) >> 16 : half | 0x40u);
}
DEVICE float narrowed(float x, const float *) { return x; }

/* LAUNCH of such a kernel. */
#define LAUNCH_BY_STORAGE(stream, blocks, storage, name, ...)                                \
    ((storage) == CGSV_STORAGE_BF16 ? LAUNCH(stream, blocks, name<uint16_t>, __VA_ARGS__) \
                                    : LAUNCH(stream, blocks, name<float>, __VA_ARGS__))

template <typename stored>
DEVICE const stored *update_row(struct server_step s, int64_t federation, int64_t agent)
{
    return (const stored *)s.update + (federation * s.agents + agent) * s.update_stride;
}

/* The federation's records of this round, one per agent. */
DEVICE struct cgsv_round_record *round_record(struct server_step s, int64_t federation)
{
    return s.record + ((int64_t)(*s.round % s.rounds) * s.federations + federation) * s.agents;
}

static inline int64_t column_pieces(int64_t dimension) { return (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS; }

/* Columns of piece number `piece`. */
DEVICE int64_t piece_width(int64_t dimension, int64_t piece)
{
    return smaller(dimension - piece * CHUNK_COLUMNS, CHUNK_COLUMNS);
}

#endif
