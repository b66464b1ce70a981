/* The updates of a round on their way from the file to the device, in pieces of columns. */
#include "cli/value_stream.h"

#include <stdlib.h>
#include <string.h>

#include "cli/format.h"
#include "core/clock.h"
#include "device/device.h"
#include "valuation/internal.h"

/* Bytes of a piece unless a limit is lower. Of the same size everywhere, so that the limit
 * does not change the order of additions, on a GPU either. */
enum { PIECE_BYTES = 32 << 20 };

/* Mean square of an update's entries below which float32 products lose digits: the smallest
 * normal one is 1.2e-38, and entries may differ by a factor of 100. */
#define SMALLEST_SQUARE 1e-34

static size_t entry_size(const struct value_stream *s) { return s->doubles ? sizeof(double) : sizeof(float); }

/* Bytes of the narrowest piece and the partial sums of its Gram matrix. */
static size_t least_bytes(const struct value_stream *s)
{
    const int64_t pairs = (int64_t)s->agents * (s->agents + 1) / 2;
    return BYTES_OF(char, s->agents, GRAM_RUN, (int64_t)entry_size(s)) + BYTES_OF(double, pairs);
}

static size_t matrix_bytes(const struct value_stream *s) { return BYTES_OF(float, s->agents, s->dimension); }

static cgsv_status check_memory(const struct value_stream *s, size_t memory, bool whole)
{
    char need[FORMAT_SIZE], have[FORMAT_SIZE];
    const size_t available = s->device->backend->memory_free(s->device), least = least_bytes(s);
    const size_t bytes = whole ? matrix_bytes(s) : 0;
    if (memory && bytes > memory - (least < memory ? least : memory) && whole)
        return error_set(CGSV_ERROR_MEMORY, "--round needs all updates at once, %s, but --memory is %s; raise it, or "
                         "leave --round out", format_bytes(need, bytes + least), format_bytes(have, memory));
    if (memory && memory < least)
        return error_set(CGSV_ERROR_MEMORY, "%d agents need at least %s, for %lld columns, but --memory is %s; "
                         "raise it", s->agents, format_bytes(need, least), (long long)GRAM_RUN,
                         format_bytes(have, memory));
    if (whole && available && bytes > available)
        return error_set(CGSV_ERROR_MEMORY, "--round needs all updates at once, %s, but %s has %s free; leave --round "
                         "out", format_bytes(need, bytes), s->device->info.name, format_bytes(have, available));
    return CGSV_OK;
}

cgsv_status value_stream_create(struct value_stream *s, cgsv_device *device, const struct updates *updates,
                                int64_t memory, bool whole)
{
    *s = (struct value_stream){.updates = updates, .device = device, .agents = (int)updates_agents(updates),
                               .dimension = updates_dimension(updates),
                               .doubles = updates_element(updates) == ELEMENT_FLOAT64};
    TRY(check_memory(s, (size_t)memory, whole));
    const size_t limit = memory ? (size_t)memory - (whole ? matrix_bytes(s) : 0) : SIZE_MAX;
    const int64_t runs = (int64_t)((limit < PIECE_BYTES ? limit : PIECE_BYTES) / least_bytes(s));
    s->columns = (runs < 1 ? 1 : runs < gram_runs(s->dimension) ? runs : gram_runs(s->dimension)) * GRAM_RUN;
    if (whole) TRY(device->backend->allocate(device, (void **)&s->matrix, matrix_bytes(s)));
    const size_t bytes = size_product(entry_size(s), (const int64_t[]){s->agents, s->columns}, 2);
    s->piece = malloc(bytes);
    s->narrow = malloc((size_t)s->columns * sizeof *s->narrow);
    s->nonzero = calloc((size_t)s->agents, sizeof *s->nonzero);
    if (s->piece && s->narrow && s->nonzero) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for %zu bytes of updates; lower --memory", bytes);
}

void value_stream_free(struct value_stream *s)
{
    if (s->device) s->device->backend->release(s->device, s->matrix);
    free(s->piece);
    free(s->narrow);
    free(s->nonzero);
    *s = (struct value_stream){0};
}

/* Stops at an update's first entry that is not 0, so it costs nothing but for zero ones. */
static void note_nonzero(struct value_stream *s, int64_t width)
{
    for (int i = 0; i < s->agents; i++) {
        const float *single = (const float *)s->piece + (int64_t)i * s->columns;
        const double *wide = (const double *)s->piece + (int64_t)i * s->columns;
        for (int64_t d = 0; d < width && !s->nonzero[i]; d++)
            s->nonzero[i] = s->doubles ? wide[d] != 0 : single[d] != 0;
    }
}

static cgsv_status copy_to_matrix(struct value_stream *s, int64_t begin, int64_t width)
{
    for (int i = 0; i < s->agents; i++) {
        const float *row = (const float *)s->piece + (int64_t)i * s->columns;
        if (s->doubles) {
            elements_to_float(s->narrow, (const double *)s->piece + (int64_t)i * s->columns, ELEMENT_FLOAT64, width);
            row = s->narrow;
        }
        TRY(s->device->backend->upload(s->device, s->matrix + (int64_t)i * s->dimension + begin, row,
                                       (size_t)width * sizeof *row));
    }
    return CGSV_OK;
}

static cgsv_status read_piece(struct value_stream *s, int round, int64_t begin, int64_t width)
{
    const double start = clock_seconds();
    TRY(s->doubles ? updates_columns_double(s->updates, round, begin, width, s->piece, s->columns)
                   : updates_columns(s->updates, round, begin, width, s->piece, s->columns));
    note_nonzero(s, width);
    if (s->matrix) TRY(copy_to_matrix(s, begin, width));
    s->reading += clock_seconds() - start;
    return CGSV_OK;
}

static cgsv_status add_pieces(struct value_stream *s, cgsv_gram *gram, int round)
{
    memset(s->nonzero, 0, (size_t)s->agents * sizeof *s->nonzero);
    for (int64_t begin = 0; begin < s->dimension; begin += s->columns) {
        const int64_t width = s->dimension - begin < s->columns ? s->dimension - begin : s->columns;
        TRY(read_piece(s, round, begin, width));
        const double start = clock_seconds();
        TRY(s->doubles ? cgsv_gram_add_double(gram, s->piece, s->columns, width)
                       : cgsv_gram_add(gram, s->piece, s->columns, width));
        s->gram += clock_seconds() - start;
    }
    return CGSV_OK;
}

static cgsv_status make_gram(struct value_stream *s, int round, bool precise, double *matrix, int *faulty)
{
    cgsv_gram *gram;
    TRY(cgsv_gram_create(&gram, s->device, 1, s->agents, s->columns, precise));
    cgsv_status status = add_pieces(s, gram, round);
    const double start = clock_seconds();
    if (status == CGSV_OK) status = cgsv_gram_read(gram, matrix, faulty);
    cgsv_gram_free(gram);
    s->gram += clock_seconds() - start;
    return status;
}

/* Whether an update is beyond what float32 products hold. */
static bool lost(const struct value_stream *s, const double *gram, const int *faulty)
{
    for (int64_t i = 0; i < s->agents; i++) {
        const double square = gram[i * s->agents + i];
        if (faulty[i] < 0) return true;
        if (faulty[i] == 0 && s->nonzero[i] && square < SMALLEST_SQUARE * (double)s->dimension) return true;
    }
    return false;
}

cgsv_status value_stream_round(struct value_stream *s, int round, bool *precise, double *gram, int *faulty)
{
    *precise = *precise || s->doubles;
    TRY(make_gram(s, round, *precise, gram, faulty));
    if (*precise || !lost(s, gram, faulty)) return CGSV_OK;
    *precise = true;
    return make_gram(s, round, true, gram, faulty);
}
