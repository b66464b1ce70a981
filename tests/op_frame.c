#include "op_frame.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"

enum { GUARD = 128, GUARD_BYTE = 0xA5, MAX_BUFFERS = 192 };

const struct kernels *k;
void *stream;
int op_cases_small, op_failures;
const char *const activation_name[] = {"none", "tanh", "relu"};
static void (*report)(const char *name, int ok, const char *detail);

static char case_name[160], case_detail[240];
static int case_failed;

static struct buffer {
    unsigned char *base;
    size_t bytes;
} buffers[MAX_BUFFERS];
static int buffer_count;

static uint64_t random_state;

uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
double uniform(void) { return (double)(random_bits() >> 11) * 0x1p-53; }
int below(int n) { return (int)(random_bits() % (uint64_t)n); }

static void *host_take(size_t bytes) { return aligned_alloc(64, bytes); }
static const char *host_wait(void) { return NULL; }
struct op_memory op_memory = {host_take, free, host_wait};

/* Filled with 0xff, which reads as NaN or −1, between two guards. */
void *take(size_t bytes)
{
    if (buffer_count == MAX_BUFFERS) abort();
    unsigned char *base = op_memory.take((GUARD + bytes + GUARD + 63) / 64 * 64);
    if (!base) abort();
    memset(base, GUARD_BYTE, GUARD);
    memset(base + GUARD, 0xff, bytes);
    memset(base + GUARD + bytes, GUARD_BYTE, GUARD);
    buffers[buffer_count++] = (struct buffer){base, bytes};
    return base + GUARD;
}

float *take_random(int64_t n, double scale)
{
    float *p = TAKE(float, n);
    for (int64_t i = 0; i < n; i++) p[i] = (float)((2 * uniform() - 1) * scale);
    return p;
}

void fail(const char *format, ...)
{
    if (case_failed++) return; /* the first says most */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(case_detail, sizeof case_detail, format, arguments);
    va_end(arguments);
}

void error_free(const char *error)
{
    if (error) fail("launcher failed: %s", error);
    error = op_memory.wait();
    if (error) fail("kernel failed: %s", error);
}

void case_begin(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(case_name, sizeof case_name, format, arguments);
    va_end(arguments);
    case_failed = 0;
    case_detail[0] = 0;
}

void case_end(void)
{
    for (int b = 0; b < buffer_count; b++) {
        const unsigned char *p = buffers[b].base;
        for (int i = 0; i < GUARD; i++)
            if (p[i] != GUARD_BYTE || p[GUARD + buffers[b].bytes + (size_t)i] != GUARD_BYTE) {
                fail("buffer %d of %zu bytes: written outside", b, buffers[b].bytes);
                break;
            }
        op_memory.give(buffers[b].base);
    }
    buffer_count = 0;
    op_failures += case_failed != 0;
    report(case_name, case_failed == 0, case_detail);
}

void near(const char *what, int64_t i, double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound)) fail("%s[%lld]: %.9g, not %.9g ± %.2g", what, (long long)i, got, want, bound);
}

void same(const char *what, int64_t i, double got, double want)
{
    if (!(got == want)) fail("%s[%lld]: %.9g, not %.9g", what, (long long)i, got, want);
}

/* Nothing written in n floats from p on. */
void untouched(const char *what, const void *p, int64_t n)
{
    for (int64_t i = 0; i < 4 * n; i++)
        if (((const unsigned char *)p)[i] != 0xff) {
            fail("%s: written at float %lld of %lld that nobody owns", what, (long long)(i / 4), (long long)n);
            return;
        }
}

double float_bound(int64_t terms, double size) { return (double)(terms + 4) * FLT_EPSILON * size + 1e-37; }

uint64_t hashed(uint64_t hash, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001B3u;
    return hash;
}

void frame_begin(const struct kernels *kernels, void *on, void (*to)(const char *name, int ok, const char *detail))
{
    k = kernels;
    stream = on;
    report = to;
    op_failures = 0;
    random_state = OP_SEED;
}
