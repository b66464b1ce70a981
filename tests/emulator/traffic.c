/* What launches ask of a GPU, by kernel: instructions and traffic. Accesses of a warp's threads at the same place of
 * the code, each thread's so many-th there, are one request, as long as the threads take the same way. A request moves
 * whole sectors of 32 bytes between a multiprocessor and the second-level cache, unless the first-level one has them;
 * those that a launch reaches at all, be it once or often, are what it must have from memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { SECTOR = 32, BANKS = 32, KERNELS_MOST = 1024 };

int machine_counts_traffic;

static struct traffic {
    const struct machine_kernel *kernel;
    int64_t launches, blocks, issued; /* instructions of warps */
    int64_t requests[2], bytes[2], sectors[2], distinct[2]; /* global memory: read, written */
    int64_t shared_requests, shared_passes;                 /* as many as distinct words of a bank */
} traffic[KERNELS_MOST], *now;

/* ---- sets of numbers above 0 ---- */

struct set {
    uint64_t *key;
    size_t room, count;
};

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 31) * 0x7fb5d329728ea185u;
    return x ^ x >> 29;
}

/* Its place; *is_new: it was not there. */
static size_t set_add(struct set *s, uint64_t key, bool *is_new)
{
    if (2 * s->count >= s->room) {
        const struct set old = *s;
        *s = (struct set){calloc(old.room ? 2 * old.room : 1024, sizeof *s->key), old.room ? 2 * old.room : 1024, 0};
        if (!s->key) abort();
        bool unused;
        for (size_t i = 0; i < old.room; i++)
            if (old.key[i]) set_add(s, old.key[i], &unused);
        free(old.key);
    }
    size_t i = mixed(key) & (s->room - 1);
    while (s->key[i] && s->key[i] != key) i = (i + 1) & (s->room - 1);
    *is_new = !s->key[i];
    s->key[i] = key;
    s->count += *is_new;
    return i;
}

static void set_clear(struct set *s)
{
    if (s->count) memset(s->key, 0, s->room * sizeof *s->key);
    s->count = 0;
}

/* ---- requests of a block ---- */

static struct access {
    uint64_t request; /* its threads' common number */
    uintptr_t address;
    uint32_t size;
    bool writes, shared;
} *list;
static size_t listed, list_room;
static uint32_t *times; /* [thread][site]: accesses so far */
static struct set reached[2];

void machine_note_access(struct machine_thread *t, uintptr_t address, unsigned size, enum machine_access how,
                         unsigned site)
{
    const unsigned sites = worker_of(t)->kernel->sites, time = times[t->index * sites + site]++;
    if (listed == list_room) {
        list_room = list_room ? 2 * list_room : 1 << 16;
        list = realloc(list, list_room * sizeof *list);
        if (!list) abort();
    }
    const uint64_t request = ((uint64_t)time * sites + site) * (MACHINE_THREADS / 32) + t->index / 32;
    list[listed++] = (struct access){request, address, size, how != MACHINE_READ, machine_is_shared(t, address) != 0};
}

static int by_request(const void *a, const void *b)
{
    const struct access *x = a, *y = b;
    if (x->request != y->request) return x->request < y->request ? -1 : 1;
    return (x->address > y->address) - (x->address < y->address);
}

/* Sorted by address. */
static void count_global(const struct access *a, size_t lanes)
{
    const bool writes = a->writes;
    uintptr_t last = 0;
    now->requests[writes]++;
    for (size_t i = 0; i < lanes; i++) {
        now->bytes[writes] += a[i].size;
        for (uintptr_t s = a[i].address / SECTOR; s <= (a[i].address + a[i].size - 1) / SECTOR; s++) {
            if (s <= last) continue;
            last = s;
            bool is_new;
            set_add(&reached[writes], s, &is_new);
            now->sectors[writes]++;
            now->distinct[writes] += is_new;
        }
    }
}

static void count_shared(const struct access *a, size_t lanes)
{
    int words[BANKS] = {0}, most = 0;
    uintptr_t last = 0;
    for (size_t i = 0; i < lanes; i++)
        for (uintptr_t word = a[i].address / 4; word <= (a[i].address + a[i].size - 1) / 4; word++) {
            if (word <= last) continue;
            last = word;
            const int in_bank = ++words[word % BANKS];
            if (in_bank > most) most = in_bank;
        }
    now->shared_requests++;
    now->shared_passes += most;
}

void traffic_begin(const struct worker *w)
{
    now = &traffic[w->kernel - machine_kernels];
    now->kernel = w->kernel;
    now->launches++;
    set_clear(&reached[0]);
    set_clear(&reached[1]);
    free(times);
    times = calloc((size_t)MACHINE_THREADS * (w->kernel->sites + 1), sizeof *times);
    if (!times) abort();
}

void traffic_end_block(const struct worker *w)
{
    now->blocks++;
    for (int i = 0; i < MACHINE_THREADS; i += 32) { /* a warp takes as long as its longest thread, at least */
        uint64_t most = 0;
        for (int j = i; j < i + 32; j++) most = w->fiber[j].thread.issued > most ? w->fiber[j].thread.issued : most;
        now->issued += (int64_t)most;
    }
    qsort(list, listed, sizeof *list, by_request);
    for (size_t i = 0, end; i < listed; i = end) {
        for (end = i; end < listed && list[end].request == list[i].request; end++) continue;
        (list[i].shared ? count_shared : count_global)(list + i, end - i);
    }
    listed = 0;
    memset(times, 0, sizeof *times * MACHINE_THREADS * w->kernel->sites);
}

void machine_count_traffic(void) { machine_counts_traffic = 1; }

/* 0, or −1 with errno set. */
int machine_write_traffic(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) return -1;
    fprintf(file, "kernel,launches,blocks,instructions,read_requests,read_bytes,read_sector_bytes,read_memory_bytes,"
                  "write_requests,write_bytes,write_sector_bytes,write_memory_bytes,shared_requests,shared_passes\n");
    for (const struct traffic *t = traffic; t < traffic + KERNELS_MOST; t++) {
        if (!t->launches) continue;
        fprintf(file, "%s,%lld,%lld,%lld", t->kernel->name, (long long)t->launches, (long long)t->blocks,
                (long long)t->issued);
        for (int i = 0; i < 2; i++)
            fprintf(file, ",%lld,%lld,%lld,%lld", (long long)t->requests[i], (long long)t->bytes[i],
                    (long long)t->sectors[i] * SECTOR, (long long)t->distinct[i] * SECTOR);
        fprintf(file, ",%lld,%lld\n", (long long)t->shared_requests, (long long)t->shared_passes);
    }
    return fclose(file);
}
