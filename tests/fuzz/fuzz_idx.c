/* MNIST's IDX files, plain or gzip. Good ones here hold two samples. */
#include <stdlib.h>

#include "data/readers.h"
#include "data_set.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t pictures[16 + 2 * 28 * 28] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28};
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 9};
    static const struct data_set_file good[] = {
        {"train-images-idx3-ubyte", pictures, sizeof pictures},
        {"train-labels-idx1-ubyte", labels, sizeof labels},
        {"t10k-images-idx3-ubyte", pictures, sizeof pictures},
        {"t10k-labels-idx1-ubyte", labels, sizeof labels},
    };
    const char *folder = data_set_folder(good, 4, data, size);
    if (!folder) return 0;
    cgsv_dataset *dataset = calloc(1, sizeof *dataset);
    FUZZ_CHECK(dataset);
    const cgsv_status status = mnist_load(dataset, folder);
    fuzz_count(status);
    FUZZ_CHECK(status != CGSV_OK || (dataset->train.samples == 2 && dataset->test.samples == 2));
    for (int64_t i = 0; status == CGSV_OK && i < 2; i++)
        FUZZ_CHECK(dataset->train.y[i] >= 0 && dataset->train.y[i] < 10);
    cgsv_dataset_free(dataset);
    return 0;
}
