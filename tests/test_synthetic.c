/* Names of data sets, the built-in drawings, and a caller's own samples. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "cgsv/dataset.h"
#include "data/readers.h"
#include "data_checks.h"
#include "temporary.h"

TestSuite(synthetic, .timeout = 120);

Test(synthetic, unknown_name)
{
    cgsv_dataset *d = NULL;
    expect_error(cgsv_dataset_load(&d, "minst", NULL), CGSV_ERROR_ARGUMENT, "did you mean 'mnist'");
    expect_error(cgsv_dataset_load(&d, "", NULL), CGSV_ERROR_ARGUMENT, "synthetic, mnist, cifar10");
    cr_expect_eq(cgsv_dataset_load(&d, NULL, NULL), CGSV_ERROR_ARGUMENT);
    cr_expect_eq(cgsv_dataset_load(NULL, "mnist", NULL), CGSV_ERROR_ARGUMENT);
    cr_expect_null(d);
    cgsv_dataset_free(NULL);
}

Test(synthetic, create)
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

Test(synthetic, synthetic)
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
Test(synthetic, synthetic_classes_differ)
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
