/* CIFAR-10 from its binary version (https://www.cs.toronto.edu/~kriz/cifar.html):
 * five training files and one test file, each 10,000 records of a label byte and
 * 3,072 bytes of picture, red, green and blue planes of 32×32 one after the other,
 * which is the order a split has. Nothing in a file tells how many records it should
 * hold, so their number is fixed and the length must fit it. Values are scaled to
 * 0..1 and standardised per channel by the constants of the paper's published code. */
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "data/readers.h"

enum {
    CHANNELS = 3,
    SIDE = 32,
    PLANE = SIDE * SIDE,
    PICTURE = CHANNELS * PLANE,
    RECORD = 1 + PICTURE,
    CLASSES = 10,
    TRAIN_FILES = 5
};

/* Byte to standardised value, per channel. */
static void standard_tables(float table[CHANNELS][256])
{
    static const double mean[CHANNELS] = {0.4914, 0.4822, 0.4465}, deviation[CHANNELS] = {0.2470, 0.2435, 0.2616};
    for (int c = 0; c < CHANNELS; c++)
        for (int v = 0; v < 256; v++) table[c][v] = (float)((v / 255.0 - mean[c]) / deviation[c]);
}

static cgsv_status read_records(uint8_t *bytes, const char *path, int64_t records)
{
    struct data_file file;
    cgsv_status status = data_file_open(&file, path, "cifar10");
    if (status == CGSV_OK) status = data_file_read(&file, bytes, records * RECORD);
    if (status == CGSV_OK) status = data_file_end(&file);
    data_file_close(&file);
    return status;
}

/* Reads one file's records into x and y; `bytes` has room for them. */
static cgsv_status load_file(float *x, int32_t *y, const char *directory, const char *name, int64_t records,
                             uint8_t *bytes)
{
    char below[64];
    snprintf(below, sizeof below, "cifar-10-batches-bin/%s", name);
    const char *const names[] = {below, name, NULL};
    char *path = NULL;
    TRY(data_file_find(&path, "cifar10", directory, names));
    cgsv_status status = read_records(bytes, path, records);
    if (status == CGSV_OK) status = labels_copy(y, bytes, records, RECORD, CLASSES, path);
    free(path);
    TRY(status);

    float table[CHANNELS][256];
    standard_tables(table);
    for (int64_t i = 0; i < records; i++)
        for (int64_t c = 0; c < CHANNELS; c++)
            for (int64_t p = 0; p < PLANE; p++)
                x[i * PICTURE + c * PLANE + p] = table[c][bytes[i * RECORD + 1 + c * PLANE + p]];
    return CGSV_OK;
}

static cgsv_status load_files(cgsv_dataset *dataset, const char *directory, int64_t records, uint8_t *bytes)
{
    cgsv_split *train = &dataset->train, *test = &dataset->test;
    TRY(split_allocate(train, TRAIN_FILES * records, PICTURE));
    TRY(split_allocate(test, records, PICTURE));
    for (int f = 0; f < TRAIN_FILES; f++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", f + 1);
        TRY(load_file(train->x + f * records * PICTURE, train->y + f * records, directory, name, records, bytes));
    }
    return load_file(test->x, test->y, directory, "test_batch.bin", records, bytes);
}

cgsv_status cifar_load(cgsv_dataset *dataset, const char *directory, int64_t records)
{
    dataset->channels = CHANNELS;
    dataset->height = dataset->width = SIDE;
    dataset->classes = CLASSES;
    uint8_t *bytes = malloc((size_t)records * RECORD);
    if (!bytes)
        return error_set(CGSV_ERROR_MEMORY, "no memory for the %lld bytes of a file of CIFAR-10",
                         (long long)records * RECORD);
    cgsv_status status = load_files(dataset, directory, records, bytes);
    free(bytes);
    return status;
}
