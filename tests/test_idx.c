/* MNIST: tiny files made here, each way in which a file can be wrong, and the real set where it is. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "cgsv/dataset.h"
#include "data/readers.h"
#include "data_checks.h"
#include "temporary.h"

TestSuite(idx, .timeout = 120);

static void put_big_endian(uint8_t *b, uint32_t v)
{
    for (int i = 0; i < 4; i++) b[i] = (uint8_t)(v >> (24 - 8 * i));
}

enum { PIXELS = 28 * 28, SAMPLES = 3, PICTURES_SIZE = 16 + SAMPLES * PIXELS, LABELS_SIZE = 8 + SAMPLES };

/* A well-formed pair of files to spoil. */
struct mnist_files {
    uint8_t pictures[PICTURES_SIZE + 1], labels[LABELS_SIZE + 1];
    size_t pictures_size, labels_size;
};

static struct mnist_files good_files(void)
{
    struct mnist_files f = {.pictures_size = PICTURES_SIZE, .labels_size = LABELS_SIZE};
    put_big_endian(f.pictures, 0x803);
    put_big_endian(f.pictures + 4, SAMPLES);
    put_big_endian(f.pictures + 8, 28);
    put_big_endian(f.pictures + 12, 28);
    for (int i = 0; i < SAMPLES * PIXELS; i++) f.pictures[16 + i] = (uint8_t)(i * 7 % 251);
    put_big_endian(f.labels, 0x801);
    put_big_endian(f.labels + 4, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) f.labels[8 + i] = (uint8_t)(9 - i);
    return f;
}

static void put_train(const struct mnist_files *f, const char *pictures, const char *labels)
{
    temporary_put(pictures, f->pictures, f->pictures_size);
    temporary_put(labels, f->labels, f->labels_size);
}

static void put_test(void)
{
    struct mnist_files f = good_files();
    temporary_put("t10k-images-idx3-ubyte", f.pictures, f.pictures_size);
    temporary_put("t10k-labels-idx1-ubyte", f.labels, f.labels_size);
}

/* Spoiled training files beside a good test split. */
static void expect_mnist_error(const struct mnist_files *f, cgsv_status expected, const char *part)
{
    put_train(f, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    put_test();
    expect_load_error("mnist", expected, part);
}

static void check_tiny_mnist(const char *directory)
{
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "mnist", directory), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_str_eq(d->name, "mnist");
    cr_expect(d->channels == 1 && d->height == 32 && d->width == 32 && d->classes == 10);
    cr_expect(d->train.samples == SAMPLES && d->test.samples == SAMPLES);

    struct mnist_files f = good_files();
    double sum = 0, squares = 0;
    for (int i = 0; i < SAMPLES * PIXELS; i++) sum += f.pictures[16 + i];
    const double mean = sum / (SAMPLES * 1024);
    for (int i = 0; i < SAMPLES * PIXELS; i++) squares += pow(f.pictures[16 + i] - mean, 2);
    squares += SAMPLES * (1024 - PIXELS) * mean * mean;
    const double deviation = sqrt(squares / (SAMPLES * 1024));
    for (int i = 0; i < SAMPLES; i++) {
        cr_expect_eq(d->train.y[i], 9 - i);
        for (int r = 0; r < 32; r++) {
            for (int c = 0; c < 32; c++) {
                const bool inside = r >= 2 && r < 30 && c >= 2 && c < 30;
                const double byte = inside ? f.pictures[16 + i * PIXELS + (r - 2) * 28 + c - 2] : 0;
                const double got = (double)d->train.x[(i * 32 + r) * 32 + c];
                cr_assert(fabs(got - (byte - mean) / deviation) < 1e-6, "sample %d row %d column %d", i, r, c);
            }
        }
    }
    cgsv_dataset_free(d);
}

Test(idx, mnist_plain, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    put_train(&f, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    put_test();
    check_tiny_mnist(temporary_folder());
    setenv("CGSV_DATA", temporary_folder(), 1);
    check_tiny_mnist(NULL);
}

Test(idx, mnist_gz_with_dots_in_a_folder_of_its_name, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    cr_assert_eq(mkdir(temporary_path("mnist"), 0777), 0);
    put_train(&f, "mnist/train-images.idx3-ubyte.gz", "mnist/train-labels.idx1-ubyte.gz");
    put_test();
    check_tiny_mnist(temporary_folder());
}

Test(idx, mnist_constant_pictures_are_zeros_not_nan, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    memset(f.pictures + 16, 0, SAMPLES * PIXELS);
    put_train(&f, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    put_test();
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "mnist", temporary_folder()), CGSV_OK);
    for (int i = 0; i < SAMPLES * 1024; i++) cr_assert(d->train.x[i] == 0);
    cgsv_dataset_free(d);
}

Test(idx, mnist_missing, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    expect_load_error("mnist", CGSV_ERROR_IO, "train-images-idx3-ubyte");
    temporary_put("train-images-idx3-ubyte", f.pictures, f.pictures_size);
    expect_load_error("mnist", CGSV_ERROR_IO, "train-labels-idx1-ubyte");
    temporary_put("train-labels-idx1-ubyte", f.labels, f.labels_size);
    expect_load_error("mnist", CGSV_ERROR_IO, "t10k-images-idx3-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), temporary_folder()));
    cr_expect_not_null(strstr(cgsv_last_error(), "download.sh mnist"));
    setenv("CGSV_DATA", "/nonexistent", 1);
    cgsv_dataset *d = NULL;
    expect_error(cgsv_dataset_load(&d, "mnist", NULL), CGSV_ERROR_IO, "/nonexistent/mnist");
}

Test(idx, mnist_a_folder_for_a_file, .init = temporary_make, .fini = temporary_remove)
{
    cr_assert_eq(mkdir(temporary_path("train-images-idx3-ubyte"), 0777), 0);
    expect_load_error("mnist", CGSV_ERROR_IO, "train-images-idx3-ubyte");
}

Test(idx, mnist_truncated, .init = temporary_make, .fini = temporary_remove)
{
    static const size_t cuts[] = {0, 3, 4, 15, 16, PICTURES_SIZE - 1};
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        struct mnist_files f = good_files();
        f.pictures_size = cuts[c];
        expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte");
        cr_expect_not_null(strstr(cgsv_last_error(), "truncated"), "%s", cgsv_last_error());
    }
    struct mnist_files f = good_files();
    f.labels_size--;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
}

Test(idx, mnist_oversized, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    f.pictures_size++;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte");
    f = good_files();
    f.labels_size++;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "too long"), "%s", cgsv_last_error());
}

Test(idx, mnist_wrong_magic, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    f.pictures[3] = 1; /* labels under the pictures' name */
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "0x00000801, expected 0x00000803"), "%s", cgsv_last_error());
    f = good_files();
    f.labels[2] = 0x0d; /* floats */
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
}

Test(idx, mnist_sizes_out_of_range, .init = temporary_make, .fini = temporary_remove)
{
    static const uint32_t sizes[][3] = {{0, 28, 28},           {SAMPLES, 28, 0},
                                        {0xffffffff, 28, 28},  {0xffffffff, 0xffffffff, 0xffffffff},
                                        {SAMPLES, 56, 14},     {1, SAMPLES * 28, 28}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct mnist_files f = good_files();
        for (int d = 0; d < 3; d++) put_big_endian(f.pictures + 4 + 4 * d, sizes[k][d]);
        expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte");
    }
}

/* A header of some bytes must not make the reader allocate what no such file can hold. */
Test(idx, mnist_claims_more_than_its_file_can_hold, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    put_big_endian(f.pictures + 4, 1000000);
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte' has 2368 bytes, too few for the 784000000 that");
    put_big_endian(f.pictures + 4, 3100); /* could be in a file of 2,368 bytes if that were gzip */
    expect_mnist_error(&f, CGSV_ERROR_DATA, "is truncated: expected 2430416 bytes, found 2368");
}

Test(idx, mnist_counts_differ, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    put_big_endian(f.labels + 4, SAMPLES - 1);
    f.labels_size--;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "train-images-idx3-ubyte"));
}

Test(idx, mnist_label_out_of_range, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    f.labels[8 + 1] = 10;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "label of sample 1 is 10"), "%s", cgsv_last_error());
}

/* A compressed file cut, or with one bit flipped, anywhere. */
Test(idx, mnist_damaged_gz, .init = temporary_make, .fini = temporary_remove)
{
    struct mnist_files f = good_files();
    put_train(&f, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz");
    put_test();
    uint8_t bytes[PICTURES_SIZE];
    FILE *file = fopen(temporary_path("train-images-idx3-ubyte.gz"), "rb");
    cr_assert_not_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t at = 2; at < size; at += at + 9 < size ? 13 : 1) {
        file = fopen(temporary_path("train-images-idx3-ubyte.gz"), "wb");
        cr_assert_eq(fwrite(bytes, 1, at, file), at);
        fclose(file);
        expect_load_error("mnist", CGSV_ERROR_DATA, "train-images-idx3-ubyte.gz");
    }
    bytes[size - 6] ^= 1; /* in the checksum */
    file = fopen(temporary_path("train-images-idx3-ubyte.gz"), "wb");
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
    expect_load_error("mnist", CGSV_ERROR_DATA, "train-images-idx3-ubyte.gz");
}

/* ---- the real set, where it is ---- */

Test(idx, real_mnist)
{
    static const int64_t train_count[] = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
    const char *directory = shared_data();
    if (!directory) cr_skip_test("no data in $CGSV_SHARED, ../shared or ../../shared");
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "mnist", directory), CGSV_OK, "%s", cgsv_last_error());
    cr_assert(d->train.samples == 60000 && d->test.samples == 10000);
    expect_standardised(&d->train, 1024);
    expect_standardised(&d->test, 1024);
    int64_t count[10] = {0};
    for (int i = 0; i < 60000; i++) count[d->train.y[i]]++;
    for (int c = 0; c < 10; c++) cr_expect_eq(count[c], train_count[c]);
    static const int32_t first[] = {5, 0, 4, 1, 9}, first_test[] = {7, 2, 1, 0, 4};
    cr_expect_eq(memcmp(d->train.y, first, sizeof first), 0);
    cr_expect_eq(memcmp(d->test.y, first_test, sizeof first_test), 0);
    /* Black, by NumPy from the padded splits. */
    cr_expect(fabs((double)d->train.x[0] - (-0.363483365)) < 1e-6, "%.9g", (double)d->train.x[0]);
    cr_expect(fabs((double)d->test.x[0] - (-0.365728923)) < 1e-6, "%.9g", (double)d->test.x[0]);
    cgsv_dataset_free(d);
}
