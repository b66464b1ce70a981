/* Reader and writer of .npy headers. The header is Python source, but only what NumPy
 * itself writes is understood: a dict of the three known keys, whose values are a
 * string (or a list, of which only the start is looked at, to say what it is), True or
 * False, and a tuple of whole numbers. */
#include "io/npy.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* NumPy's own bound for headers that it did not write itself. */
enum { HEADER_LIMIT = 10000, ALIGNMENT = 64, DESCR_LENGTH = 40 };

static const char magic[] = "\x93NUMPY";
enum { MAGIC_LENGTH = sizeof magic - 1, PREFIX_1 = MAGIC_LENGTH + 4, PREFIX_2 = MAGIC_LENGTH + 6 };

bool npy_begins(const void *bytes, size_t count)
{
    return count >= MAGIC_LENGTH && memcmp(bytes, magic, MAGIC_LENGTH) == 0;
}

/* The header while it is read. */
struct header {
    const char *text, *at, *end;
    const char *path;
    char descr[DESCR_LENGTH]; /* printable */
    bool structured, fortran_order;
    bool has_descr, has_order, has_shape;
    int dimensions; /* as found; those behind the second are only counted */
    uint64_t shape[2];
};

static cgsv_status malformed(const struct header *h, const char *expected)
{
    return error_set(CGSV_ERROR_DATA, "'%s' has a damaged .npy header: expected %s at byte %td of it; save the "
                     "array again by numpy.save", h->path, expected, h->at - h->text);
}

static void skip_blanks(struct header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n')) h->at++;
}

/* Takes the character behind blanks if it is the one asked for. */
static bool take(struct header *h, char c)
{
    skip_blanks(h);
    if (h->at == h->end || *h->at != c) return false;
    h->at++;
    return true;
}

static bool take_word(struct header *h, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(h);
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length) != 0) return false;
    h->at += length;
    return true;
}

/* A string in either kind of quotes. NumPy's keys and types need no escapes, so a
 * backslash is an error. */
static cgsv_status take_string(struct header *h, char text[DESCR_LENGTH], const char *expected)
{
    const char quote = take(h, '\'') ? '\'' : take(h, '"') ? '"' : '\0';
    if (!quote) return malformed(h, expected);
    int length = 0;
    while (h->at < h->end && *h->at != quote) {
        const char c = *h->at;
        if (length == DESCR_LENGTH - 1 || c < ' ' || c > '~' || c == '\\') return malformed(h, expected);
        text[length++] = c;
        h->at++;
    }
    text[length] = '\0';
    return take(h, quote) ? CGSV_OK : malformed(h, expected);
}

static cgsv_status take_descr(struct header *h)
{
    skip_blanks(h);
    h->structured = h->at < h->end && (*h->at == '[' || *h->at == '(');
    return h->structured ? CGSV_OK : take_string(h, h->descr, "the type as a string");
}

static cgsv_status take_order(struct header *h)
{
    h->fortran_order = take_word(h, "True");
    return h->fortran_order || take_word(h, "False") ? CGSV_OK : malformed(h, "True or False");
}

static cgsv_status take_extent(struct header *h, uint64_t *extent)
{
    *extent = 0;
    skip_blanks(h);
    if (h->at == h->end || !isdigit((unsigned char)*h->at)) return malformed(h, "a whole number");
    for (; h->at < h->end && isdigit((unsigned char)*h->at); h->at++)
        if (__builtin_mul_overflow(*extent, 10, extent) ||
            __builtin_add_overflow(*extent, (uint64_t)(*h->at - '0'), extent))
            return error_set(CGSV_ERROR_DATA, "'%s' has an impossible shape: a size above 2^64", h->path);
    if (h->at < h->end && *h->at == 'L') h->at++; /* as Python 2 wrote whole numbers */
    return CGSV_OK;
}

/* "()", "(3,)", "(3, 4)", "(3, 4,)"; but "(3)" is no tuple. */
static cgsv_status take_shape(struct header *h)
{
    if (!take(h, '(')) return malformed(h, "the shape in parentheses");
    bool comma = true;
    while (!take(h, ')')) {
        uint64_t extent = 0;
        if (!comma) return malformed(h, "a comma or a closing parenthesis");
        TRY(take_extent(h, &extent));
        if (h->dimensions < 2) h->shape[h->dimensions] = extent;
        h->dimensions++;
        comma = take(h, ',');
    }
    return h->dimensions == 1 && !comma ? malformed(h, "a comma behind the only size") : CGSV_OK;
}

static cgsv_status take_member(struct header *h)
{
    static const struct {
        const char *key;
        size_t seen; /* the flag's place in struct header */
        cgsv_status (*take_value)(struct header *h);
    } members[] = {
        {"descr", offsetof(struct header, has_descr), take_descr},
        {"fortran_order", offsetof(struct header, has_order), take_order},
        {"shape", offsetof(struct header, has_shape), take_shape},
    };
    char key[DESCR_LENGTH];
    TRY(take_string(h, key, "a key as a string"));
    if (!take(h, ':')) return malformed(h, "a colon");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(key, members[i].key) != 0) continue;
        bool *seen = (bool *)((char *)h + members[i].seen);
        if (*seen) return error_set(CGSV_ERROR_DATA, "'%s' has a damaged .npy header: '%s' twice", h->path, key);
        *seen = true;
        return members[i].take_value(h);
    }
    return error_set(CGSV_ERROR_DATA, "'%s' has a damaged .npy header: unknown key '%s', expected descr, "
                     "fortran_order and shape", h->path, key);
}

static cgsv_status parse_header(struct header *h)
{
    if (!take(h, '{')) return malformed(h, "a Python dict");
    bool comma = true;
    while (!take(h, '}')) {
        if (!comma) return malformed(h, "a comma or a closing brace");
        TRY(take_member(h));
        if (h->structured) return CGSV_OK; /* is refused whatever follows */
        comma = take(h, ',');
    }
    skip_blanks(h);
    if (h->at < h->end) return malformed(h, "nothing but blanks");
    if (h->has_descr && h->has_order && h->has_shape) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has a damaged .npy header: no '%s'; save the array again by numpy.save",
                     h->path, !h->has_descr ? "descr" : !h->has_order ? "fortran_order" : "shape");
}

/* "expected …, so do …" for an array that is whole but not one of ours. */
static cgsv_status refuse(const struct header *h, const char *what, const char *expected, const char *remedy)
{
    return error_set(CGSV_ERROR_DATA, "'%s' holds %s; expected %s: save %s", h->path, what, expected, remedy);
}

static cgsv_status refuse_type(const struct header *h)
{
    static const char *const expected = "'<f4', '<f8' or '<f2'";
    char what[DESCR_LENGTH + 80];
    const char *descr = h->descr, *code = descr + (*descr && strchr("<>=|", *descr) ? 1 : 0);
    if (h->structured) return refuse(h, "records (a structured dtype)", expected, "one field, as x['name']");
    if (*code == 'O')
        return refuse(h, "Python objects (dtype object), which are never loaded", expected,
                      "numpy.stack(x).astype('<f4')");
    const char *kind = *descr == '>' && *code == 'f' ? " (big-endian numbers)"
                       : strcmp(code, "V2") == 0     ? " (raw bytes, perhaps bfloat16, which .safetensors can hold)"
                       : *code == 'c'                ? " (complex numbers)"
                                                     : "";
    snprintf(what, sizeof what, "numbers of dtype '%s'%s", descr, kind);
    return refuse(h, what, expected, "x.astype('<f4')");
}

static cgsv_status find_type(struct npy *npy, const struct header *h)
{
    static const struct {
        const char *code;
        enum element type;
    } types[] = {{"f4", ELEMENT_FLOAT32}, {"f8", ELEMENT_FLOAT64}, {"f2", ELEMENT_FLOAT16}};
    if (h->structured || (h->descr[0] != '<' && h->descr[0] != '=')) return refuse_type(h);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        npy->type = types[i].type;
        if (strcmp(h->descr + 1, types[i].code) == 0) return CGSV_OK;
    }
    return refuse_type(h);
}

static cgsv_status check_array(struct npy *npy, const struct header *h, uint64_t file_size)
{
    TRY(find_type(npy, h));
    if (h->dimensions != 1 && h->dimensions != 2) {
        char what[64];
        snprintf(what, sizeof what, "an array of %d dimensions", h->dimensions);
        return refuse(h, what, "2 (agents x parameters) or 1 (one agent)", "x.reshape(agents, -1)");
    }
    if (h->fortran_order)
        return refuse(h, "an array in Fortran order (column after column)", "C order (row after row)",
                      "numpy.ascontiguousarray(x)");
    npy->dimensions = h->dimensions;
    uint64_t bytes = element_size(npy->type);
    for (int d = 0; d < h->dimensions; d++) {
        if (h->shape[d] == 0)
            return error_set(CGSV_ERROR_DATA, "'%s' holds an empty array; expected at least one number", h->path);
        if (__builtin_mul_overflow(bytes, h->shape[d], &bytes) || bytes > INT64_MAX)
            return error_set(CGSV_ERROR_DATA, "'%s' has an impossible shape: more than 2^63 bytes", h->path);
        npy->shape[d] = (int64_t)h->shape[d];
    }
    if (file_size - npy->offset == bytes) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA,
                     "'%s' is too %s: its shape needs %" PRIu64 " bytes of data, it has %" PRIu64
                     "; copy or save it again", h->path, file_size - npy->offset < bytes ? "short" : "long", bytes,
                     file_size - npy->offset);
}

/* Reads what stands before the header's text: sets its place and its length. */
static cgsv_status read_prefix(struct npy *npy, uint32_t *length, const struct file_reader *file)
{
    uint8_t prefix[PREFIX_2] = {0};
    const size_t have = file->size < PREFIX_2 ? (size_t)file->size : PREFIX_2;
    TRY(file_read_at(file, 0, prefix, have));
    if (!npy_begins(prefix, have))
        return error_set(CGSV_ERROR_DATA, "'%s' is not a .npy file: it does not begin with \\x93NUMPY", file->path);
    const int major = prefix[MAGIC_LENGTH], minor = prefix[MAGIC_LENGTH + 1];
    if (have < PREFIX_2) return error_set(CGSV_ERROR_DATA, "'%s' is too short for a .npy file", file->path);
    if (major < 1 || major > 3 || minor != 0)
        return error_set(CGSV_ERROR_DATA, "'%s' has .npy version %d.%d; expected 1.0, 2.0 or 3.0", file->path, major,
                         minor);
    npy->offset = major == 1 ? PREFIX_1 : PREFIX_2;
    *length = 0;
    for (size_t i = npy->offset - 1; i >= MAGIC_LENGTH + 2; i--) *length = *length << 8 | prefix[i];
    if (*length > HEADER_LIMIT)
        return error_set(CGSV_ERROR_DATA, "'%s' claims a header of %" PRIu32 " bytes; at most %d are allowed",
                         file->path, *length, HEADER_LIMIT);
    if (*length > file->size - npy->offset)
        return error_set(CGSV_ERROR_DATA, "'%s' is too short: its header needs %" PRIu32 " bytes, it has %" PRIu64,
                         file->path, *length, file->size - npy->offset);
    return CGSV_OK;
}

cgsv_status npy_read_header(struct npy *npy, const struct file_reader *file)
{
    char buffer[HEADER_LIMIT];
    uint32_t length = 0;
    *npy = (struct npy){0};
    TRY(read_prefix(npy, &length, file));
    char *text = buffer + HEADER_LIMIT - length; /* so that AddressSanitizer sees a step past its end */
    TRY(file_read_at(file, npy->offset, text, length));
    npy->offset += length;
    struct header header = {.text = text, .at = text, .end = text + length, .path = file->path};
    TRY(parse_header(&header));
    return check_array(npy, &header, file->size);
}

cgsv_status npy_write(const char *path, enum element type, const void *values, int64_t rows, int64_t columns)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s\x01%c%c%c{'descr': '<f%zu', 'fortran_order': False, 'shape': "
                          "(%" PRId64 ", %" PRId64 "), }", magic, 0, 0, 0, element_size(type), rows, columns);
    /* Blanks up to a newline, so that the numbers begin at a multiple of 64. */
    const int end = (length + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    memset(text + length, ' ', (size_t)(end - 1 - length));
    text[end - 1] = '\n';
    text[MAGIC_LENGTH + 2] = (char)(end - PREFIX_1); /* below 256 */

    struct file_writer writer;
    TRY(file_begin(&writer, path));
    TRY(file_write(&writer, text, (size_t)end));
    TRY(file_write(&writer, values, (size_t)rows * (size_t)columns * element_size(type)));
    return file_commit(&writer);
}
