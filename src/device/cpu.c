/* The CPU as a device: OpenMP over blocks, OpenBLAS for products. */
#include <cblas.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "device/device.h"
#include "device/rounded_product.h"

/* Columns of a product that one thread takes at a time; fixed, so that results do not
 * depend on the number of threads. */
enum { PRODUCT_COLUMNS = 128 };

/* Matrices lie in pages of this size where the system has them: a kernel walks along as many rows at
 * once as there are agents, and with small pages waits for their addresses. */
enum { HUGE_PAGE = 2 << 20 };

struct cpu_state {
    struct cpu_stream stream;
    enum device_phase phase;
    double since;
};

#if defined(CGSV_X86_LEVELS)
/* Clang 14 does not know the levels by name, and of what they ask for just these. */
#if defined(__clang__)
#define HAS(feature) __builtin_cpu_supports(feature)
#define HAS_V3 (HAS("avx2") && HAS("bmi") && HAS("bmi2") && HAS("fma"))
#define HAS_V4 (HAS_V3 && HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl"))
#else
#define HAS_V3 __builtin_cpu_supports("x86-64-v3")
#define HAS_V4 __builtin_cpu_supports("x86-64-v4")
#endif
#endif

static const struct kernels *best_kernels(void)
{
#if defined(CGSV_X86_LEVELS)
    if (HAS_V4) return &kernels_cpu_v4;
    if (HAS_V3) return &kernels_cpu_v3;
#endif
    return &kernels_cpu;
}

static size_t memory_available(void)
{
    /* MemAvailable counts what the kernel could give back from its caches. */
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    static const char key[] = "MemAvailable:";
    unsigned long long kib = 0;
    while (file && kib == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, sizeof key - 1) == 0) kib = strtoull(line + sizeof key - 1, NULL, 10);
    if (file) fclose(file);
    return (size_t)kib * 1024;
}

static size_t cpu_memory_free(const cgsv_device *device)
{
    (void)device;
    return memory_available();
}

static void describe(cgsv_device_info *info, int threads)
{
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "cpu");
    snprintf(info->description, sizeof info->description, "%d thread%s, %s, OpenBLAS %s", threads,
             threads == 1 ? "" : "s", best_kernels()->name, openblas_get_corename());
    info->memory_total = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    info->memory_free = memory_available();
}

int cpu_list(cgsv_device_info *info, int capacity)
{
    if (capacity > 0) describe(info, omp_get_num_procs());
    return 1;
}

static void cpu_close(cgsv_device *device) { free(device->state); }

/* Vectors' width decides the order of sums, and whether products and sums are fused. */
static void cpu_identify(const cgsv_device *device, char *text, size_t size)
{
    snprintf(text, size, "cpu, %s, OpenBLAS %s", device->kernels->name, openblas_get_corename());
}

static cgsv_status cpu_allocate(cgsv_device *device, void **memory, size_t bytes)
{
    (void)device;
    *memory = NULL;
    const size_t rounded = (bytes + 63) / 64 * 64, alignment = rounded >= HUGE_PAGE ? HUGE_PAGE : 64;
    if (rounded < bytes || posix_memalign(memory, alignment, rounded ? rounded : 64))
        return error_set(CGSV_ERROR_MEMORY, "cpu: %zu bytes of memory are not to be had", bytes);
#if defined(MADV_HUGEPAGE)
    if (rounded >= HUGE_PAGE) madvise(*memory, rounded / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish */
#endif
    memset(*memory, 0, rounded);
    return CGSV_OK;
}

static void cpu_release(cgsv_device *device, void *memory)
{
    (void)device;
    free(memory);
}

static cgsv_status cpu_transfer(cgsv_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    memcpy(to, from, bytes);
    return CGSV_OK;
}

/* Each thread a stretch, in whole lines of the cache. */
static cgsv_status cpu_copy(cgsv_device *device, void *to, const void *from, size_t bytes)
{
    const struct cpu_state *state = device->state;
    const size_t threads = (size_t)state->stream.threads, stretch = (bytes / threads + 64) / 64 * 64;
#pragma omp parallel for schedule(static, 1) num_threads(state->stream.threads)
    for (size_t i = 0; i < threads; i++) {
        const size_t begin = i * stretch;
        if (begin < bytes)
            memcpy((char *)to + begin, (const char *)from + begin, bytes - begin < stretch ? bytes - begin : stretch);
    }
    return CGSV_OK;
}

static cgsv_status cpu_upload_rows(cgsv_device *device, void *to, const void *from, size_t from_stride, size_t bytes,
                                   size_t rows)
{
    (void)device;
    for (size_t i = 0; i < rows; i++) memcpy((char *)to + i * bytes, (const char *)from + i * from_stride, bytes);
    return CGSV_OK;
}

static cgsv_status cpu_clear(cgsv_device *device, void *memory, size_t bytes)
{
    (void)device;
    memset(memory, 0, bytes);
    return CGSV_OK;
}

static cgsv_status cpu_multiply(cgsv_device *device, const struct product *p)
{
    const struct cpu_state *state = device->state; /* NOLINT(clang-analyzer-deadcode.DeadStores): the pragma reads it */
    const int tiles = (p->n + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
#pragma omp parallel for schedule(dynamic) num_threads(state->stream.threads) collapse(2) if (p->batch * tiles > 1)
    for (int i = 0; i < p->batch; i++)
        for (int tile = 0; tile < tiles; tile++) {
            const int first = tile * PRODUCT_COLUMNS;
            const int n = p->n - first < PRODUCT_COLUMNS ? p->n - first : PRODUCT_COLUMNS;
            const float *b = p->b + i * p->stride_b + (p->transpose_b ? first * p->ldb : first);
            const int m = p->each_m ? p->each_m[i] : p->m;
            if (p->precision != CGSV_PRECISION_FLOAT32) {
                rounded_product(p, p->c + i * p->stride_c + first, p->a + i * p->stride_a, b, m, n);
                continue;
            }
            cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                        p->transpose_b ? CblasTrans : CblasNoTrans, m, n, p->k, 1.0f, p->a + i * p->stride_a,
                        (int)p->lda, b, (int)p->ldb, p->accumulate ? 1.0f : 0.0f, p->c + i * p->stride_c + first,
                        (int)p->ldc);
        }
    return CGSV_OK;
}

/* Adds the time since the last mark to the phase and the stage at work. */
static void mark(cgsv_device *device)
{
    struct cpu_state *state = device->state;
    const double time = clock_seconds(), seconds = time - state->since;
    device->seconds[state->phase] += seconds;
    struct profile *profile = device->profile;
    if (profile && state->phase != PHASE_IDLE) profile->stage[profile->current].seconds += seconds;
    state->since = time;
}

/* A device of one core. */
struct core {
    cgsv_device device;
    struct cpu_state state;
    struct profile profile;
};

static void core_begin(struct core *core, const cgsv_device *all)
{
    const struct cpu_state *state = all->state;
    core->device = *all;
    core->state = (struct cpu_state){.stream.threads = 1, .phase = state->phase, .since = clock_seconds()};
    core->profile = (struct profile){.held = all->profile ? all->profile->held : STAGE_OTHER};
    core->profile.current = core->profile.held;
    core->device.state = &core->state;
    core->device.stream = &core->state.stream;
    if (all->profile) core->device.profile = &core->profile;
}

/* None of what `work` calls starts threads of its own. */
static cgsv_status cpu_side_by_side(cgsv_device *device, int count, device_work *work, void *context)
{
    const struct cpu_state *state = device->state;
    struct profile sum = {0};
    char message[256] = "";
    cgsv_status status = CGSV_OK;
    if (device->profile) TRY(profile_stage(device, STAGE_WAIT, (struct work){0, 0}));
#pragma omp parallel num_threads(state->stream.threads)
    {
        struct core own;
        core_begin(&own, device);
#pragma omp for schedule(dynamic, 1) nowait
        for (int number = 0; number < count; number++) {
            const cgsv_status failed = work(context, &own.device, number, omp_get_thread_num());
            if (failed == CGSV_OK) continue;
#pragma omp critical(side_by_side)
            {
                status = failed;
                snprintf(message, sizeof message, "%s", cgsv_last_error()); /* it is the thread's own */
            }
        }
        mark(&own.device);
#pragma omp critical(side_by_side)
        profile_add(&sum, &own.profile);
    }
    if (device->profile) profile_add_cores(device->profile, &sum, state->stream.threads);
    return status == CGSV_OK ? CGSV_OK : error_set(status, "%s", message);
}

static cgsv_status cpu_phase(cgsv_device *device, enum device_phase phase)
{
    mark(device);
    ((struct cpu_state *)device->state)->phase = phase;
    return CGSV_OK;
}

static cgsv_status cpu_stage(cgsv_device *device, enum stage stage)
{
    mark(device);
    device->profile->current = stage;
    return CGSV_OK;
}

static cgsv_status cpu_sync(cgsv_device *device)
{
    return cpu_phase(device, ((struct cpu_state *)device->state)->phase);
}

/* Work is done when the call that starts it returns. */
static cgsv_status cpu_wait(cgsv_device *device, void *stream)
{
    (void)device, (void)stream;
    return CGSV_OK;
}

static const struct device_backend cpu_backend = {
    .has_graphs = false,
    .block_slots = SLOT_MULTIPLE,
    .shares_memory = true,
    .close = cpu_close,
    .identify = cpu_identify,
    .allocate = cpu_allocate,
    .release = cpu_release,
    .upload = cpu_transfer,
    .upload_rows = cpu_upload_rows,
    .download = cpu_transfer,
    .copy = cpu_copy,
    .clear = cpu_clear,
    .sync = cpu_sync,
    .wait = cpu_wait,
    .multiply = cpu_multiply,
    .side_by_side = cpu_side_by_side,
    .phase = cpu_phase,
    .stage = cpu_stage,
    .memory_free = cpu_memory_free,
};

cgsv_status cpu_open(cgsv_device *device, int threads)
{
    struct cpu_state *state = calloc(1, sizeof *state);
    if (!state) return error_set(CGSV_ERROR_MEMORY, "no memory for a device handle");
    state->stream.threads = threads ? threads : omp_get_num_procs();
    state->since = clock_seconds();
    openblas_set_num_threads(1); /* rows and tiles are spread over threads here */
    describe(&device->info, state->stream.threads);
    device->backend = &cpu_backend;
    device->kernels = best_kernels();
    device->stream = &state->stream;
    device->cores = state->stream.threads;
    device->state = state;
    return CGSV_OK;
}
