/* Tables as `cgsv report` reads them: the input is the file. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "io/csv_read.h"

/* All rows, each field as text and as a number. */
static cgsv_status read_rows(struct csv_reader *reader)
{
    for (int64_t line = 1;;) {
        bool row;
        const cgsv_status status = csv_reader_next(reader, &row);
        if (status != CGSV_OK || !row) return status;
        FUZZ_CHECK(reader->count == reader->columns && reader->line > line);
        line = reader->line;
        for (int i = 0; i < reader->columns; i++) {
            double value;
            const bool is_number = csv_reader_number(reader, i, &value) == CGSV_OK;
            FUZZ_CHECK(strlen(reader->fields[i]) < (1 << 20) && (is_number || *reader->fields[i]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    struct csv_reader reader;
    fuzz_file_set(&file, data, size, "", 0);
    cgsv_status status = csv_reader_open(&reader, file.path);
    if (status == CGSV_OK) {
        for (int i = 0; i < reader.columns; i++) FUZZ_CHECK(csv_reader_column(&reader, reader.names[i]) == i);
        status = read_rows(&reader);
    }
    fuzz_count(status);
    csv_reader_close(&reader);
    return 0;
}
