/* Shared memory: where variables are, and who reached what without a barrier between. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Threads that reached a grain, or: several of a warp, from OF_WARP on, or of more than one. */
enum { NOBODY = 0xffff, MANY = 0x1000, OF_WARP = 0x2000 };

int machine_is_shared(const struct machine_thread *t, uintptr_t address)
{
    return address - t->block->shared < SHARED_BYTES;
}

void shared_begin(struct worker *w)
{
    for (size_t i = 0; i < SHARED_BYTES / GRAIN; i++) w->seen[i] = (struct seen){.writer = NOBODY, .reader = NOBODY};
    for (const struct machine_range *r = w->kernel->shared; r->name; r++)
        for (unsigned i = r->begin; i < r->begin + r->size; i += GRAIN) w->seen[i / GRAIN].inside = true;
}

void shared_begin_block(struct worker *w)
{
    for (const struct machine_range *r = w->kernel->shared; r->name; r++)
        memset((void *)(w->block.shared + r->begin), 0xff, r->size);
}

/* Whether `who` of then is another thread, without a barrier since. */
static bool unordered_with(const struct machine_thread *t, unsigned who, unsigned epoch, unsigned warp_epoch)
{
    if (who == NOBODY || who == t->index || epoch != worker_of(t)->epoch) return false;
    if (who == MANY) return true;
    const unsigned warp = who >= OF_WARP ? who - OF_WARP : who / 32;
    return warp != t->index / 32 || warp_epoch == warp_of(t)->epoch;
}

static void note_reader(const struct machine_thread *t, struct seen *s)
{
    const unsigned warp = t->index / 32, epoch = worker_of(t)->epoch, warp_epoch = warp_of(t)->epoch;
    uint16_t reader = (uint16_t)t->index;
    if (s->reader != NOBODY && s->read_epoch == epoch && s->reader != t->index) {
        const unsigned before = s->reader >= OF_WARP ? s->reader - OF_WARP : s->reader / 32;
        if (s->reader == MANY || before != warp)
            reader = MANY;
        else if (s->read_warp_epoch == warp_epoch)
            reader = (uint16_t)(OF_WARP + warp);
    }
    s->reader = reader;
    s->read_epoch = epoch;
    s->read_warp_epoch = warp_epoch;
}

static void note_writer(const struct machine_thread *t, struct seen *s, bool atomic)
{
    s->writer = (uint16_t)t->index;
    s->write_epoch = worker_of(t)->epoch;
    s->write_warp_epoch = warp_of(t)->epoch;
    s->atomic = atomic;
}

void machine_check_shared(struct machine_thread *t, uintptr_t address, unsigned size, enum machine_access access)
{
    const uintptr_t offset = address - t->block->shared;
    if (offset >= SHARED_BYTES) machine_fault(t, "%#zx is not in shared memory", (size_t)address);
    for (uintptr_t i = offset / GRAIN; i <= (offset + size - 1) / GRAIN; i++) {
        struct seen *s = &worker_of(t)->seen[i];
        if (!s->inside) machine_fault(t, "%zu is outside of all shared variables", (size_t)offset);
        const bool both_atomic = access == MACHINE_ATOMIC && s->atomic;
        if (!both_atomic && unordered_with(t, s->writer, s->write_epoch, s->write_warp_epoch))
            machine_fault(t, "no barrier since thread %u wrote to the same shared memory, at %zu", s->writer,
                          (size_t)offset);
        if (access != MACHINE_READ && unordered_with(t, s->reader, s->read_epoch, s->read_warp_epoch))
            machine_fault(t, "no barrier since %s %u read the same shared memory, at %zu",
                          s->reader >= MANY ? "several threads," : "thread", s->reader, (size_t)offset);
        if (access == MACHINE_READ)
            note_reader(t, s);
        else
            note_writer(t, s, access == MACHINE_ATOMIC);
    }
}

/* ---- asynchronous copies ---- */

enum { COPIES_MOST = 4096 };
struct copies {
    struct copy {
        uintptr_t to, from;
        uint32_t bytes, given;
        int group; /* -1: in none yet */
    } copy[COPIES_MOST];
    int count, groups;
};

int copies_on_their_way(struct machine_thread *t) { return fiber_of(t)->copies ? fiber_of(t)->copies->count : 0; }

static struct copies *copies_of(struct machine_thread *t)
{
    struct fiber *f = fiber_of(t);
    if (!f->copies && !(f->copies = calloc(1, sizeof *f->copies))) abort();
    return f->copies;
}

void machine_copy_async(struct machine_thread *t, uintptr_t to, uintptr_t from, uint32_t bytes, uint32_t given,
                        unsigned site)
{
    struct copies *c = copies_of(t);
    if (bytes != 4 && bytes != 8 && bytes != 16) machine_fault(t, "cp.async of %u bytes", bytes);
    if (c->count == COPIES_MOST) machine_fault(t, "more than %d asynchronous copies", COPIES_MOST);
    if (given) machine_global(t, from, bytes, MACHINE_READ, site);
    machine_check_shared(t, machine_aligned(t, to, bytes), bytes, MACHINE_WRITE);
    memset((void *)to, 0xff, bytes);
    c->copy[c->count++] = (struct copy){to, from, bytes, given, -1};
}

void machine_copy_commit(struct machine_thread *t)
{
    struct copies *c = copies_of(t);
    for (int i = 0; i < c->count; i++)
        if (c->copy[i].group < 0) c->copy[i].group = c->groups;
    c->groups++;
}

/* Until at most `groups` of the committed ones are on their way. */
void machine_copy_wait(struct machine_thread *t, int groups)
{
    struct copies *c = copies_of(t);
    int left = 0;
    for (int i = 0; i < c->count; i++) {
        const struct copy one = c->copy[i];
        if (one.group < 0 || one.group >= c->groups - groups) {
            c->copy[left++] = one;
            continue;
        }
        machine_check_shared(t, one.to, one.bytes, MACHINE_WRITE);
        memcpy((void *)one.to, (const void *)one.from, one.given);
        memset((void *)(one.to + one.given), 0, one.bytes - one.given);
    }
    c->count = left;
}
