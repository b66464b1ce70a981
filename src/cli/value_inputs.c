/* The small files beside the updates. Numbers in a text stand apart by blanks, line ends
 * or commas, in brackets or not: a JSON list will do. */
#include "cli/value_inputs.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/updates.h"

enum { TEXT_LIMIT = 1 << 20 /* bytes: the weights of the most agents, in full */, SHOWN = 24 };
static const char separators[] = " \t\r\n,";

/* Without an opening and a closing bracket around it, if there are any. */
static char *strip_brackets(char *text)
{
    text += strspn(text, separators);
    size_t length = strlen(text);
    while (length > 0 && strchr(separators, text[length - 1])) length--;
    text[length] = '\0';
    if (length < 2 || text[0] != '[' || text[length - 1] != ']') return text;
    text[length - 1] = '\0';
    return text + 1;
}

static cgsv_status not_a_number(const char *at, int64_t number, const char *path)
{
    char shown[SHOWN + 1];
    size_t length = strcspn(at, separators);
    if (length > SHOWN) length = SHOWN;
    for (size_t i = 0; i < length; i++) shown[i] = isprint((unsigned char)at[i]) ? at[i] : '?';
    shown[length] = '\0';
    return error_set(CGSV_ERROR_DATA, "'%s': number %lld is '%s'; expected numbers with blanks or commas between them",
                     path, (long long)number, shown);
}

static cgsv_status parse_numbers(double *values, int64_t *count, char *text, const char *path)
{
    *count = 0;
    for (char *at = text + strspn(text, separators); *at; at += strspn(at, separators)) {
        char *end;
        values[*count] = strtod(at, &end);
        if (end == at || (*end && !strchr(separators, *end))) return not_a_number(at, *count + 1, path);
        (*count)++;
        at = end;
    }
    return CGSV_OK;
}

static cgsv_status read_text(double **values, int64_t *count, const char *path)
{
    char *text;
    TRY(file_read_text(&text, path, TEXT_LIMIT));
    *values = calloc(strlen(text) / 2 + 1, sizeof **values); /* a number takes two bytes, the last one */
    cgsv_status status = CGSV_OK;
    if (*values)
        status = parse_numbers(*values, count, strip_brackets(text), path);
    else
        status = error_set(CGSV_ERROR_MEMORY, "no memory for the numbers of '%s'", path);
    free(text);
    return status;
}

static cgsv_status read_npy(double **values, int64_t *count, const char *path)
{
    struct updates *vector;
    TRY(updates_open(&vector, &path, 1, NULL));
    cgsv_status status = CGSV_OK;
    *count = updates_dimension(vector);
    if (updates_agents(vector) != 1)
        status = error_set(CGSV_ERROR_DATA, "'%s' is a matrix of %lld x %lld; expected a vector", path,
                           (long long)updates_agents(vector), (long long)*count);
    if (status == CGSV_OK) *values = calloc((size_t)*count, sizeof **values);
    if (status == CGSV_OK && !*values)
        status = error_set(CGSV_ERROR_MEMORY, "no memory for the %lld numbers of '%s'", (long long)*count, path);
    if (status == CGSV_OK) status = updates_columns_double(vector, 0, 0, *count, *values, *count);
    updates_close(vector);
    return status;
}

/* values[*count], to be freed whatever comes of it. */
static cgsv_status read_numbers(double **values, int64_t *count, const char *path)
{
    struct file_reader reader;
    char start[8];
    *values = NULL;
    TRY(file_reader_open(&reader, path));
    const size_t have = reader.size < sizeof start ? (size_t)reader.size : sizeof start;
    cgsv_status status = file_read_at(&reader, 0, start, have);
    file_reader_close(&reader);
    TRY(status);
    return npy_begins(start, have) ? read_npy(values, count, path) : read_text(values, count, path);
}

static cgsv_status check_weights(const double *value, int64_t count, int agents, const char *path)
{
    double sum = 0;
    if (count != agents)
        return error_set(CGSV_ERROR_DATA, "'%s' has %lld weights, but there are %d agents; expected one for each", path,
                         (long long)count, agents);
    for (int i = 0; i < agents; i++) {
        if (!(value[i] >= 0 && value[i] <= DBL_MAX / agents))
            return error_set(CGSV_ERROR_DATA, "'%s': the weight of agent %d is %g; expected a finite number of at "
                             "least 0", path, i, value[i]);
        sum += value[i];
    }
    if (sum > 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s': all weights are 0; expected one above it", path);
}

cgsv_status value_read_weights(double *weight, int agents, const char *path)
{
    double *value, sum = 0;
    int64_t count = 0;
    for (int i = 0; i < agents; i++) weight[i] = 1.0 / agents;
    if (strcmp(path, "uniform") == 0) return CGSV_OK;
    cgsv_status status = read_numbers(&value, &count, path);
    if (status == CGSV_OK) status = check_weights(value, count, agents, path);
    for (int i = 0; status == CGSV_OK && i < agents; i++) sum += value[i];
    for (int i = 0; status == CGSV_OK && i < agents; i++) weight[i] = value[i] / sum;
    free(value);
    return status;
}

static cgsv_status add_layers(int64_t *begin, const double *size, int64_t count, int64_t dimension, const char *path)
{
    for (int64_t i = 0; i < count; i++) {
        if (!(size[i] >= 1 && size[i] <= INT32_MAX && size[i] == floor(size[i])))
            return error_set(CGSV_ERROR_DATA, "'%s': the size of layer %lld is %g; expected a whole number of at "
                             "least 1", path, (long long)i, size[i]);
        begin[i + 1] = begin[i] + (int64_t)size[i];
    }
    if (begin[count] == dimension) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s': the layers have %lld parameters, but the updates have %lld", path,
                     (long long)begin[count], (long long)dimension);
}

cgsv_status value_read_layers(int64_t **begin, int *layers, int64_t dimension, const char *path)
{
    double *size;
    int64_t count = 0;
    *begin = NULL;
    cgsv_status status = read_numbers(&size, &count, path);
    if (status == CGSV_OK) *begin = calloc((size_t)count + 1, sizeof **begin);
    if (status == CGSV_OK && !*begin)
        status = error_set(CGSV_ERROR_MEMORY, "no memory for the %lld layers of '%s'", (long long)count, path);
    if (status == CGSV_OK) status = add_layers(*begin, size, count, dimension, path);
    *layers = (int)count;
    free(size);
    return status;
}
