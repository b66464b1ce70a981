/* CIFAR-10: tiny files made here, each way in which a file can be wrong, and the real set where it is. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cgsv/dataset.h"
#include "data/readers.h"
#include "data_checks.h"
#include "temporary.h"

TestSuite(cifar, .timeout = 120);

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
        temporary_put(name, bytes, f == odd ? size : RECORDS * RECORD);
    }
}

static void make_cifar_folder(void)
{
    temporary_make();
    cr_assert_eq(mkdir(temporary_path("cifar-10-batches-bin"), 0777), 0);
}

static cgsv_status load_tiny_cifar(cgsv_dataset **d, const char *directory)
{
    *d = calloc(1, sizeof **d);
    cr_assert_not_null(*d);
    return cifar_load(*d, directory, RECORDS);
}

Test(cifar, cifar, .init = make_cifar_folder, .fini = temporary_remove)
{
    static const double mean[] = {0.4914, 0.4822, 0.4465}, deviation[] = {0.2470, 0.2435, 0.2616};
    put_cifar(-1, 0, -1);
    char inner[256];
    snprintf(inner, sizeof inner, "%s", temporary_path("cifar-10-batches-bin"));
    const char *const directories[] = {temporary_folder(), inner};
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

Test(cifar, cifar_wrong_files, .init = make_cifar_folder, .fini = temporary_remove)
{
    expect_load_error("cifar10", CGSV_ERROR_IO, "data_batch_1.bin");
    cr_expect_not_null(strstr(cgsv_last_error(), "download.sh cifar10"));
    cgsv_dataset *d;
    for (int f = 0; f < 6; f++) {
        put_cifar(f, RECORDS * RECORD - 1, -1);
        expect_error(load_tiny_cifar(&d, temporary_folder()), CGSV_ERROR_DATA, cifar_files[f]);
        cgsv_dataset_free(d);
        put_cifar(f, RECORDS * RECORD + 1, -1);
        expect_error(load_tiny_cifar(&d, temporary_folder()), CGSV_ERROR_DATA, cifar_files[f]);
        cgsv_dataset_free(d);
        put_cifar(f, RECORDS * RECORD, 10);
        expect_error(load_tiny_cifar(&d, temporary_folder()), CGSV_ERROR_DATA, cifar_files[f]);
        cr_expect_not_null(strstr(cgsv_last_error(), "label of sample 1 is 10"), "%s", cgsv_last_error());
        cgsv_dataset_free(d);
    }
    /* Whole records but too few of them. */
    put_cifar(-1, 0, -1);
    expect_load_error("cifar10", CGSV_ERROR_DATA, "expected 30730000 bytes, found 6146");
    cr_assert_eq(unlink(temporary_path("cifar-10-batches-bin/test_batch.bin")), 0);
    expect_error(load_tiny_cifar(&d, temporary_folder()), CGSV_ERROR_IO, "test_batch.bin");
    cgsv_dataset_free(d);
}

/* ---- the real set, where it is ---- */

Test(cifar, real_cifar)
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
