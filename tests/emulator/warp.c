/* Exchanges between a warp's threads, and products of matrices that a warp shares. */
#include <string.h>

#include "state.h"

/* Every lane brings some words; returns those of all once the last has come. They stay until its next exchange but
 * one. */
static uint32_t (*exchange(struct machine_thread *t, enum exchange what, uint32_t mask, const uint32_t *word,
                           int words))[EXCHANGED_WORDS]
{
    struct warp *warp = warp_of(t);
    const unsigned lane = t->index % 32, turn = warp->turn % 2;
    if (mask != UINT32_MAX) machine_fault(t, "an exchange of some lanes alone (%#x) is not supported", mask);
    if (warp->arrived && warp->exchange != what) machine_fault(t, "other lanes of its warp are at another exchange");
    warp->exchange = what;
    for (int i = 0; i < words; i++) warp->word[turn][lane][i] = word[i];
    if (++warp->arrived < 32) {
        fiber_wait(t, IN_WARP);
    } else {
        warp->arrived = 0;
        warp->turn++;
        warp->epoch += what == BARRIER;
        for (unsigned i = 0; i < 32; i++) worker_of(t)->fiber[t->index - lane + i].state = READY;
    }
    return warp->word[turn];
}

void machine_warp_barrier(struct machine_thread *t, uint32_t mask) { exchange(t, BARRIER, mask, NULL, 0); }

uint32_t machine_ballot(struct machine_thread *t, uint8_t x, uint32_t mask)
{
    const uint32_t given = x;
    uint32_t(*of)[EXCHANGED_WORDS] = exchange(t, BALLOT, mask, &given, 1), ballot = 0;
    for (int i = 0; i < 32; i++) ballot |= of[i][0] << i;
    return ballot;
}

static uint32_t shuffle(struct machine_thread *t, uint32_t x, int from, bool exists, uint32_t mask, uint8_t *inside)
{
    uint32_t(*of)[EXCHANGED_WORDS] = exchange(t, SHUFFLE, mask, &x, 1);
    *inside = exists;
    return of[exists ? from : (int)t->index % 32][0];
}

static int first_lane(const struct machine_thread *t, uint32_t limits)
{
    return (int)(t->index % 32 & (limits >> 8 & 31));
}

static int last_lane(const struct machine_thread *t, uint32_t limits)
{
    return first_lane(t, limits) | (int)(limits & 31 & ~(limits >> 8 & 31));
}

uint32_t machine_shuffle_up(struct machine_thread *t, uint32_t x, uint32_t by, uint32_t limits, uint32_t mask,
                            uint8_t *inside)
{
    const int from = (int)(t->index % 32) - (int)(by & 31);
    return shuffle(t, x, from, from >= last_lane(t, limits), mask, inside);
}

uint32_t machine_shuffle_down(struct machine_thread *t, uint32_t x, uint32_t by, uint32_t limits, uint32_t mask,
                              uint8_t *inside)
{
    const int from = (int)(t->index % 32) + (int)(by & 31);
    return shuffle(t, x, from, from <= last_lane(t, limits), mask, inside);
}

uint32_t machine_shuffle_bfly(struct machine_thread *t, uint32_t x, uint32_t by, uint32_t limits, uint32_t mask,
                              uint8_t *inside)
{
    const int from = (int)(t->index % 32 ^ (by & 31));
    return shuffle(t, x, from, from <= last_lane(t, limits), mask, inside);
}

uint32_t machine_shuffle_idx(struct machine_thread *t, uint32_t x, uint32_t lane, uint32_t limits, uint32_t mask,
                             uint8_t *inside)
{
    const int from = first_lane(t, limits) | (int)(lane & 31 & ~(limits >> 8 & 31));
    return shuffle(t, x, from, from <= last_lane(t, limits), mask, inside);
}

/* ---- matrices ---- */

static uintptr_t matrix_place(struct machine_thread *t, uintptr_t from, uint32_t stride, int row, int column,
                              int column_major, unsigned size)
{
    if (from % 32 || stride * size % 16) machine_fault(t, "a matrix at %#zx, stride %u of %u bytes: not aligned",
                                                       (size_t)from, stride, size);
    const size_t entry = column_major ? (size_t)column * stride + (size_t)row : (size_t)row * stride + (size_t)column;
    return from + entry * size;
}

void machine_matrix_load_tf32(struct machine_thread *t, uint32_t *part, uintptr_t from, uint32_t stride, int rows,
                              int columns, int column_major, unsigned site)
{
    const int share = rows * columns / 32, first = (int)(t->index % 32) * share;
    for (int i = 0; i < share; i++) {
        const int row = (first + i) / columns, column = (first + i) % columns;
        part[i] = *(uint32_t *)machine_generic(t, matrix_place(t, from, stride, row, column, column_major, 4), 4,
                                               MACHINE_READ, site + (unsigned)i);
    }
}

void machine_matrix_load_bf16(struct machine_thread *t, uint32_t *part, uintptr_t from, uint32_t stride, int rows,
                              int columns, int column_major, unsigned site)
{
    const int share = rows * columns / 32, first = (int)(t->index % 32) * share;
    memset(part, 0, (size_t)share * 2);
    for (int i = 0; i < share; i++) {
        const int row = (first + i) / columns, column = (first + i) % columns;
        const uint32_t x = *(uint16_t *)machine_generic(
            t, matrix_place(t, from, stride, row, column, column_major, 2), 2, MACHINE_READ, site + (unsigned)i);
        part[i / 2] |= x << 16 * (i % 2);
    }
}

static float entry_tf32(uint32_t (*of)[EXCHANGED_WORDS], int offset, int i, int share)
{
    return f32_of_bits(of[i / share][offset + i % share] & ~UINT32_C(0x1fff));
}

static float entry_bf16(uint32_t (*of)[EXCHANGED_WORDS], int offset, int i, int share)
{
    return f32_of_bits(of[i / share][offset + i % share / 2] >> 16 * (i % 2) << 16);
}

static void multiply(struct machine_thread *t, float *c, const uint32_t *a, const uint32_t *b, int depth,
                     float (*entry)(uint32_t (*)[EXCHANGED_WORDS], int, int, int))
{
    uint32_t given[EXCHANGED_WORDS];
    memcpy(given, a, 16);
    memcpy(given + 4, b, 16);
    uint32_t(*of)[EXCHANGED_WORDS] = exchange(t, MULTIPLY, UINT32_MAX, given, EXCHANGED_WORDS);
    const int share = 16 * depth / 32, first = (int)(t->index % 32) * 8;
    for (int i = 0; i < 8; i++) {
        const int row = (first + i) / 16, column = (first + i) % 16;
        for (int j = 0; j < depth; j++)
            c[i] += entry(of, 0, row * depth + j, share) * entry(of, 4, j * 16 + column, share);
    }
}

void machine_matrix_multiply_tf32(struct machine_thread *t, float *c, const uint32_t *a, const uint32_t *b, int depth)
{
    multiply(t, c, a, b, depth, entry_tf32);
}

void machine_matrix_multiply_bf16(struct machine_thread *t, float *c, const uint32_t *a, const uint32_t *b, int depth)
{
    multiply(t, c, a, b, depth, entry_bf16);
}

void machine_matrix_store(struct machine_thread *t, uintptr_t to, const float *part, uint32_t stride, unsigned site)
{
    for (int i = 0; i < 8; i++) {
        const int entry = (int)(t->index % 32) * 8 + i;
        *(float *)machine_generic(t, matrix_place(t, to, stride, entry / 16, entry % 16, 0, 4), 4, MACHINE_WRITE,
                                  site + (unsigned)i) = part[i];
    }
}
