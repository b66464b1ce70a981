/* CUB's radix sort of an aggregate's magnitudes, tensor by tensor, from which every agent's threshold could be read:
 * the peer of `cgsv bench select` on a GPU. Prints one line of JSON.
 * usage: bench_cub_sort --dimension D --seconds S [--device cuda:0] [--threads T, ignored] */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cub/device/device_segmented_sort.cuh>
#include <vector>

#define CHECK(call)                                                                                   \
    do {                                                                                              \
        const cudaError_t error_ = (call);                                                            \
        if (error_ != cudaSuccess) {                                                                  \
            fprintf(stderr, "bench_cub_sort: %s (%s)\n", cudaGetErrorString(error_), #call);          \
            exit(1);                                                                                  \
        }                                                                                             \
    } while (0)

enum { LEAST_REPEATS = 3, MOST_REPEATS = 31, TENSORS = 8, FLUSH_BYTES = 128 << 20 };

/* The tensors of bench_measure.c's bench_tensors. */
static int tensors_of(int begin[TENSORS + 1], int dimension)
{
    static const double share[TENSORS - 1] = {0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.3};
    const int tensors = dimension < 1000 ? 1 : TENSORS;
    begin[0] = 0;
    for (int t = 0; t + 1 < tensors; t++) begin[t + 1] = begin[t] + 1 + (int)(share[t] * dimension);
    begin[tensors] = dimension;
    return tensors;
}

static __global__ void magnitudes(float *key, const float *g, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) key[i] = fabsf(g[i]);
}

struct sorting {
    float *g, *key, *sorted;
    int *begin; /* [TENSORS + 1] on the device */
    void *scratch;
    size_t scratch_bytes;
    int tensors, dimension;
};

static void sort_all(struct sorting *s)
{
    magnitudes<<<1024, 256>>>(s->key, s->g, s->dimension);
    CHECK(cub::DeviceSegmentedSort::SortKeysDescending(s->scratch, s->scratch_bytes, s->key, s->sorted, s->dimension,
                                                       s->tensors, s->begin, s->begin + 1));
}

static double now(void)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static struct sorting create(int dimension)
{
    struct sorting s = {};
    int begin[TENSORS + 1];
    s.dimension = dimension;
    s.tensors = tensors_of(begin, dimension);
    std::vector<float> g(dimension);
    for (int i = 0; i < dimension; i++) g[i] = (float)(2.0 * rand() / RAND_MAX - 1);
    for (float **array : {&s.g, &s.key, &s.sorted}) CHECK(cudaMalloc(array, dimension * sizeof(float)));
    CHECK(cudaMalloc(&s.begin, sizeof begin));
    CHECK(cudaMemcpy(s.begin, begin, sizeof begin, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(s.g, g.data(), dimension * sizeof(float), cudaMemcpyHostToDevice));
    CHECK(cub::DeviceSegmentedSort::SortKeysDescending(NULL, s.scratch_bytes, s.key, s.sorted, dimension, s.tensors,
                                                       s.begin, s.begin + 1));
    CHECK(cudaMalloc(&s.scratch, s.scratch_bytes));
    return s;
}

/* Sorted within every tensor, or the time is of something else. */
static void check(const struct sorting *s)
{
    int begin[TENSORS + 1];
    const int tensors = tensors_of(begin, s->dimension);
    std::vector<float> sorted(s->dimension);
    CHECK(cudaMemcpy(sorted.data(), s->sorted, s->dimension * sizeof(float), cudaMemcpyDeviceToHost));
    for (int t = 0; t < tensors; t++)
        if (!std::is_sorted(sorted.rbegin() + s->dimension - begin[t + 1], sorted.rbegin() + s->dimension - begin[t])) {
            fprintf(stderr, "bench_cub_sort: tensor %d is not sorted\n", t);
            exit(1);
        }
}

static void measure(struct sorting *s, double budget)
{
    std::vector<double> seconds;
    void *junk;
    CHECK(cudaMalloc(&junk, FLUSH_BYTES));
    sort_all(s); /* warm-up */
    CHECK(cudaDeviceSynchronize());
    const double begin = now();
    while (seconds.size() < MOST_REPEATS && (seconds.size() < LEAST_REPEATS || now() - begin < budget)) {
        CHECK(cudaMemset(junk, (int)seconds.size(), FLUSH_BYTES));
        CHECK(cudaDeviceSynchronize());
        const double start = now();
        sort_all(s);
        CHECK(cudaDeviceSynchronize());
        seconds.push_back(now() - start);
    }
    std::sort(seconds.begin(), seconds.end());
    const size_t count = seconds.size(), quarter = (count - 1) / 4;
    printf("{\"seconds\": %.9g, \"lower\": %.9g, \"upper\": %.9g, \"repeat\": %zu}\n",
           (seconds[(count - 1) / 2] + seconds[count / 2]) / 2, seconds[quarter], seconds[count - 1 - quarter], count);
}

int main(int argc, char **argv)
{
    int dimension = 1000000;
    double budget = 0.5;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--dimension") == 0) dimension = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--seconds") == 0) budget = atof(argv[i + 1]);
    }
    if (dimension < 1) {
        fprintf(stderr, "bench_cub_sort: --dimension is %d; expected at least 1\n", dimension);
        return 2;
    }
    struct sorting s = create(dimension);
    measure(&s, budget);
    check(&s);
    return 0;
}
