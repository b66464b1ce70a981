/* Movie Reviews (Pang and Lee, "Seeing stars", ACL 2005; sentence polarity v1.0): one
 * sentence a line in rt-polarity.neg and rt-polarity.pos, already cut into words. The files
 * are not UTF-8 but Latin-1 in about 200 lines; bytes that are no UTF-8 are left out, as the
 * published reader leaves them out (Python's errors='ignore').
 *
 * Split: the first nine tenths train; the last tenth is halved into validation and test. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"
#include "data/text.h"

enum { NEGATIVE, POSITIVE, CLASSES };

static void drop_invalid(char *text)
{
    char *to = text;
    while (*text) {
        const int length = text_character(text);
        for (int i = 0; i < length; i++) *to++ = *text++;
        if (!length) text++;
    }
    *to = 0;
}

static cgsv_status read_lines(struct corpus *corpus, struct text_lines *lines, int label)
{
    char *line;
    for (;;) {
        int words;
        TRY(text_line(lines, &line, true));
        if (!line) break;
        drop_invalid(line);
        TRY(corpus_add_words(corpus, line, &words));
        if (!words) return text_error(lines, "empty; expected a sentence in each line");
        TRY(corpus_end_sentence(corpus, label));
    }
    if (lines->number > 1) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' is empty; delete it and run data/download.sh mr", lines->file.path);
}

static cgsv_status read_file(struct corpus *corpus, const char *directory, const char *name, const char *below,
                             int label)
{
    const char *const names[] = {name, below, NULL};
    char *path;
    struct text_lines lines;
    TRY(data_file_find(&path, "mr", directory, names));
    cgsv_status status = text_open(&lines, path, "mr");
    if (status == CGSV_OK) status = read_lines(corpus, &lines, label);
    text_close(&lines);
    free(path);
    return status;
}

static cgsv_status finish(const struct corpus *corpus, cgsv_dataset *dataset, const cgsv_dataset_options *options)
{
    const int64_t all = corpus->sentences, held = all / 10, train = all - held;
    if (held < 2)
        return error_set(CGSV_ERROR_DATA, "mr has %lld sentences; 20 at least are needed, to test on one of ten",
                         (long long)all);
    const struct corpus_part part[] = {{&dataset->train, 0, train},
                                       {&dataset->validation, train, held / 2},
                                       {&dataset->test, train + held / 2, held - held / 2}};
    int32_t *order = malloc((size_t)all * sizeof *order);
    if (!order) return error_set(CGSV_ERROR_MEMORY, "no memory to shuffle %lld sentences", (long long)all);
    struct random_stream stream;
    random_start(&stream, options->seed, RANDOM_PARTITION, RANDOM_PARTITION_MR);
    random_order(&stream, order, all);
    const cgsv_status status =
        corpus_finish(corpus, dataset, options->mr_split == CGSV_MR_PUBLISHED ? NULL : order, part, 3);
    free(order);
    return status;
}

cgsv_status rt_polarity_load(cgsv_dataset *dataset, const char *directory, const cgsv_dataset_options *options)
{
    struct corpus corpus = {0};
    dataset->classes = CLASSES;
    cgsv_status status =
        read_file(&corpus, directory, "rt-polarity.neg", "rt-polaritydata/rt-polarity.neg", NEGATIVE);
    if (status == CGSV_OK)
        status = read_file(&corpus, directory, "rt-polarity.pos", "rt-polaritydata/rt-polarity.pos", POSITIVE);
    if (status == CGSV_OK) status = finish(&corpus, dataset, options);
    corpus_free(&corpus);
    return status;
}
