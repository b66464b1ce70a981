/* Short files that claim to be large, or that unpack to be: each is refused for what it claims, before memory is
 * asked for. And texts of files, on their way to a terminal. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cgsv/dataset.h"
#include "core/error.h"
#include "core/printable.h"
#include "io/csv_read.h"
#include "io/file.h"
#include "io/report_run.h"
#include "io/safetensors.h"
#include "io/sweep_row.h"
#include "io/updates.h"
#include "text_files.h"

TestSuite(limits, .init = temporary_make, .fini = temporary_remove, .timeout = 60);

/* From here on the process gets so many MiB and no more. AddressSanitizer has mapped terabytes for itself, so under it
 * the status alone must do, which would be CGSV_ERROR_MEMORY where memory had been asked for first. */
static void allow_mebibytes(size_t mebibytes)
{
#ifndef __SANITIZE_ADDRESS__
    unsigned long pages = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    cr_assert(stream && fscanf(stream, "%lu", &pages) == 1);
    fclose(stream);
    const rlim_t bytes = pages * 4096 + (mebibytes << 20);
    cr_assert_eq(setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}), 0);
    /* a limit that did not hold would test nothing; malloc would take what it allows for an arena */
    const void *more = mmap(NULL, (mebibytes + 1) << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_eq(more, MAP_FAILED);
#else
    (void)mebibytes;
#endif
}

static void expect_refusal(cgsv_status status, const char *message)
{
    cr_expect_eq(status, CGSV_ERROR_DATA, "status %d: %s", (int)status, cgsv_last_error());
    cr_expect_not_null(strstr(cgsv_last_error(), message), "no '%s' in: %s", message, cgsv_last_error());
}

/* ---- updates ---- */

static void expect_updates_refused(const char *name, const void *bytes, size_t size, const char *message)
{
    struct updates *updates;
    temporary_put(name, bytes, size);
    const char *path = temporary_path(name);
    expect_refusal(updates_open(&updates, &path, 1, NULL), message);
}

static void expect_npy_refused(const char *shape, const char *message)
{
    char bytes[512] = "\x93NUMPY\1";
    const int length = sprintf(bytes + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n", shape);
    bytes[8] = (char)length;
    expect_updates_refused("u.npy", bytes, 10 + (size_t)length + 16, message);
}

Test(limits, npy)
{
    allow_mebibytes(16);
    expect_npy_refused("(1000000000000,)", "needs 4000000000000 bytes of data, it has 16");
    expect_npy_refused("(1000000, 1000000)", "needs 4000000000000 bytes of data, it has 16");
    expect_npy_refused("(4294967296, 4294967297)", "impossible shape");
    expect_npy_refused("(1, 18446744073709551615)", "impossible shape");
    expect_updates_refused("u.npy", "\x93NUMPY\2\0\xff\xff\xff\xff{}", 14, "claims a header of 4294967295 bytes");
}

static void expect_tensors_refused(const char *header, const char *message)
{
    char bytes[512] = "";
    const size_t length = strlen(header);
    bytes[0] = (char)length;
    memcpy(bytes + 8, header, length);
    expect_updates_refused("u.safetensors", bytes, 8 + length + 16, message);
}

Test(limits, safetensors)
{
    allow_mebibytes(16);
    expect_tensors_refused("{\"u\":{\"dtype\":\"F32\",\"shape\":[1000000000000],\"data_offsets\":[0,4000000000000]}}",
                           "offsets outside the file's 16 bytes");
    expect_tensors_refused("{\"u\":{\"dtype\":\"F32\",\"shape\":[1000000000000],\"data_offsets\":[0,16]}}",
                           "its shape needs 4000000000000");
    expect_tensors_refused("{\"u\":{\"dtype\":\"F64\",\"shape\":[9007199254740992,2048],\"data_offsets\":[0,16]}}",
                           "impossible shape");
    expect_updates_refused("u.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10, "claims a header of");
}

/* ---- data sets ---- */

static void put_pictures(const char *name, uint32_t count, size_t bytes)
{
    const uint8_t header[16] = {0, 0, 8, 3, (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8),
                                (uint8_t)count, 0, 0, 0, 28, 0, 0, 0, 28};
    uint8_t *all = calloc(16 + bytes, 1);
    cr_assert_not_null(all);
    memcpy(all, header, sizeof header);
    temporary_put(name, (const char *)all, 16 + bytes);
    free(all);
}

Test(limits, idx)
{
    cgsv_dataset *dataset;
    put_pictures("train-images-idx3-ubyte", 0x40000000, 784);
    allow_mebibytes(16);
    expect_refusal(cgsv_dataset_load(&dataset, "mnist", temporary_folder()), "at most 1073741824 bytes in all");
}

/* Zeros, of which gzip makes a thousandth. */
Test(limits, idx_that_unpacks_to_much)
{
    enum { PICTURES = 120000 };
    cgsv_dataset *dataset;
    put_pictures("train-images-idx3-ubyte.gz", PICTURES, (size_t)PICTURES * 784);
    allow_mebibytes(16);
    expect_refusal(cgsv_dataset_load(&dataset, "mnist", temporary_folder()), "too few for the 94080000");
}

/* `count` lines, and ahead of them one of `longest` words. */
static void put_lines(const char *name, size_t longest, size_t count, const char *line)
{
    const size_t length = strlen(line);
    char *text = malloc(2 * longest + 1 + count * length), *at = text;
    cr_assert_not_null(text);
    for (size_t i = 0; i < longest; i++) at = (char *)memcpy(at, "a ", 2) + 2;
    if (longest > 0) *at++ = '\n';
    for (size_t i = 0; i < count; i++) at = (char *)memcpy(at, line, length) + length;
    temporary_put(name, text, (size_t)(at - text));
    free(text);
}

/* Padded to the longest they would take 26 GB. */
Test(limits, one_long_sentence_among_many)
{
    cgsv_dataset *dataset;
    put_lines("rt-polarity.neg", 32000, 100000, "a\n");
    put_lines("rt-polarity.pos", 0, 100000, "b\n");
    allow_mebibytes(128);
    expect_refusal(cgsv_dataset_load(&dataset, "mr", temporary_folder()),
                   "sentences are 200001, the longest of 32000 words; padded");
}

/* 40 kB that unpack to 34 MB, of 17 million words. */
Test(limits, sentences_that_unpack_to_many)
{
    char packed[256];
    struct stat status;
    cgsv_dataset *dataset;
    put_lines("rt-polarity.neg.gz", 0, (1 << 20) + 1, "a a a a a a a a a a a a a a a a\n");
    strcpy(packed, temporary_path("rt-polarity.neg.gz"));
    cr_assert_eq(rename(packed, temporary_path("rt-polarity.neg")), 0); /* what is packed need not be named so */
    cr_assert(stat(temporary_path("rt-polarity.neg"), &status) == 0 && status.st_size < 1 << 20);
    allow_mebibytes(512);
    expect_refusal(cgsv_dataset_load(&dataset, "mr", temporary_folder()), "more than the 16777216 words");
}

/* ---- runs ---- */

Test(limits, rounds_of_many_agents)
{
    static const char config[] = "{\"config\": {\"agents\": 1000000}}";
    char table[512] = "round,agent,psi,importance\n", *at = table + strlen(table);
    struct report_run run;
    for (int round = 1; round <= 20; round++) at += sprintf(at, "%d,0,0.5,0.5\n", round);
    temporary_put("config.json", config, strlen(config));
    temporary_put("rounds.csv", table, strlen(table));
    allow_mebibytes(64);
    expect_refusal(report_run_read(&run, temporary_folder()),
                   "line 3: more rounds, of 1000000 agents each, than a file of 278 bytes holds");
    report_run_free(&run);
}

Test(limits, columns)
{
    enum { COLUMNS = 4097 };
    char *table = malloc(COLUMNS * 8), *at = table;
    struct csv_reader reader;
    for (int i = 0; i < COLUMNS; i++) at += sprintf(at, "c%d,", i);
    at[-1] = '\n';
    temporary_put("wide.csv", table, (size_t)(at - table));
    expect_refusal(csv_reader_open(&reader, temporary_path("wide.csv")), "line 1: more than 4,096 columns");
    at = strrchr((at[-1] = '\0', table), ',');
    temporary_put("wide.csv", table, (size_t)(at - table));
    cr_expect_eq(csv_reader_open(&reader, temporary_path("wide.csv")), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(reader.columns, COLUMNS - 1);
    csv_reader_close(&reader);
    free(table);
}

Test(limits, texts_take_the_memory_of_their_length)
{
    char *text;
    temporary_put("short", "few", 3);
    temporary_put("empty", "", 0);
    allow_mebibytes(16);
    cr_assert_eq(file_read_text(&text, temporary_path("short"), 1 << 30), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_str_eq(text, "few");
    free(text);
    cr_assert_eq(file_read_text(&text, temporary_path("short"), 3), CGSV_OK, "%s", cgsv_last_error());
    free(text);
    cr_assert_eq(file_read_text(&text, temporary_path("empty"), 0), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_str_empty(text);
    free(text);
    expect_refusal(file_read_text(&text, temporary_path("short"), 2), "is longer than the 2 bytes");
    expect_refusal(file_read_text(&text, temporary_folder(), 1 << 30), "is not a file");
    cr_assert_eq(mkfifo(temporary_path("pipe"), 0600), 0); /* without a writer, for which one would wait */
    expect_refusal(file_read_text(&text, temporary_path("pipe"), 1 << 30), "is not a file");
    cr_expect_eq(file_read_text(&text, temporary_path("nothing"), 1), CGSV_ERROR_IO);
}

/* ---- what reaches a terminal ---- */

Test(limits, control_characters)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain, caf\xc3\xa9 \xe2\x80\x9c", "plain, caf\xc3\xa9 \xe2\x80\x9c"},
        {"\x1b[31mred\n\ttab\x7f", "?[31mred??tab?"},
        {"\xc2\x9b" "31m \xc2\xa0 \xc2", "??31m \xc2\xa0 \xc2"}, /* U+009B, which begins a sequence; a blank; a piece */
        {"\xc2\x80\xc2\x9f\x01", "?????"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        strcpy(text, cases[i].text);
        cr_expect_eq(printable(text), strcmp(cases[i].text, cases[i].shown) == 0, "case %zu", i);
        printable_make(text);
        cr_expect_str_eq(text, cases[i].shown, "case %zu", i);
        cr_expect(printable(text), "case %zu", i);
        error_say("'%s'", cases[i].text);
        cr_expect_eq(strlen(cgsv_last_error()), strlen(cases[i].shown) + 2, "case %zu", i);
        cr_expect(printable(cgsv_last_error()), "case %zu", i);
    }
}

Test(limits, error_of_a_cell)
{
    char line[256] = "0,failed";
    struct sweep_row row;
    for (int i = 0; i < SWEEP_NUMBERS; i++) strcat(line, ",");
    strcat(line, ",\"no \"\"\x1b[2J\"\"\"");
    cr_assert(sweep_row_read(&row, line, 0));
    cr_expect_str_eq(row.error, "no \"?[2J\"");
}

Test(limits, names_of_tables)
{
    static const char table[] = "a,b,c\nleave-one-out,1e+07,<script>\n";
    char text[16];
    bool row;
    struct csv_reader reader;
    temporary_put("table.csv", table, strlen(table));
    cr_assert_eq(csv_reader_open(&reader, temporary_path("table.csv")), CGSV_OK);
    cr_assert(csv_reader_next(&reader, &row) == CGSV_OK && row);
    cr_expect(csv_reader_name(&reader, "a", text, sizeof text) == CGSV_OK && strcmp(text, "leave-one-out") == 0);
    cr_expect(csv_reader_name(&reader, "b", text, sizeof text) == CGSV_OK && strcmp(text, "1e+07") == 0);
    expect_refusal(csv_reader_name(&reader, "c", text, sizeof text),
                   "line 2: '<script>' of column 'c' is neither a name nor a number");
    expect_refusal(csv_reader_name(&reader, "d", text, sizeof text), "has no column 'd'");
    csv_reader_close(&reader);
}
