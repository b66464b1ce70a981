/* Random updates for studies of estimators. Entry (game, agent, column) depends on the seed and
 * those three alone, so columns can be made piece by piece, wherever they are needed. */
#include "kernels/quads.h"
#include "kernels/random.h"

/* Stream of what all agents of a game have in common. */
#define COMMON_STREAM 0xffffffffu

/* Two independent N(0, 1) (Box and Muller, 1958). */
DEVICE void normal_pair(double *z, uint32_t word0, uint32_t word1)
{
    const float radius = sqrtf(-2 * logf(((float)word0 + 0.5f) * 0x1p-32f));
    const float angle = 6.2831853071795865f * ((float)word1 * 0x1p-32f);
    z[0] = radius * cosf(angle);
    z[1] = radius * sinf(angle);
}

/* Four entries of N(0, 1), from four words. */
DEVICE void normal_four(double *z, struct random_updates r, uint32_t index, uint32_t stream, uint32_t game)
{
    const philox4x32_ctr_t word = random_words(r.seed, RANDOM_USE_UPDATES, index, stream, game);
    normal_pair(z, word.v[0], word.v[1]);
    normal_pair(z + 2, word.v[2], word.v[3]);
}

/* Entries 4 group … 4 group + 3 of agent `agent` before roles are given out. */
DEVICE void entries_of(double *z, struct random_updates r, uint32_t group, uint32_t agent, uint32_t game)
{
    if (r.kind == CGSV_VECTORS_HEAVY_TAILED) { /* t with 3 degrees of freedom: N(0, 1) / √(χ²₃ / 3) */
        for (uint32_t k = 0; k < 4; k++) {
            double n[4];
            normal_four(n, r, 4 * group + k, agent, game);
            z[k] = n[0] / sqrt((n[1] * n[1] + n[2] * n[2] + n[3] * n[3]) / 3);
        }
        return;
    }
    normal_four(z, r, group, agent, game);
    if (r.kind == CGSV_VECTORS_CORRELATED) {
        double common[4];
        normal_four(common, r, group, COMMON_STREAM, game);
        for (int k = 0; k < 4; k++) z[k] = sqrt(r.parameter) * common[k] + sqrt(1 - r.parameter) * z[k];
    }
    if (r.kind == CGSV_VECTORS_SPARSE) {
        const philox4x32_ctr_t word = random_words(r.seed, RANDOM_USE_SPARSE, group, agent, game);
        for (int k = 0; k < 4; k++) z[k] = ((double)word.v[k] + 0.5) * 0x1p-32 < r.parameter ? z[k] : 0.0;
    }
}

/* An agent's task: four columns. */
KERNEL(random_updates, struct random_updates r)
{
    const int64_t first = r.first_column / 4, groups = (r.first_column + r.columns + 3) / 4 - first;
    GRID_FOR(task, (int64_t)r.games * r.agents * groups)
    {
        const int64_t row = task / groups, group = first + task % groups;
        const int agent = (int)(row % r.agents), last = r.agents - 1;
        const int opposed = r.kind == CGSV_VECTORS_OPPOSED && agent == last && last > 0;
        const int rides = r.kind == CGSV_VECTORS_FREE_RIDERS && agent > last - (r.agents + 4) / 5 && agent > 0;
        double z[4];
        entries_of(z, r, (uint32_t)group, opposed ? 0 : (uint32_t)agent, (uint32_t)(r.first_game + row / r.agents));
        struct quad made;
        for (int k = 0; k < QUAD; k++) made.v[k] = (float)(opposed ? -z[k] : rides ? r.parameter * z[k] : z[k]);
        const int64_t column = QUAD * group - r.first_column;
        quad_store_part(r.row + row * r.stride + column, made, -column, r.columns - column);
    }
}

static const char *launch_random_updates(void *stream, struct random_updates updates)
{
    return LAUNCH(stream, grid_for((int64_t)updates.games * updates.agents * updates.columns), random_updates, updates);
}
