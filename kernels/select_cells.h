/* The first pass over the list of a segment, where its windows are cut into cells.
 *
 * A cell is a value of the leading 16 bits. It has a bin for each value of the next 6, so that entries are told apart
 * by 21 bits of magnitude at once, which takes two passes where nothing is known. The bins of all windows lie in a row,
 * each window's ascending. */
#ifndef KERNELS_SELECT_CELLS_H
#define KERNELS_SELECT_CELLS_H

#include "kernels/select.h"

enum { CELL_BINS = GROUP_BINS / GROUP_CELLS, CELL_SHIFT = 10 };
static_assert(CELL_BINS << CELL_SHIFT == 1 << KEY_SHIFT, "a cell's bins part it evenly");

/* At most; and vectors of entries that a warp looks at side by side. */
enum { CELLS_MOST = 512, CELL_VECTORS = 4 };

/* How many cells a window has. */
DEVICE int cells_of(const int *bound, int window) { return bound[2 * window] - bound[2 * window + 1]; }

DEVICE int first_cell(const int *bound, int window)
{
    int first = 0;
    for (int i = 0; i < window; i++) first += cells_of(bound, i);
    return first;
}

/* All cells; 0: the histograms of so many agents have no room for them. */
DEVICE int count_cells(const int *bound, int windows, int agents)
{
    const int most = (int)smaller((int64_t)agents * SELECT_BINS / CELL_BINS, CELLS_MOST);
    const int cells = first_cell(bound, windows);
    return cells <= most ? cells : 0;
}

/* A key's bin is its leading 21 bits less the origin of its window, where the histograms at hand begin with cell
 * `begin`. */
DEVICE void find_origins(BLOCK_PARAM int *origin, const int *bound, int windows, int begin)
{
    BLOCK_FOR(i, windows) { origin[i] = (bound[2 * i + 1] - first_cell(bound, (int)i) + begin) * CELL_BINS; }
}

/* n entries that all lie in windows, into `bins` bins that are at hand. */
DEVICE void count_in_cells(BLOCK_PARAM int *count, int bins, const int *origin, const int *bound, int windows,
                           const float *g, int64_t n)
{
    WARP_FOR(i, (n + CELL_VECTORS * LANES - 1) / (CELL_VECTORS * LANES))
    {
        const int64_t begin = i * CELL_VECTORS * LANES;
        lanes_int key[CELL_VECTORS], own[CELL_VECTORS];
        UNROLL for (int j = 0; j < CELL_VECTORS; j++)
        {
            const int64_t at = begin + j * LANES;
            key[j] = lanes_keys(lanes_load_part(g + at, larger(n - at, 0)));
            own[j] = lanes_int_of(origin[windows - 1]);
        }
        for (int window = windows - 2; window >= 0; window--) {
            const lanes_int least = lanes_int_of(bound[2 * window + 1] << KEY_SHIFT);
            UNROLL for (int j = 0; j < CELL_VECTORS; j++)
                own[j] = lanes_select_int(key[j] >= least, lanes_int_of(origin[window]), own[j]);
        }
        UNROLL for (int j = 0; j < CELL_VECTORS; j++)
            count_lanes_part(count, bins, (key[j] >> (int)CELL_SHIFT) - own[j], n - begin - j * LANES);
    }
}

DEVICE void narrow_in_cells(BLOCK_PARAM struct rank_state *rank, int agents, const int *histogram, int cells,
                            const int *bound)
{
    enum { COARSE = CELL_BINS / NARROW_BINS };
    SHARED(int, coarse, CELLS_MOST * COARSE);
    sum_coarsely(BLOCK_PASS coarse, histogram, cells * CELL_BINS);
    block_sync();
    BLOCK_FOR(i, agents)
    {
        if (rank[i].group < 0) continue;
        const int window = rank[i].window, first = first_cell(bound, window), cells_there = cells_of(bound, window);
        const int *count = histogram + first * CELL_BINS;
        const int bin = narrow_to_bin(&rank[i].wanted, coarse + first * COARSE, count, cells_there * CELL_BINS);
        const int prefix = bound[2 * window + 1] * CELL_BINS + bin;
        lengthen_prefix(&rank[i], (uint32_t)prefix, CELL_SHIFT, count[bin]);
    }
    block_sync();
}

#endif
