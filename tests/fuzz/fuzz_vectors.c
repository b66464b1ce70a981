/* A file of word vectors, plain or gzip. */
#include <math.h>
#include <stdlib.h>

#include "cgsv/dataset.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { WORDS = 4 };
    static struct fuzz_file file;
    char *words[WORDS] = {"<unk>", "<pad>", "the", "good"};
    cgsv_dataset dataset = {.name = "mr", .vocabulary = WORDS, .word = words};
    int found = 0, counted = 0;
    fuzz_file_set(&file, "", 0, data, size);
    const cgsv_status status = cgsv_dataset_read_vectors(&dataset, file.path, &found);
    fuzz_count(status);
    for (int v = 0; status == CGSV_OK && v < WORDS; v++) {
        counted += dataset.has_vector[v];
        for (int e = 0; e < CGSV_WORD_VALUES; e++) FUZZ_CHECK(isfinite(dataset.word_vector[v * CGSV_WORD_VALUES + e]));
    }
    FUZZ_CHECK(status != CGSV_OK || counted == found);
    free(dataset.word_vector);
    free(dataset.has_vector);
    return 0;
}
