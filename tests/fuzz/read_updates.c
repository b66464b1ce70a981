#include "read_updates.h"

#include <math.h>
#include <stdlib.h>

#include "fuzz.h"
#include "io/updates.h"

static void read_chunk(const struct updates *updates, int64_t begin, int64_t count)
{
    const int64_t agents = updates_agents(updates), total = agents * count;
    float *narrow = malloc((size_t)total * sizeof *narrow);
    double *wide = malloc((size_t)total * sizeof *wide);
    FUZZ_CHECK(narrow && wide);
    FUZZ_CHECK(updates_columns(updates, 0, begin, count, narrow, count) == CGSV_OK);
    FUZZ_CHECK(updates_columns_double(updates, 0, begin, count, wide, count) == CGSV_OK);
    for (int64_t i = 0; i < total; i++)
        FUZZ_CHECK(isnan(wide[i]) ? isnan(narrow[i]) : narrow[i] == (float)wide[i]);
    free(narrow);
    free(wide);
}

cgsv_status read_updates(const char *path, const char *tensor, size_t file_size)
{
    struct updates *updates;
    cgsv_status status = updates_open(&updates, &path, 1, tensor);
    if (status != CGSV_OK) {
        FUZZ_CHECK(!updates);
        return status;
    }
    const int64_t agents = updates_agents(updates), dimension = updates_dimension(updates);
    FUZZ_CHECK(agents >= 1 && dimension >= 1);
    FUZZ_CHECK(agents <= (int64_t)file_size && dimension <= (int64_t)file_size / agents);
    for (int64_t i = 0; i < agents; i++) (void)updates_agent_name(updates, i);
    const int64_t half = (dimension + 1) / 2;
    read_chunk(updates, 0, half);
    if (half < dimension) read_chunk(updates, half, dimension - half);
    updates_close(updates);
    return CGSV_OK;
}
