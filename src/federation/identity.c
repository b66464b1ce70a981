#include "federation/identity.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cgsv/checkpoint.h"
#include "io/text_stream.h"

#define BETWEEN ";" /* which is in no value */

/* ---- the data ---- */

struct scratch {
    char *piece;
    size_t bytes;
};

/* Adds the CRC-32 of what lies on the device. */
static cgsv_status sum_up(uint32_t *checksum, cgsv_device *device, const void *memory, size_t bytes,
                          struct scratch scratch)
{
    for (size_t at = 0; memory && at < bytes; at += scratch.bytes) {
        const size_t count = bytes - at < scratch.bytes ? bytes - at : scratch.bytes;
        TRY(device->backend->download(device, scratch.piece, (const char *)memory + at, count));
        *checksum = (uint32_t)crc32_z(*checksum, (const unsigned char *)scratch.piece, count);
    }
    return CGSV_OK;
}

/* Of all samples and labels, which the device holds; the data set itself may be gone. */
static cgsv_status sum_up_data(uint32_t *checksum, const cgsv_fleet *f, struct scratch scratch)
{
    const size_t train = (size_t)f->train_samples, test = (size_t)f->test_samples;
    const size_t own = (size_t)f->validation.own_samples, picture = (size_t)f->model.features * sizeof(float);
    const size_t label = sizeof(int32_t), sentence = (size_t)f->sample_width * label;
    const struct {
        const void *memory;
        size_t bytes;
    } arrays[] = {
        {f->train_x, train * picture},
        {f->train_token, train * sentence},
        {f->train_length, train * label},
        {f->train_y, train * label},
        {f->test_x, test * picture},
        {f->test_token, test * sentence},
        {f->test_length, test * label},
        {f->test_y, test * label},
        {f->validation.own.token, own * sentence},
        {f->validation.own.length, own * label},
        {f->validation.own.label, own * label},
    };
    *checksum = (uint32_t)crc32(0, NULL, 0);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        TRY(sum_up(checksum, f->device, arrays[i].memory, arrays[i].bytes, scratch));
    return CGSV_OK;
}

/* ---- facts ---- */

/* Takes the value over. */
static cgsv_status add(struct identity *id, const char *name, char *value)
{
    if (!value) return error_set(CGSV_ERROR_MEMORY, "no memory for the setting '%s'", name);
    id->fact[id->count++] = (struct fact){name, value};
    return CGSV_OK;
}

static cgsv_status add_format(struct identity *id, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static cgsv_status add_format(struct identity *id, const char *name, const char *format, ...)
{
    char value[SETTING_LENGTH];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    return add(id, name, strdup(value));
}

static void show(char value[SETTING_LENGTH], const struct setting_field *field, const cgsv_federation *m)
{
    field->show(value, SETTING_LENGTH, (const char *)&m->config + field->offset);
}

static bool all_alike(const struct setting_field *field, const cgsv_fleet *f)
{
    char first[SETTING_LENGTH], other[SETTING_LENGTH];
    show(first, field, &f->federation[0]);
    for (int m = 1; m < f->federations; m++) {
        show(other, field, &f->federation[m]);
        if (strcmp(first, other) != 0) return false;
    }
    return true;
}

static cgsv_status add_setting(struct identity *id, const struct setting_field *field, const cgsv_fleet *f)
{
    const int values = all_alike(field, f) ? 1 : f->federations;
    char value[SETTING_LENGTH];
    struct text_stream text;
    if (!text_stream_open(&text)) return add(id, field->name, NULL);
    for (int m = 0; m < values; m++) {
        show(value, field, &f->federation[m]);
        fprintf(text.to, "%s%s", m > 0 ? BETWEEN : "", value);
    }
    return add(id, field->name, text_stream_close(&text));
}

cgsv_status identity_make(struct identity *id, cgsv_fleet *f, char *piece, size_t piece_bytes)
{
    const struct setting_field *fields;
    const int count = setting_fields(&fields);
    char device[SETTING_LENGTH];
    *id = (struct identity){.federations = f->federations};
    if (!f->data_summed) TRY(sum_up_data(&f->data_checksum, f, (struct scratch){piece, piece_bytes}));
    f->data_summed = true;
    TRY(add_format(id, "cgsv_version", "%s", cgsv_version()));
    TRY(add_format(id, "training_samples", "%lld", (long long)f->train_samples));
    TRY(add_format(id, "test_samples", "%lld", (long long)f->test_samples));
    TRY(add_format(id, "data_checksum", "%08lx", (unsigned long)f->data_checksum));
    if (f->federations > 1) TRY(add_format(id, "federations", "%d", f->federations));
    for (int i = 0; i < count; i++) TRY(add_setting(id, &fields[i], f));
    f->device->backend->identify(f->device, device, sizeof device);
    return add_format(id, "device", "%s", device);
}

void identity_free(struct identity *id)
{
    for (int i = 0; i < id->count; i++) free(id->fact[i].value);
    id->count = 0;
}

/* ---- comparing ---- */

/* The value at *at, which goes on to the next one; the last stands for all further ones. */
static void take_value(char value[SETTING_LENGTH], const char **at)
{
    const size_t length = strcspn(*at, BETWEEN);
    snprintf(value, SETTING_LENGTH, "%.*s", (int)length, *at);
    if ((*at)[length]) *at += length + 1;
}

static cgsv_status other_setting(const char *path, const char *name, const char *saved, const char *ours,
                                 int federations)
{
    char was[SETTING_LENGTH], is[SETTING_LENGTH];
    int number = -1;
    if (!strpbrk(saved, BETWEEN) && !strpbrk(ours, BETWEEN))
        return error_set(CGSV_ERROR_ARGUMENT, "'%s' is of a run with %s %.160s, and this one has %s", path, name, saved,
                         ours);
    do {
        take_value(was, &saved);
        take_value(is, &ours);
    } while (++number < federations - 1 && strcmp(was, is) == 0);
    return error_set(CGSV_ERROR_ARGUMENT, "'%s' is of a fleet whose federation %d has %s %.160s, and here it has %s",
                     path, number, name, was, is);
}

static cgsv_status other_device(const char *path, const char *saved, const char *ours)
{
    return error_set(CGSV_ERROR_ARGUMENT, "'%s' was saved on %.160s, and this is %s, where the bits would differ; go "
                     "on there, or allow another device (--other-device)", path, saved, ours);
}

static cgsv_status check_federations(const struct identity *id, const struct checkpoint_file *file)
{
    const char *several = safetensors_metadata_value(file->header, "federations"), *saved = several ? several : "1";
    char ours[16];
    snprintf(ours, sizeof ours, "%d", id->federations);
    if (strcmp(saved, ours) == 0) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "'%s' is of %.40s federations, and here there are %s", file->reader.path,
                     saved, ours);
}

cgsv_status identity_check(const struct identity *id, const struct checkpoint_file *file, unsigned flags)
{
    const char *path = file->reader.path;
    const bool any_device = flags & CGSV_CHECKPOINT_OTHER_DEVICE;
    TRY(check_federations(id, file));
    for (int i = 0; i < id->count; i++) {
        const char *saved = safetensors_metadata_value(file->header, id->fact[i].name), *ours = id->fact[i].value;
        const bool is_device = i == id->count - 1;
        if ((saved && strcmp(saved, ours) == 0) || (is_device && any_device)) continue;
        if (!saved) saved = "(unknown)";
        return is_device ? other_device(path, saved, ours)
                         : other_setting(path, id->fact[i].name, saved, ours, id->federations);
    }
    return CGSV_OK;
}
