/* Fibers, blocks and launches: tests/emulator/machine.h. */
#include "machine.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_memory.h"
#include "state.h"

#if !defined(__x86_64__)
#error "fibers are switched in the assembly of x86-64"
#endif

enum { STACK_BYTES = 256 << 10, PARAMETER_BYTES = 4096 };

/* ---- faults ---- */

static _Thread_local struct machine_thread *running;

void machine_fault(const struct machine_thread *t, const char *format, ...)
{
    const struct machine_place at = t->block->index;
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s, block (%u, %u, %u), thread %u: ", worker_of(t)->kernel->name, at.x, at.y, at.z, t->index);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    abort();
}

static void explain(int signal, siginfo_t *info, void *context)
{
    (void)context;
    const size_t bytes = fake_memory_around(info->si_addr);
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigaction(signal, &usual, NULL);
    if (running) {
        if (bytes) machine_fault(running, "it leaves an allocation of %zu bytes, at %p", bytes, info->si_addr);
        machine_fault(running, "no memory at %p", info->si_addr);
    }
    if (bytes) fprintf(stderr, "the host touches the device's memory, %zu bytes around %p\n", bytes, info->si_addr);
}

void machine_explain_signals(void)
{
    struct sigaction own = {.sa_sigaction = explain, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &own, NULL);
    sigaction(SIGBUS, &own, NULL);
}

/* ---- fibers ---- */

/* Saves what a called function has to save, leaves the stack in *from, and goes on where `to` was left. */
void machine_switch(void **from, void *to);
__asm__(".text\n"
        ".globl machine_switch\n"
        ".type machine_switch, @function\n"
        "machine_switch:\n"
        "    pushq %rbx\n    pushq %rbp\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbp\n    popq %rbx\n"
        "    ret\n"
        ".size machine_switch, .-machine_switch\n"
        ".globl machine_enter\n"
        "machine_enter:\n" /* the thread is in r12 */
        "    movq %r12, %rdi\n"
        "    call machine_run_thread\n");
void machine_enter(void);

void fiber_wait(struct machine_thread *t, enum fiber_state state)
{
    fiber_of(t)->state = state;
    machine_switch(&fiber_of(t)->stack_pointer, worker_of(t)->stack_pointer);
}

void machine_run_thread(struct machine_thread *t) __attribute__((used, noreturn));
void machine_run_thread(struct machine_thread *t)
{
    worker_of(t)->kernel->run(t, worker_of(t)->parameter);
    if (copies_on_their_way(t)) machine_fault(t, "it ends while asynchronous copies are on their way");
    fiber_wait(t, DONE);
    abort();
}

static void fiber_begin(struct worker *w, unsigned index)
{
    struct fiber *f = &w->fiber[index];
    f->thread = (struct machine_thread){.index = index, .block = &w->block};
    f->state = READY;
    void **top = (void **)((char *)w->stacks + (size_t)STACK_BYTES * (index + 1)) - 3; /* a multiple of 16 once left */
    *top = (void *)machine_enter; /* where machine_switch returns to, after six registers */
    top -= 6;
    memset(top, 0, 6 * sizeof *top);
    top[3] = &f->thread; /* r12 */
    f->stack_pointer = top;
}

/* ---- blocks ---- */

static void order_of_threads(unsigned *order)
{
    const char *wanted = getenv("CGSV_EMULATOR_ORDER");
    const bool down = wanted && !strcmp(wanted, "descending");
    for (unsigned i = 0; i < MACHINE_THREADS; i++) order[i] = down ? MACHINE_THREADS - 1 - i : i;
    if (!wanted || down || !strcmp(wanted, "ascending")) return;
    unsigned long long state = strtoull(wanted, NULL, 10) * 2 + 1;
    for (unsigned i = MACHINE_THREADS - 1; i > 0; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const unsigned j = (unsigned)(state >> 33) % (i + 1), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

/* Once no thread can go on by itself: at a barrier of all. False: all have ended. */
static bool pass_barrier(struct worker *w)
{
    int done = 0;
    for (int i = 0; i < MACHINE_THREADS; i++) {
        if (w->fiber[i].state == IN_WARP)
            machine_fault(&w->fiber[i].thread, "it waits for threads of its warp that do not come");
        done += w->fiber[i].state == DONE;
    }
    if (done == MACHINE_THREADS) return false;
    for (int i = 0; i < MACHINE_THREADS; i++) {
        if (done && w->fiber[i].state == IN_BLOCK)
            machine_fault(&w->fiber[i].thread, "it waits at a block's barrier, and %d threads have ended", done);
        w->fiber[i].state = READY;
    }
    w->epoch++;
    return true;
}

void machine_block_barrier(struct machine_thread *t) { fiber_wait(t, IN_BLOCK); }

static bool run_each_ready(struct worker *w, const unsigned *order)
{
    bool ran = false;
    for (int i = 0; i < MACHINE_THREADS; i++) {
        struct fiber *f = &w->fiber[order[i]];
        if (f->state != READY) continue;
        running = &f->thread;
        machine_switch(&w->stack_pointer, f->stack_pointer);
        running = NULL;
        ran = true;
    }
    return ran;
}

static void run_block(struct worker *w, const unsigned *order)
{
    shared_begin_block(w);
    w->epoch++;
    for (unsigned i = 0; i < MACHINE_THREADS; i++) fiber_begin(w, i);
    do {
        while (run_each_ready(w, order)) continue;
    } while (pass_barrier(w));
    if (machine_counts_traffic) traffic_end_block(w);
}

/* ---- launches ---- */

/* A worker per thread of the host, kept for the next launch. */
static struct worker *worker_of_host(void)
{
    static _Thread_local struct worker *w;
    if (w) return w;
    w = calloc(1, sizeof *w);
    void *shared = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    void *stacks = mmap(NULL, (size_t)STACK_BYTES * MACHINE_THREADS, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!w || shared == MAP_FAILED || stacks == MAP_FAILED) abort();
    w->stacks = stacks;
    w->block.shared = (uintptr_t)shared;
    return w;
}

void machine_launch(const struct machine_kernel *kernel, struct machine_place grid, void *const *parameter)
{
    unsigned char packed[PARAMETER_BYTES];
    for (int i = 0; i < kernel->parameters; i++)
        memcpy(packed + kernel->parameter[i].offset, parameter[i], kernel->parameter[i].size);
    unsigned order[MACHINE_THREADS];
    order_of_threads(order);
    const int64_t blocks = (int64_t)grid.x * grid.y * grid.z;
#pragma omp parallel if (!machine_counts_traffic)
    {
        struct worker *w = worker_of_host();
        w->kernel = kernel;
        w->parameter = packed;
        w->block.grid = grid;
        shared_begin(w);
        if (machine_counts_traffic) traffic_begin(w);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < blocks; i++) {
            w->block.index = (struct machine_place){(unsigned)(i % grid.x), (unsigned)(i / grid.x % grid.y),
                                                    (unsigned)(i / grid.x / grid.y)};
            run_block(w, order);
        }
    }
}
