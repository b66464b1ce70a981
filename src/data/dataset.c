/* Data sets: which ones there are, where their files are looked for, and what
 * their readers share. A reader fills a zeroed data set; whatever it leaves behind
 * after a failure is freed here, in one place. Files are read to their exact
 * length: a byte too few or too many means that the file is not what its name
 * says, and training on it would go wrong without a word. */
#include "cgsv/dataset.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/names.h"
#include "data/readers.h"
#include "io/file.h"

enum { CIFAR_RECORDS = 10000, READ_STEP = 1 << 20 };

cgsv_status data_file_find(char **path, const char *set, const char *directory, const char *const *names)
{
    char *folder = NULL;
    TRY(file_join(&folder, directory, set));
    const char *const folders[] = {directory, folder};
    cgsv_status status = CGSV_OK;
    *path = NULL;
    for (int f = 0; f < 2 && !*path && status == CGSV_OK; f++) {
        for (int n = 0; names[n] && !*path && status == CGSV_OK; n++) {
            status = file_join(path, folders[f], names[n]);
            if (status == CGSV_OK && !file_exists(*path)) {
                free(*path);
                *path = NULL;
            }
        }
    }
    if (status == CGSV_OK && !*path)
        status = error_set(CGSV_ERROR_IO,
                           "no file '%s' in '%s' or '%s'; run data/download.sh %s or pass --data DIR", names[0],
                           directory, folder, set);
    free(folder);
    return status;
}

cgsv_status data_file_open(struct data_file *file, const char *path, const char *set)
{
    *file = (struct data_file){.path = path, .set = set};
    errno = 0;
    file->stream = gzopen(path, "rb");
    if (!file->stream) {
        const bool memory = errno == 0 || errno == ENOMEM;
        return error_set(memory ? CGSV_ERROR_MEMORY : CGSV_ERROR_IO, "cannot open '%s': %s", path,
                         memory ? "no memory" : strerror(errno));
    }
    gzbuffer(file->stream, 1 << 17);
    struct stat status;
    if (stat(path, &status) == 0) file->size = status.st_size;
    return CGSV_OK;
}

cgsv_status data_file_can_hold(const struct data_file *file, int64_t count)
{
    /* Of deflate at most: 258 bytes from 2 bits (RFC 1951). Where it matters, of data that are worth training
     * on; pictures of digits have 5. */
    enum { EXPANSION = 1032, EXPANSION_OF_LARGE = 64, LARGE = 64 << 20 };
    if (count / (count > LARGE ? EXPANSION_OF_LARGE : EXPANSION) <= file->size) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA,
                     "'%s' has %lld bytes, too few for the %lld that its header claims; delete it and run "
                     "data/download.sh %s", file->path, (long long)file->size, (long long)count, file->set);
}

/* What zlib found wrong, if anything. */
static cgsv_status stream_status(struct data_file *file)
{
    int code = Z_OK, number = errno;
    const char *text = gzerror(file->stream, &code);
    if (code == Z_OK || code == Z_STREAM_END) return CGSV_OK;
    if (code == Z_ERRNO) return error_set(CGSV_ERROR_IO, "cannot read '%s': %s", file->path, strerror(number));
    if (code == Z_MEM_ERROR) return error_set(CGSV_ERROR_MEMORY, "no memory to decompress '%s'", file->path);
    return error_set(CGSV_ERROR_DATA, "'%s' is damaged (%s); delete it and run data/download.sh %s", file->path, text,
                     file->set);
}

cgsv_status data_file_read(struct data_file *file, void *bytes, int64_t count)
{
    const int64_t expected = file->position + count;
    char *at = bytes;
    while (file->position < expected) {
        const int64_t left = expected - file->position;
        const int got = gzread(file->stream, at, (unsigned)(left < READ_STEP ? left : READ_STEP));
        if (got <= 0) {
            TRY(stream_status(file));
            return error_set(CGSV_ERROR_DATA,
                             "'%s' is truncated: expected %lld bytes, found %lld; delete it and run "
                             "data/download.sh %s",
                             file->path, (long long)expected, (long long)file->position, file->set);
        }
        at += got;
        file->position += got;
    }
    return CGSV_OK;
}

cgsv_status data_file_read_some(struct data_file *file, void *bytes, int64_t count, int64_t *got)
{
    *got = 0;
    while (*got < count) {
        const int64_t left = count - *got;
        const int read = gzread(file->stream, (char *)bytes + *got, (unsigned)(left < READ_STEP ? left : READ_STEP));
        if (read <= 0) break;
        *got += read;
        file->position += read;
    }
    return *got == count ? CGSV_OK : stream_status(file);
}

cgsv_status data_file_end(struct data_file *file)
{
    char extra;
    const int got = gzread(file->stream, &extra, 1);
    if (got > 0)
        return error_set(CGSV_ERROR_DATA,
                         "'%s' is too long: expected %lld bytes, found more; delete it and run data/download.sh %s",
                         file->path, (long long)file->position, file->set);
    return stream_status(file); /* reading past the end is what makes zlib compare its checksum */
}

void data_file_close(struct data_file *file)
{
    if (file->stream) gzclose(file->stream);
    file->stream = NULL;
}

cgsv_status split_allocate(cgsv_split *split, int64_t samples, int64_t values)
{
    /* Samples are numbered by int32_t everywhere. */
    if (samples < 1 || samples > INT32_MAX || values < 1 ||
        (uint64_t)values > (uint64_t)PTRDIFF_MAX / sizeof(float) / (uint64_t)samples)
        return error_set(CGSV_ERROR_ARGUMENT, "%lld samples of %lld values are more than can be held",
                         (long long)samples, (long long)values);
    split->samples = samples;
    split->x = malloc((size_t)samples * (size_t)values * sizeof *split->x);
    split->y = malloc((size_t)samples * sizeof *split->y);
    if (split->x && split->y) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for %lld samples of %lld values (%.1f MB)", (long long)samples,
                     (long long)values, (double)samples * (double)values * sizeof(float) / 1e6);
}

cgsv_status labels_copy(int32_t *y, const uint8_t *labels, int64_t samples, int64_t stride, int classes,
                        const char *path)
{
    for (int64_t i = 0; i < samples; i++) {
        y[i] = labels[i * stride];
        if (y[i] >= classes)
            return error_set(CGSV_ERROR_DATA, "'%s': label of sample %lld is %d, expected 0 to %d", path, (long long)i,
                             (int)y[i], classes - 1);
    }
    return CGSV_OK;
}

void standard_table(float table[256], const uint64_t count[256])
{
    uint64_t total = 0, sum = 0;
    for (unsigned v = 0; v < 256; v++) {
        total += count[v];
        sum += count[v] * v;
    }
    const double mean = total ? (double)sum / (double)total : 0;
    double squares = 0;
    for (int v = 0; v < 256; v++) squares += (double)count[v] * (v - mean) * (v - mean);
    double deviation = total ? sqrt(squares / (double)total) : 0;
    if (deviation == 0) deviation = 1; /* all bytes alike: zeros, not NaN */
    for (int v = 0; v < 256; v++) table[v] = (float)((v - mean) / deviation);
}

static cgsv_status new_dataset(cgsv_dataset **dataset, const char *name)
{
    *dataset = calloc(1, sizeof **dataset);
    if (!*dataset) return error_set(CGSV_ERROR_MEMORY, "no memory for the data set '%s'", name);
    snprintf((*dataset)->name, sizeof (*dataset)->name, "%s", name);
    return CGSV_OK;
}

/* Hands over a data set that was filled well, frees any other. */
static cgsv_status finish(cgsv_dataset **dataset, cgsv_dataset *filled, cgsv_status status)
{
    if (status == CGSV_OK)
        *dataset = filled;
    else
        cgsv_dataset_free(filled);
    return status;
}

enum { SYNTHETIC, MNIST, CIFAR10, MR, SST, SETS };
static const char *const set_names[SETS] = {"synthetic", "mnist", "cifar10", "mr", "sst"};

static const char *const mr_splits[] = {"shuffled", "published"};
enum { MR_SPLITS = sizeof mr_splits / sizeof *mr_splits };

const char *cgsv_mr_split_name(cgsv_mr_split split)
{
    return (int)split >= 0 && (int)split < MR_SPLITS ? mr_splits[split] : "unknown";
}

cgsv_status cgsv_mr_split_parse(cgsv_mr_split *split, const char *name)
{
    int index;
    TRY(name_parse(&index, "split of mr", name, mr_splits, MR_SPLITS));
    *split = (cgsv_mr_split)index;
    return CGSV_OK;
}

int cgsv_dataset_names(const char *const **names)
{
    *names = set_names;
    return SETS;
}

cgsv_status cgsv_dataset_load(cgsv_dataset **dataset, const char *name, const char *directory)
{
    return cgsv_dataset_load_with(dataset, name, directory, NULL);
}

cgsv_status cgsv_dataset_load_with(cgsv_dataset **dataset, const char *name, const char *directory,
                                   const cgsv_dataset_options *options)
{
    static const cgsv_dataset_options usual = {CGSV_MR_SHUFFLED, 1};
    if (!dataset || !name) return error_set(CGSV_ERROR_ARGUMENT, "cgsv_dataset_load: dataset or name is NULL");
    *dataset = NULL;
    int set;
    TRY(name_parse(&set, "data set", name, set_names, SETS));
    if (!directory) directory = getenv("CGSV_DATA");
    if (!directory || !*directory) directory = "data";

    cgsv_dataset *filled;
    TRY(new_dataset(&filled, name));
    cgsv_status status = set == SYNTHETIC ? synthetic_load(filled)
                         : set == MNIST   ? mnist_load(filled, directory)
                         : set == CIFAR10 ? cifar_load(filled, directory, CIFAR_RECORDS)
                         : set == MR      ? rt_polarity_load(filled, directory, options ? options : &usual)
                                          : trees_load(filled, directory);
    return finish(dataset, filled, status);
}

/* Copies one split of a caller's samples, checking each value. */
static cgsv_status copy_split(cgsv_split *split, const char *which, int64_t samples, int64_t values, int classes,
                              const float *x, const int32_t *y)
{
    if (samples < 1) return error_set(CGSV_ERROR_ARGUMENT, "the %s split needs at least one sample", which);
    if (!x || !y) return error_set(CGSV_ERROR_ARGUMENT, "the %s split's samples or labels are NULL", which);
    TRY(split_allocate(split, samples, values));
    for (int64_t i = 0; i < samples; i++)
        if (y[i] < 0 || y[i] >= classes)
            return error_set(CGSV_ERROR_DATA, "%s sample %lld has label %d, expected 0 to %d", which, (long long)i,
                             (int)y[i], classes - 1);
    for (int64_t i = 0; i < samples * values; i++)
        if (!isfinite(x[i]))
            return error_set(CGSV_ERROR_DATA, "%s sample %lld has %g at position %lld, expected a finite number",
                             which, (long long)(i / values), (double)x[i], (long long)(i % values));
    memcpy(split->x, x, (size_t)samples * (size_t)values * sizeof *x);
    memcpy(split->y, y, (size_t)samples * sizeof *y);
    return CGSV_OK;
}

cgsv_status cgsv_dataset_create(cgsv_dataset **dataset, const char *name, int channels, int height, int width,
                                int classes, int64_t train_samples, const float *train_x, const int32_t *train_y,
                                int64_t test_samples, const float *test_x, const int32_t *test_y)
{
    if (!dataset) return error_set(CGSV_ERROR_ARGUMENT, "cgsv_dataset_create: dataset is NULL");
    *dataset = NULL;
    if (!name || !*name || strlen(name) >= sizeof (*dataset)->name)
        return error_set(CGSV_ERROR_ARGUMENT, "a data set's name needs 1 to %zu characters",
                         sizeof (*dataset)->name - 1);
    if (channels < 1 || height < 1 || width < 1 || channels > INT32_MAX / height ||
        channels * height > INT32_MAX / width)
        return error_set(CGSV_ERROR_ARGUMENT,
                         "a sample of %d x %d x %d values: expected 1 or more each, less than 2^31 in all",
                         channels, height, width);
    if (classes < 1) return error_set(CGSV_ERROR_ARGUMENT, "a data set needs at least one class, not %d", classes);

    cgsv_dataset *filled;
    TRY(new_dataset(&filled, name));
    filled->channels = channels;
    filled->height = height;
    filled->width = width;
    filled->classes = classes;
    const int64_t values = (int64_t)channels * height * width;
    cgsv_status status = copy_split(&filled->train, "training", train_samples, values, classes, train_x, train_y);
    if (status == CGSV_OK)
        status = copy_split(&filled->test, "test", test_samples, values, classes, test_x, test_y);
    return finish(dataset, filled, status);
}

void cgsv_dataset_free(cgsv_dataset *dataset)
{
    if (!dataset) return;
    const cgsv_split *const splits[] = {&dataset->train, &dataset->test, &dataset->validation};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        free(splits[i]->x);
        free(splits[i]->token);
        free(splits[i]->length);
        free(splits[i]->y);
    }
    for (int i = 0; dataset->word && i < dataset->vocabulary; i++) free(dataset->word[i]);
    free(dataset->word);
    free(dataset->word_vector);
    free(dataset->has_vector);
    free(dataset);
}
