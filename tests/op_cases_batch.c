/* Drawing and gathering of minibatches. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"

/* One epoch's order of every row, order[row][samples of that row], offset by row.first. */
static void draw_epoch(int32_t *order, const struct row *row, int rows, const int32_t *index, int batch, int round,
                       int epochs, int epoch)
{
    const int slots = (batch + SLOT_MULTIPLE - 1) / SLOT_MULTIPLE * SLOT_MULTIPLE;
    int32_t *sample = TAKE(int32_t, rows * slots), *count = TAKE(int32_t, rows);
    int *round_cell = TAKE(int, 1);
    *round_cell = round;
    for (int step = 0, left = 1; left; step++) {
        left = 0;
        int active = 0; /* a prefix, as in training; one step past the last launches all */
        while (active < rows && row[active].samples > step * batch) active++;
        if (active == 0) active = rows;
        memset(sample, 0x77, (size_t)(rows * slots) * sizeof *sample);
        struct batch_draw d = {sample, count, row, index, round_cell, active, slots, batch, epochs, epoch, step, 0};
        error_free(k->batch_draw(stream, d));
        for (int r = 0; r < rows; r++) {
            const int rest = row[r].samples - step * batch, want = rest < 0 ? 0 : rest < batch ? rest : batch;
            if (r < active) same("count", r, count[r], want);
            left |= want > 0;
            for (int s = 0; s < slots; s++) {
                const int32_t got = sample[r * slots + s];
                if (r >= active)
                    same("row beyond the prefix", r, got, 0x77777777);
                else if (s >= want)
                    same("empty slot", s, got, -1);
                else
                    order[row[r].first + step * batch + s] = got;
            }
        }
    }
}

/* Every sample once an epoch, and a batch within its bucket, in another order each epoch. */
static void bucket_case(int samples, int batch, int bucket)
{
    case_begin("batch_draw of %d samples, batch %d, bucket %d", samples, batch, bucket);
    const int slots = (batch + SLOT_MULTIPLE - 1) / SLOT_MULTIPLE * SLOT_MULTIPLE;
    const int batches = (samples + batch - 1) / batch;
    struct row row = {.samples = samples, .stream = 2, .first = 10, .seed = 9};
    int32_t *index = TAKE(int32_t, 10 + samples), *sample = TAKE(int32_t, slots), *count = TAKE(int32_t, 1);
    int32_t *order = TAKE(int32_t, 2 * samples);
    uint8_t *seen = TAKE(uint8_t, samples);
    int *round = TAKE(int, 1);
    *round = 4;
    for (int i = 0; i < samples; i++) index[10 + i] = i; /* lengths rise with the number */
    for (int epoch = 0; epoch < 2; epoch++) {
        int drawn = 0;
        memset(seen, 0, (size_t)samples);
        for (int step = 0; step < batches; step++) {
            error_free(k->batch_draw(stream, (struct batch_draw){sample, count, &row, index, round, 1, slots, batch, 2,
                                                                 epoch, step, bucket}));
            for (int s = 0; s < count[0]; s++) {
                if (sample[s] < 0 || sample[s] >= samples || seen[sample[s]]++)
                    fail("sample %d comes twice", sample[s]);
                same("bucket", s, sample[s] / (batch * bucket), sample[0] / (batch * bucket));
                order[epoch * samples + drawn++] = sample[s];
            }
            for (int s = count[0]; s < slots; s++) same("empty slot", s, sample[s], -1);
        }
        same("samples", epoch, drawn, samples);
    }
    if (samples > 60 && !memcmp(order, order + samples, (size_t)samples * sizeof *order))
        fail("the same in the next epoch");
    error_free(k->batch_draw(stream, (struct batch_draw){sample, count, &row, index, round, 1, slots, batch, 2, 0,
                                                         batches, bucket}));
    same("count past the last batch", 0, count[0], 0);
    case_end();
}

void batch_cases(void)
{
    static const int sizes[] = {4099, 1024, 257, 97, 33, 32, 31, 5, 4, 2, 1};
    enum { ROWS = sizeof sizes / sizeof *sizes };
    static const int batches[] = {1024, 33, 32, 20};
    int64_t total = 0;
    struct row row[ROWS];
    for (int r = 0; r < ROWS; r++) {
        row[r] = (struct row){.agent = r % 2 ? -1 : r, .samples = sizes[r], .stream = r, .first = total, .seed = 77};
        total += sizes[r];
    }
    for (int b = 0; b < 4; b++) {
        case_begin("batch_draw batch %d", batches[b]);
        int32_t *index = TAKE(int32_t, total), *order = TAKE(int32_t, total), *again = TAKE(int32_t, total),
                *next = TAKE(int32_t, total), *other = TAKE(int32_t, total);
        uint8_t *seen = TAKE(uint8_t, total);
        for (int64_t i = 0; i < total; i++) index[i] = (int32_t)((i * 7919 + 13) % total); /* a permutation itself */
        draw_epoch(order, row, ROWS, index, batches[b], 2, 3, 1);
        draw_epoch(again, row, ROWS, index, batches[b], 2, 3, 1);
        draw_epoch(next, row, ROWS, index, batches[b], 2, 3, 2);
        struct row changed[ROWS];
        for (int r = 0; r < ROWS; r++) {
            changed[r] = row[r];
            if (r % 2)
                changed[r].seed ^= UINT64_C(1) << 40; /* the high half matters too */
            else
                changed[r].stream += 100;
        }
        draw_epoch(other, changed, ROWS, index, batches[b], 2, 3, 1);
        for (int r = 0; r < ROWS; r++) {
            const int64_t first = row[r].first, n = row[r].samples;
            memset(seen, 0, (size_t)total);
            for (int64_t i = first; i < first + n; i++)
                if (order[i] < 0 || order[i] >= total || seen[order[i]]++) fail("row %d: %d drawn twice", r, order[i]);
            for (int64_t i = first; i < first + n; i++)
                if (seen[index[i]] != 1) fail("row %d: sample %d not drawn", r, index[i]);
            const size_t bytes = (size_t)n * sizeof *order;
            if (memcmp(order + first, again + first, bytes)) fail("row %d: differs the second time", r);
            if (n < 31) continue;
            if (!memcmp(order + first, next + first, bytes)) fail("row %d: the same in the next epoch", r);
            if (!memcmp(order + first, other + first, bytes)) fail("row %d: the same with another key", r);
            if (!memcmp(order + first, index + first, bytes)) fail("row %d: not shuffled", r);
            /* Far from any order: about one sample stays in place. */
            int fixed = 0;
            for (int64_t i = first; i < first + n; i++) fixed += order[i] == index[i];
            if (fixed > 9) fail("row %d: %d samples stayed in place", r, fixed);
        }
        case_end();
    }

    static const int features[] = {1, 63, 64, 65, 784};
    for (int f = 0; f < 5; f++) {
        const int rows = 3, slots = 64, samples = 29, n = features[f];
        case_begin("batch_gather features %d", n);
        float *data = take_random((int64_t)samples * n, 1), *x = TAKE(float, rows * n * slots);
        int32_t *label = TAKE(int32_t, samples), *sample = TAKE(int32_t, rows * slots);
        int32_t *y = TAKE(int32_t, rows * slots);
        for (int i = 0; i < samples; i++) label[i] = below(10);
        for (int i = 0; i < rows * slots; i++) sample[i] = i % slots < 20 * (i / slots + 1) ? below(samples) : -1;
        error_free(k->batch_gather(stream, x, y, data, label, sample, n, rows, slots));
        for (int i = 0; i < rows * slots; i++) {
            const int from = sample[i];
            same("label", i, y[i], from < 0 ? 0 : label[from]);
            for (int j = 0; j < n; j++)
                same("x", i, x[((int64_t)(i / slots) * n + j) * slots + i % slots],
                     from < 0 ? 0 : data[(int64_t)from * n + j]);
        }
        case_end();
    }
    bucket_case(1, 1, 1);
    bucket_case(31, 32, 4);
    bucket_case(997, 33, 4);
    bucket_case(256, 32, 3);
}
