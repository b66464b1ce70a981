/* Which arrays of a file are which agents. A file that could be understood in two ways
 * (several matrices: one per agent, or all agents of several rounds?) is refused with
 * its tensors' names, never guessed at. */
#include "io/updates_layout.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/npy.h"
#include "io/safetensors.h"

uint64_t layout_offset(const struct layout *layout, int64_t agent)
{
    if (layout->offsets) return layout->offsets[agent];
    return layout->offset + (uint64_t)(agent * layout->dimension) * element_size(layout->type);
}

void layout_free(struct layout *layout)
{
    for (int64_t i = 0; layout->names && i < layout->agents; i++) free(layout->names[i]);
    free(layout->names);
    free(layout->offsets);
    *layout = (struct layout){0};
}

static cgsv_status read_npy(struct layout *layout, const struct file_reader *reader, const char *tensor)
{
    struct npy npy;
    if (tensor)
        return error_set(CGSV_ERROR_ARGUMENT, "--tensor '%s' chooses in .safetensors files, but '%s' is a .npy, which "
                         "holds one array; leave --tensor out", tensor, reader->path);
    TRY(npy_read_header(&npy, reader));
    layout->type = npy.type;
    layout->offset = npy.offset;
    layout->agents = npy.dimensions == 2 ? npy.shape[0] : 1;
    layout->dimension = npy.shape[npy.dimensions - 1];
    return CGSV_OK;
}

/* ---- safetensors ---- */

typedef const struct safetensors_tensor file_tensor;

/* Digits compare as numbers, everything else byte by byte. */
static int natural_order(const char *a, const char *b)
{
    while (*a && *b) {
        if (!isdigit((unsigned char)*a) || !isdigit((unsigned char)*b)) {
            if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
            a++, b++;
            continue;
        }
        a += strspn(a, "0");
        b += strspn(b, "0");
        const size_t digits_a = strspn(a, "0123456789"), digits_b = strspn(b, "0123456789");
        if (digits_a != digits_b) return digits_a < digits_b ? -1 : 1;
        const int order = memcmp(a, b, digits_a);
        if (order != 0) return order;
        a += digits_a;
        b += digits_b;
    }
    return (*a != '\0') - (*b != '\0');
}

static int by_name(const void *a, const void *b)
{
    file_tensor *const *x = a, *const *y = b;
    const int order = natural_order((*x)->name, (*y)->name);
    return order ? order : strcmp((*x)->name, (*y)->name); /* "a1" and "a01" */
}

/* "'a' [2, 3] F32, 'b' [4] F64, …" */
static void describe(char *text, size_t size, file_tensor *const *tensors, int64_t count)
{
    size_t used = 0;
    for (int64_t i = 0; i < count && used < size; i++) {
        file_tensor *t = tensors[i];
        if (i == 6) {
            snprintf(text + used, size - used, " and %lld more", (long long)(count - i));
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s'%.40s' [", i ? ", " : "", t->name);
        for (int d = 0; d < t->dimensions && used < size; d++)
            used += (size_t)snprintf(text + used, size - used, "%s%lld", d ? ", " : "", (long long)t->shape[d]);
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "] %s", safetensors_type_name(t->type));
    }
}

static cgsv_status refuse(const struct file_reader *reader, file_tensor *const *tensors, int64_t count,
                          const char *problem, const char *remedy)
{
    char candidates[512];
    describe(candidates, sizeof candidates, tensors, count);
    return error_set(CGSV_ERROR_DATA, "'%s' %s: %s; %s", reader->path, problem, candidates, remedy);
}

static bool same_shape(file_tensor *a, file_tensor *b)
{
    return a->type == b->type && a->dimensions == b->dimensions &&
           memcmp(a->shape, b->shape, sizeof *a->shape * (size_t)a->dimensions) == 0;
}

static cgsv_status set_type(struct layout *layout, file_tensor *tensor, const struct file_reader *reader)
{
    switch (tensor->type) {
    case SAFETENSORS_F32: layout->type = ELEMENT_FLOAT32; return CGSV_OK;
    case SAFETENSORS_F64: layout->type = ELEMENT_FLOAT64; return CGSV_OK;
    case SAFETENSORS_F16: layout->type = ELEMENT_FLOAT16; return CGSV_OK;
    case SAFETENSORS_BF16: layout->type = ELEMENT_BFLOAT16; return CGSV_OK;
    default: break;
    }
    return error_set(CGSV_ERROR_DATA, "'%s': tensor '%.80s' has dtype %s; updates must be F32, F64, F16 or BF16",
                     reader->path, tensor->name, safetensors_type_name(tensor->type));
}

/* One tensor per agent. */
static cgsv_status set_agents(struct layout *layout, file_tensor *const *tensors, int64_t count,
                              const struct file_reader *reader)
{
    layout->agents = count;
    layout->dimension = tensors[0]->elements;
    layout->offsets = calloc((size_t)count, sizeof *layout->offsets);
    layout->names = calloc((size_t)count, sizeof *layout->names);
    bool complete = layout->offsets && layout->names;
    for (int64_t i = 0; complete && i < count; i++) {
        layout->offsets[i] = tensors[i]->offset;
        layout->names[i] = strdup(tensors[i]->name);
        complete = layout->names[i] != NULL;
    }
    if (complete) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for the %lld tensors of '%s'", (long long)count, reader->path);
}

/* `chosen`: the user has named these tensors, so that several matrices are one per
 * agent; else they are refused. */
static cgsv_status set_layout(struct layout *layout, file_tensor **tensors, int64_t count, bool chosen,
                              const struct file_reader *reader)
{
    file_tensor *first = tensors[0];
    qsort(tensors, (size_t)count, sizeof *tensors, by_name);
    for (int64_t i = 1; i < count; i++)
        if (!same_shape(tensors[0], tensors[i]))
            return refuse(reader, tensors, count, "holds tensors of different shapes or types",
                          "give all agents the same, or choose by --tensor NAME, one matrix or the beginning of all "
                          "agents' names");
    if (count > 1 && first->dimensions == 2 && !chosen)
        return refuse(reader, tensors, count, "holds several matrices",
                      "choose one (agents x parameters) by --tensor NAME, or, if each is one agent, all of them by "
                      "the beginning of their names");
    if (count == 1 && (first->dimensions == 0 || first->dimensions > 2))
        return refuse(reader, tensors, count, "holds one tensor that is no matrix",
                      "reshape it to agents x parameters");
    if (first->elements == 0) return refuse(reader, tensors, count, "holds empty tensors", "save what was computed");
    TRY(set_type(layout, first, reader));
    if (count > 1 || first->dimensions == 1) return set_agents(layout, tensors, count, reader);
    layout->offset = first->offset;
    layout->agents = first->shape[0];
    layout->dimension = first->shape[1];
    return CGSV_OK;
}

/* Fills chosen[] with the tensors that `name` chooses; returns their number. */
static int64_t choose(file_tensor **chosen, file_tensor *list, int count, const char *name)
{
    int64_t found = 0;
    for (int i = 0; i < count; i++) {
        if (name && strcmp(list[i].name, name) == 0) {
            chosen[0] = &list[i];
            return 1;
        }
        if (!name || strncmp(list[i].name, name, strlen(name)) == 0) chosen[found++] = &list[i];
    }
    return found;
}

static cgsv_status choose_tensors(struct layout *layout, const struct safetensors *file, const char *name,
                                  const struct file_reader *reader)
{
    file_tensor *list;
    const int count = safetensors_list(file, &list);
    if (count == 0) return error_set(CGSV_ERROR_DATA, "'%s' holds no tensors", reader->path);
    file_tensor **tensors = calloc((size_t)count, sizeof *tensors);
    if (!tensors) return error_set(CGSV_ERROR_MEMORY, "no memory for the tensors of '%s'", reader->path);
    cgsv_status status = CGSV_OK;
    const int64_t chosen = choose(tensors, list, count, name);
    if (chosen > 0) {
        status = set_layout(layout, tensors, chosen, name != NULL, reader);
    } else {
        char candidates[512];
        describe(candidates, sizeof candidates, tensors, choose(tensors, list, count, NULL));
        status = error_set(CGSV_ERROR_ARGUMENT, "--tensor: '%s' has none whose name begins with '%s', but %s",
                           reader->path, name, candidates);
    }
    free(tensors);
    return status;
}

static cgsv_status read_safetensors(struct layout *layout, const struct file_reader *reader, const char *tensor)
{
    struct safetensors *file;
    TRY(safetensors_open_header(&file, reader));
    cgsv_status status = choose_tensors(layout, file, tensor, reader);
    safetensors_close(file);
    return status;
}

static bool ends_with(const char *path, const char *ending)
{
    const size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && strcmp(path + length - tail, ending) == 0;
}

/* By what the file begins with; a damaged one by its name. */
cgsv_status layout_read(struct layout *layout, const struct file_reader *reader, const char *tensor)
{
    char start[16] = "";
    const size_t have = reader->size < sizeof start ? (size_t)reader->size : sizeof start;
    *layout = (struct layout){0};
    TRY(file_read_at(reader, 0, start, have));
    const bool npy = npy_begins(start, have), safetensors = start[8] == '{';
    if (!npy && !safetensors && memcmp(start, "PK\3\4", 4) == 0)
        return error_set(CGSV_ERROR_DATA, "'%s' is a zip archive, such as .npz or a PyTorch checkpoint; expected .npy "
                         "or .safetensors: save by numpy.save or safetensors", reader->path);
    if (npy || (!safetensors && ends_with(reader->path, ".npy"))) return read_npy(layout, reader, tensor);
    if (safetensors || ends_with(reader->path, ".safetensors")) return read_safetensors(layout, reader, tensor);
    return error_set(CGSV_ERROR_DATA, "'%s' is neither .npy nor .safetensors; save by numpy.save or safetensors",
                     reader->path);
}
