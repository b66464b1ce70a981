/* The test build's blocks: several OS threads with a barrier each.
 *
 * Two teams take turns at the blocks of a launch, so that races between blocks show as
 * well as races inside one. Shared memory is handed out afresh, and filled with bytes
 * that read as NaN, for each block. */
#ifndef KERNELS_THREADS_H
#define KERNELS_THREADS_H

#include <pthread.h>

enum { TEAM_THREADS = 3, TEAMS = 2, SHARED_BYTES = 128 * 1024 };

struct team {
    pthread_barrier_t barrier;
    double sum[TEAM_THREADS];
    int scan[TEAM_THREADS];
    alignas(64) unsigned char shared[SHARED_BYTES];
};

struct block {
    unsigned x, y, z, grid_x;
    int thread;
    size_t shared_used;
    struct team *team;
};

#define THREAD_INDEX ((int64_t)block->thread)
#define THREAD_COUNT ((int64_t)TEAM_THREADS)
#define BLOCK_FOR(i, n) for (int64_t i = block->thread; i < (n); i += TEAM_THREADS)
#define WARP_FOR(i, n) BLOCK_FOR(i, n)
#define SHARED(type, name, count) type *name = (type *)shared_take(block, sizeof(type) * (count))

static inline void *shared_take(struct block *block, size_t bytes)
{
    void *taken = block->team->shared + block->shared_used;
    block->shared_used += (bytes + 63) / 64 * 64;
    if (block->shared_used > SHARED_BYTES) __builtin_trap();
    return taken;
}

#define block_sync() ((void)pthread_barrier_wait(&block->team->barrier))

static inline double threads_sum(struct block *block, double x)
{
    double total = 0;
    block_sync();
    block->team->sum[block->thread] = x;
    block_sync();
    for (int i = 0; i < TEAM_THREADS; i++) total += block->team->sum[i];
    return total;
}

static inline int threads_scan(struct block *block, int x)
{
    int before = 0;
    block_sync();
    block->team->scan[block->thread] = x;
    block_sync();
    for (int i = 0; i < block->thread; i++) before += block->team->scan[i];
    return before;
}

#define block_sum(x) threads_sum(block, x)
#define block_scan(x) threads_scan(block, x)
static inline void shared_add(int *p, int v) { __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }
static inline void grid_add(int *p, int v) { __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }
static inline int warp_take(int *p, int v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }

template <typename body_type>
static const char *threads_launch(struct grid grid, const body_type &body)
{
    static struct team teams[TEAMS];
    struct worker {
        pthread_t id;
        struct team *team;
        int team_index, thread;
        struct grid grid;
        const body_type *body;
        static void *run(void *argument)
        {
            struct worker *w = (struct worker *)argument;
            int64_t blocks = (int64_t)w->grid.x * w->grid.y * w->grid.z;
            for (int64_t b = w->team_index; b < blocks; b += TEAMS) {
                if (w->thread == 0) memset(w->team->shared, 0xff, SHARED_BYTES);
                pthread_barrier_wait(&w->team->barrier);
                struct block block = {(unsigned)(b % w->grid.x), (unsigned)(b / w->grid.x % w->grid.y),
                                      (unsigned)(b / w->grid.x / w->grid.y), w->grid.x, w->thread, 0, w->team};
                (*w->body)(&block);
                pthread_barrier_wait(&w->team->barrier);
            }
            return NULL;
        }
    };
    struct worker workers[TEAMS * TEAM_THREADS];
    for (int i = 0; i < TEAMS; i++) pthread_barrier_init(&teams[i].barrier, NULL, TEAM_THREADS);
    for (int i = 0; i < TEAMS * TEAM_THREADS; i++) {
        workers[i].team_index = i / TEAM_THREADS;
        workers[i].team = &teams[workers[i].team_index];
        workers[i].thread = i % TEAM_THREADS;
        workers[i].grid = grid;
        workers[i].body = &body;
        if (pthread_create(&workers[i].id, NULL, worker::run, &workers[i])) return "cannot start a thread";
    }
    for (int i = 0; i < TEAMS * TEAM_THREADS; i++) pthread_join(workers[i].id, NULL);
    for (int i = 0; i < TEAMS; i++) pthread_barrier_destroy(&teams[i].barrier);
    return NULL;
}

#define LAUNCH(stream, blocks, name, ...) \
    ((void)(stream), threads_launch(blocks, [=](struct block *block_) { name(block_, ##__VA_ARGS__); }))

#endif
