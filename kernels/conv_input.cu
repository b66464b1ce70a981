/* The input's gradient of a convolution with 2×2 max pooling, by samples; see conv_gradient.cu.
 *
 * Patches of the input's gradient overlap. Stores limit the speed where each d · weights is added
 * to memory by itself; hence list_terms sorts the gradients of a window by winner, so that
 * input_gradient sums what all filters give an output pixel's patch in registers. */
#include "kernels/conv.h"

enum { TERM_SLOTS = 128, NO_TERM = 4, TERM_KINDS = NO_TERM + 1 };

/* Which winner's list each gradient belongs to, or NO_TERM. */
DEVICE lanes_int term_kinds(const float *delta, const uint8_t *winner)
{
    return lanes_select_int(lanes_load(delta) == 0.0f, lanes_int_of(NO_TERM), lanes_load_byte(winner));
}

/* Of LANES samples, where in a window's list the terms of each winner begin; those of NO_TERM are the last. */
DEVICE void begin_terms(int32_t *begin, const float *delta, const uint8_t *winner, int64_t plane, int64_t filters,
                        int64_t slots)
{
    lanes_int count[NO_TERM], before = lanes_int_of(0);
    UNROLL for (int kind = 0; kind < NO_TERM; kind++) count[kind] = lanes_int_of(0);
    for (int64_t f = 0; f < filters; f++, delta += plane, winner += plane) {
        const lanes_int own = term_kinds(delta, winner);
        prefetch(delta + slots, LANES); /* of the next window */
        UNROLL for (int kind = 0; kind < NO_TERM; kind++)
            count[kind] += lanes_select_int(own == kind, lanes_int_of(1), lanes_int_of(0));
    }
    UNROLL for (int kind = 0; kind < TERM_KINDS; kind++)
    {
        lanes_store_int(begin + kind * TERM_SLOTS, before);
        if (kind < NO_TERM) before += count[kind];
    }
}

/* Terms of the input's gradient, sorted by winner through counting. Block: a window, TERM_SLOTS
 * samples, a block of samples. A lane keeps to its samples. */
KERNEL(list_terms, struct conv_scratch scratch, const float *delta, const uint8_t *winner, struct conv_shape s)
{
    SHARED(int32_t, end, TERM_KINDS * TERM_SLOTS);
    SHARED(int32_t, kind, TERM_SLOTS);
    const int64_t S = s.slots, F = s.filters, plane = WINDOWS(s) * S, slot0 = BLOCK_Y * TERM_SLOTS;
    const int64_t slots = smaller(S - slot0, TERM_SLOTS), first = BLOCK_Z * plane + BLOCK_X * S + slot0;
    const int32_t taps = (int32_t)(s.kernel * CONV_RUN(s));
    delta += BLOCK_Z * F * plane + BLOCK_X * S + slot0;
    winner += BLOCK_Z * F * plane + BLOCK_X * S + slot0;
    WARP_FOR(tile, slots / LANES)
    {
        const int64_t slot = tile * LANES;
        const struct conv_list list = list_at(scratch.window, (first + slot) * F);
        begin_terms(end + slot, delta + slot, winner + slot, plane, F, S);
        for (int64_t f = 0; f < F; f++) {
            const float *d = delta + f * plane + slot;
            lanes_store_int(kind + slot, term_kinds(d, winner + f * plane + slot));
            LANE_FOR(lane, LANES)
            {
                const int64_t to = lane * F + end[kind[slot + lane] * TERM_SLOTS + slot + lane]++;
                list.value[to] = d[lane];
                list.place[to] = (int32_t)f * taps;
            }
        }
        LANE_FOR(lane, LANES)
        {
            int32_t *to = scratch.end + 4 * (first + slot + lane);
            for (int i = 0; i < NO_TERM; i++) to[i] = end[i * TERM_SLOTS + slot + lane];
        }
    }
}

/* x += Σ_i value_i · taps_i over a tile, whose vectors hold `part` floats. */
DEVICE void add_terms(float *x, int64_t x_row, const float *taps, int64_t run, struct conv_list term, int terms,
                      int64_t part, const int TR, const int TV)
{
    lanes sum[TILE_REGISTERS];
    sum_tiles(sum, taps, run, term, terms, TR, TV);
    UNROLL for (int r = 0; r < TR; r++, x += x_row)
        UNROLL for (int v = 0; v < TV; v++)
            lanes_store_part(x + v * LANES, lanes_load_part(x + v * LANES, part) + sum[r * TV + v], part);
}

/* The input's gradient of sample `slot` of a block of samples. Patches overlap, so the block takes
 * them one by one, as many tiles of each as it has warps. */
DEVICE void add_patches(BLOCK_PARAM float *x_gradient, struct conv_scratch scratch, int64_t part, int64_t slot,
                        const float *taps, struct conv_shape s, const int TR, const int TV)
{
    const int64_t K = s.kernel, C = s.channels, F = s.filters, run = CONV_RUN(s), x_row = s.width * C;
    const int64_t across = K * C / LANES / TV, tiled = across * TV * LANES, left = K * C - tiled;
    const int64_t whole = K / TR * across, tiles = whole + (left ? K : 0), PW = POOLED_WIDTH(s), windows = WINDOWS(s);
    for (int64_t first = 0; first < tiles; first += WARPS)
        for (int64_t y = 0, x = 0, pixel = 0; pixel < 4 * windows; pixel++) {
            const int64_t list = (part * windows + pixel / 4) * s.slots + slot, won = pixel % 4;
            const int begin = won ? scratch.end[4 * list + won - 1] : 0;
            const int terms = scratch.end[4 * list + won] - begin;
            const struct conv_list term = list_at(scratch.window, list * F + begin);
            float *patch = x_gradient + (y + won / 2) * x_row + (x + won % 2) * C;
            if (won == 3) {
                prefetch(scratch.window.value + (list + s.slots) * F, F); /* of the next window */
                prefetch(scratch.window.place + (list + s.slots) * F, F);
                x = x + 2 < 2 * PW ? x + 2 : 0;
                y += x == 0 ? 2 : 0;
            }
            if (terms == 0) continue;
            WARP_FOR(i, smaller(WARPS, tiles - first))
            {
                const int64_t tile = first + i;
                if (tile < whole) {
                    const int64_t ky = tile / across * TR, j = tile % across * TV * LANES;
                    add_terms(patch + ky * x_row + j, x_row, taps + ky * run + j, run, term, terms, LANES, TR, TV);
                } else {
                    const int64_t ky = tile - whole;
                    add_terms(patch + ky * x_row + tiled, x_row, taps + ky * run + tiled, run, term, terms, left, 1, 1);
                }
            }
            block_sync();
        }
}

/* Block: a sample, a block of samples. */
KERNEL(input_gradient, struct conv_scratch scratch, struct conv_shape s, struct tile_kind kind)
{
    float *x_gradient = scratch.samples + (BLOCK_Z * s.slots + BLOCK_X) * CONV_SAMPLE(s);
    const float *taps = scratch.taps + BLOCK_Z / s.blocks * s.filters * s.kernel * CONV_RUN(s);
    BLOCK_FOR(i, INPUT_SIZE(s)) { x_gradient[i] = 0.0f; }
    block_sync();
#define ADD_PATCHES(number, tile_rows, tile_vectors)                                             \
    case number:                                                                                 \
        add_patches(BLOCK_PASS x_gradient, scratch, BLOCK_Z, BLOCK_X, taps, s, tile_rows, tile_vectors); \
        break;
    switch (kind.number) { TILES(ADD_PATCHES) }
#undef ADD_PATCHES
}
