/* The sentiment treebank's three files, plain or gzip. */
#include <stdlib.h>

#include "data/readers.h"
#include "data_set.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char lines[] = "(3 (2 It) (4 (2 works) (2 .)))\n(0 awful)\n";
    static const struct data_set_file good[] = {
        {"train.txt", (const uint8_t *)lines, sizeof lines - 1},
        {"dev.txt", (const uint8_t *)lines, sizeof lines - 1},
        {"test.txt", (const uint8_t *)lines, sizeof lines - 1},
    };
    const char *folder = data_set_folder(good, 3, data, size);
    if (!folder) return 0;
    cgsv_dataset *dataset = calloc(1, sizeof *dataset);
    FUZZ_CHECK(dataset);
    const cgsv_status status = trees_load(dataset, folder);
    fuzz_count(status);
    if (status == CGSV_OK) data_set_check_sentences(dataset);
    cgsv_dataset_free(dataset);
    return 0;
}
