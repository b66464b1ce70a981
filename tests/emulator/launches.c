/* The side of the CUDA runtime that nvcc's code for the host calls: it registers kernels under their PTX names and
 * launches them. Here on tests/emulator/machine.h, in the order of tests/fake_cuda.h's stream. Declared in CUDA's own
 * crt/host_runtime.h and crt/device_functions.h, for C++ alone. */
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_cuda.h"
#include "emulator/machine.h"

enum { KERNELS_MOST = 1024, ARGUMENT_BYTES = 4096 };

static struct {
    const void *function;
    const struct machine_kernel *kernel;
} registered[KERNELS_MOST];
static int count;
static struct {
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
} configuration;

void **__cudaRegisterFatBinary(void *binary);
void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaUnregisterFatBinary(void **handle);
void __cudaRegisterVar(void **handle, char *host, char *address, const char *name, int external, size_t size,
                       int constant, int global);
void __cudaRegisterFunction(void **handle, const char *function, char *device_function, const char *name, int limit,
                            void *tid, void *bid, void *block, void *grid, int *warp);
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream);
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream);
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function);
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **argument, size_t shared,
                               cudaStream_t stream);

static void write_traffic(void)
{
    const char *path = getenv("CGSV_EMULATOR_TRAFFIC");
    if (path && machine_write_traffic(path)) perror(path);
}

void **__cudaRegisterFatBinary(void *binary)
{
    (void)binary;
    static void *handle;
    fake_cuda_emulate();
    machine_explain_signals();
    if (getenv("CGSV_EMULATOR_TRAFFIC")) {
        machine_count_traffic();
        atexit(write_traffic);
    }
    return &handle;
}

void __cudaRegisterFatBinaryEnd(void **handle) { (void)handle; }
void __cudaUnregisterFatBinary(void **handle) { (void)handle; }

/* Variables of libraries' headers, which no kernel of ours reads. */
void __cudaRegisterVar(void **handle, char *host, char *address, const char *name, int external, size_t size,
                       int constant, int global)
{
    (void)handle, (void)host, (void)address, (void)name, (void)external, (void)size, (void)constant, (void)global;
}

void __cudaRegisterFunction(void **handle, const char *function, char *device_function, const char *name, int limit,
                            void *tid, void *bid, void *block, void *grid, int *warp)
{
    (void)handle, (void)device_function, (void)limit, (void)tid, (void)bid, (void)block, (void)grid, (void)warp;
    const struct machine_kernel *k = machine_kernels;
    while (k->name && strcmp(k->name, name) != 0) k++;
    if (!k->name || count == KERNELS_MOST) {
        fprintf(stderr, "tests/emulator/launch.c: no translated kernel %s\n", name);
        abort();
    }
    registered[count].function = function;
    registered[count++].kernel = k;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream)
{
    configuration.grid = grid;
    configuration.block = block;
    configuration.shared = shared;
    configuration.stream = stream;
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream)
{
    *grid = configuration.grid;
    *block = configuration.block;
    *shared = configuration.shared;
    *(cudaStream_t *)stream = configuration.stream;
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function)
{
    for (int i = 0; i < count; i++)
        if (registered[i].function == function) {
            *kernel = (cudaKernel_t)(void *)registered[i].kernel;
            return cudaSuccess;
        }
    return cudaErrorInvalidDeviceFunction;
}

/* A launch on its way: a copy of its arguments, as the caller's end with the call. */
struct launch {
    const struct machine_kernel *kernel;
    struct machine_place grid;
    void *argument[MACHINE_PARAMETERS];
    unsigned char bytes[ARGUMENT_BYTES];
};

static void run(const void *of)
{
    const struct launch *l = of;
    machine_launch(l->kernel, l->grid, l->argument);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **argument, size_t shared,
                               cudaStream_t stream)
{
    (void)stream;
    const struct machine_kernel *k = (const struct machine_kernel *)(void *)kernel;
    const bool fits = grid.x - 1 < 0x7fffffffu && grid.y - 1 < 65535 && grid.z - 1 < 65535;
    if (!fits || block.x != MACHINE_THREADS || block.y != 1 || block.z != 1 || shared != 0)
        return fake_cuda_fail(cudaErrorInvalidConfiguration);
    struct launch *l = malloc(sizeof *l);
    if (!l) abort();
    l->kernel = k;
    l->grid = (struct machine_place){grid.x, grid.y, grid.z};
    size_t end = 0;
    for (int i = 0; i < k->parameters; i++) {
        if (end + k->parameter[i].size > ARGUMENT_BYTES) abort();
        l->argument[i] = memcpy(l->bytes + end, argument[i], k->parameter[i].size);
        end += k->parameter[i].size;
    }
    fake_cuda_enqueue(run, l);
    return cudaSuccess;
}
