/* Files of updates that cannot be used: each way in which one can be wrong, with the
 * message that the user gets, and files that change while they are read. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/npy.h"
#include "io/updates.h"
#include "updates_files.h"

TestSuite(refusals, .init = temporary_make, .fini = temporary_remove, .timeout = 60);

#define NPY(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"
#define F4(shape) NPY("'<f4'", "False", shape)

Test(refusals, npy_that_is_refused)
{
    /* Each with 16 bytes of data. */
    static const struct {
        const char *header, *message;
    } cases[] = {
        {NPY("'>f4'", "False", "(4,)"), "dtype '>f4' (big-endian numbers); expected '<f4', '<f8' or '<f2': save "
                                        "x.astype('<f4')"},
        {NPY("'<i4'", "False", "(4,)"), "dtype '<i4'; expected '<f4'"},
        {NPY("'|b1'", "False", "(16,)"), "dtype '|b1'; expected"},
        {NPY("'<c8'", "False", "(2,)"), "(complex numbers)"},
        {NPY("'<f16'", "False", "(1,)"), "dtype '<f16'; expected"},
        {NPY("'f4'", "False", "(4,)"), "dtype 'f4'; expected"},
        {NPY("''", "False", "(4,)"), "dtype ''; expected"},
        {NPY("'<'", "False", "(4,)"), "dtype '<'; expected"},
        {NPY("'|V2'", "False", "(8,)"), "perhaps bfloat16, which .safetensors can hold"},
        {NPY("'|O'", "False", "(4,)"), "Python objects (dtype object), which are never loaded"},
        {NPY("[('a', '<f4')]", "False", "(4,)"), "records (a structured dtype)"},
        {NPY("('<f4', (2,))", "False", "(2,)"), "records (a structured dtype)"},
        {NPY("'<f4'", "True", "(2, 2)"), "Fortran order (column after column); expected C order (row after row): save "
                                         "numpy.ascontiguousarray(x)"},
        {F4("()"), "an array of 0 dimensions; expected 2 (agents x parameters) or 1 (one agent)"},
        {F4("(1, 2, 2)"), "an array of 3 dimensions; expected 2 (agents x parameters) or 1 (one agent): save "
                          "x.reshape(agents, -1)"},
        {F4("(0, 4)"), "an empty array"},
        {F4("(4, 0)"), "an empty array"},
        {F4("(5,)"), "is too short: its shape needs 20 bytes of data, it has 16"},
        {F4("(3,)"), "is too long: its shape needs 12 bytes of data, it has 16"},
        {F4("(4611686018427387904, 4)"), "impossible shape"},
        {F4("(2147483648, 4294967296)"), "impossible shape"},
        {F4("(2305843009213693952,)"), "impossible shape"}, /* 2^63 bytes */
        {F4("(18446744073709551620,)"), "impossible shape"}, /* 2^64 + 4 */
        {F4("(4)"), "expected a comma behind the only size"},
        {F4("[4]"), "expected the shape in parentheses"},
        {F4("(-4,)"), "expected a whole number"},
        {F4("(4.0,)"), "expected a comma or a closing parenthesis"},
        {F4("(4 4)"), "expected a comma or a closing parenthesis"},
        {F4("(,)"), "expected a whole number"},
        {F4("(2+2,)"), "expected a comma or a closing parenthesis"},
        {NPY("'<f4'", "0", "(4,)"), "expected True or False"},
        {NPY("'\\x3cf4'", "False", "(4,)"), "expected the type as a string"},
        {NPY("'\x1b[2J'", "False", "(4,)"), "expected the type as a string"},
        {NPY("'<f4\"", "False", "(4,)"), "expected a comma or a closing brace"}, /* the string ends at the next ' */
        {NPY("'123456789012345678901234567890123456789012345'", "False", "(4,)"), "expected the type as a string"},
        {NPY("__import__('os')", "False", "(4,)"), "expected the type as a string at byte 10 of it; save"},
        {"{'descr': '<f4', 'fortran_order': False, }", "no 'shape'"},
        {"{'fortran_order': False, 'shape': (4,)}", "no 'descr'"},
        {"{'descr': '<f4', 'shape': (4,)}", "no 'fortran_order'"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", "'descr' twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}", "unknown key 'x'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} x", "expected nothing but blanks"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)", "expected a comma or a closing brace"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4", "expected a comma or a closing parenthesis"},
        {"{'descr': '<f4' 'fortran_order': False}", "expected a comma or a closing brace"},
        {"{'descr' '<f4'}", "expected a colon"},
        {"{,}", "expected a key as a string"},
        {"[]", "expected a Python dict"},
        {"", "expected a Python dict"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 1; version <= 3; version++)
            expect_refused(put_npy("a.npy", version, cases[i].header, "0123456789abcdef", 16), cases[i].message);
}

Test(refusals, npy_with_a_damaged_start_is_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"\x93NUMP", 5, "does not begin with \\x93NUMPY"},
        {"\x92NUMPY\1\0\0\0\0\0", 12, "does not begin with \\x93NUMPY"},
        {"\x93NUMPY", 6, "too short for a .npy file"},
        {"\x93NUMPY\1\0\0\0\0", 11, "too short for a .npy file"},
        {"\x93NUMPY\0\0\2\0{}", 12, "has .npy version 0.0; expected 1.0, 2.0 or 3.0"},
        {"\x93NUMPY\4\0\2\0\0\0{}", 14, "has .npy version 4.0"},
        {"\x93NUMPY\1\1\2\0{}", 12, "has .npy version 1.1"},
        {"\x93NUMPY\1\0\3\0{}", 12, "too short: its header needs 3 bytes, it has 2"},
        {"\x93NUMPY\1\0\xff\xff{}", 12, "claims a header of 65535 bytes; at most 10000"},
        {"\x93NUMPY\2\0\xff\xff\xff\xff{}", 14, "claims a header of 4294967295 bytes; at most 10000"},
        {"\x93NUMPY\3\0\x10\x27\0\0{}", 14, "too short: its header needs 10000 bytes, it has 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(put("a.npy", cases[i].bytes, cases[i].size, "", 0), cases[i].message);
}

Test(refusals, files_of_another_kind_are_refused)
{
    expect_refused(put("a.npz", "PK\3\4 and more bytes", 19, "", 0), "is a zip archive, such as .npz");
    expect_refused(put("a.txt", "1 2 3\n", 6, "", 0), "is neither .npy nor .safetensors");
    expect_refused(put("a.safetensors", "short", 5, "", 0), "has 5 bytes, too few for a safetensors file");
    expect_refused(put("empty.npy", "", 0, "", 0), "is empty");
    expect_refused(temporary_folder(), "is not a file");
    const char *pipe = temporary_path("pipe");
    cr_assert_eq(mkfifo(pipe, 0600), 0);
    expect_refused(pipe, "is not a file");
    const char *missing = temporary_path("missing.npy");
    expect_refused_as(CGSV_ERROR_IO, &missing, 1, NULL, "missing.npy': No such file");
    expect_refused_as(CGSV_ERROR_ARGUMENT, NULL, 0, NULL, "no files of updates");
}

#define TENSOR(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

Test(refusals, safetensors_that_are_refused)
{
    /* Each with 16 bytes of data. */
    static const struct {
        const char *header, *message;
    } cases[] = {
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[1,2]", "[8,16]") "}",
         "different shapes or types: 'a' [2] F32, 'b' [1, 2] F32; give all agents the same, or choose by --tensor"},
        {"{" TENSOR("a", "F32", "[3]", "[0,12]") "," TENSOR("b", "F32", "[1]", "[12,16]") "}",
         "different shapes or types: 'a' [3] F32, 'b' [1] F32"},
        {"{" TENSOR("a", "F16", "[4]", "[0,8]") "," TENSOR("b", "BF16", "[4]", "[8,16]") "}",
         "different shapes or types: 'a' [4] F16, 'b' [4] BF16"},
        {"{" TENSOR("a", "I64", "[2]", "[0,16]") "}",
         "tensor 'a' has dtype I64; updates must be F32, F64, F16 or BF16"},
        {"{" TENSOR("a", "U32", "[4]", "[0,16]") "}", "tensor 'a' has dtype U32; expected"},
        {"{" TENSOR("a", "F64", "[1,1,2]", "[0,16]") "}", "one tensor that is no matrix: 'a' [1, 1, 2] F64; reshape"},
        {"{" TENSOR("a", "F32", "[4]", "[0,16]") "," TENSOR("a", "F32", "[4]", "[0,16]") "}", "two tensors 'a'"},
        {"{" TENSOR("a", "F32", "[3]", "[0,12]") "," TENSOR("b", "F32", "[2]", "[8,16]") "}", "overlap"},
        {"{" TENSOR("a", "F32", "[1]", "[0,4]") "," TENSOR("b", "F32", "[1]", "[12,16]") "}", "gap"},
        {"{" TENSOR("a", "F32", "[5]", "[0,20]") "}", "offsets outside"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(put_safetensors("a", cases[i].header, "0123456789abcdef", 16), cases[i].message);

    expect_refused(put_safetensors("a", "{}", "", 0), "holds no tensors");
    expect_refused(put_safetensors("a", "{" TENSOR("a", "F32", "[]", "[0,4]") "}", "0123", 4), "no matrix: 'a' [] F32");
    expect_refused(put_safetensors("a", "{" TENSOR("a", "F32", "[0]", "[0,0]") "}", "", 0), "empty tensors: 'a' [0]");
    expect_refused(put_safetensors("a", "{" TENSOR("a", "F32", "[3,0]", "[0,0]") "}", "", 0), "empty tensors");
}

Test(refusals, only_some_candidates_are_listed)
{
    static const char *const names[] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"};
    expect_refused(put_tensors("a", names, 10, 2, (int64_t[]){2, 2}), "'m5' [2, 2] F32 and 4 more; choose");
}

Test(refusals, rounds_that_disagree_are_refused)
{
    const float values[6] = {0};
    const char *paths[2] = {temporary_path("a.npy"), temporary_path("b.npy")};
    cr_assert_eq(npy_write(paths[0], ELEMENT_FLOAT32, values, 3, 2), CGSV_OK);
    cr_assert_eq(npy_write(paths[1], ELEMENT_FLOAT32, values, 2, 3), CGSV_OK);
    expect_refused_as(CGSV_ERROR_DATA, paths, 2, NULL, "has 3 agents of 2 parameters, but '");
    const char *const first[] = {"ann", "bob"}, *const second[] = {"ann", "eve"};
    paths[0] = put_tensors("c", first, 2, 1, (int64_t[]){3});
    paths[1] = put_tensors("d", second, 2, 1, (int64_t[]){3});
    expect_refused_as(CGSV_ERROR_DATA, paths, 2, NULL, "agent 1 is 'bob' in '");
}

Test(refusals, a_file_that_changes_is_an_error_and_no_signal)
{
    static float values[30000], to[30000];
    const char *path = temporary_path("a.npy");
    cr_assert_eq(npy_write(path, ELEMENT_FLOAT32, values, 3, 10000), CGSV_OK);
    struct updates *updates;
    cr_assert_eq(updates_open(&updates, &path, 1, NULL), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(updates_columns(updates, 0, 0, 10000, to, 10000), CGSV_OK);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);

    cr_assert_eq(truncate(path, 5000), 0);
    cr_expect_eq(updates_columns(updates, 0, 0, 10000, to, 10000), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "a.npy' was changed while it was read (120128 bytes, now 5000)"), "%s",
              cgsv_last_error());

    cr_assert_eq(truncate(path, status.st_size), 0); /* the old size, but a later time */
    cr_assert_eq(utimensat(AT_FDCWD, path, (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
    cr_expect_eq(updates_columns_double(updates, 0, 0, 5, (double *)to, 5), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "was changed"), "%s", cgsv_last_error());

    cr_assert_eq(npy_write(path, ELEMENT_FLOAT32, values, 3, 10000), CGSV_OK); /* another file of the same name */
    cr_expect_eq(updates_columns(updates, 0, 0, 5, to, 5), CGSV_ERROR_IO);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(updates_columns(updates, 0, 0, 5, to, 5), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "No such file"), "%s", cgsv_last_error());
    updates_close(updates);
}

/* Cuts a file short and makes it whole again until told to stop. */
struct cutter {
    const char *path;
    off_t size;
    atomic_bool stop;
};

static void *cut(void *argument)
{
    struct cutter *c = argument;
    while (!c->stop)
        if (truncate(c->path, 5000) != 0 || truncate(c->path, c->size) != 0) return c; /* an error, for pthread_join */
    return NULL;
}

/* Whatever the moment, a file that another process cuts short is an error, never SIGBUS. */
Test(refusals, a_file_that_is_cut_short_while_it_is_read)
{
    static float values[300000], to[300000];
    struct cutter cutter = {.path = temporary_path("a.npy"), .size = 128 + sizeof values};
    cr_assert_eq(npy_write(cutter.path, ELEMENT_FLOAT32, values, 3, 100000), CGSV_OK);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, cut, &cutter), 0);
    int counts[CGSV_ERROR_INTERRUPTED + 1] = {0};
    for (int i = 0; i < 500; i++) {
        struct updates *updates;
        cgsv_status status = updates_open(&updates, &cutter.path, 1, NULL);
        if (status == CGSV_OK) status = updates_columns(updates, 0, 0, 100000, to, 100000);
        counts[status]++;
        updates_close(updates);
    }
    cutter.stop = true;
    void *failed;
    cr_assert_eq(pthread_join(thread, &failed), 0);
    cr_expect_null(failed);
    cr_expect_eq(counts[CGSV_OK] + counts[CGSV_ERROR_DATA] + counts[CGSV_ERROR_IO], 500);
    cr_expect_gt(counts[CGSV_ERROR_DATA] + counts[CGSV_ERROR_IO], 0);
}

/* Cut short in the midst of a reading: what is missing is a failed read. */
Test(refusals, a_short_read_is_an_error)
{
    struct file_reader reader;
    char bytes[100] = "";
    const char *path = put("a", bytes, 100, "", 0);
    cr_assert_eq(file_reader_open(&reader, path), CGSV_OK);
    cr_assert_eq(truncate(path, 60), 0);
    cr_expect_eq(file_read_at(&reader, 10, bytes, 50), CGSV_OK);
    cr_expect_eq(file_read_at(&reader, 10, bytes, 51), CGSV_ERROR_IO);
    cr_expect(strstr(cgsv_last_error(), "ends at byte 60, but had 100 bytes when it was opened"), "%s",
              cgsv_last_error());
    file_reader_close(&reader);
}
