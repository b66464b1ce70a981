/* Names, options and their checks. */
#include <math.h>

#include "core/names.h"
#include "valuation/internal.h"

static const char *const methods[] = {"exact",      "cosine", "permutation",   "antithetic",
                                      "stratified", "owen",   "leave-one-out", "euclidean"};
static const char *const vectors[] = {"normal", "correlated", "heavy-tailed", "sparse", "free-riders", "opposed"};

#define COUNT(names) ((int)(sizeof(names) / sizeof *(names)))
#define NAME(names, value) ((int)(value) >= 0 && (int)(value) < COUNT(names) ? (names)[value] : "unknown")

const char *cgsv_method_name(cgsv_method method) { return NAME(methods, method); }
const char *cgsv_vectors_name(cgsv_vectors kind) { return NAME(vectors, kind); }

cgsv_status cgsv_method_parse(cgsv_method *method, const char *name)
{
    int index;
    TRY(name_parse(&index, "method", name, methods, COUNT(methods)));
    *method = (cgsv_method)index;
    return CGSV_OK;
}

cgsv_status cgsv_vectors_parse(cgsv_vectors *kind, const char *name)
{
    int index;
    TRY(name_parse(&index, "kind of vectors", name, vectors, COUNT(vectors)));
    *kind = (cgsv_vectors)index;
    return CGSV_OK;
}

double cgsv_vectors_parameter(cgsv_vectors kind)
{
    return kind == CGSV_VECTORS_CORRELATED ? 0.5 : kind == CGSV_VECTORS_SPARSE ? 0.1 : 0.0;
}

void cgsv_valuation_defaults(cgsv_valuation_options *options)
{
    *options = (cgsv_valuation_options){.method = CGSV_METHOD_EXACT, .epsilon = 0.1, .delta = 0.1};
}

cgsv_status cgsv_valuation_budget(int64_t *permutations, const cgsv_valuation_options *o)
{
    *permutations = o->budget;
    if (o->budget < 0 || o->budget > INT32_MAX)
        return error_set(CGSV_ERROR_ARGUMENT, "budget is %lld permutations; expected 0 (from epsilon and delta) to %d",
                         (long long)o->budget, INT32_MAX);
    if (o->budget > 0) return CGSV_OK;
    if (!(o->epsilon > 0 && o->epsilon < 1))
        return error_set(CGSV_ERROR_ARGUMENT, "epsilon is %g; expected a number in (0, 1)", o->epsilon);
    if (!(o->delta > 0 && o->delta < 1))
        return error_set(CGSV_ERROR_ARGUMENT, "delta is %g; expected a number in (0, 1)", o->delta);
    const double wanted = ceil(log(2 / o->delta) / (2 * o->epsilon * o->epsilon));
    if (wanted > INT32_MAX)
        return error_set(CGSV_ERROR_ARGUMENT,
                         "epsilon %g and delta %g come to %.3g permutations; at most %d can be drawn, so raise epsilon",
                         o->epsilon, o->delta, wanted, INT32_MAX);
    *permutations = (int64_t)wanted;
    return CGSV_OK;
}

cgsv_status check_batch(int games, int agents)
{
    if (games < 1) return error_set(CGSV_ERROR_ARGUMENT, "games is %d; expected at least 1", games);
    if (agents < 1 || agents > CGSV_MAX_AGENTS)
        return error_set(CGSV_ERROR_ARGUMENT, "agents is %d; expected 1 to %d", agents, CGSV_MAX_AGENTS);
    if ((int64_t)games * agents > INT32_MAX)
        return error_set(CGSV_ERROR_ARGUMENT, "%d games of %d agents are more than %d agents; split the batch", games,
                         agents, INT32_MAX);
    return CGSV_OK;
}

size_t size_product(size_t size, const int64_t *factors, int count)
{
    for (int i = 0; i < count; i++)
        if (factors[i] < 0 || __builtin_mul_overflow(size, (size_t)factors[i], &size)) return SIZE_MAX;
    return size;
}

cgsv_status memory_suffices(const cgsv_device *device, const char *what, size_t bytes)
{
    const size_t available = device->backend->memory_free(device);
    if (bytes != SIZE_MAX && (available == 0 || bytes <= available)) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "%s needs %.4g MiB; %s has %.4g MiB free. Take fewer games at a time", what,
                     (double)bytes / 1048576, device->info.name, (double)available / 1048576);
}
