/* Where the vectors of a study come from: drawn at random, or read from files. */
#ifndef CLI_STUDY_SOURCE_H
#define CLI_STUDY_SOURCE_H

#include "cgsv/valuation.h"
#include "cli/options.h"
#include "io/updates.h"

struct study_source {
    cgsv_device *device;
    bool precise;
    cgsv_vectors_options vectors;
    struct updates *updates; /* NULL: random vectors */
    char **paths;            /* [path_count] of the updates */
    int path_count;
};

/* Opens files, and those of folders: round_*.safetensors in `updates/` or in the folder itself. */
cgsv_status study_source_open(struct study_source *source, const struct option_strings *updates);
void study_source_close(struct study_source *source);

/* matrices[games][N][N] of the games 0 … games − 1 (trials, or rounds of the files), from the first N
 * agents and the first D columns. *seconds: of one game's Gram matrix, from vectors in the host's memory. */
cgsv_status study_source_gram(double *matrices, double *seconds, const struct study_source *source, int games,
                              int agents, int64_t dimension);

#endif
