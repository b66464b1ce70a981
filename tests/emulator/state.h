/* What the machine's parts know of a block at work. */
#ifndef TESTS_EMULATOR_STATE_H
#define TESTS_EMULATOR_STATE_H

#include <stdbool.h>

#include "machine.h"

enum { SHARED_BYTES = 64 << 10, GRAIN = 2 /* bytes of shared memory that are watched together */ };

/* A thread, and where it waits. */
enum fiber_state { READY, IN_WARP, IN_BLOCK, DONE };
struct fiber {
    struct machine_thread thread; /* first: one is the other */
    enum fiber_state state;
    void *stack_pointer;
    struct copies *copies; /* asynchronous ones on their way, or NULL before the first */
};

/* What an exchange of a warp's threads is for: all must be at the same. */
enum exchange { BARRIER, SHUFFLE, BALLOT, MULTIPLY };
enum { EXCHANGED_WORDS = 8 };

struct warp {
    int arrived;
    enum exchange exchange;
    unsigned turn;  /* exchanges so far */
    unsigned epoch; /* barriers so far */
    uint32_t word[2][32][EXCHANGED_WORDS];
};

/* Who reached a grain of shared memory last. */
struct seen {
    unsigned write_epoch, write_warp_epoch, read_epoch, read_warp_epoch;
    uint16_t writer, reader;
    bool inside, atomic;
};

/* What runs blocks, one after the other. */
struct worker {
    struct machine_block block; /* first: one is the other */
    struct fiber fiber[MACHINE_THREADS];
    struct warp warp[MACHINE_THREADS / 32];
    unsigned epoch; /* barriers of the block so far, and of those before it */
    struct seen seen[SHARED_BYTES / GRAIN];
    const struct machine_kernel *kernel;
    const unsigned char *parameter;
    void *stacks, *stack_pointer;
};

static inline struct fiber *fiber_of(struct machine_thread *t) { return (struct fiber *)t; }
static inline struct worker *worker_of(const struct machine_thread *t) { return (struct worker *)t->block; }
static inline struct warp *warp_of(const struct machine_thread *t) { return &worker_of(t)->warp[t->index / 32]; }

/* Lets the others run, until one of them sets the state to READY. */
void fiber_wait(struct machine_thread *t, enum fiber_state state);

void shared_begin(struct worker *w); /* of a launch */
void shared_begin_block(struct worker *w);
int copies_on_their_way(struct machine_thread *t);

/* Where traffic is counted: around launches, and after every block. */
void traffic_begin(const struct worker *w);
void traffic_end_block(const struct worker *w);

#endif
