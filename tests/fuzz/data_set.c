#include "data_set.h"

#include <unistd.h>

#include "data/text.h"
#include "fuzz.h"

const char *data_set_folder(const struct data_set_file *good, int count, const uint8_t *data, size_t size)
{
    static struct fuzz_file files[DATA_SET_FILES];
    static int replaced;
    FUZZ_CHECK(count <= DATA_SET_FILES);
    if (size == 0) return NULL;
    for (int i = 0; i < count && files[i].descriptor == 0; i++) {
        char path[FUZZ_PATH];
        fuzz_file_set(&files[i], good[i].bytes, good[i].size, "", 0);
        fuzz_path(path, good[i].name);
        FUZZ_CHECK(symlink(files[i].path, path) == 0);
    }
    fuzz_file_set(&files[replaced], good[replaced].bytes, good[replaced].size, "", 0);
    replaced = data[0] % count;
    fuzz_file_set(&files[replaced], data + 1, size - 1, "", 0);
    return fuzz_folder();
}

static void check_split(const cgsv_dataset *dataset, const cgsv_split *split)
{
    for (int64_t i = 0; i < split->samples; i++) {
        FUZZ_CHECK(split->y[i] >= 0 && split->y[i] < dataset->classes);
        FUZZ_CHECK(split->length[i] >= 1 && split->length[i] <= dataset->width);
        for (int j = 0; j < dataset->width; j++) {
            const int32_t token = split->token[i * dataset->width + j];
            if (j >= split->length[i]) FUZZ_CHECK(token == CGSV_WORD_PADDING);
            else FUZZ_CHECK(token > CGSV_WORD_PADDING && token < dataset->vocabulary);
        }
    }
}

void data_set_check_sentences(const cgsv_dataset *dataset)
{
    check_split(dataset, &dataset->train);
    check_split(dataset, &dataset->validation);
    check_split(dataset, &dataset->test);
    for (int v = 0; v < dataset->vocabulary; v++)
        for (const char *at = dataset->word[v]; *at; at += text_character(at)) FUZZ_CHECK(text_character(at) > 0);
}
