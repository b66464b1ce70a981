/* Valuation on a device, for callers whose updates already lie there. */
#ifndef VALUATION_INTERNAL_H
#define VALUATION_INTERNAL_H

#include "cgsv/valuation.h"
#include "device/device.h"

/* Product of `count` factors times `size`, SIZE_MAX when it does not fit. */
size_t size_product(size_t size, const int64_t *factors, int count);
#define BYTES_OF(type, ...)                                     \
    size_product(sizeof(type), (const int64_t[]){__VA_ARGS__}, \
                 (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

/* CGSV_ERROR_MEMORY, with both numbers, when `what` needs more than the device has free. */
cgsv_status memory_suffices(const cgsv_device *device, const char *what, size_t bytes);

cgsv_status check_batch(int games, int agents);

/* Adds columns of rows that lie on the device; enqueues only, once the scratch is there. One
 * of row and row_double. */
cgsv_status gram_add_rows(cgsv_gram *gram, const float *row, const double *row_double, int64_t stride,
                          int64_t columns);

/* A valuation of batches of one shape: what it reads, all memory it works in, what it leaves. */
struct valuation {
    cgsv_device *device;
    cgsv_valuation_options options;
    cgsv_method method;     /* exact where permutations take every order */
    double *gram, *weight;  /* [games][N][N], [games][N] on the device: set before a run */
    double *value, *error;  /* [games][N] on the device; error of sampling methods alone */
    struct games games;
    struct shapley shapley;
    struct sampling sampling;
    double *shapley_weight;
    uint16_t *everyone;
    int64_t units;          /* of a launch */
};

cgsv_status valuation_create(struct valuation *valuation, cgsv_device *device, int games, int agents,
                             const cgsv_valuation_options *options);
void valuation_free(struct valuation *valuation);

/* Bytes that valuation_create will take; 0 for what it refuses. */
size_t valuation_bytes(int games, int agents, const cgsv_valuation_options *options);

/* Enqueues the computation of v->value and v->error from v->gram and v->weight. */
cgsv_status valuation_run(struct valuation *valuation);

#endif
