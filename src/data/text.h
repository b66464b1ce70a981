/* What the readers of sentences share: lines of a file, words of a line, and a corpus that
 * numbers the words and becomes a data set. */
#ifndef DATA_TEXT_H
#define DATA_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "data/readers.h"

/* The lines of a file, plain or gzip. Messages about a line name `file.path` and `number`. */
struct text_lines {
    struct data_file file;
    char *buffer;
    size_t capacity, begin, end; /* what is read and not yet taken */
    int64_t number;              /* of the line taken last, from 1 */
    bool ended;                  /* no more bytes in the file */
};

cgsv_status text_open(struct text_lines *lines, const char *path, const char *set);

/* The next line without its end, ended by NUL, good until the next call; NULL after the
 * last. A last line without its end is CGSV_ERROR_DATA when `whole`, as of a file cut short;
 * so is a line of more than 1 MiB, or one that holds a NUL. */
cgsv_status text_line(struct text_lines *lines, char **line, bool whole);

/* CGSV_ERROR_DATA: "'PATH', line N: " and the rest. */
cgsv_status text_error(const struct text_lines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_close(struct text_lines *lines);

/* Length of the UTF-8 character at `text`, 1 to 4 bytes; 0 when there is none (RFC 3629). */
int text_character(const char *text);

/* A growing list of sentences; words are numbered as they come. */
struct corpus {
    char **word;
    int64_t *occurrences;
    int32_t *slot; /* open addressing: a word's number + 1, or 0 */
    int64_t words, word_capacity, slots;
    int32_t *token; /* of all sentences, one after the other */
    int64_t tokens, token_capacity;
    struct sentence {
        int64_t first;
        int32_t length, label;
    } *sentence;
    int64_t sentences, sentence_capacity;
};

/* Adds the words of `text`, split on blanks (ASCII's and the no-break space) and put in
 * lower case (ASCII and Latin-1's letters), to the sentence that is being made; *added: how
 * many. The text must be UTF-8; it is changed. */
cgsv_status corpus_add_words(struct corpus *corpus, char *text, int *added);
cgsv_status corpus_end_sentence(struct corpus *corpus, int label);

/* Sentences order[first] .. order[first + samples - 1] become a split, once their words are
 * numbered for good; order NULL: in the order in which they came. */
struct corpus_part {
    cgsv_split *split;
    int64_t first, samples;
};

/* Fills vocabulary, words, width and the splits of a data set. A corpus of fewer than two
 * different words is CGSV_ERROR_DATA. */
cgsv_status corpus_finish(const struct corpus *corpus, cgsv_dataset *dataset, const int32_t *order,
                          const struct corpus_part *part, int parts);
void corpus_free(struct corpus *corpus);

#endif
