#include "fake_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, ALIGNMENT = 256 };
enum { FILLED = 1 << 20 }; /* bytes that become NaN; more would take most of a test's time */

static struct allocation {
    char *pages, *memory;
    size_t page_bytes, bytes; /* without the page that nobody may touch */
    bool shared;
} *allocation;
static int count, room;

void *fake_memory_take(size_t bytes, bool shared_with_host)
{
    const size_t used = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, page_bytes = (used + PAGE - 1) / PAGE * PAGE;
    char *pages = mmap(NULL, page_bytes + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return NULL;
    if (count == room) {
        room = room ? 2 * room : 256;
        allocation = realloc(allocation, sizeof *allocation * (size_t)room);
        if (!allocation) abort();
    }
    char *memory = pages + page_bytes - used;
    allocation[count++] = (struct allocation){pages, memory, page_bytes, bytes, shared_with_host};
    if (mprotect(pages, page_bytes, PROT_READ | PROT_WRITE)) abort();
    memset(memory, 0xff, bytes < FILLED ? bytes : FILLED);
    if (!shared_with_host && mprotect(pages, page_bytes, PROT_NONE)) abort();
    return memory;
}

void fake_memory_give(void *memory)
{
    for (int i = 0; i < count; i++)
        if (allocation[i].memory == memory) {
            munmap(allocation[i].pages, allocation[i].page_bytes + PAGE);
            allocation[i] = allocation[--count];
            return;
        }
    abort();
}

static void protect(int protection)
{
    for (int i = 0; i < count; i++)
        if (!allocation[i].shared && mprotect(allocation[i].pages, allocation[i].page_bytes, protection)) abort();
}

void fake_memory_open(void) { protect(PROT_READ | PROT_WRITE); }
void fake_memory_close(void) { protect(PROT_NONE); }

size_t fake_memory_around(const void *address)
{
    for (int i = 0; i < count; i++) {
        const uintptr_t offset = (uintptr_t)address - (uintptr_t)allocation[i].pages;
        if (offset < allocation[i].page_bytes + PAGE) return allocation[i].bytes;
    }
    return 0;
}
