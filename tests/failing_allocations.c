/* The replacement of malloc follows "Replacing malloc" in the GNU C library's manual. */
#include "failing_allocations.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The genuine functions: AddressSanitizer's where it is linked, else the C library's. */
#define GENUINE(type, name, parameters, arguments)                                     \
    __attribute__((weak)) type __interceptor_##name parameters;                        \
    type __libc_##name parameters;                                                     \
    static type genuine_##name parameters                                              \
    {                                                                                  \
        return __interceptor_##name ? __interceptor_##name arguments : __libc_##name arguments; \
    }
GENUINE(void *, malloc, (size_t size), (size))
GENUINE(void *, calloc, (size_t number, size_t size), (number, size))
GENUINE(void *, realloc, (void *memory, size_t size), (memory, size))
GENUINE(void *, memalign, (size_t alignment, size_t size), (alignment, size))

#define REPLACEMENT __attribute__((visibility("default"), noinline))

enum { MOST_RANGES = 32 };

/* Code whose allocations count. */
static struct {
    uintptr_t begin, end;
} ranges[MOST_RANGES];
static int range_count;

static atomic_bool watching;
static atomic_long count;
static long first_failing, last_failing;

static bool counts(const char *object)
{
    static const char *const parts[] = {"/libc.so", "/libc-", "/libcjson.", "/libz."};
    if (!*object) return true; /* the program */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(object, parts[i])) return true;
    return false;
}

static int note_object(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size, (void)context;
    for (int i = 0; counts(object->dlpi_name) && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || range_count == MOST_RANGES) continue;
        const uintptr_t begin = object->dlpi_addr + part->p_vaddr;
        ranges[range_count].begin = begin;
        ranges[range_count++].end = begin + part->p_memsz;
    }
    return 0;
}

void allocations_watch(long number, enum failing_mode mode)
{
    if (range_count == 0) dl_iterate_phdr(note_object, NULL);
    first_failing = number;
    last_failing = mode == FAIL_ONE ? number : LONG_MAX;
    atomic_store(&count, 0);
    atomic_store(&watching, true);
}

long allocations_end(void)
{
    atomic_store(&watching, false);
    return atomic_load(&count);
}

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

bool allocations_leaked(void) { return __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0; }

static bool fails(const void *caller)
{
    if (!atomic_load(&watching)) return false;
    bool ours = false;
    for (int i = 0; i < range_count; i++)
        ours = ours || ((uintptr_t)caller >= ranges[i].begin && (uintptr_t)caller < ranges[i].end);
    if (!ours) return false;
    const long number = atomic_fetch_add(&count, 1) + 1;
    return first_failing > 0 && number >= first_failing && number <= last_failing;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

REPLACEMENT void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? no_memory() : genuine_malloc(size);
}

REPLACEMENT void *calloc(size_t number, size_t size)
{
    return fails(__builtin_return_address(0)) ? no_memory() : genuine_calloc(number, size);
}

REPLACEMENT void *realloc(void *memory, size_t size)
{
    return fails(__builtin_return_address(0)) ? no_memory() : genuine_realloc(memory, size);
}

REPLACEMENT int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (fails(__builtin_return_address(0))) return ENOMEM;
    *memory = genuine_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
