/* MNIST from its four IDX files (http://yann.lecun.com/exdb/mnist, "the IDX file
 * format"): a magic number 0x00 0x00 type dimensions, one big-endian 32-bit size per
 * dimension, then the values; MNIST's are unsigned bytes. Pictures of 28×28 are
 * padded by zeros to 32×32, and each split is standardised by the mean and
 * deviation of its own padded pictures, as in the paper's published code. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/readers.h"

enum {
    SIDE = 28,
    PADDED = 32,
    PIXELS = SIDE * SIDE,
    PADDED_PIXELS = PADDED * PADDED,
    BORDER = (PADDED - SIDE) / 2,
    CLASSES = 10,
    IDX_UBYTE = 0x08,
    IDX_DIMENSIONS = 3
};

/* A header decides how much is allocated, so a damaged one must not ask for more
 * than any file of this kind needs; MNIST's largest holds 47 MB. */
static const uint64_t idx_limit = UINT64_C(1) << 30;

struct idx {
    char *path;
    int64_t size[IDX_DIMENSIONS];
    uint8_t *bytes; /* [size[0]][size[1]]… */
};

static void idx_free(struct idx *idx)
{
    free(idx->path);
    free(idx->bytes);
    *idx = (struct idx){0};
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static cgsv_status read_header(struct idx *idx, struct data_file *file, int dimensions, int64_t *total)
{
    uint8_t header[4 + 4 * IDX_DIMENSIONS];
    TRY(data_file_read(file, header, 4));
    const uint32_t magic = big_endian(header), expected = IDX_UBYTE << 8 | (uint32_t)dimensions;
    if (magic != expected)
        return error_set(CGSV_ERROR_DATA,
                         "'%s' starts with 0x%08x, expected 0x%08x (IDX, bytes in %d dimensions); delete it and run "
                         "data/download.sh %s",
                         file->path, magic, expected, dimensions, file->set);
    TRY(data_file_read(file, header + 4, (int64_t)4 * dimensions));
    uint64_t product = 1;
    for (int d = 0; d < dimensions; d++) {
        const uint32_t size = big_endian(header + 4 * (ptrdiff_t)(d + 1));
        if (size == 0 || size > idx_limit / product)
            return error_set(CGSV_ERROR_DATA, "'%s': dimension %d has size %u, expected 1 or more and at most %llu "
                             "bytes in all; delete the file and run data/download.sh %s",
                             file->path, d, size, (unsigned long long)idx_limit, file->set);
        product *= size;
        idx->size[d] = size;
    }
    *total = (int64_t)product;
    return CGSV_OK;
}

static cgsv_status read_body(struct idx *idx, struct data_file *file, int dimensions)
{
    int64_t total = 0;
    TRY(read_header(idx, file, dimensions, &total));
    TRY(data_file_can_hold(file, total));
    idx->bytes = malloc((size_t)total);
    if (!idx->bytes)
        return error_set(CGSV_ERROR_MEMORY, "no memory for the %lld bytes of '%s'", (long long)total, file->path);
    TRY(data_file_read(file, idx->bytes, total));
    return data_file_end(file);
}

/* Finds and reads one file of bytes in `dimensions` dimensions. After a failure
 * idx_free still is the caller's. */
static cgsv_status idx_read(struct idx *idx, const char *directory, const char *const *names, int dimensions)
{
    struct data_file file;
    TRY(data_file_find(&idx->path, "mnist", directory, names));
    cgsv_status status = data_file_open(&file, idx->path, "mnist");
    if (status == CGSV_OK) status = read_body(idx, &file, dimensions);
    data_file_close(&file);
    return status;
}

/* Bytes to padded, standardised floats. */
static void pad_and_standardise(float *x, const uint8_t *bytes, int64_t samples)
{
    uint64_t count[256] = {0};
    for (int64_t i = 0; i < samples * PIXELS; i++) count[bytes[i]]++;
    count[0] += (uint64_t)samples * (PADDED_PIXELS - PIXELS);
    float table[256];
    standard_table(table, count);

    for (int64_t i = 0; i < samples * PADDED_PIXELS; i++) x[i] = table[0];
    for (int64_t i = 0; i < samples; i++)
        for (int r = 0; r < SIDE; r++)
            for (int c = 0; c < SIDE; c++)
                x[(i * PADDED + BORDER + r) * PADDED + BORDER + c] = table[bytes[(i * SIDE + r) * SIDE + c]];
}

static cgsv_status fill_split(cgsv_split *split, const struct idx *pictures, const struct idx *labels)
{
    if (pictures->size[1] != SIDE || pictures->size[2] != SIDE)
        return error_set(CGSV_ERROR_DATA, "'%s' has pictures of %lldx%lld, expected %dx%d", pictures->path,
                         (long long)pictures->size[1], (long long)pictures->size[2], SIDE, SIDE);
    if (pictures->size[0] != labels->size[0])
        return error_set(CGSV_ERROR_DATA,
                         "'%s' has %lld pictures but '%s' has %lld labels; they do not belong together",
                         pictures->path, (long long)pictures->size[0], labels->path, (long long)labels->size[0]);
    TRY(split_allocate(split, pictures->size[0], PADDED_PIXELS));
    TRY(labels_copy(split->y, labels->bytes, split->samples, 1, CLASSES, labels->path));
    pad_and_standardise(split->x, pictures->bytes, split->samples);
    return CGSV_OK;
}

static cgsv_status load_split(cgsv_split *split, const char *directory, const char *const *picture_names,
                              const char *const *label_names)
{
    struct idx pictures = {0}, labels = {0};
    cgsv_status status = idx_read(&pictures, directory, picture_names, 3);
    if (status == CGSV_OK) status = idx_read(&labels, directory, label_names, 1);
    if (status == CGSV_OK) status = fill_split(split, &pictures, &labels);
    idx_free(&pictures);
    idx_free(&labels);
    return status;
}

/* Some copies of MNIST write a '.' for the second '-'. */
#define NAMES(base, kind) {base "-" kind, base "-" kind ".gz", base "." kind, base "." kind ".gz", NULL}

cgsv_status mnist_load(cgsv_dataset *dataset, const char *directory)
{
    static const char *const train_pictures[] = NAMES("train-images", "idx3-ubyte");
    static const char *const train_labels[] = NAMES("train-labels", "idx1-ubyte");
    static const char *const test_pictures[] = NAMES("t10k-images", "idx3-ubyte");
    static const char *const test_labels[] = NAMES("t10k-labels", "idx1-ubyte");
    dataset->channels = 1;
    dataset->height = dataset->width = PADDED;
    dataset->classes = CLASSES;
    TRY(load_split(&dataset->train, directory, train_pictures, train_labels));
    return load_split(&dataset->test, directory, test_pictures, test_labels);
}
