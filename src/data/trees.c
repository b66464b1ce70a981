/* Stanford Sentiment Treebank (Socher et al., EMNLP 2013): train.txt, dev.txt and test.txt
 * with one tree in brackets a line, "(3 (2 It) (4 (2 works) (2 .)))". A node is a label 0 to 4
 * with either a word or nodes below it; words have their own brackets written -LRB-, -RRB-.
 * A sentence is the tree's words, its class the root's label. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/text.h"

enum { CLASSES = 5, SPLITS = 3, DEEPEST = 10000 };

/* For a message: the first one is 1. */
static long long column(const char *line, const char *at) { return at - line + 1; }

static char *after_blanks(char *at)
{
    while (*at == ' ' || *at == '\t') at++;
    return at;
}

static cgsv_status read_word(struct corpus *corpus, const struct text_lines *lines, char *word, char *end)
{
    const char kept = *end;
    int words;
    *end = 0;
    TRY(corpus_add_words(corpus, word, &words));
    *end = kept;
    return words ? CGSV_OK : text_error(lines, "a node without a word");
}

/* One tree. `filled`, one for each node that is open: whether it has a word or a node yet. */
static cgsv_status read_tree(struct corpus *corpus, const struct text_lines *lines, char *line, bool *filled)
{
    int depth = 0, root = -1;
    for (char *at = after_blanks(line); *at; at = after_blanks(at)) {
        if (root >= 0 && depth == 0)
            return text_error(lines, "something after the tree's last ')': one tree in each line is expected");
        if (*at == '(') {
            if (depth == DEEPEST) return text_error(lines, "a tree deeper than %d", DEEPEST);
            if (depth > 0) filled[depth] = true;
            filled[++depth] = false;
            at = after_blanks(at + 1);
            const int label = at[0] - '0';
            if (label < 0 || label >= CLASSES || (at[1] != ' ' && at[1] != '\t' && at[1] != '('))
                return text_error(lines, "column %lld: expected a label 0 to %d after '('",
                                  column(line, at), CLASSES - 1);
            if (root < 0) root = label;
            at++;
        } else if (*at == ')') {
            if (depth == 0) return text_error(lines, "column %lld: ')' without its '('", column(line, at));
            if (!filled[depth--])
                return text_error(lines, "column %lld: a node without a word", column(line, at));
            at++;
        } else {
            if (depth == 0) return text_error(lines, "does not begin with '('");
            char *word = at;
            at += strcspn(at, "() \t");
            TRY(read_word(corpus, lines, word, at));
            filled[depth] = true;
        }
    }
    if (root < 0) return text_error(lines, "empty; expected a tree in each line");
    if (depth > 0) return text_error(lines, "%d '(' without ')': the tree is cut short", depth);
    return corpus_end_sentence(corpus, root);
}

static cgsv_status check_utf8(const struct text_lines *lines, const char *line)
{
    for (const char *at = line; *at;) {
        const int length = text_character(at);
        if (!length)
            return text_error(lines, "byte 0x%02x in column %lld is not UTF-8", (unsigned char)*at,
                              column(line, at));
        at += length;
    }
    return CGSV_OK;
}

static cgsv_status read_lines(struct corpus *corpus, struct text_lines *lines)
{
    static const size_t nodes = DEEPEST + 1;
    bool *filled = calloc(nodes, sizeof *filled);
    if (!filled) return error_set(CGSV_ERROR_MEMORY, "no memory to read trees");
    cgsv_status status;
    for (char *line;;) {
        status = text_line(lines, &line, true);
        if (status != CGSV_OK || !line) break;
        status = check_utf8(lines, line);
        if (status == CGSV_OK) status = read_tree(corpus, lines, line, filled);
        if (status != CGSV_OK) break;
    }
    free(filled);
    TRY(status);
    if (lines->number > 1) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' is empty; delete it and run data/download.sh sst", lines->file.path);
}

static cgsv_status read_file(struct corpus *corpus, const char *directory, const char *name, const char *below)
{
    const char *const names[] = {below, name, NULL};
    char *path;
    struct text_lines lines;
    TRY(data_file_find(&path, "sst", directory, names));
    cgsv_status status = text_open(&lines, path, "sst");
    if (status == CGSV_OK) status = read_lines(corpus, &lines);
    text_close(&lines);
    free(path);
    return status;
}

cgsv_status trees_load(cgsv_dataset *dataset, const char *directory)
{
    static const char *const name[SPLITS] = {"train.txt", "dev.txt", "test.txt"};
    static const char *const below[SPLITS] = {"trees/train.txt", "trees/dev.txt", "trees/test.txt"};
    cgsv_split *const split[SPLITS] = {&dataset->train, &dataset->validation, &dataset->test};
    struct corpus_part part[SPLITS];
    struct corpus corpus = {0};
    cgsv_status status = CGSV_OK;
    dataset->classes = CLASSES;
    for (int i = 0; i < SPLITS && status == CGSV_OK; i++) {
        const int64_t first = corpus.sentences;
        status = read_file(&corpus, directory, name[i], below[i]);
        part[i] = (struct corpus_part){split[i], first, corpus.sentences - first};
    }
    if (status == CGSV_OK) status = corpus_finish(&corpus, dataset, NULL, part, SPLITS);
    corpus_free(&corpus);
    return status;
}
