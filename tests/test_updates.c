/* Updates from files: 16-bit numbers against arithmetic in double, .npy and
 * .safetensors in every type and shape, agents by name, many rounds. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/half.h"
#include "io/npy.h"
#include "io/updates.h"
#include "updates_files.h"

TestSuite(updates, .init = temporary_make, .fini = temporary_remove, .timeout = 60);

/* ---- 16-bit numbers ---- */

/* From the definition: (-1)^s 2^(e-15) (1 + f/1024), and 2^-14 f/1024 for e = 0. */
static double half_value(unsigned bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits >> 15 ? -1 : 1;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static double bfloat16_value(unsigned bits)
{
    const int exponent = bits >> 7 & 255, fraction = bits & 127;
    const double sign = bits >> 15 ? -1 : 1;
    if (exponent == 255) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(128 + fraction, exponent - 134) : ldexp(fraction, -133));
}

static bool same_number(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b);
}

Test(updates, all_16_bit_numbers)
{
    for (unsigned bits = 0; bits < 65536; bits++) {
        const float half = float_from_half((uint16_t)bits), brain = float_from_bfloat16((uint16_t)bits);
        if (!same_number(half, half_value(bits))) cr_expect(false, "float16 %04x became %a", bits, (double)half);
        if (!same_number(brain, bfloat16_value(bits))) cr_expect(false, "bfloat16 %04x became %a", bits, (double)brain);
        const unsigned back = half_from_float(half);
        const bool kept = isnan(half) ? isnan(half_value(back)) : back == bits;
        if (!kept) cr_expect(false, "%04x came back as %04x", bits, back);
    }
}

/* Around every midpoint of two neighbours: below it the lower, above it the upper, on
 * it the even one. The neighbour of 65504 is 65536, which is infinity. */
Test(updates, half_rounds_to_nearest_even)
{
    for (unsigned low = 0; low < 0x7c00; low++) {
        const double a = half_value(low), b = low == 0x7bff ? 65536 : half_value(low + 1);
        const float middle = (float)((a + b) / 2); /* exact: one bit more than a half */
        const unsigned even = low % 2 ? low + 1 : low;
        for (unsigned sign = 0; sign <= 0x8000; sign += 0x8000) {
            const float s = sign ? -1 : 1;
            const unsigned below = half_from_float(s * nextafterf(middle, 0));
            const unsigned at = half_from_float(s * middle), above = half_from_float(s * nextafterf(middle, INFINITY));
            if (below != (low | sign) || at != (even | sign) || above != ((low + 1) | sign))
                cr_expect(false, "around %a: %04x %04x %04x", (double)middle, below, at, above);
        }
    }
    cr_expect_eq(half_from_float(1e30f), 0x7c00);
    cr_expect_eq(half_from_float(-INFINITY), 0xfc00);
    cr_expect_eq(half_from_float(1e-30f), 0);
}

/* ---- reading ---- */

static struct updates *open_one(const char *path, const char *tensor)
{
    struct updates *updates;
    cr_assert_eq(updates_open(&updates, &path, 1, tensor), CGSV_OK, "%s", cgsv_last_error());
    return updates;
}

static void expect_shape(const struct updates *updates, int rounds, int64_t agents, int64_t dimension)
{
    cr_expect_eq(updates_rounds(updates), rounds);
    cr_expect_eq(updates_agents(updates), agents);
    cr_expect_eq(updates_dimension(updates), dimension);
}

/* Reads columns in chunks of `chunk` with gaps between the rows, in both types;
 * number(first + agent * dimension + column) must be there and the gaps untouched. */
static void expect_numbers(const struct updates *updates, int round, int64_t chunk, int64_t first)
{
    enum { GAP = 3 };
    const int64_t agents = updates_agents(updates), dimension = updates_dimension(updates), stride = chunk + GAP;
    float *narrow = malloc((size_t)(agents * stride) * sizeof *narrow);
    double *wide = malloc((size_t)(agents * stride) * sizeof *wide);
    int64_t wrong = 0;
    for (int64_t begin = 0; begin < dimension; begin += chunk) {
        const int64_t count = dimension - begin < chunk ? dimension - begin : chunk;
        for (int64_t k = 0; k < agents * stride; k++) wide[k] = narrow[k] = 1e30f;
        cr_assert_eq(updates_columns(updates, round, begin, count, narrow, stride), CGSV_OK, "%s", cgsv_last_error());
        cr_assert_eq(updates_columns_double(updates, round, begin, count, wide, stride), CGSV_OK);
        for (int64_t k = 0; k < agents * stride; k++) {
            const int64_t column = k % stride;
            const double value = number(first + k / stride * dimension + begin + column);
            wrong += column < count ? narrow[k] != value || wide[k] != value : narrow[k] != 1e30f || wide[k] != 1e30f;
        }
    }
    cr_expect_eq(wrong, 0, "%lld wrong numbers", (long long)wrong);
    free(narrow);
    free(wide);
}

static const struct {
    int64_t agents, dimension;
} shapes[] = {{1, 1}, {7, 1}, {1, 13}, {3, 31}, {2, 8192}, {4, 8193}, {1, 20011}};

Test(updates, npy_of_every_type_and_shape)
{
    static const struct {
        const char *descr;
        enum element type;
    } types[] = {
        {"<f4", ELEMENT_FLOAT32}, {"=f4", ELEMENT_FLOAT32}, {"<f8", ELEMENT_FLOAT64}, {"<f2", ELEMENT_FLOAT16}};
    static double bytes[MOST];
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const int64_t agents = shapes[s].agents, dimension = shapes[s].dimension;
            char header[128];
            /* in versions 1 to 3, aligned in the file and not */
            const int version = (int)(s % 3) + 1;
            snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%lld, %lld), }%*s\n",
                     types[t].descr, (long long)agents, (long long)dimension, (int)s, "");
            fill(bytes, types[t].type, agents * dimension);
            const size_t size = element_size(types[t].type) * (size_t)(agents * dimension);
            struct updates *updates = open_one(put_npy("a", version, header, bytes, size), NULL);
            expect_shape(updates, 1, agents, dimension);
            cr_expect_eq(updates_element(updates), types[t].type);
            cr_expect_null(updates_agent_name(updates, 0));
            expect_numbers(updates, 0, dimension, 0);
            expect_numbers(updates, 0, (dimension + 2) / 3, 0);
            updates_close(updates);
        }
}

Test(updates, npy_headers_as_written_by_others)
{
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
        "{\"shape\":(6,),\"fortran_order\":False,\"descr\":\"<f4\"}   \n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6L,), }\n",
        "  { 'shape' : ( 1 , 6 , ) , 'descr' : '<f4' , 'fortran_order' : False }\n",
    };
    float values[6];
    fill(values, ELEMENT_FLOAT32, 6);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct updates *updates = open_one(put_npy("a.npy", 1, headers[i], values, sizeof values), NULL);
        expect_shape(updates, 1, 1, 6);
        expect_numbers(updates, 0, 4, 0);
        updates_close(updates);
    }
}

Test(updates, npy_is_written_as_numpy_does)
{
    const double wide[] = {1, -2.5, 1e300, 0, INFINITY, 3};
    const float narrow[] = {1, -2.5f, 3e38f, 0, 5, 3};
    const char *path = temporary_path("a.npy");
    double back[6];
    float back_narrow[6];
    cr_assert_eq(npy_write(path, ELEMENT_FLOAT64, wide, 2, 3), CGSV_OK, "%s", cgsv_last_error());
    struct updates *updates = open_one(path, NULL);
    expect_shape(updates, 1, 2, 3);
    cr_assert_eq(updates_columns_double(updates, 0, 0, 3, back, 3), CGSV_OK);
    cr_expect_eq(memcmp(back, wide, sizeof wide), 0);
    cr_assert_eq(updates_columns(updates, 0, 0, 3, back_narrow, 3), CGSV_OK);
    cr_expect(isinf(back_narrow[2]), "beyond float's range");
    updates_close(updates);

    cr_assert_eq(npy_write(path, ELEMENT_FLOAT32, narrow, 3, 2), CGSV_OK);
    updates = open_one(path, NULL);
    expect_shape(updates, 1, 3, 2);
    cr_assert_eq(updates_columns(updates, 0, 0, 2, back_narrow, 2), CGSV_OK);
    cr_expect_eq(memcmp(back_narrow, narrow, sizeof narrow), 0);
    updates_close(updates);

    /* The bytes that numpy.save writes for this array. */
    char bytes[152], expected[128];
    FILE *stream = fopen(path, "rb");
    cr_assert_eq(fread(bytes, 1, sizeof bytes, stream), sizeof bytes);
    fclose(stream);
    snprintf(expected, sizeof expected, "\x93NUMPY\x01%cv%c%-117s", 1, 1,
             "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }");
    expected[7] = expected[9] = 0;
    expected[127] = '\n';
    cr_expect_eq(memcmp(bytes, expected, sizeof expected), 0);

    cr_expect_eq(npy_write(temporary_path("missing/a"), ELEMENT_FLOAT32, narrow, 3, 2), CGSV_ERROR_IO);
}

Test(updates, safetensors_matrix_of_every_type)
{
    static const struct {
        const char *dtype;
        enum element type;
    } types[] = {
        {"F32", ELEMENT_FLOAT32}, {"F64", ELEMENT_FLOAT64}, {"F16", ELEMENT_FLOAT16}, {"BF16", ELEMENT_BFLOAT16}};
    static double bytes[MOST];
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const int64_t agents = shapes[s].agents, dimension = shapes[s].dimension;
            const size_t size = element_size(types[t].type) * (size_t)(agents * dimension);
            char header[128];
            snprintf(header, sizeof header,
                     "{\"u\":{\"dtype\":\"%s\",\"shape\":[%lld,%lld],\"data_offsets\":[0,%zu]}}%*s", types[t].dtype,
                     (long long)agents, (long long)dimension, size, (int)s, "");
            fill(bytes, types[t].type, agents * dimension);
            struct updates *updates = open_one(put_safetensors("a", header, bytes, size), NULL);
            expect_shape(updates, 1, agents, dimension);
            cr_expect_eq(updates_element(updates), types[t].type);
            expect_numbers(updates, 0, dimension, 0);
            expect_numbers(updates, 0, (dimension + 2) / 3, 0);
            updates_close(updates);
        }
}

Test(updates, one_tensor_per_agent_in_natural_order)
{
    static const char *const names[] = {"a", "agent_0", "agent_1", "agent_01", "agent_2", "agent_2x", "agent_009",
                                        "agent_10", "agent_10.1", "agent_10.12", "agent_123456789012345678901234",
                                        "agent_x", "b"};
    enum { COUNT = sizeof names / sizeof *names };
    const char *path = put_tensors("a", names, COUNT, 1, (int64_t[]){17});
    struct updates *updates = open_one(path, NULL);
    expect_shape(updates, 1, COUNT, 17);
    static const char *const sorted[] = {"a", "agent_0", "agent_01", "agent_1", "agent_2", "agent_2x", "agent_009"};
    for (int i = 0; i < 7; i++) cr_expect_str_eq(updates_agent_name(updates, i), sorted[i]);
    for (int i = 7; i < COUNT; i++) cr_expect_str_eq(updates_agent_name(updates, i), names[i]);
    updates_close(updates);

    updates = open_one(path, "agent_2"); /* the one of that very name, not agent_2x too */
    expect_shape(updates, 1, 1, 17);
    expect_numbers(updates, 0, 5, 4 * 17);
    updates_close(updates);
    updates = open_one(path, "agent_10.");
    expect_shape(updates, 1, 2, 17);
    expect_numbers(updates, 0, 5, 8 * 17);
    updates_close(updates);

    const char *const backwards[] = {"agent_10", "agent_9", "agent_1"};
    updates = open_one(put_tensors("b", backwards, 3, 3, (int64_t[]){2, 3, 1}), NULL);
    expect_shape(updates, 1, 3, 6);
    float values[18];
    cr_assert_eq(updates_columns(updates, 0, 0, 6, values, 6), CGSV_OK);
    for (int k = 0; k < 18; k++) cr_expect_eq(values[k], number((2 - k / 6) * 6 + k % 6));
    updates_close(updates);
}

Test(updates, a_tensor_is_chosen_among_several)
{
    const char *const rounds[] = {"round_0", "round_1"};
    const char *path = put_tensors("a", rounds, 2, 2, (int64_t[]){4, 5});
    expect_refused(path, "holds several matrices: 'round_0' [4, 5] F32, 'round_1' [4, 5] F32; choose one (agents x "
                         "parameters) by --tensor NAME");
    struct updates *updates = open_one(path, "round_1");
    expect_shape(updates, 1, 4, 5);
    cr_expect_null(updates_agent_name(updates, 0));
    expect_numbers(updates, 0, 2, 20);
    updates_close(updates);
    updates = open_one(path, "round_");
    expect_shape(updates, 1, 2, 20);
    cr_expect_str_eq(updates_agent_name(updates, 1), "round_1");
    expect_numbers(updates, 0, 7, 0);
    updates_close(updates);

    expect_refused_as(CGSV_ERROR_ARGUMENT, &path, 1, "agent", "has none whose name begins with 'agent', but 'round_0' "
                                                              "[4, 5] F32, 'round_1' [4, 5] F32");
    const char *npy = put_npy("b.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "1234", 4);
    expect_refused_as(CGSV_ERROR_ARGUMENT, &npy, 1, "x", "leave --tensor out");
}

Test(updates, many_rounds_of_several_types)
{
    enum { ROUNDS = 1500 }; /* more than the files that a process may have open */
    const char *paths[ROUNDS];
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){256, 256}), 0);
    float narrow[12];
    double wide[12];
    fill(narrow, ELEMENT_FLOAT32, 12);
    fill(wide, ELEMENT_FLOAT64, 12);
    cr_assert_eq(npy_write(temporary_path("narrow.npy"), ELEMENT_FLOAT32, narrow, 3, 4), CGSV_OK);
    cr_assert_eq(npy_write(temporary_path("wide.npy"), ELEMENT_FLOAT64, wide, 3, 4), CGSV_OK);
    const char *const names[] = {"x", "y", "z"};
    put_tensors("names", names, 3, 1, (int64_t[]){4});
    char copies[3][128];
    for (int i = 0; i < 3; i++)
        strcpy(copies[i], temporary_path(i == 0 ? "narrow.npy" : i == 1 ? "wide.npy" : "names"));
    for (int r = 0; r < ROUNDS; r++) paths[r] = copies[r % 3];
    struct updates *updates;
    cr_assert_eq(updates_open(&updates, paths, ROUNDS, NULL), CGSV_OK, "%s", cgsv_last_error());
    expect_shape(updates, ROUNDS, 3, 4);
    cr_expect_eq(updates_element(updates), ELEMENT_FLOAT64);
    cr_expect_str_eq(updates_agent_name(updates, 2), "z");
    for (int r = 0; r < ROUNDS; r++) expect_numbers(updates, r, 3, 0);
    updates_close(updates);
    updates_close(NULL);
}

/* A sparse file far larger than memory: opening and reading its end takes neither
 * time nor room. */
Test(updates, a_file_larger_than_memory)
{
    const int64_t agents = 8, dimension = INT64_C(1) << 40;
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 1099511627776)}";
    const char *path = put_npy("a.npy", 1, header, "", 0);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    const off_t end = status.st_size + 4 * agents * dimension;
    if (truncate(path, end) != 0) cr_skip_test("the file system has no files of 35 TB");
    FILE *stream = fopen(path, "r+b");
    const float last = 42;
    cr_assert_eq(fseeko(stream, end - 4, SEEK_SET), 0);
    cr_assert_eq(fwrite(&last, sizeof last, 1, stream), 1);
    cr_assert_eq(fclose(stream), 0);
    float to[8][3];
    struct updates *updates = open_one(path, NULL);
    cr_expect_eq(updates_columns(updates, 0, dimension - 3, 3, to[0], 3), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(to[7][2], 42);
    cr_expect_eq(to[0][0], 0);
    updates_close(updates);
}
