/* Sizes that follow from a convolution's shape, and tiles of its kernel. */
#ifndef KERNELS_CONV_H
#define KERNELS_CONV_H

#include "kernels/portable.h"

#define POOLED_HEIGHT(s) (((s).height - (s).kernel + 1) / 2)
#define POOLED_WIDTH(s) (((s).width - (s).kernel + 1) / 2)
#define WINDOWS(s) ((int64_t)POOLED_HEIGHT(s) * POOLED_WIDTH(s))

HOST_AND_DEVICE int64_t tiles_of(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

/* Floats of one sample's input. */
#define INPUT_SIZE(s) ((int64_t)(s).channels * (s).height * (s).width)

/* Tiles of a filter that registers can hold: number, kernel rows, vectors of a run. */
#define SMALL_TILES(X) X(0, 1, 1) X(1, 3, 1) X(2, 5, 1) X(3, 1, 5) X(4, 1, 10) X(5, 1, 14)
#if LANES >= 16 /* and as many registers */
#define TILES(X) SMALL_TILES(X) X(6, 5, 5)
#else
#define TILES(X) SMALL_TILES(X)
#endif
struct tile_kind {
    int number, rows, vectors;
};
#define TILE_ROW(number, rows, vectors) {number, rows, vectors},
static const struct tile_kind tile_table[] = {TILES(TILE_ROW)};
enum { TILE_KINDS = sizeof tile_table / sizeof *tile_table, TILE_REGISTERS = 25 };

/* The kind of tile with the fewest products in vain, or with none; of these the largest. */
static struct tile_kind best_tile(int64_t rows, int64_t vectors, int exact)
{
    int best = 0;
    int64_t least = INT64_MAX;
    for (int i = 0; i < TILE_KINDS; i++) {
        const struct tile_kind kind = tile_table[i];
        const int64_t products = tiles_of(rows, kind.rows) * kind.rows * tiles_of(vectors, kind.vectors) * kind.vectors;
        if (kind.rows > rows || kind.vectors > vectors || products > least) continue;
        if (exact && products > rows * vectors) continue;
        best = i;
        least = products;
    }
    return tile_table[best];
}

/* sum = Σ value_i · the tile at `from` + place_i, whose rows are `row` floats apart. */
DEVICE void sum_tiles(lanes *sum, const float *from, int64_t row, struct conv_list list, int count, const int TR,
                      const int TV)
{
    int32_t place = list.place[0], next = list.place[1];
    UNROLL for (int r = 0; r < TR; r++) UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] = lanes_of(0.0f);
    for (int i = 0; i < count; i++) {
        const lanes d = lanes_of(list.value[i]);
        const float *at = from + place;
        place = next;
        next = list.place[i + CONV_AHEAD];
        UNROLL for (int r = 0; r < TR; r++, at += row)
            UNROLL for (int v = 0; v < TV; v++) sum[r * TV + v] += d * lanes_load(at + v * LANES);
    }
}

/* The list that begins at entry number `first` of the array. */
DEVICE struct conv_list list_at(struct conv_list list, int64_t first)
{
    return {list.value + first, list.place + first};
}

#endif
