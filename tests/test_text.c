/* Readers of sentences and word vectors: small files made here, each way in which one can be
 * wrong, and the real sets where they are. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/dataset.h"
#include "text_files.h"

TestSuite(text, .init = temporary_make, .fini = temporary_remove, .timeout = 60);

static void put(const char *name, const char *text) { temporary_put(name, text, strlen(text)); }

static cgsv_dataset *load(const char *set, cgsv_mr_split split, uint64_t seed)
{
    cgsv_dataset *data;
    const cgsv_dataset_options options = {split, seed};
    cr_assert_eq(cgsv_dataset_load_with(&data, set, temporary_folder(), &options), CGSV_OK, "%s", cgsv_last_error());
    return data;
}

/* One line that names what is wrong, and where. */
static void expect_refusal(cgsv_status status, cgsv_status expected, const char *file, const char *part)
{
    const char *error = cgsv_last_error();
    cr_expect_eq(status, expected, "status %d for %s: %s", (int)status, part, error);
    cr_expect(strstr(error, file) && strstr(error, part), "'%s' does not name %s and '%s'", error, file, part);
    cr_expect_null(strchr(error, '\n'));
}

static const char *word_of(const cgsv_dataset *data, const cgsv_split *split, int64_t sample, int position)
{
    return data->word[split->token[sample * data->width + position]];
}

/* ---- Movie Reviews ---- */

static void put_numbered(const char *name, const char *prefix)
{
    char text[512];
    int used = 0;
    for (int i = 0; i < 10; i++) used += snprintf(text + used, sizeof text - (size_t)used, "%s%d The END\n", prefix, i);
    temporary_put(name, text, (size_t)used);
}

Test(text, mr_split_and_vocabulary)
{
    put_numbered("rt-polarity.neg", "n");
    put_numbered("rt-polarity.pos", "p");
    cgsv_dataset *data = load("mr", CGSV_MR_PUBLISHED, 1);
    cr_assert_eq(data->train.samples, 18);
    cr_assert_eq(data->validation.samples, 1);
    cr_assert_eq(data->test.samples, 1);
    cr_assert_eq(data->classes, 2);
    cr_assert_eq(data->vocabulary, 2 + 22);
    cr_assert_eq(data->width, 3);
    static const char *const first[] = {"<unk>", "<pad>", "end", "the", "n0", "n1"};
    for (int i = 0; i < 6; i++) cr_assert_str_eq(data->word[i], first[i]);
    for (int i = 0; i < 18; i++) {
        char expected[8];
        snprintf(expected, sizeof expected, "%c%d", i < 10 ? 'n' : 'p', i % 10);
        cr_assert_str_eq(word_of(data, &data->train, i, 0), expected);
        cr_assert_eq(data->train.y[i], i >= 10);
    }
    cr_assert_str_eq(word_of(data, &data->validation, 0, 0), "p8");
    cr_assert_str_eq(word_of(data, &data->test, 0, 0), "p9");
    cgsv_dataset_free(data);
}

/* A seed's shuffle keeps labels with their sentences, and repeats. */
Test(text, mr_shuffled)
{
    put_numbered("rt-polarity.neg", "n");
    put_numbered("rt-polarity.pos", "p");
    cgsv_dataset *data = load("mr", CGSV_MR_SHUFFLED, 1), *again = load("mr", CGSV_MR_SHUFFLED, 1),
                 *other = load("mr", CGSV_MR_SHUFFLED, 2);
    const size_t bytes = 18 * 3 * sizeof(int32_t);
    int moved = 0;
    cr_assert_eq(memcmp(data->train.token, again->train.token, bytes), 0);
    cr_assert_neq(memcmp(data->train.token, other->train.token, bytes), 0);
    for (int i = 0; i < 18; i++) {
        const char *word = word_of(data, &data->train, i, 0);
        cr_assert_eq(data->train.y[i], word[0] == 'p');
        moved += data->train.y[i] != (i >= 10);
    }
    cr_assert_gt(moved, 0);
    cgsv_dataset_free(data);
    cgsv_dataset_free(again);
    cgsv_dataset_free(other);
}

/* Bytes that are no UTF-8 are left out, as Python's errors='ignore' does; letters of UTF-8
 * stay and are put in lower case; the no-break space is a blank; carriage returns go. */
Test(text, mr_bytes)
{
    put_numbered("rt-polarity.neg", "n");
    put("rt-polarity.pos", "caf\xe9 \xc3\x89tude\xc2\xa0X \x85 a\r\n"
                           "p1 b\np2 b\np3 b\np4 b\np5 b\np6 b\np7 b\np8 b\np9 b\n");
    cgsv_dataset *data = load("mr", CGSV_MR_PUBLISHED, 1);
    static const char *const words[] = {"caf", "\xc3\xa9tude", "x", "a"};
    cr_assert_eq(data->train.length[10], 4);
    for (int i = 0; i < 4; i++) cr_assert_str_eq(word_of(data, &data->train, 10, i), words[i]);
    cr_assert_eq(data->train.length[11], 2);
    cr_assert_eq(data->train.token[11 * data->width + 3], CGSV_WORD_PADDING);
    cgsv_dataset_free(data);
}

Test(text, mr_refusals)
{
    static const struct {
        const char *text, *part;
    } cases[] = {{"good\n\nbad\n", "line 2: empty"}, {"good\n \x85\x96 \n", "line 2: empty"},
                 {"good\nwords without an en", "line 2: the file ends within it"}, {"", "is empty"}};
    cgsv_dataset *data;
    put_numbered("rt-polarity.neg", "n");
    expect_refusal(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_ERROR_IO, "rt-polarity.pos",
                   "download.sh mr");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("rt-polarity.pos", cases[i].text);
        expect_refusal(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_ERROR_DATA, "rt-polarity.pos",
                       cases[i].part);
        cr_expect_null(data);
    }
    temporary_put("rt-polarity.pos", "a\0b\n", 4);
    expect_refusal(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_ERROR_DATA, "rt-polarity.pos",
                   "line 1: a byte 0");
    put("rt-polarity.pos", "one\n");
    expect_refusal(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_ERROR_DATA, "mr", "20 at least");
    char same[41] = "";
    for (int i = 0; i < 10; i++) strcat(same, "ok\n");
    put("rt-polarity.neg", same);
    put("rt-polarity.pos", same);
    expect_refusal(cgsv_dataset_load(&data, "mr", temporary_folder()), CGSV_ERROR_DATA, "mr", "1 different word;");
}

/* ---- sentiment trees ---- */

static void put_trees(const char *train)
{
    put("train.txt", train);
    put("dev.txt", "(1 (2 Not) (1 bad))\n");
    put("test.txt", "(4 Great)\n");
}

Test(text, trees)
{
    put_trees("(3 (2 (2 The) (2 -LRB-)) (4 (3 works) (2 .)))\n(0 awful )\n");
    cgsv_dataset *data = load("sst", CGSV_MR_SHUFFLED, 1);
    cr_assert_eq(data->train.samples, 2);
    cr_assert_eq(data->validation.samples, 1);
    cr_assert_eq(data->test.samples, 1);
    cr_assert_eq(data->classes, 5);
    cr_assert_eq(data->train.y[0], 3);
    cr_assert_eq(data->train.y[1], 0);
    cr_assert_eq(data->validation.y[0], 1);
    cr_assert_eq(data->test.y[0], 4);
    cr_assert_eq(data->train.length[0], 4);
    cr_assert_str_eq(word_of(data, &data->train, 0, 1), "-lrb-");
    cr_assert_str_eq(word_of(data, &data->train, 1, 0), "awful");
    cr_assert_str_eq(word_of(data, &data->test, 0, 0), "great");
    cr_assert_eq(data->vocabulary, 2 + 8);
    cgsv_dataset_free(data);
}

Test(text, tree_refusals)
{
    static const struct {
        const char *tree, *part;
    } cases[] = {{"(2 (2 a) (2 b)\n", "line 2: 1 '(' without ')'"}, {"(2 a))\n", "line 2: something after"},
                 {"\n", "line 2: empty"},                           {"(5 a)\n", "column 2: expected a label 0 to 4"},
                 {"(2 (7 a) (2 b))\n", "column 5: expected a label"}, {"(-1 a)\n", "expected a label"},
                 {"(a)\n", "expected a label"},                     {"(2)\n", "expected a label"},
                 {"(2 )\n", "a node without a word"},               {"a (2 b)\n", "does not begin with '('"},
                 {")\n", "')' without its '('"},                    {"(2 a) (2 b)\n", "something after"},
                 {"(2 caf\xe9)\n", "line 2: byte 0xe9 in column 7 is not UTF-8"},
                 {"(2 (2 a) (2 b", "line 2: the file ends within it"}};
    cgsv_dataset *data;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "(2 fine)\n%s", cases[i].tree);
        put_trees(text);
        expect_refusal(cgsv_dataset_load(&data, "sst", temporary_folder()), CGSV_ERROR_DATA, "train.txt",
                       cases[i].part);
        cr_expect_null(data);
    }
    put_trees("");
    expect_refusal(cgsv_dataset_load(&data, "sst", temporary_folder()), CGSV_ERROR_DATA, "train.txt", "is empty");
    cr_expect_eq(unlink(temporary_path("train.txt")), 0);
    expect_refusal(cgsv_dataset_load(&data, "sst", temporary_folder()), CGSV_ERROR_IO, "train.txt", "download.sh sst");
}

/* ---- word vectors ---- */

/* A line: the word, and `values` numbers that begin with `first`; good until the call after
 * the next. */
static char *vector_line(const char *word, double first, int values)
{
    static char lines[2][8 * CGSV_WORD_VALUES];
    static int last;
    char *text = lines[last = !last];
    const size_t room = sizeof lines[0];
    int used = snprintf(text, room, "%s %g", word, first);
    for (int i = 1; i < values; i++) used += snprintf(text + used, room - (size_t)used, " %d", i % 10);
    snprintf(text + used, room - (size_t)used, "\n");
    return text;
}

static cgsv_dataset *load_great_trees(void)
{
    put_trees("(3 (2 fine) (2 work))\n");
    return load("sst", CGSV_MR_SHUFFLED, 1);
}

static int find_word(const cgsv_dataset *data, const char *word)
{
    int found = -1;
    for (int i = 0; i < data->vocabulary; i++)
        if (strcmp(data->word[i], word) == 0) found = i;
    cr_assert_geq(found, 0, "no word %s", word);
    return found;
}

Test(text, vectors)
{
    cgsv_dataset *data = load_great_trees();
    static char text[1 << 15];
    int found;
    strcpy(text, "400000 300\n");
    strcat(text, vector_line(". . .", 9, CGSV_WORD_VALUES));
    strcat(text, vector_line("great", 0.25, CGSV_WORD_VALUES));
    strcat(text, vector_line("unheard", 7, CGSV_WORD_VALUES));
    strcat(text, vector_line("fine", -1.5e-3, CGSV_WORD_VALUES));
    strcat(text, vector_line("great", 8, CGSV_WORD_VALUES));
    put("vectors.txt.gz", text);
    cr_assert_eq(cgsv_dataset_read_vectors(data, temporary_path("vectors.txt.gz"), &found), CGSV_OK, "%s",
                 cgsv_last_error());
    cr_assert_eq(found, 2);
    const int great = find_word(data, "great"), fine = find_word(data, "fine"), work = find_word(data, "work");
    cr_assert(data->has_vector[great] && data->has_vector[fine] && !data->has_vector[work]);
    cr_assert_eq(data->word_vector[great * CGSV_WORD_VALUES], 0.25f);
    cr_assert_eq(data->word_vector[fine * CGSV_WORD_VALUES], -1.5e-3f);
    cr_assert_eq(data->word_vector[great * CGSV_WORD_VALUES + 299], 9.0f);
    cgsv_dataset_free(data);
}

static void expect_vector_error(cgsv_dataset *data, const char *second, const char *part)
{
    char *text = malloc(1 << 15);
    snprintf(text, 1 << 15, "%s", vector_line("great", 1, CGSV_WORD_VALUES));
    strcat(text, second);
    put("vectors.txt", text);
    expect_refusal(cgsv_dataset_read_vectors(data, temporary_path("vectors.txt"), NULL), CGSV_ERROR_DATA, "vectors.txt",
                   part);
    for (int i = 0; i < data->vocabulary; i++) cr_expect_eq(data->has_vector[i], 0);
    free(text);
}

Test(text, vector_refusals)
{
    cgsv_dataset *data = load_great_trees();
    char text[8 * CGSV_WORD_VALUES];
    expect_vector_error(data, vector_line("fine", 1, 299), "line 2: 299 values");
    expect_vector_error(data, vector_line("fine", 1, 301), "line 2: 301 values");
    expect_vector_error(data, vector_line("fine", NAN, 300), "line 2: value 1 is nan");
    expect_vector_error(data, vector_line("fine", INFINITY, 300), "line 2: value 1 is inf");
    expect_vector_error(data, "\n", "line 2: 0 values");
    snprintf(text, sizeof text, "%s", vector_line("fine", 1, 300));
    memcpy(strchr(text, '1') + 2, "x", 1);
    expect_vector_error(data, text, "line 2: value 2 is no number");
    put("vectors.txt", "");
    expect_refusal(cgsv_dataset_read_vectors(data, temporary_path("vectors.txt"), NULL), CGSV_ERROR_DATA, "vectors.txt",
                   "empty");
    expect_refusal(cgsv_dataset_read_vectors(data, temporary_path("none"), NULL), CGSV_ERROR_IO, "none", "cannot open");
    cgsv_dataset_free(data);
    cr_assert_eq(cgsv_dataset_load(&data, "synthetic", NULL), CGSV_OK);
    expect_refusal(cgsv_dataset_read_vectors(data, "x", NULL), CGSV_ERROR_ARGUMENT, "synthetic", "pictures");
    cgsv_dataset_free(data);
}

/* ---- the real sets ---- */

static void check_real(const char *set, int64_t train, int64_t validation, int64_t test, int vocabulary, int width)
{
    const char *shared = getenv("CGSV_SHARED");
    char path[1024];
    cgsv_dataset *data;
    snprintf(path, sizeof path, "%s/data", shared ? shared : "../shared");
    if (access(path, R_OK)) cr_skip_test("%s is not there", path);
    cr_assert_eq(cgsv_dataset_load(&data, set, path), CGSV_OK, "%s", cgsv_last_error());
    cr_assert_eq(data->train.samples, train);
    cr_assert_eq(data->validation.samples, validation);
    cr_assert_eq(data->test.samples, test);
    cr_assert_eq(data->vocabulary, vocabulary);
    cr_assert_eq(data->width, width);
    cgsv_dataset_free(data);
}

/* V and width counted by a Python script: split(), lower(), a Counter. */
Test(text, real_mr) { check_real("mr", 9596, 533, 533, 21384, 59); }
Test(text, real_sst) { check_real("sst", 8544, 1101, 2210, 19538, 56); }
