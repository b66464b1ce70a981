/* Shows that the threads build finds a missing block_sync(): with -DOMIT_SYNC the one
 * below is left out, and ThreadSanitizer must report a data race (race_probe_test.sh). */
#include <stdio.h>

#include "kernels/portable.h"

enum { PROBE_SIZE = 500 };

/* Reverses each block's PROBE_SIZE numbers through shared memory. */
KERNEL(reverse, int64_t *out, const int64_t *in)
{
    SHARED(int64_t, shared, PROBE_SIZE);
    BLOCK_FOR(i, PROBE_SIZE) { shared[i] = in[BLOCK_X * PROBE_SIZE + i]; }
#if !defined(OMIT_SYNC)
    block_sync();
#endif
    BLOCK_FOR(i, PROBE_SIZE) { out[BLOCK_X * PROBE_SIZE + i] = shared[PROBE_SIZE - 1 - i]; }
}

#if defined(CGSV_BLOCK_IS_THREADS)
int main(void)
{
    enum { BLOCKS = 200 };
    static int64_t in[BLOCKS * PROBE_SIZE], out[BLOCKS * PROBE_SIZE];
    for (int i = 0; i < BLOCKS * PROBE_SIZE; i++) in[i] = i;
    const char *error = LAUNCH(NULL, grid_of(BLOCKS, 1, 1), reverse, out, in);
    int wrong = error != NULL;
    for (int i = 0; i < BLOCKS * PROBE_SIZE; i++)
        wrong += out[i] != i / PROBE_SIZE * PROBE_SIZE + PROBE_SIZE - 1 - i % PROBE_SIZE;
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
#endif
