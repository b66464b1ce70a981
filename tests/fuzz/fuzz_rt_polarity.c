/* Movie Reviews' two files, plain or gzip; a good one holds ten sentences. */
#include <stdlib.h>

#include "data/readers.h"
#include "data_set.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char lines[] = "a b\nb\nc\nd a b\ne\nf g\ng\nh\ni\nj caf\xe9\n";
    static const struct data_set_file good[] = {
        {"rt-polarity.neg", (const uint8_t *)lines, sizeof lines - 1},
        {"rt-polarity.pos", (const uint8_t *)lines, sizeof lines - 1},
    };
    const char *folder = data_set_folder(good, 2, data, size);
    if (!folder) return 0;
    cgsv_dataset *dataset = calloc(1, sizeof *dataset);
    FUZZ_CHECK(dataset);
    const cgsv_dataset_options options = {size % 2 ? CGSV_MR_SHUFFLED : CGSV_MR_PUBLISHED, 1};
    const cgsv_status status = rt_polarity_load(dataset, folder, &options);
    fuzz_count(status);
    if (status == CGSV_OK) data_set_check_sentences(dataset);
    cgsv_dataset_free(dataset);
    return 0;
}
