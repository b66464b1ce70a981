/* Files: safetensors (round trip, golden data, hostile headers), atomic writing,
 * tables. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/csv.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "temporary.h"

TestSuite(io, .init = temporary_make, .fini = temporary_remove);

static int files_in_folder(void)
{
    char command[96];
    int count = -1;
    snprintf(command, sizeof command, "ls -A %s | wc -l", temporary_folder());
    FILE *pipe = popen(command, "r");
    cr_assert_eq(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

Test(io, safetensors_round_trip)
{
    const float weight[] = {1.5f, -2, 3e-38f, 4, 5, INFINITY};
    const float odd[] = {7, 8, 9};
    const double exact[] = {0.1, -1e300}; /* begins at an odd multiple of 4 bytes */
    const int64_t labels[] = {INT64_MIN, 0, INT64_MAX};
    const struct safetensors_tensor tensors[] = {
        {.name = "fc1.weight", .type = SAFETENSORS_F32, .dimensions = 2, .shape = {2, 3}, .data = weight},
        {.name = "odd \"quoted\"", .type = SAFETENSORS_F32, .dimensions = 1, .shape = {3}, .data = odd},
        {.name = "exact", .type = SAFETENSORS_F64, .dimensions = 1, .shape = {2}, .data = exact},
        {.name = "labels", .type = SAFETENSORS_I64, .dimensions = 3, .shape = {1, 3, 1}, .data = labels},
        {.name = "nothing", .type = SAFETENSORS_F32, .dimensions = 1, .shape = {0}, .data = NULL},
        {.name = "scalar", .type = SAFETENSORS_F64, .dimensions = 0, .data = exact},
    };
    const struct safetensors_metadata metadata[] = {{"lr", "0.15"}, {"note", "line\nbreak"}};
    const char *path = temporary_path("a.safetensors");
    cr_assert_eq(safetensors_write(path, tensors, 6, metadata, 2), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(files_in_folder(), 1, "no temporary stays");

    struct safetensors *file;
    cr_assert_eq(safetensors_open(&file, path), CGSV_OK, "%s", cgsv_last_error());
    const struct safetensors_tensor *list;
    cr_expect_eq(safetensors_list(file, &list), 6);
    for (int i = 0; i < 6; i++) {
        const struct safetensors_tensor *found = safetensors_find(file, tensors[i].name);
        cr_assert_not_null(found, "%s", tensors[i].name);
        cr_expect_eq(found->type, tensors[i].type);
        cr_assert_eq(found->dimensions, tensors[i].dimensions);
        int64_t elements = 1;
        for (int k = 0; k < found->dimensions; k++) {
            cr_expect_eq(found->shape[k], tensors[i].shape[k]);
            elements *= found->shape[k];
        }
        cr_expect_eq(found->elements, elements);
        size_t size = found->type == SAFETENSORS_F32 ? 4 : 8;
        cr_expect_eq((uintptr_t)found->data % size, 0);
        if (elements > 0) cr_expect_eq(memcmp(found->data, tensors[i].data, size * (size_t)elements), 0);
    }
    cr_expect_str_eq(safetensors_metadata_value(file, "lr"), "0.15");
    cr_expect_str_eq(safetensors_metadata_value(file, "note"), "line\nbreak");
    cr_expect_null(safetensors_metadata_value(file, "missing"));
    cr_expect_null(safetensors_find(file, "missing"));
    safetensors_close(file);
    safetensors_close(NULL);

    FILE *stream = fopen(path, "rb");
    cr_expect_eq(fgetc(stream) % 8, 0, "the header is padded to 8 bytes");
    fclose(stream);
}

Test(io, safetensors_without_metadata_or_tensors)
{
    struct safetensors *file;
    cr_assert_eq(safetensors_write(temporary_path("empty"), NULL, 0, NULL, 0), CGSV_OK);
    cr_assert_eq(safetensors_open(&file, temporary_path("empty")), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_null(safetensors_find(file, "a"));
    cr_expect_null(safetensors_metadata_value(file, "a"));
    safetensors_close(file);
}

Test(io, safetensors_golden)
{
    const char *environment = getenv("CGSV_SHARED");
    const char *places[] = {environment, "../shared", "../../shared"};
    char path[512];
    struct safetensors *file = NULL;
    for (int i = 0; i < 3 && !file; i++) {
        if (!places[i]) continue;
        snprintf(path, sizeof path, "%s/golden/shapley_exact.safetensors", places[i]);
        if (!file_exists(path)) continue;
        cr_assert_eq(safetensors_open(&file, path), CGSV_OK, "%s", cgsv_last_error());
    }
    if (!file) cr_skip_test("golden data not found; set CGSV_SHARED");

    /* c1.weight is F64 and lies at an odd multiple of 4 bytes. */
    cr_expect_str_eq(safetensors_metadata_value(file, "cases"), "9");
    const struct safetensors_tensor *exact = safetensors_find(file, "c1.shapley");
    const struct safetensors_tensor *weight = safetensors_find(file, "c1.weight");
    cr_assert(exact && weight);
    cr_assert(exact->type == SAFETENSORS_F64 && weight->type == SAFETENSORS_F64);
    const double *values = exact->data;
    double sum = 0;
    for (int64_t i = 0; i < exact->elements; i++) sum += values[i];
    cr_expect(fabs(sum - 1) < 1e-12, "Shapley values sum to 1, not %g", sum);
    safetensors_close(file);
}

/* Writes a file with the given header length, header and `data` zero bytes. */
static const char *write_raw(uint64_t length, const char *header, size_t header_bytes, size_t data)
{
    const char *path = temporary_path("hostile");
    FILE *stream = fopen(path, "wb");
    for (int i = 0; i < 8; i++) fputc((int)(length >> (8 * i) & 255), stream);
    fwrite(header, 1, header_bytes, stream);
    for (size_t i = 0; i < data; i++) fputc(0, stream);
    cr_assert_eq(fclose(stream), 0);
    return path;
}

static void expect_refused(const char *path, const char *message)
{
    struct safetensors *file;
    cgsv_status status = safetensors_open(&file, path);
    cr_expect_eq(status, CGSV_ERROR_DATA, "'%s' gave status %d", message, status);
    cr_expect_null(file);
    cr_expect(strstr(cgsv_last_error(), message), "expected '%s' in '%s'", message, cgsv_last_error());
    safetensors_close(file);
}

Test(io, safetensors_hostile_headers)
{
    /* Each with 16 bytes of data. */
    static const struct {
        const char *header, *message;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}", "valid JSON"},
        {"[1,2]", "valid JSON"},
        {"{} x", "valid JSON"},
        {"", "valid JSON"},
        {"{\"a\":3}", "dtype"},
        {"{\"a\":null}", "dtype"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}", "has dtype U8; expected F32, F64, F16"},
        {"{\"a\":{\"dtype\":\"U\\u001b[2J\",\"shape\":[16],\"data_offsets\":[0,16]}}", "has dtype (none)"},
        {"{\"a\":{\"dtype\":32,\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,4],\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4.5],\"data_offsets\":[0,16]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e400],\"data_offsets\":[0,16]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"4\"],\"data_offsets\":[0,16]}}", "impossible shape"},
        /* 2^33 · 2^33 wraps to 4, and 2^62 · 4 bytes to 0, in 64 bits */
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[8589934592,8589934592],\"data_offsets\":[0,16]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2147483648,2147483648],\"data_offsets\":[0,0]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[4294967296,2147483648],\"data_offsets\":[0,0]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,16]}}", "its shape needs 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"shape\":[2],\"data_offsets\":[0,16]}}", "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16,16]}}", "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}", "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}", "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[1e30,1e30]}}", "offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", "its shape needs 12"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "16 bytes of data"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", "gap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", "overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "two tensors 'a'"},
        {"{\"a\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "unprintable"},
        {"{\"a\\u009b2J\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "unprintable"},
        {"{\"__metadata__\":[]}", "__metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", "__metadata__"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].header);
        expect_refused(write_raw(length, cases[i].header, length, 16), cases[i].message);
    }
}

Test(io, safetensors_hostile_lengths)
{
    expect_refused(write_raw(UINT64_MAX, "{}", 2, 0), "at most");
    expect_refused(write_raw((uint64_t)1 << 40, "{}", 2, 0), "at most");
    expect_refused(write_raw(3, "{}", 2, 0), "truncated");
    expect_refused(write_raw(100000, "{}", 2, 0), "truncated");

    const char *path = temporary_path("short");
    FILE *stream = fopen(path, "wb");
    fputs("1234567", stream);
    fclose(stream);
    expect_refused(path, "too few");
    fclose(fopen(path, "wb"));
    expect_refused(path, "empty");
    expect_refused(temporary_folder(), "not a file");

    struct safetensors *file;
    cr_expect_eq(safetensors_open(&file, temporary_path("missing")), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "No such file"));
}

Test(io, safetensors_deep_json)
{
    enum { DEPTH = 1000000 };
    char *header = malloc(DEPTH + 8);
    int used = sprintf(header, "{\"a\":");
    memset(header + used, '[', DEPTH);
    size_t length = (size_t)used + DEPTH;
    expect_refused(write_raw(length, header, length, 0), "valid JSON");
    free(header);
}

Test(io, file_is_replaced_whole_or_not_at_all)
{
    const char *path = temporary_path("text");
    cr_assert_eq(file_write_text(path, "old"), CGSV_OK);

    struct file_writer writer;
    cr_assert_eq(file_begin(&writer, path), CGSV_OK);
    cr_assert_eq(file_write(&writer, "new", 3), CGSV_OK);
    file_abort(&writer);
    char *text;
    cr_assert_eq(file_read_text(&text, path, 100), CGSV_OK);
    cr_expect_str_eq(text, "old");
    free(text);

    cr_assert_eq(file_write_text(path, "new"), CGSV_OK);
    cr_assert_eq(file_read_text(&text, path, 3), CGSV_OK);
    cr_expect_str_eq(text, "new");
    free(text);
    cr_expect_eq(file_read_text(&text, path, 2), CGSV_ERROR_DATA);
    cr_expect_null(text);
    cr_expect_eq(files_in_folder(), 1);
}

Test(io, failure_to_write_names_path_and_reason)
{
    const float value = 1;
    const struct safetensors_tensor tensor = {
        .name = "a", .type = SAFETENSORS_F32, .dimensions = 1, .shape = {1}, .data = &value};
    cr_expect_eq(safetensors_write(temporary_path("missing/a"), &tensor, 1, NULL, 0), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "missing/a': No such file or directory"), "%s", cgsv_last_error());

    cr_assert_eq(file_make_folder(temporary_path("target/x")), CGSV_OK);
    cr_expect_eq(file_write_text(temporary_path("target"), "text"), CGSV_ERROR_IO, "a folder is not replaced");
    cr_expect_eq(files_in_folder(), 1, "the temporary is removed");
}

/* A limit on the size of files stands for a disk that is full. */
static void limit_file_size(rlim_t bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, bytes}), 0);
}

Test(io, full_disk_leaves_the_old_file)
{
    const char *path = temporary_path("text");
    char *large = calloc(1, 200001);
    memset(large, 'x', 200000);
    cr_assert_eq(file_write_text(path, "old"), CGSV_OK);
    limit_file_size(4096);
    cr_expect_eq(file_write_text(path, large), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "File too large"), "%s", cgsv_last_error());
    free(large);
    char *text;
    cr_assert_eq(file_read_text(&text, path, 100), CGSV_OK);
    cr_expect_str_eq(text, "old");
    free(text);
    cr_expect_eq(files_in_folder(), 1, "the temporary is removed");
}

Test(io, folders)
{
    cr_expect_eq(file_make_folder(temporary_path("a/b/c/")), CGSV_OK);
    cr_expect_eq(file_make_folder(temporary_path("a/b/c")), CGSV_OK);
    cr_assert_eq(file_write_text(temporary_path("a/file"), ""), CGSV_OK);
    cr_expect_eq(file_make_folder(temporary_path("a/file")), CGSV_ERROR_IO);
    cr_expect_eq(file_make_folder(temporary_path("a/file/b")), CGSV_ERROR_IO);
    char *path;
    cr_assert_eq(file_join(&path, "a/", "b"), CGSV_OK);
    cr_expect_str_eq(path, "a/b");
    free(path);
}

Test(io, csv_rows)
{
    struct csv csv;
    char *text;
    const char *path = temporary_path("rows.csv");
    cr_assert_eq(csv_create(&csv, path, "a,b,c"), CGSV_OK, "%s", cgsv_last_error());
    csv_integer(&csv, INT64_MIN);
    csv_number(&csv, 0.1f);
    csv_number(&csv, NAN);
    csv_end_row(&csv);
    cr_assert_eq(file_read_text(&text, path, 1000), CGSV_OK);
    cr_expect_str_eq(text, "a,b,c\n", "rows wait for the flush");
    free(text);
    cr_assert_eq(csv_flush(&csv), CGSV_OK);
    csv_number(&csv, -INFINITY);
    csv_text(&csv, "free-riders");
    csv_number(&csv, NAN);
    csv_end_row(&csv);
    cr_assert_eq(csv_close(&csv), CGSV_OK);
    csv_free(&csv);
    cr_assert_eq(file_read_text(&text, path, 1000), CGSV_OK);
    cr_expect_str_eq(text, "a,b,c\n-9223372036854775808,0.100000001,\n-inf,free-riders,\n");
    free(text);
}

Test(io, csv_on_a_full_disk_keeps_whole_rows)
{
    struct csv csv;
    cr_assert_eq(csv_create(&csv, temporary_path("rows.csv"), "a,b"), CGSV_OK);
    limit_file_size(1000);
    cgsv_status status = CGSV_OK;
    int flushed = 0;
    for (int i = 0; i < 1000 && status == CGSV_OK; i++) {
        csv_integer(&csv, 1234567);
        csv_integer(&csv, 7654321);
        csv_end_row(&csv);
        status = csv_flush(&csv);
        flushed += status == CGSV_OK;
    }
    cr_expect_eq(status, CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "rows.csv"), "%s", cgsv_last_error());
    csv_free(&csv);
    struct stat file;
    cr_assert_eq(stat(temporary_path("rows.csv"), &file), 0);
    cr_expect_eq(file.st_size, 4 + 16 * flushed);
    cr_expect_eq(flushed, 62);
}
