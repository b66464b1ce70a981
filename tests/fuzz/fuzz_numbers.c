/* Weights of agents and sizes of layers, as `cgsv value` reads them: the input is the file. */
#include <math.h>
#include <stdlib.h>

#include "cli/value_inputs.h"
#include "fuzz.h"

enum { AGENTS = 3, DIMENSION = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    double weight[AGENTS], sum = 0;
    int64_t *begin;
    int layers;
    fuzz_file_set(&file, data, size, "", 0);
    cgsv_status status = value_read_weights(weight, AGENTS, file.path);
    fuzz_count(status);
    for (int i = 0; i < AGENTS && status == CGSV_OK; i++) {
        FUZZ_CHECK(weight[i] >= 0 && weight[i] <= 1);
        sum += weight[i];
    }
    FUZZ_CHECK(status != CGSV_OK || fabs(sum - 1) < 1e-12);

    status = value_read_layers(&begin, &layers, DIMENSION, file.path);
    fuzz_count(status);
    FUZZ_CHECK(status != CGSV_OK || (begin[0] == 0 && begin[layers] == DIMENSION));
    for (int i = 0; i < layers && status == CGSV_OK; i++) FUZZ_CHECK(begin[i] < begin[i + 1]);
    free(begin);
    return 0;
}
