/* What a run that goes on reads back. The first byte of the input says what: 1, a checkpoint whose header's length
 * and checksum are made here, so that mutations get behind them: what follows, up to a NUL, is the header, then come
 * the data, the last eight bytes of which are the checksum; 2, a table that is cut behind its complete rows, whose
 * number is the second byte; else a checkpoint as it stands. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "io/checkpoint_file.h"
#include "io/csv.h"

enum { CHECKSUM = 8 };

static void set_file(struct fuzz_file *file, const uint8_t *data, size_t size)
{
    const uint8_t *header = data + 1, *nul = memchr(header, 0, size - 1);
    if (data[0] != 1 || !nul) {
        fuzz_file_set(file, header, size - 1, "", 0);
        return;
    }
    const size_t length = (size_t)(nul - header), behind = size - 2 - length, sum_at = 8 + length + behind;
    uint8_t *all = calloc(sum_at + CHECKSUM, 1);
    FUZZ_CHECK(all);
    for (int i = 0; i < 8; i++) all[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(all + 8, header, length);
    memcpy(all + 8 + length, nul + 1, behind);
    const uint64_t sum = crc32(0, all, (unsigned)sum_at);
    for (int i = 0; i < CHECKSUM; i++) all[sum_at + (size_t)i] = (uint8_t)(sum >> (8 * i));
    fuzz_file_set(file, all, sum_at + CHECKSUM, "", 0);
    free(all);
}

/* All that a federation looks up before it takes the arrays. */
static void look_up(const struct checkpoint_file *file)
{
    const struct safetensors_tensor *tensors;
    const int count = safetensors_list(file->header, &tensors);
    int number;
    FUZZ_CHECK(count >= 1 && file->rounds >= 0);
    for (int i = 0; i < count; i++) {
        const uint64_t bytes = (uint64_t)tensors[i].elements * safetensors_type_size(tensors[i].type);
        FUZZ_CHECK(tensors[i].offset <= file->reader.size && bytes <= file->reader.size - tensors[i].offset);
    }
    FUZZ_CHECK(checkpoint_file_number(&number, file, "evaluated", 0, 1) != CGSV_OK || number == 0 || number == 1);
    (void)safetensors_metadata_value(file->header, "agents");
}

static void read_table(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    const int64_t rows = data[0];
    int64_t end;
    fuzz_file_set(&file, data + 1, size - 1, "", 0);
    const cgsv_status status = csv_find_end(&end, file.path, "round,loss,accuracy", rows);
    fuzz_count(status);
    if (status != CGSV_OK) return;
    FUZZ_CHECK(end >= 1 && end <= (int64_t)size - 1 && data[end] == '\n');
    int64_t lines = 0;
    for (int64_t i = 1; i <= end; i++) lines += data[i] == '\n';
    FUZZ_CHECK(lines == rows + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    struct checkpoint_file checkpoint;
    if (size < 2) return 0;
    if (data[0] == 2) {
        read_table(data + 1, size - 1);
        return 0;
    }
    set_file(&file, data, size);
    const cgsv_status status = checkpoint_file_open(&checkpoint, file.path);
    fuzz_count(status);
    if (status != CGSV_OK) return 0;
    look_up(&checkpoint);
    checkpoint_file_close(&checkpoint);
    return 0;
}
