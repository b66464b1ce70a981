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

/* Values from the lowest window to the highest, which a table of cells has; and cells at most. */
enum { CELL_TABLE = SELECT_BINS, CELLS_MOST = 512 };

/* How many cells a window has; bounds as in select_list. */
DEVICE int cells_of(const int *bound, int window) { return bound[2 * window] - bound[2 * window + 1]; }

DEVICE int first_cell(const int *bound, int window)
{
    int first = 0;
    for (int i = 0; i < window; i++) first += cells_of(bound, i);
    return first;
}

/* All cells; 0: the table or the histograms of so many agents have no room for them. */
DEVICE int count_cells(const int *bound, int windows, int agents)
{
    const int most = (int)smaller((int64_t)agents * SELECT_BINS / CELL_BINS, CELLS_MOST);
    if (windows == 0 || bound[0] - bound[2 * windows - 1] > CELL_TABLE) return 0;
    const int cells = first_cell(bound, windows);
    return cells <= most ? cells : 0;
}

/* table[] gets the cells begin..begin+local-1 by their values from `lowest` on, counted from `begin`; of others, one
 * beyond the local groups. Returns `lowest`. */
DEVICE int find_cells(BLOCK_PARAM int16_t *table, const int *bound, int windows, int begin, int local)
{
    const int lowest = bound[2 * windows - 1];
    for (int window = 0, first = -begin; window < windows; first += cells_of(bound, window++)) {
        int16_t *own = table + bound[2 * window + 1] - lowest;
        BLOCK_FOR(i, cells_of(bound, window))
        {
            const int64_t cell = first + i;
            own[i] = (int16_t)(cell >= 0 && cell < local ? cell : LOCAL_GROUPS * GROUP_CELLS);
        }
    }
    return lowest;
}

DEVICE void count_in_cells(BLOCK_PARAM int *count, const int16_t *table, int lowest, const float *g, int64_t n)
{
    BLOCK_FOR(i, n)
    {
        const uint32_t key = key_of(g[i]);
        const int cell = table[(int)(key >> KEY_SHIFT) - lowest];
        if (COUNT_MISSES || cell < LOCAL_GROUPS * GROUP_CELLS)
            shared_add(&count[cell * CELL_BINS + (int)((key >> CELL_SHIFT) % CELL_BINS)], 1);
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
