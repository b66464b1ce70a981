/* The updates of a round on their way from the file to the device, in pieces of columns. */
#ifndef CLI_VALUE_STREAM_H
#define CLI_VALUE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "cgsv/valuation.h"
#include "io/updates.h"

struct value_stream {
    const struct updates *updates;
    cgsv_device *device;
    int agents;
    int64_t dimension;
    bool doubles;    /* the files' numbers are float64 */
    int64_t columns; /* of a piece, a multiple of 2048 */
    void *piece;     /* [agents][columns] float or double */
    bool *nonzero;   /* [agents] whether the round's update has an entry that is not 0 */
    float *matrix;   /* [agents][dimension] on the device, where the round is kept whole; else NULL */
    float *narrow;   /* [columns] a row on its way to the matrix */
    double reading, gram; /* seconds, of all rounds */
};

/* `memory`: most bytes of a piece, the scratch that it takes and the matrix, 0 to choose. On the
 * CPU the values do not depend on it, on a GPU they do not from 32 MiB for pieces on; below, sums
 * are made in another order. `whole`: each round's matrix is kept on the device.
 * CGSV_ERROR_MEMORY, with both numbers, where `memory` or the device does not hold them. */
cgsv_status value_stream_create(struct value_stream *stream, cgsv_device *device, const struct updates *updates,
                                int64_t memory, bool whole);
void value_stream_free(struct value_stream *stream);

/* G[agents][agents] of a round. *precise: products in float64; set when float32 products
 * would have lost an update (too small or too large), and then the file is read a second time.
 * faulty[agents] as in cgsv_gram_read. */
cgsv_status value_stream_round(struct value_stream *stream, int round, bool *precise, double *gram, int *faulty);

#endif
