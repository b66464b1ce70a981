/* CIFAR-10's binary files, plain or gzip, of one record each. */
#include <math.h>
#include <stdlib.h>

#include "data/readers.h"
#include "data_set.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t record[1 + 3 * 32 * 32] = {7, 255};
    static const struct data_set_file good[] = {
        {"data_batch_1.bin", record, sizeof record}, {"data_batch_2.bin", record, sizeof record},
        {"data_batch_3.bin", record, sizeof record}, {"data_batch_4.bin", record, sizeof record},
        {"data_batch_5.bin", record, sizeof record}, {"test_batch.bin", record, sizeof record},
    };
    const char *folder = data_set_folder(good, sizeof good / sizeof *good, data, size);
    if (!folder) return 0;
    cgsv_dataset *dataset = calloc(1, sizeof *dataset);
    FUZZ_CHECK(dataset);
    const cgsv_status status = cifar_load(dataset, folder, 1);
    fuzz_count(status);
    for (int64_t i = 0; status == CGSV_OK && i < dataset->train.samples; i++)
        FUZZ_CHECK(dataset->train.y[i] >= 0 && dataset->train.y[i] < 10 && isfinite(dataset->train.x[i]));
    cgsv_dataset_free(dataset);
    return 0;
}
