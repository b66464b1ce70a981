/* Labelled pictures in host memory: a training and a test split. */
#ifndef CGSV_DATASET_H
#define CGSV_DATASET_H

#include <stdint.h>

#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One split. `x` holds samples one after the other, each channels × height ×
 * width floats, already standardised; `y` their classes, 0 <= y < classes. */
typedef struct cgsv_split {
    int64_t samples;
    float *x;   /* [samples][channels][height][width] */
    int32_t *y; /* [samples] */
} cgsv_split;

typedef struct cgsv_dataset {
    char name[32];
    int channels, height, width;
    int classes;
    cgsv_split train, test;
} cgsv_dataset;

/* Loads a data set by name.
 *   "synthetic"  built-in drawings of digits, 1×32×32: no file and no network;
 *                12,000 training and 2,000 test samples, the same ones always
 *   "mnist"      the four IDX files, plain or .gz, padded to 1×32×32 and
 *                standardised by the padded split's own mean and deviation
 *   "cifar10"    cifar-10-batches-bin/, 3×32×32, standardised per channel
 * directory: where to look; NULL for $CGSV_DATA, then data/. Files may lie in it
 * or in a folder of the data set's name.
 * Errors: CGSV_ERROR_ARGUMENT (unknown name), CGSV_ERROR_IO (file missing),
 * CGSV_ERROR_DATA (truncated, oversized or mislabelled file). */
CGSV_API cgsv_status cgsv_dataset_load(cgsv_dataset **dataset, const char *name, const char *directory);

/* The names that cgsv_dataset_load knows, the built-in one first; returns their number. */
CGSV_API int cgsv_dataset_names(const char *const **names);

/* Copies a caller's own samples. x: float32 [samples][channels][height][width],
 * y: [samples]. A label outside 0..classes-1 or a value that is not finite is
 * CGSV_ERROR_DATA. */
CGSV_API cgsv_status cgsv_dataset_create(cgsv_dataset **dataset, const char *name, int channels, int height,
                                         int width, int classes, int64_t train_samples, const float *train_x,
                                         const int32_t *train_y, int64_t test_samples, const float *test_x,
                                         const int32_t *test_y);

/* NULL is fine. */
CGSV_API void cgsv_dataset_free(cgsv_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
