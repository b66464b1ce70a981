/* Sentences as lists of numbered words: a hash table while files are read, and the final
 * numbers, most frequent word first as torchtext gives them, once all words are known. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/text.h"

enum { SPECIALS = 2, LONGEST = 32767 };

/* A short file, compressed or with one long sentence among short ones, must not ask for gigabytes. The
 * published sets have 0.2 million words, 0.7 million padded. */
enum { WORDS_MOST = 1 << 24, PADDED_MOST = 1 << 27 };
static const char *const specials[SPECIALS] = {"<unk>", "<pad>"};

static cgsv_status no_memory(void) { return error_set(CGSV_ERROR_MEMORY, "no memory for the words of a text"); }

/* Room for one more entry of `size` bytes. */
static bool grow(void *array, int64_t count, int64_t *capacity, size_t size)
{
    if (count < *capacity) return true;
    const int64_t larger = *capacity ? 2 * *capacity : 1024;
    void *grown = realloc(*(void **)array, (size_t)larger * size);
    if (!grown) return false;
    *(void **)array = grown;
    *capacity = larger;
    return true;
}

/* FNV-1a. */
static uint64_t hash_of(const char *word)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *word; word++) hash = (hash ^ (unsigned char)*word) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* The slot that holds `word`, or the empty one where it belongs. */
static int64_t find_slot(const struct corpus *c, const char *word)
{
    int64_t at = (int64_t)(hash_of(word) & (uint64_t)(c->slots - 1));
    while (c->slot[at] && strcmp(c->word[c->slot[at] - 1], word) != 0) at = (at + 1) & (c->slots - 1);
    return at;
}

/* Twice as many slots once half of them are taken. */
static bool grow_slots(struct corpus *c)
{
    if (2 * c->words < c->slots) return true;
    const int64_t slots = c->slots ? 2 * c->slots : 4096;
    int32_t *fresh = calloc((size_t)slots, sizeof *fresh);
    if (!fresh) return false;
    free(c->slot);
    c->slot = fresh;
    c->slots = slots;
    for (int64_t i = 0; i < c->words; i++) c->slot[find_slot(c, c->word[i])] = (int32_t)i + 1;
    return true;
}

static cgsv_status add_word(struct corpus *c, const char *word)
{
    if (c->tokens == WORDS_MOST)
        return error_set(CGSV_ERROR_DATA, "more than the %d words that a set of sentences may have", WORDS_MOST);
    if (!grow_slots(c)) return no_memory();
    const int64_t at = find_slot(c, word);
    if (!c->slot[at]) {
        int64_t capacity = c->word_capacity; /* of both arrays, which grow together */
        if (!grow(&c->word, c->words, &capacity, sizeof *c->word) ||
            !grow(&c->occurrences, c->words, &c->word_capacity, sizeof *c->occurrences) ||
            !(c->word[c->words] = strdup(word)))
            return no_memory();
        c->occurrences[c->words++] = 0;
        c->slot[at] = (int32_t)c->words;
    }
    if (!grow(&c->token, c->tokens, &c->token_capacity, sizeof *c->token)) return no_memory();
    c->token[c->tokens++] = c->slot[at] - 1;
    c->occurrences[c->slot[at] - 1]++;
    return CGSV_OK;
}

/* Bytes of a blank at `text`: ASCII's, and the no-break space C2 A0. */
static int blank(const char *text)
{
    if (*text == ' ' || (*text >= '\t' && *text <= '\r')) return 1;
    return text[0] == '\xc2' && text[1] == '\xa0' ? 2 : 0;
}

/* In place: A to Z, and U+00C0 to U+00DE but ×, which are C3 80 to C3 9E. */
static void lower(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at >= 'A' && *at <= 'Z') *at += 32;
        if (*at != 0xc3) continue;
        at++;
        if (*at >= 0x80 && *at <= 0x9e && *at != 0x97) *at += 32;
    }
}

cgsv_status corpus_add_words(struct corpus *c, char *text, int *added)
{
    *added = 0;
    lower(text);
    while (*text) {
        for (int n; (n = blank(text)); text += n) *text = 0;
        if (!*text) break;
        char *word = text;
        while (*text && !blank(text)) text++;
        const int gap = blank(text);
        *text = 0;
        text += gap;
        TRY(add_word(c, word));
        (*added)++;
    }
    return CGSV_OK;
}

cgsv_status corpus_end_sentence(struct corpus *c, int label)
{
    const struct sentence *last = c->sentences ? &c->sentence[c->sentences - 1] : NULL;
    const int64_t first = last ? last->first + last->length : 0, length = c->tokens - first;
    if (length > LONGEST || c->sentences == INT32_MAX)
        return error_set(CGSV_ERROR_DATA, "a sentence of %lld words, more than the %d that are handled",
                         (long long)length, LONGEST);
    if (!grow(&c->sentence, c->sentences, &c->sentence_capacity, sizeof *c->sentence)) return no_memory();
    assert(c->sentence);
    c->sentence[c->sentences++] = (struct sentence){first, (int32_t)length, label};
    return CGSV_OK;
}

struct ranked {
    const char *word;
    int64_t occurrences;
    int32_t number;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->occurrences != y->occurrences) return x->occurrences > y->occurrences ? -1 : 1;
    return strcmp(x->word, y->word);
}

/* Fills the vocabulary; final[i]: the number of the word that came as the i-th. */
static cgsv_status number_words(const struct corpus *c, cgsv_dataset *dataset, int32_t *final)
{
    struct ranked *ranked = malloc((size_t)c->words * sizeof *ranked);
    dataset->word = calloc((size_t)c->words + SPECIALS, sizeof *dataset->word);
    if (!ranked || !dataset->word) {
        free(ranked);
        return no_memory();
    }
    dataset->vocabulary = (int)c->words + SPECIALS;
    for (int64_t i = 0; i < c->words; i++) ranked[i] = (struct ranked){c->word[i], c->occurrences[i], (int32_t)i};
    qsort(ranked, (size_t)c->words, sizeof *ranked, compare_ranked);
    bool copied = true;
    for (int64_t i = 0; i < dataset->vocabulary; i++) {
        dataset->word[i] = strdup(i < SPECIALS ? specials[i] : ranked[i - SPECIALS].word);
        copied = copied && dataset->word[i];
        if (i >= SPECIALS) final[ranked[i - SPECIALS].number] = (int32_t)i;
    }
    free(ranked);
    return copied ? CGSV_OK : no_memory();
}

static cgsv_status fill_split(const struct corpus *c, struct corpus_part part, const int32_t *order, int width,
                              const int32_t *final)
{
    cgsv_split *split = part.split;
    const size_t samples = (size_t)part.samples;
    split->samples = part.samples;
    split->token = malloc((samples * (size_t)width + 1) * sizeof *split->token);
    split->length = malloc((samples + 1) * sizeof *split->length);
    split->y = malloc((samples + 1) * sizeof *split->y);
    if (!split->token || !split->length || !split->y) return no_memory();
    for (int64_t i = 0; i < part.samples; i++) {
        const struct sentence s = c->sentence[order ? order[part.first + i] : part.first + i];
        split->length[i] = s.length;
        split->y[i] = s.label;
        for (int j = 0; j < width; j++)
            split->token[i * width + j] = j < s.length ? final[c->token[s.first + j]] : CGSV_WORD_PADDING;
    }
    return CGSV_OK;
}

cgsv_status corpus_finish(const struct corpus *c, cgsv_dataset *dataset, const int32_t *order,
                          const struct corpus_part *part, int parts)
{
    if (c->words < 2)
        return error_set(CGSV_ERROR_DATA, "the %s sentences have %lld different word%s; a model needs two at least",
                         dataset->name, (long long)c->words, c->words == 1 ? "" : "s");
    int width = 1;
    for (int64_t i = 0; i < c->sentences; i++)
        if (c->sentence[i].length > width) width = c->sentence[i].length;
    if (c->sentences > PADDED_MOST / width)
        return error_set(CGSV_ERROR_DATA, "the %s sentences are %lld, the longest of %d words; padded to that they "
                         "would have more than %d words; leave the longest out", dataset->name,
                         (long long)c->sentences, width, PADDED_MOST);
    dataset->channels = dataset->height = 1;
    dataset->width = width;
    int32_t *final = malloc((size_t)c->words * sizeof *final);
    if (!final) return no_memory();
    cgsv_status status = number_words(c, dataset, final);
    for (int i = 0; i < parts && status == CGSV_OK; i++) status = fill_split(c, part[i], order, width, final);
    free(final);
    return status;
}

void corpus_free(struct corpus *c)
{
    for (int64_t i = 0; i < c->words; i++) free(c->word[i]);
    free(c->word);
    free(c->occurrences);
    free(c->slot);
    free(c->token);
    free(c->sentence);
}
