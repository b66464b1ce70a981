/* Data sets and partitions: readers on tiny files made here, each way in which a file
 * can be wrong, the built-in drawings, shard sizes against the golden numbers, and what
 * must hold for any partition. The real MNIST and CIFAR-10 are read where they are. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "cgsv/dataset.h"
#include "data/partition.h"
#include "data/readers.h"

TestSuite(data, .timeout = 120);

/* ---- files made by the tests ---- */

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/cgsv_data_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Writes a file, gzipped when its name says so. */
static void put(const char *name, const void *bytes, size_t count)
{
    bool gz = strlen(name) > 3 && strcmp(name + strlen(name) - 3, ".gz") == 0;
    gzFile file = gzopen(in_folder(name), gz ? "wb" : "wbT");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    cr_assert_eq(gzclose(file), Z_OK);
}

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
    put(pictures, f->pictures, f->pictures_size);
    put(labels, f->labels, f->labels_size);
}

static void put_test(void)
{
    struct mnist_files f = good_files();
    put("t10k-images-idx3-ubyte", f.pictures, f.pictures_size);
    put("t10k-labels-idx1-ubyte", f.labels, f.labels_size);
}

static void expect_error(cgsv_status status, cgsv_status expected, const char *part)
{
    cr_expect_eq(status, expected, "status %d, expected %d: %s", (int)status, (int)expected, cgsv_last_error());
    cr_expect_not_null(strstr(cgsv_last_error(), part), "'%s' does not name '%s'", cgsv_last_error(), part);
    cr_expect_null(strchr(cgsv_last_error(), '\n'), "more than one line: %s", cgsv_last_error());
}

static void expect_load_error(const char *set, cgsv_status expected, const char *part)
{
    cgsv_dataset *dataset = (cgsv_dataset *)folder;
    expect_error(cgsv_dataset_load(&dataset, set, folder), expected, part);
    cr_expect_null(dataset);
}

/* Spoiled training files beside a good test split. */
static void expect_mnist_error(const struct mnist_files *f, cgsv_status expected, const char *part)
{
    put_train(f, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    put_test();
    expect_load_error("mnist", expected, part);
}

/* ---- MNIST ---- */

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

Test(data, mnist_plain, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    put_train(&f, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    put_test();
    check_tiny_mnist(folder);
    setenv("CGSV_DATA", folder, 1);
    check_tiny_mnist(NULL);
}

Test(data, mnist_gz_with_dots_in_a_folder_of_its_name, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    cr_assert_eq(mkdir(in_folder("mnist"), 0777), 0);
    put_train(&f, "mnist/train-images.idx3-ubyte.gz", "mnist/train-labels.idx1-ubyte.gz");
    put_test();
    check_tiny_mnist(folder);
}

Test(data, mnist_constant_pictures_are_zeros_not_nan, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    memset(f.pictures + 16, 0, SAMPLES * PIXELS);
    put_train(&f, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    put_test();
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "mnist", folder), CGSV_OK);
    for (int i = 0; i < SAMPLES * 1024; i++) cr_assert(d->train.x[i] == 0);
    cgsv_dataset_free(d);
}

Test(data, mnist_missing, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    expect_load_error("mnist", CGSV_ERROR_IO, "train-images-idx3-ubyte");
    put("train-images-idx3-ubyte", f.pictures, f.pictures_size);
    expect_load_error("mnist", CGSV_ERROR_IO, "train-labels-idx1-ubyte");
    put("train-labels-idx1-ubyte", f.labels, f.labels_size);
    expect_load_error("mnist", CGSV_ERROR_IO, "t10k-images-idx3-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), folder));
    cr_expect_not_null(strstr(cgsv_last_error(), "download.sh mnist"));
    setenv("CGSV_DATA", "/nonexistent", 1);
    cgsv_dataset *d = NULL;
    expect_error(cgsv_dataset_load(&d, "mnist", NULL), CGSV_ERROR_IO, "/nonexistent/mnist");
}

Test(data, mnist_a_folder_for_a_file, .init = make_folder, .fini = remove_folder)
{
    cr_assert_eq(mkdir(in_folder("train-images-idx3-ubyte"), 0777), 0);
    expect_load_error("mnist", CGSV_ERROR_IO, "train-images-idx3-ubyte");
}

Test(data, mnist_truncated, .init = make_folder, .fini = remove_folder)
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

Test(data, mnist_oversized, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    f.pictures_size++;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte");
    f = good_files();
    f.labels_size++;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "too long"), "%s", cgsv_last_error());
}

Test(data, mnist_wrong_magic, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    f.pictures[3] = 1; /* labels under the pictures' name */
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "0x00000801, expected 0x00000803"), "%s", cgsv_last_error());
    f = good_files();
    f.labels[2] = 0x0d; /* floats */
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
}

Test(data, mnist_sizes_out_of_range, .init = make_folder, .fini = remove_folder)
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
Test(data, mnist_claims_more_than_its_file_can_hold, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    put_big_endian(f.pictures + 4, 1000000);
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-images-idx3-ubyte' has 2368 bytes, too few for the 784000000 that");
    put_big_endian(f.pictures + 4, 3100); /* could be in a file of 2,368 bytes if that were gzip */
    expect_mnist_error(&f, CGSV_ERROR_DATA, "is truncated: expected 2430416 bytes, found 2368");
}

Test(data, mnist_counts_differ, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    put_big_endian(f.labels + 4, SAMPLES - 1);
    f.labels_size--;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "train-images-idx3-ubyte"));
}

Test(data, mnist_label_out_of_range, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    f.labels[8 + 1] = 10;
    expect_mnist_error(&f, CGSV_ERROR_DATA, "train-labels-idx1-ubyte");
    cr_expect_not_null(strstr(cgsv_last_error(), "label of sample 1 is 10"), "%s", cgsv_last_error());
}

/* A compressed file cut, or with one bit flipped, anywhere. */
Test(data, mnist_damaged_gz, .init = make_folder, .fini = remove_folder)
{
    struct mnist_files f = good_files();
    put_train(&f, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz");
    put_test();
    uint8_t bytes[PICTURES_SIZE];
    FILE *file = fopen(in_folder("train-images-idx3-ubyte.gz"), "rb");
    cr_assert_not_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t at = 2; at < size; at += at + 9 < size ? 13 : 1) {
        file = fopen(in_folder("train-images-idx3-ubyte.gz"), "wb");
        cr_assert_eq(fwrite(bytes, 1, at, file), at);
        fclose(file);
        expect_load_error("mnist", CGSV_ERROR_DATA, "train-images-idx3-ubyte.gz");
    }
    bytes[size - 6] ^= 1; /* in the checksum */
    file = fopen(in_folder("train-images-idx3-ubyte.gz"), "wb");
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
    expect_load_error("mnist", CGSV_ERROR_DATA, "train-images-idx3-ubyte.gz");
}

/* ---- CIFAR-10 ---- */

enum { RECORD = 3073, RECORDS = 2 };

static const char *const cifar_files[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                          "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

static uint8_t cifar_byte(int file, int i)
{
    return (uint8_t)(i % RECORD == 0 ? (file + i / RECORD) % 10 : file * 31 + i * 5);
}

/* Writes the six files, file `odd` with this length and, if not negative, first label. */
static void put_cifar(int odd, size_t size, int label)
{
    for (int f = 0; f < 6; f++) {
        uint8_t bytes[RECORDS * RECORD + 1];
        char name[64];
        for (int i = 0; i < (int)sizeof bytes; i++) bytes[i] = cifar_byte(f, i);
        if (f == odd && label >= 0) bytes[RECORD] = (uint8_t)label;
        snprintf(name, sizeof name, "cifar-10-batches-bin/%s", cifar_files[f]);
        put(name, bytes, f == odd ? size : RECORDS * RECORD);
    }
}

static void make_cifar_folder(void)
{
    make_folder();
    cr_assert_eq(mkdir(in_folder("cifar-10-batches-bin"), 0777), 0);
}

static cgsv_status load_tiny_cifar(cgsv_dataset **d, const char *directory)
{
    *d = calloc(1, sizeof **d);
    cr_assert_not_null(*d);
    return cifar_load(*d, directory, RECORDS);
}

Test(data, cifar, .init = make_cifar_folder, .fini = remove_folder)
{
    static const double mean[] = {0.4914, 0.4822, 0.4465}, deviation[] = {0.2470, 0.2435, 0.2616};
    put_cifar(-1, 0, -1);
    char inner[256];
    snprintf(inner, sizeof inner, "%s", in_folder("cifar-10-batches-bin"));
    const char *const directories[] = {folder, inner};
    for (int k = 0; k < 2; k++) {
        cgsv_dataset *d;
        cr_assert_eq(load_tiny_cifar(&d, directories[k]), CGSV_OK, "%s", cgsv_last_error());
        cr_expect(d->channels == 3 && d->height == 32 && d->width == 32 && d->classes == 10);
        cr_expect(d->train.samples == 5 * RECORDS && d->test.samples == RECORDS);
        for (int f = 0; f < 6; f++) {
            const cgsv_split *split = f < 5 ? &d->train : &d->test;
            for (int i = 0; i < RECORDS; i++) {
                const int sample = f < 5 ? f * RECORDS + i : i;
                cr_assert_eq(split->y[sample], cifar_byte(f, i * RECORD));
                for (int p = 0; p < 3072; p++) {
                    const double value = cifar_byte(f, i * RECORD + 1 + p) / 255.0;
                    const double expected = (value - mean[p / 1024]) / deviation[p / 1024];
                    cr_assert(fabs((double)split->x[sample * 3072 + p] - expected) < 1e-6);
                }
            }
        }
        cgsv_dataset_free(d);
    }
}

Test(data, cifar_wrong_files, .init = make_cifar_folder, .fini = remove_folder)
{
    expect_load_error("cifar10", CGSV_ERROR_IO, "data_batch_1.bin");
    cr_expect_not_null(strstr(cgsv_last_error(), "download.sh cifar10"));
    cgsv_dataset *d;
    for (int f = 0; f < 6; f++) {
        put_cifar(f, RECORDS * RECORD - 1, -1);
        expect_error(load_tiny_cifar(&d, folder), CGSV_ERROR_DATA, cifar_files[f]);
        cgsv_dataset_free(d);
        put_cifar(f, RECORDS * RECORD + 1, -1);
        expect_error(load_tiny_cifar(&d, folder), CGSV_ERROR_DATA, cifar_files[f]);
        cgsv_dataset_free(d);
        put_cifar(f, RECORDS * RECORD, 10);
        expect_error(load_tiny_cifar(&d, folder), CGSV_ERROR_DATA, cifar_files[f]);
        cr_expect_not_null(strstr(cgsv_last_error(), "label of sample 1 is 10"), "%s", cgsv_last_error());
        cgsv_dataset_free(d);
    }
    /* Whole records but too few of them. */
    put_cifar(-1, 0, -1);
    expect_load_error("cifar10", CGSV_ERROR_DATA, "expected 30730000 bytes, found 6146");
    cr_assert_eq(unlink(in_folder("cifar-10-batches-bin/test_batch.bin")), 0);
    expect_error(load_tiny_cifar(&d, folder), CGSV_ERROR_IO, "test_batch.bin");
    cgsv_dataset_free(d);
}

/* ---- names, and a caller's own samples ---- */

Test(data, unknown_name)
{
    cgsv_dataset *d = NULL;
    expect_error(cgsv_dataset_load(&d, "minst", NULL), CGSV_ERROR_ARGUMENT, "did you mean 'mnist'");
    expect_error(cgsv_dataset_load(&d, "", NULL), CGSV_ERROR_ARGUMENT, "synthetic, mnist, cifar10");
    cr_expect_eq(cgsv_dataset_load(&d, NULL, NULL), CGSV_ERROR_ARGUMENT);
    cr_expect_eq(cgsv_dataset_load(NULL, "mnist", NULL), CGSV_ERROR_ARGUMENT);
    cr_expect_null(d);
    cgsv_dataset_free(NULL);
}

Test(data, create)
{
    float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    int32_t y[3] = {0, 1, 2};
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_create(&d, "own", 1, 2, 2, 3, 3, x, y, 2, x + 4, y + 1), CGSV_OK);
    cr_expect(strcmp(d->name, "own") == 0 && d->classes == 3 && d->train.samples == 3 && d->test.samples == 2);
    cr_expect(d->train.x != x && memcmp(d->train.x, x, sizeof x) == 0 && memcmp(d->train.y, y, sizeof y) == 0);
    cr_expect(d->test.x[0] == 4 && d->test.x[7] == 11 && d->test.y[0] == 1 && d->test.y[1] == 2);
    cgsv_dataset_free(d);

    struct {
        const char *name;
        int channels, height, width, classes;
        int64_t samples;
        const float *x;
        const int32_t *y;
    } const bad[] = {
        {NULL, 1, 2, 2, 3, 3, x, y},
        {"", 1, 2, 2, 3, 3, x, y},
        {"a name of more than 31 characters", 1, 2, 2, 3, 3, x, y},
        {"own", 0, 2, 2, 3, 3, x, y},
        {"own", 1, -2, 2, 3, 3, x, y},
        {"own", 1, 2, 0, 3, 3, x, y},
        {"own", 65536, 65536, 65536, 3, 3, x, y},
        {"own", 1, 2, 2, 0, 3, x, y},
        {"own", 1, 2, 2, 3, 0, x, y},
        {"own", 1, 2, 2, 3, -1, x, y},
        {"own", 1, 2, 2, 3, INT64_MAX, x, y},
        {"own", 1, 2, 2, 3, 3, NULL, y},
        {"own", 1, 2, 2, 3, 3, x, NULL},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        cr_expect_eq(cgsv_dataset_create(&d, bad[k].name, bad[k].channels, bad[k].height, bad[k].width, bad[k].classes,
                                         bad[k].samples, bad[k].x, bad[k].y, 1, x, y),
                     CGSV_ERROR_ARGUMENT, "case %zu", k);
        cr_expect_null(d);
    }
    cr_expect_eq(cgsv_dataset_create(NULL, "own", 1, 2, 2, 3, 3, x, y, 1, x, y), CGSV_ERROR_ARGUMENT);
    expect_error(cgsv_dataset_create(&d, "own", 1, 2, 2, 3, 3, x, y, 0, x, y), CGSV_ERROR_ARGUMENT, "test split");

    y[2] = 3;
    expect_error(cgsv_dataset_create(&d, "own", 1, 2, 2, 3, 3, x, y, 1, x, y), CGSV_ERROR_DATA, "training sample 2");
    y[2] = -1;
    expect_error(cgsv_dataset_create(&d, "own", 1, 2, 2, 3, 1, x, y, 3, x, y), CGSV_ERROR_DATA, "test sample 2");
    y[2] = 2;
    x[6] = NAN;
    expect_error(cgsv_dataset_create(&d, "own", 1, 2, 2, 3, 3, x, y, 1, x, y), CGSV_ERROR_DATA, "training sample 1");
    x[6] = INFINITY;
    expect_error(cgsv_dataset_create(&d, "own", 1, 2, 2, 3, 1, x, y, 3, x, y), CGSV_ERROR_DATA, "test sample 1");
    cr_expect_null(d);
}

/* ---- the built-in drawings ---- */

static void expect_standardised(const cgsv_split *split, int64_t values)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < split->samples * values; i++) {
        sum += (double)split->x[i];
        squares += (double)split->x[i] * (double)split->x[i];
    }
    const double n = (double)(split->samples * values);
    cr_expect(fabs(sum / n) < 1e-5, "mean %g", sum / n);
    cr_expect(fabs(squares / n - 1) < 1e-4, "mean square %g", squares / n);
}

Test(data, synthetic)
{
    cgsv_dataset *d = NULL, *again = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "synthetic", "/nonexistent"), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(cgsv_dataset_load(&again, "synthetic", NULL), CGSV_OK);
    cr_expect(d->channels == 1 && d->height == 32 && d->width == 32 && d->classes == 10);
    cr_assert(d->train.samples == 12000 && d->test.samples == 2000);
    cr_expect_eq(memcmp(d->train.x, again->train.x, 12000 * 1024 * sizeof(float)), 0);
    cr_expect_eq(memcmp(d->train.y, again->train.y, 12000 * sizeof(int32_t)), 0);
    cr_expect_eq(memcmp(d->test.x, again->test.x, 2000 * 1024 * sizeof(float)), 0);
    cr_expect_eq(memcmp(d->test.y, again->test.y, 2000 * sizeof(int32_t)), 0);
    cr_expect_neq(memcmp(d->train.x, d->test.x, 1024 * sizeof(float)), 0);
    const cgsv_split *splits[] = {&d->train, &d->test};
    for (int k = 0; k < 2; k++) {
        expect_standardised(splits[k], 1024);
        int64_t count[10] = {0};
        for (int64_t i = 0; i < splits[k]->samples; i++) {
            cr_assert(splits[k]->y[i] >= 0 && splits[k]->y[i] < 10);
            count[splits[k]->y[i]]++;
        }
        for (int c = 0; c < 10; c++) {
            const double share = (double)count[c] / (double)splits[k]->samples;
            cr_expect(share > 0.08 && share < 0.12, "class %d has a share of %g", c, share);
        }
    }
    cgsv_dataset_free(d);
    cgsv_dataset_free(again);
}

/* The classes can be told apart by the simplest means, and not by nothing. */
Test(data, synthetic_classes_differ)
{
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "synthetic", NULL), CGSV_OK);
    double centre[10][1024] = {{0}}, count[10] = {0};
    for (int64_t i = 0; i < 3000; i++) {
        count[d->train.y[i]]++;
        for (int p = 0; p < 1024; p++) centre[d->train.y[i]][p] += (double)d->train.x[i * 1024 + p];
    }
    int right = 0;
    for (int64_t i = 0; i < 500; i++) {
        int nearest = 0;
        double best = INFINITY;
        for (int c = 0; c < 10; c++) {
            double distance = 0;
            for (int p = 0; p < 1024; p++)
                distance += pow((double)d->test.x[i * 1024 + p] - centre[c][p] / count[c], 2);
            if (distance < best) {
                best = distance;
                nearest = c;
            }
        }
        right += nearest == d->test.y[i];
    }
    cr_expect(right > 250 && right < 400, "%d of 500 by the nearest centre", right);
    cgsv_dataset_free(d);
}

/* ---- the real sets, where they are ---- */

/* The shared folder's data, NULL without it. */
static const char *shared_data(void)
{
    static char path[512];
    const char *const places[] = {getenv("CGSV_SHARED"), "../shared", "../../shared"};
    for (int k = 0; k < 3; k++) {
        if (!places[k]) continue;
        snprintf(path, sizeof path, "%s/data", places[k]);
        if (access(path, R_OK) == 0) return path;
    }
    return NULL;
}

Test(data, real_mnist)
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

Test(data, real_cifar)
{
    const char *directory = getenv("CGSV_DATA");
    char path[512];
    snprintf(path, sizeof path, "%s/cifar-10-batches-bin", directory ? directory : "");
    if (!directory || access(path, R_OK) != 0) cr_skip_test("no cifar-10-batches-bin in $CGSV_DATA");
    cgsv_dataset *d = NULL;
    cr_assert_eq(cgsv_dataset_load(&d, "cifar10", directory), CGSV_OK, "%s", cgsv_last_error());
    cr_assert(d->train.samples == 50000 && d->test.samples == 10000);
    int64_t count[10] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < 50000; i++) count[d->train.y[i]]++;
    for (int c = 0; c < 10; c++) cr_expect_eq(count[c], 5000);
    for (int64_t i = 0; i < INT64_C(50000) * 3072; i++) {
        sum += (double)d->train.x[i];
        squares += (double)d->train.x[i] * (double)d->train.x[i];
    }
    cr_expect(fabs(sum / 153.6e6) < 0.01 && fabs(squares / 153.6e6 - 1) < 0.02, "mean %g, mean square %g",
              sum / 153.6e6, squares / 153.6e6);
    cgsv_dataset_free(d);
}

/* ---- partitions ---- */

/* Of shared/golden/partitions.json. */
static const struct golden {
    int samples, agents;
    int64_t sizes[20];
    int counts[20];
} golden[] = {
        {3000, 5, {71, 336, 600, 865, 1128}, {1, 3, 5, 7, 10}},
        {6000, 10, {71, 189, 306, 424, 542, 659, 777, 895, 1012, 1125}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {12000, 20, {71, 127, 183, 238, 294, 350, 406, 461, 517, 573, 628, 684, 740, 795, 851, 907, 963, 1018, 1074,
     1120}, {1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10}},
        {20000, 10, {236, 628, 1020, 1412, 1804, 2197, 2589, 2981, 3373, 3760}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {8544, 5, {202, 955, 1708, 2462, 3215}, {1, 3, 5, 7, 10}},
        {9595, 5, {227, 1073, 1919, 2766, 3610}, {1, 3, 5, 7, 10}},
        {1000, 3, {40, 333, 627}, {1, 5, 10}},
};

Test(data, partition_golden_sizes)
{
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        const struct golden *g = &golden[k];
        int64_t sizes[20];
        int counts[20];
        partition_powerlaw_sizes(sizes, g->agents, g->samples);
        partition_class_counts(counts, g->agents, 10);
        for (int i = 0; i < g->agents; i++) {
            cr_expect_eq(sizes[i], g->sizes[i], "%d samples, %d agents, agent %d", g->samples, g->agents, i);
            cr_expect_eq(counts[i], g->counts[i], "%d agents, agent %d", g->agents, i);
        }
    }
    int64_t one;
    int count;
    partition_powerlaw_sizes(&one, 1, 17);
    partition_class_counts(&count, 1, 10);
    cr_expect(one == 17 && count == 1);
}

enum { CLASSES = 10, M = 5000 };

static int32_t labels[M];

static void make_labels(void)
{
    for (int i = 0; i < M; i++) labels[i] = (i * 7 + i / 13) % CLASSES;
}

static cgsv_config config_of(cgsv_partition partition, int agents, int samples_per_agent)
{
    return (cgsv_config){.partition = partition,
                         .dirichlet_concentration = 0.5,
                         .agents = agents,
                         .samples_per_agent = samples_per_agent,
                         .seed = 1111};
}

static struct partition create(const cgsv_config *config)
{
    struct partition p;
    cr_assert_eq(partition_create(&p, config, labels, M, CLASSES), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(p.agents, config->agents);
    cr_assert_eq(p.first[0], 0);
    for (int i = 0; i < p.agents; i++) cr_assert(p.first[i] < p.first[i + 1], "agent %d has nothing", i);
    for (int64_t k = 0; k < p.first[p.agents]; k++) cr_assert(p.index[k] >= 0 && p.index[k] < M);
    return p;
}

static bool same(const struct partition *a, const struct partition *b)
{
    return a->agents == b->agents && memcmp(a->first, b->first, ((size_t)a->agents + 1) * sizeof *a->first) == 0 &&
           memcmp(a->index, b->index, (size_t)a->first[a->agents] * sizeof *a->index) == 0;
}

Test(data, partition_invariants, .init = make_labels)
{
    for (int kind = CGSV_PARTITION_UNIFORM; kind <= CGSV_PARTITION_DIRICHLET; kind++) {
        static const int shapes[][2] = {{1, 0}, {3, 0}, {5, 600}, {7, 100}, {10, 500}, {20, 1000}, {31, 64}};
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            cgsv_config config = config_of((cgsv_partition)kind, shapes[k][0], shapes[k][1]);
            struct partition p = create(&config), again = create(&config);
            cr_expect(same(&p, &again), "partition %d is not repeatable", kind);

            const int cap = shapes[k][0] * shapes[k][1], pool = cap > 0 && cap < M ? cap : M;
            if (kind == CGSV_PARTITION_CLASSIMBALANCE) {
                cr_expect_eq(p.first[p.agents], (int64_t)pool / p.agents * p.agents);
            } else {
                int seen[M] = {0};
                const int unused = kind == CGSV_PARTITION_POWERLAW ? pool % p.agents : 0;
                cr_expect(p.first[p.agents] <= pool && p.first[p.agents] >= pool - unused);
                for (int64_t i = 0; i < p.first[p.agents]; i++) cr_assert_eq(seen[p.index[i]]++, 0);
            }

            config.seed++;
            struct partition other = create(&config);
            cr_expect(!same(&p, &other), "partition %d does not depend on the seed", kind);
            partition_free(&p);
            partition_free(&again);
            partition_free(&other);
        }
    }
}

Test(data, partition_uniform_and_powerlaw_sizes, .init = make_labels)
{
    cgsv_config config = config_of(CGSV_PARTITION_UNIFORM, 7, 0);
    struct partition p = create(&config);
    for (int i = 0; i < 7; i++) cr_expect_eq(p.first[i + 1] - p.first[i], M / 7 + (i < M % 7));
    partition_free(&p);

    config = config_of(CGSV_PARTITION_POWERLAW, 5, 600);
    p = create(&config);
    for (int i = 0; i < 5; i++) cr_expect_eq(p.first[i + 1] - p.first[i], golden[0].sizes[i]);
    partition_free(&p);
}

/* The pool is the same run of the same shuffle whoever deals it out, and validation
 * samples lie behind it. */
Test(data, partition_validation, .init = make_labels)
{
    cgsv_config config = config_of(CGSV_PARTITION_UNIFORM, 5, 0);
    struct partition all = create(&config);
    config.validation_fraction = 0.1;
    struct partition part = create(&config);
    cr_expect_eq(part.first[5], M - M / 10);
    cr_expect_eq(memcmp(all.index, part.index, (M - M / 10) * sizeof *all.index), 0);
    config.partition = CGSV_PARTITION_POWERLAW;
    struct partition power = create(&config);
    cr_expect_eq(memcmp(power.index, part.index, (M - M / 10) * sizeof *all.index), 0);
    partition_free(&all);
    partition_free(&part);
    partition_free(&power);
    static const double fractions[] = {0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9};
    for (int k = 0; k < 8; k++) {
        config.validation_fraction = fractions[k];
        part = create(&config);
        cr_expect_eq(part.first[5], lround(M * (1 - fractions[k])), "fraction %g", fractions[k]);
        partition_free(&part);
    }
}

Test(data, partition_classimbalance, .init = make_labels)
{
    static const int agents[] = {1, 5, 10, 20};
    for (int k = 0; k < 4; k++) {
        const int n = agents[k];
        cgsv_config config = config_of(CGSV_PARTITION_CLASSIMBALANCE, n, 233);
        struct partition p = create(&config);
        int counts[20];
        partition_class_counts(counts, n, CLASSES);
        for (int i = 0; i < n; i++) {
            const int64_t size = (M < 233 * n ? M : 233 * n) / n;
            int64_t of[CLASSES] = {0};
            cr_expect_eq(p.first[i + 1] - p.first[i], size);
            for (int64_t s = p.first[i]; s < p.first[i + 1]; s++) of[labels[p.index[s]]]++;
            for (int c = 0; c < CLASSES; c++) {
                const int64_t more = c == counts[i] - 1 ? size % counts[i] : 0;
                cr_expect_eq(of[c], c < counts[i] ? size / counts[i] + more : 0, "%d agents, agent %d, class %d", n, i,
                             c);
            }
        }
        partition_free(&p);
    }
    /* So few samples that the topping up runs out of fresh ones. */
    int32_t few[40];
    for (int i = 0; i < 40; i++) few[i] = i % CLASSES;
    struct partition p;
    cgsv_config config = config_of(CGSV_PARTITION_CLASSIMBALANCE, 4, 0);
    cr_assert_eq(partition_create(&p, &config, few, 40, CLASSES), CGSV_OK, "%s", cgsv_last_error());
    cr_expect_eq(p.first[4], 40);
    partition_free(&p);
    config.agents = 5;
    cr_assert_eq(partition_create(&p, &config, few, 40, CLASSES), CGSV_OK, "%s", cgsv_last_error());
    for (int64_t s = p.first[4]; s < p.first[5]; s++) cr_expect_eq(few[p.index[s]], 9);
    partition_free(&p);
    for (int i = 0; i < 40; i++) few[i] += few[i] == 3;
    expect_error(partition_create(&p, &config, few, 40, CLASSES), CGSV_ERROR_ARGUMENT, "class 3");
}

/* Shares of a class over agents, averaged over classes and seeds: each 1/N, with the
 * variance (1/N)(1 - 1/N) / (N a + 1) of Dirichlet(a). */
Test(data, partition_dirichlet_moments, .init = make_labels)
{
    static const double concentrations[] = {0.1, 0.5, 1, 10, 1000};
    enum { N = 5, SEEDS = 100 };
    double held[CLASSES] = {0};
    for (int i = 0; i < M; i++) held[labels[i]]++;
    for (int k = 0; k < 5; k++) {
        cgsv_config config = config_of(CGSV_PARTITION_DIRICHLET, N, 0);
        config.dirichlet_concentration = concentrations[k];
        double squares = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            config.seed = (uint64_t)seed;
            struct partition p = create(&config);
            for (int i = 0; i < N; i++) {
                double of[CLASSES] = {0};
                for (int64_t s = p.first[i]; s < p.first[i + 1]; s++) of[labels[p.index[s]]]++;
                for (int c = 0; c < CLASSES; c++) squares += pow(of[c] / held[c] - 1.0 / N, 2);
            }
            partition_free(&p);
        }
        const double variance = squares / (SEEDS * N * CLASSES);
        const double expected = 1.0 / N * (1 - 1.0 / N) / (N * concentrations[k] + 1);
        cr_expect(fabs(variance / expected - 1) < 0.15, "concentration %g: variance %g, expected %g",
                  concentrations[k], variance, expected);
    }
}

Test(data, partition_dirichlet_extremes, .init = make_labels)
{
    cgsv_config config = config_of(CGSV_PARTITION_DIRICHLET, 2, 0);
    static const double concentrations[] = {1e-100, 1e-3, 1e9, 1e100};
    for (int k = 0; k < 4; k++) {
        config.dirichlet_concentration = concentrations[k];
        struct partition p = create(&config);
        cr_expect_eq(p.first[2], M);
        if (k >= 2) cr_expect(llabs(p.first[1] - M / 2) <= CLASSES);
        partition_free(&p);
    }
}

Test(data, partition_errors, .init = make_labels)
{
    struct partition p;
    for (int kind = CGSV_PARTITION_UNIFORM; kind <= CGSV_PARTITION_DIRICHLET; kind++) {
        cgsv_config config = config_of((cgsv_partition)kind, M + 1, 0);
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "5001 agents");
        cr_expect(p.first == NULL && p.index == NULL);
        config = config_of((cgsv_partition)kind, 5, 0);
        config.validation_fraction = 0.9999;
        cr_expect_eq(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT);
        config.validation_fraction = 1;
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "validation");
        config.validation_fraction = NAN;
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "validation");
        config = config_of((cgsv_partition)kind, 0, 0);
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "0 agents");
        config = config_of((cgsv_partition)kind, 5, -1);
        cr_expect_eq(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT);
        config = config_of((cgsv_partition)kind, 5, 0);
        cr_expect_eq(partition_create(&p, &config, labels, 0, CLASSES), CGSV_ERROR_ARGUMENT);
    }
    cgsv_config config = config_of(CGSV_PARTITION_POWERLAW, M, 0); /* the rich leave nothing to the last */
    expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "power law");
    config = config_of(CGSV_PARTITION_DIRICHLET, 100, 1);
    expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "concentration");
    static const double bad[] = {0, -1, NAN, INFINITY};
    for (int k = 0; k < 4; k++) {
        config = config_of(CGSV_PARTITION_DIRICHLET, 5, 0);
        config.dirichlet_concentration = bad[k];
        expect_error(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT, "concentration");
    }
    config.partition = (cgsv_partition)99;
    cr_expect_eq(partition_create(&p, &config, labels, M, CLASSES), CGSV_ERROR_ARGUMENT);
}
