/* Vectors of words in GloVe's text format (Pennington et al., 2014), "word v1 … v300" a line,
 * or word2vec's, which begins with a line of two counts. Some of GloVe's words hold blanks
 * (". . ."), so the numbers are counted from the end of a line. Letters are taken as they
 * are: only words in lower case meet the vocabulary. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/text.h"

static bool between(char c) { return c == ' ' || c == '\t'; }

/* The field before `end`: *begin is its first character. Ends the field by NUL. */
static bool last_field(const char *line, char *end, char **begin)
{
    while (end > line && between(end[-1])) end--;
    *end = 0;
    char *at = end;
    while (at > line && !between(at[-1])) at--;
    *begin = at;
    return at < end;
}

static bool is_number(const char *field, float *value)
{
    char *end;
    *value = strtof(field, &end);
    return end != field && !*end;
}

/* "400000 300" */
static bool is_header(const char *line)
{
    int fields = 0;
    while (*line) {
        const size_t digits = strspn(line, "0123456789");
        line += digits;
        if (!digits || (*line && !between(*line))) return false;
        fields++;
        while (between(*line)) line++;
    }
    return fields == 2;
}

/* Cuts a line into its word, at `line`, and vector[CGSV_WORD_VALUES]. */
static cgsv_status parse_line(const struct text_lines *lines, char *line, float *vector)
{
    char *end = line + strlen(line), *field;
    int fields = 0;
    for (const char *at = line; *at;) {
        while (between(*at)) at++;
        fields += *at != 0;
        while (*at && !between(*at)) at++;
    }
    if (fields <= CGSV_WORD_VALUES)
        return text_error(lines, "%d values; expected a word and %d numbers", fields > 0 ? fields - 1 : 0,
                          CGSV_WORD_VALUES);
    for (int i = CGSV_WORD_VALUES - 1; i >= 0; i--, end = field) {
        if (!last_field(line, end, &field) || !is_number(field, &vector[i]))
            return text_error(lines, "value %d is no number", i + 1);
        if (!isfinite(vector[i]))
            return text_error(lines, "value %d is %g, expected a finite number", i + 1, (double)vector[i]);
    }
    while (end > line && between(end[-1])) end--;
    *end = 0;
    if (fields == CGSV_WORD_VALUES + 1) return CGSV_OK;
    /* Words with blanks do not end in a number; longer vectors do. */
    float unused;
    if (last_field(line, end, &field) && is_number(field, &unused))
        return text_error(lines, "%d values; expected %d", fields - 1, CGSV_WORD_VALUES);
    return CGSV_OK;
}

struct entry {
    const char *word;
    int number;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

static cgsv_status read_lines(struct text_lines *lines, cgsv_dataset *data, const struct entry *sorted, int *found)
{
    float vector[CGSV_WORD_VALUES];
    char *line;
    for (;;) {
        TRY(text_line(lines, &line, false));
        if (!line) break;
        if (lines->number == 1 && is_header(line)) continue;
        TRY(parse_line(lines, line, vector));
        const struct entry key = {line, 0};
        const struct entry *known =
            bsearch(&key, sorted, (size_t)data->vocabulary, sizeof *sorted, compare_entries);
        if (!known || data->has_vector[known->number]) continue;
        memcpy(data->word_vector + (int64_t)known->number * CGSV_WORD_VALUES, vector, sizeof vector);
        data->has_vector[known->number] = 1;
        (*found)++;
    }
    if (lines->number > 1) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' is empty; expected a word and %d numbers a line", lines->file.path,
                     CGSV_WORD_VALUES);
}

/* `sorted`: room for the vocabulary. */
static cgsv_status read_file(cgsv_dataset *data, const char *path, struct entry *sorted, int *found)
{
    for (int i = 0; i < data->vocabulary; i++) sorted[i] = (struct entry){data->word[i], i};
    qsort(sorted, (size_t)data->vocabulary, sizeof *sorted, compare_entries);
    struct text_lines lines;
    cgsv_status status = text_open(&lines, path, data->name);
    if (status == CGSV_OK) status = read_lines(&lines, data, sorted, found);
    text_close(&lines);
    return status;
}

cgsv_status cgsv_dataset_read_vectors(cgsv_dataset *data, const char *path, int *found)
{
    if (!data || !path) return error_set(CGSV_ERROR_ARGUMENT, "cgsv_dataset_read_vectors: data set or path is NULL");
    if (data->vocabulary == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "word vectors are for sentences; %s holds pictures", data->name);
    const size_t V = (size_t)data->vocabulary;
    free(data->word_vector);
    free(data->has_vector);
    data->word_vector = calloc(V * CGSV_WORD_VALUES, sizeof *data->word_vector);
    data->has_vector = calloc(V, 1);
    struct entry *sorted = malloc(V * sizeof *sorted);
    int words = 0;
    cgsv_status status = data->word_vector && data->has_vector && sorted
                             ? read_file(data, path, sorted, &words)
                             : error_set(CGSV_ERROR_MEMORY, "no memory for the vectors of %zu words", V);
    free(sorted);
    if (status != CGSV_OK && data->has_vector) memset(data->has_vector, 0, V);
    if (found) *found = words;
    return status;
}
