/* Labelled pictures or sentences in host memory: a training and a test split, and a
 * validation split where the set has one of its own. */
#ifndef CGSV_DATASET_H
#define CGSV_DATASET_H

#include <stdint.h>

#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One split: pictures, standardised, one after the other in `x`; or sentences, as numbers
 * of words. `y` are their classes, 0 <= y < classes. */
typedef struct cgsv_split {
    int64_t samples;
    float *x;        /* [samples][channels][height][width]; NULL for sentences */
    int32_t *token;  /* [samples][width] words, then CGSV_WORD_PADDING; NULL for pictures */
    int32_t *length; /* [samples] words of each, 1 <= length <= width; NULL for pictures */
    int32_t *y;      /* [samples] */
} cgsv_split;

/* The first two words of every vocabulary; the first never occurs in a set's own splits. */
enum { CGSV_WORD_UNKNOWN, CGSV_WORD_PADDING };

enum { CGSV_WORD_VALUES = 300 }; /* of a word's vector, in text_cnn */

typedef struct cgsv_dataset {
    char name[32];
    int channels, height, width; /* sentences: 1, 1, words of the longest */
    int classes;
    cgsv_split train, test;
    cgsv_split validation; /* no samples where the set has none of its own */
    int vocabulary;        /* V: different words, the first two among them; 0 for pictures */
    char **word;           /* [V] in UTF-8, lower case */
    float *word_vector;    /* [V][CGSV_WORD_VALUES] read from a file, or NULL */
    uint8_t *has_vector;   /* [V] which words were in it */
} cgsv_dataset;

/* How "mr" is split 9:1, the tenth halved into validation and test sentences. The published
 * split takes all negative sentences, then all positive ones, in the files' order, so that
 * it validates and tests on positive sentences alone. */
typedef enum cgsv_mr_split {
    CGSV_MR_SHUFFLED, /* by the seed */
    CGSV_MR_PUBLISHED
} cgsv_mr_split;

typedef struct cgsv_dataset_options {
    cgsv_mr_split mr_split;
    uint64_t seed; /* of the shuffle */
} cgsv_dataset_options;

/* Loads a data set by name.
 *   "synthetic"  built-in drawings of digits, 1×32×32: no file and no network;
 *                12,000 training and 2,000 test samples, the same ones always
 *   "mnist"      the four IDX files, plain or .gz, padded to 1×32×32 and
 *                standardised by the padded split's own mean and deviation
 *   "cifar10"    cifar-10-batches-bin/, 3×32×32, standardised per channel
 *   "mr"         rt-polarity.neg and .pos: film reviews, a sentence a line, 2 classes
 *   "sst"        Stanford's trees/train.txt, dev.txt, test.txt: 5 classes, the root's label
 * Sentences are split on blanks and put in lower case. Their vocabulary is that of all
 * splits, the most frequent word first, equals in the order of their bytes.
 * directory: where to look; NULL for $CGSV_DATA, then data/. Files may lie in it
 * or in a folder of the data set's name ("mr" also rt-polaritydata/, "sst" trees/).
 * Errors: CGSV_ERROR_ARGUMENT (unknown name), CGSV_ERROR_IO (file missing),
 * CGSV_ERROR_DATA (truncated, oversized or mislabelled file). */
CGSV_API cgsv_status cgsv_dataset_load(cgsv_dataset **dataset, const char *name, const char *directory);

/* The same with options; NULL for the shuffled split of seed 1, as cgsv_dataset_load has it. */
CGSV_API cgsv_status cgsv_dataset_load_with(cgsv_dataset **dataset, const char *name, const char *directory,
                                            const cgsv_dataset_options *options);

/* Reads vectors for the words of a set of sentences, to begin training with, from a file in
 * GloVe's or word2vec's text format (plain or .gz): a word and CGSV_WORD_VALUES numbers a
 * line; word2vec's first line, two counts, is skipped. Of a word that comes twice the first
 * vector is taken. found: words of the vocabulary that have a vector; may be NULL.
 * Errors: CGSV_ERROR_ARGUMENT (pictures), CGSV_ERROR_IO, CGSV_ERROR_DATA (with file and
 * line: another number of values, a value that is no finite number). */
CGSV_API cgsv_status cgsv_dataset_read_vectors(cgsv_dataset *dataset, const char *path, int *found);

CGSV_API const char *cgsv_mr_split_name(cgsv_mr_split split);
CGSV_API cgsv_status cgsv_mr_split_parse(cgsv_mr_split *split, const char *name);

/* The names that cgsv_dataset_load knows, the built-in one first; returns their number. */
CGSV_API int cgsv_dataset_names(const char *const **names);

/* Copies a caller's own samples. x: float32 [samples][channels][height][width],
 * y: [samples]. A label outside 0..classes-1 or a value that is not finite is
 * CGSV_ERROR_DATA. */
CGSV_API cgsv_status cgsv_dataset_create(cgsv_dataset **dataset, const char *name, int channels, int height,
                                         int width, int classes, int64_t train_samples, const float *train_x,
                                         const int32_t *train_y, int64_t test_samples, const float *test_x,
                                         const int32_t *test_y);

/* NULL is fine. */
CGSV_API void cgsv_dataset_free(cgsv_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
