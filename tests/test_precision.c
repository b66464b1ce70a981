/* Products whose inputs are rounded: on the CPU by themselves, and in training. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"
#include "reference.h"
#include "small_federation.h"
#include "test_device.h"

static uint64_t state;

static float any(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((double)(state >> 11) * 0x1p-53 * 2 - 1);
}

/* ---- products ---- */

enum { BATCH = 2, GAP = 5 };

struct operand {
    float *entry;
    int64_t row, matrix; /* floats from one to the next */
};

static struct operand make(int rows, int columns)
{
    struct operand o = {.row = columns + GAP, .matrix = (int64_t)rows * (columns + GAP) + GAP};
    o.entry = take((size_t)(BATCH * o.matrix), sizeof(float));
    for (int64_t i = 0; i < BATCH * o.matrix; i++) o.entry[i] = any();
    return o;
}

static double entry(struct operand o, int matrix, int i, int j, bool transposed)
{
    return o.entry[matrix * o.matrix + (transposed ? j * o.row + i : i * o.row + j)];
}

static void check_product(cgsv_device *device, int m, int n, int k, bool transpose_a, bool transpose_b,
                          bool accumulate, const int32_t *each_m, cgsv_precision precision)
{
    struct operand a = transpose_a ? make(k, m) : make(m, k), b = transpose_b ? make(n, k) : make(k, n);
    struct operand c = make(m, n), before = make(m, n);
    memcpy(before.entry, c.entry, (size_t)(BATCH * c.matrix) * sizeof(float));
    check(device->backend->multiply(
        device, &(struct product){.c = c.entry, .a = a.entry, .b = b.entry, .transpose_a = transpose_a,
                                  .transpose_b = transpose_b, .accumulate = accumulate, .m = m, .n = n, .k = k,
                                  .lda = a.row, .ldb = b.row, .ldc = c.row, .stride_a = a.matrix,
                                  .stride_b = b.matrix, .stride_c = c.matrix, .batch = BATCH, .precision = precision,
                                  .each_m = each_m}));
    for (int64_t at = 0; at < BATCH * c.matrix; at++) {
        const int matrix = (int)(at / c.matrix), i = (int)(at % c.matrix / c.row), j = (int)(at % c.matrix % c.row);
        double want = before.entry[at], size = fabs(want);
        if (i >= (each_m ? each_m[matrix] : m) || j >= n) {
            cr_assert_eq(c.entry[at], before.entry[at], "%dx%dx%d: written beside the product", m, n, k);
            continue;
        }
        if (!accumulate) want = size = 0;
        for (int t = 0; t < k; t++) {
            const double term = reference_rounded(entry(a, matrix, i, t, transpose_a), precision) *
                                reference_rounded(entry(b, matrix, t, j, transpose_b), precision);
            want += term;
            size += fabs(term);
        }
        cr_assert_float_eq(c.entry[at], want, (k + 1.0) * FLT_EPSILON * size, "%dx%dx%d, %s, (%d, %d): %.9g, not %.9g",
                           m, n, k, cgsv_precision_name(precision), i, j, c.entry[at], want);
    }
    free(a.entry);
    free(b.entry);
    free(c.entry);
    free(before.entry);
}

/* Sizes around the pieces that are rounded at a time, and around a thread's columns. */
Test(precision, products)
{
    static const int sizes[][3] = {{1, 1, 1}, {3, 31, 64}, {64, 65, 63}, {65, 64, 129}, {10, 130, 100}, {33, 300, 7}};
    static const int32_t each_m[BATCH] = {2, 3};
    cgsv_device *device;
    check(cgsv_device_open(&device, "cpu", 2));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = 0; kind < 8; kind++)
            for (int p = CGSV_PRECISION_FLOAT32; p <= CGSV_PRECISION_BF16; p++)
                check_product(device, sizes[i][0], sizes[i][1], sizes[i][2], kind & 1, kind & 2, kind & 4, NULL,
                              (cgsv_precision)p);
    check_product(device, 3, 40, 70, false, true, false, each_m, CGSV_PRECISION_TF32);
    cgsv_device_close(device);
}

/* ---- training ---- */

enum { AGENTS = 2, SAMPLES = 40, SIDE = 32, CHANNELS = 3, CLASSES = 4, FEATURES = CHANNELS * SIDE * SIDE };

static cgsv_dataset *pictures(void)
{
    float *x = take((size_t)SAMPLES * FEATURES, sizeof *x);
    int32_t y[SAMPLES];
    cgsv_dataset *data;
    for (int i = 0; i < SAMPLES; i++) {
        y[i] = i % CLASSES;
        for (int j = 0; j < FEATURES; j++) x[i * FEATURES + j] = any() + (float)(j / SIDE % CLASSES == y[i]);
    }
    check(cgsv_dataset_create(&data, "pictures", CHANNELS, SIDE, SIDE, CLASSES, SAMPLES, x, y, CLASSES, x, y));
    free(x);
    return data;
}

struct trained {
    float *update[AGENTS];
    double loss[AGENTS];
    int64_t dimension;
};

/* One step of SGD: the updates are the gradients, times the learning rate. */
static struct trained train(cgsv_precision precision, int threads)
{
    struct trained t;
    cgsv_round_record record[AGENTS];
    cgsv_config config;
    cgsv_device *device;
    cgsv_federation *f;
    state = 1;
    cgsv_dataset *data = pictures();
    cgsv_config_defaults(&config, "pictures");
    cgsv_config_set_model(&config, CGSV_MODEL_CIFAR_RESNET);
    config.agents = AGENTS;
    config.rounds = config.local_epochs = 1;
    config.samples_per_agent = config.batch = SAMPLES / AGENTS / 2;
    config.partition = CGSV_PARTITION_UNIFORM;
    config.validation_fraction = 0;
    config.momentum = 0;
    config.standalone = false;
    config.precision = precision;
    check(cgsv_device_open(&device, test_device(), threads));
    check(cgsv_federation_create(&f, device, &config, data));
    check(cgsv_federation_run(f, 1));
    check(cgsv_federation_round(f, 0, record));
    t.dimension = cgsv_federation_parameters(f);
    for (int i = 0; i < AGENTS; i++) {
        t.update[i] = take((size_t)t.dimension, sizeof(float));
        check(cgsv_federation_update(f, i, t.update[i]));
        t.loss[i] = record[i].train_loss;
    }
    cgsv_federation_free(f);
    cgsv_device_close(device);
    cgsv_dataset_free(data);
    return t;
}

static void release(struct trained *t)
{
    for (int i = 0; i < AGENTS; i++) free(t->update[i]);
}

static double distance(const float *a, const float *b, int64_t n)
{
    double apart = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        apart += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(apart / size);
}

/* A rounded input is off by half of a last place at most, a share u = 2^-12 or 2^-9 of it. Seven ReLUs stand between
 * the layers: a share of about u of their inputs lies so near 0 that they open or close, and the gradients there are
 * other ones altogether, so that updates are some √(7 u) apart; the linear layers' own errors, of order u, are
 * small beside that. The loss has no such kinks. */
Test(precision, a_residual_network_trains_nearly_alike)
{
    static const struct {
        cgsv_precision precision;
        double unit; /* u */
    } kinds[] = {{CGSV_PRECISION_TF32, 0x1p-12}, {CGSV_PRECISION_BF16, 0x1p-9}};
    struct trained exact = train(CGSV_PRECISION_FLOAT32, 2);
    for (size_t p = 0; p < sizeof kinds / sizeof *kinds; p++) {
        struct trained t = train(kinds[p].precision, 2);
        for (int i = 0; i < AGENTS; i++) {
            const double d = distance(t.update[i], exact.update[i], t.dimension);
            cr_expect(d > sqrt(kinds[p].unit) / 8 && d < sqrt(7 * kinds[p].unit), "%s, agent %d: %g",
                      cgsv_precision_name(kinds[p].precision), i, d);
            cr_expect_float_eq(t.loss[i], exact.loss[i], 2 * kinds[p].unit * exact.loss[i]);
        }
        release(&t);
    }
    release(&exact);
}

Test(precision, bits_do_not_depend_on_threads)
{
    struct trained one = train(CGSV_PRECISION_BF16, 1), two = train(CGSV_PRECISION_BF16, 2);
    for (int i = 0; i < AGENTS; i++)
        cr_expect_eq(memcmp(one.update[i], two.update[i], (size_t)one.dimension * sizeof(float)), 0, "agent %d", i);
    release(&one);
    release(&two);
}

Test(precision, must_be_known)
{
    cgsv_config config = small_config();
    cgsv_dataset *data;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    config.precision = (cgsv_precision)3;
    refused(cgsv_config_check(&config, data), "precision is 3; expected 0 to 2");
    cgsv_dataset_free(data);
}
