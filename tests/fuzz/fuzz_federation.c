/* Federations that go on from a checkpoint whose checksum is right and whose contents are not. The input is a list of
 * edits of a checkpoint that is made here, so that it stays one of this version: the first byte says of which
 * federation; an edit is what it edits (a byte, enum target), a position (3 bytes), how many bytes are dropped there,
 * how many come in their place, and these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cgsv/cgsv.h"
#include "device/device.h"
#include "fuzz.h"

enum { AGENTS = 3, ROUNDS = 4, SAVED_ROUND = 2, SAMPLES = 24, PIXELS = 4, CLASSES = 2, LENGTH = 8, CHECKSUM = 8 };

static const struct {
    const char *scheme;
    cgsv_optimizer optimizer;
    bool standalone;
} variants[] = {{"cgsv", CGSV_OPTIMIZER_SGD, false},
                {"cffl", CGSV_OPTIMIZER_ADAM, true},
                {"rffl", CGSV_OPTIMIZER_SGD, true},
                {"eci-one-round", CGSV_OPTIMIZER_SGD, false},
                {"qffl", CGSV_OPTIMIZER_SGD, false}};
enum { VARIANTS = sizeof variants / sizeof *variants };

static cgsv_device *device;
static cgsv_dataset *pictures;

static void check(cgsv_status status) { FUZZ_CHECK(status == CGSV_OK); }

static void make_pictures(void)
{
    float x[SAMPLES * PIXELS];
    int32_t y[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        y[i] = i % CLASSES;
        for (int p = 0; p < PIXELS; p++) x[i * PIXELS + p] = (float)((i * 7 + p * 3) % 11) / 11 + (float)y[i];
    }
    check(cgsv_dataset_create(&pictures, "tiny", 1, 2, 2, CLASSES, SAMPLES, x, y, SAMPLES, x, y));
    check(cgsv_device_open(&device, "cpu", 1));
#ifdef CHECKED_KERNELS
    device->kernels = &kernels_checked; /* where sanitizers see what is read for what a file holds */
#endif
}

static cgsv_federation *make_federation(int variant)
{
    cgsv_federation *federation;
    cgsv_config config;
    cgsv_config_defaults(&config, "tiny");
    config.agents = AGENTS;
    config.rounds = ROUNDS;
    config.batch = 4;
    config.local_epochs = 1;
    config.samples_per_agent = 8;
    config.validation_fraction = 0.2;
    config.partition = CGSV_PARTITION_UNIFORM;
    check(cgsv_config_set_scheme(&config, variants[variant].scheme));
    config.optimizer = variants[variant].optimizer;
    config.standalone = variants[variant].standalone;
    check(cgsv_federation_create(&federation, device, &config, pictures));
    return federation;
}

/* ---- a checkpoint to be edited ---- */

struct bytes {
    uint8_t *at;
    size_t size;
};

/* Header and arrays, without the checksum. */
struct checkpoint {
    struct bytes part[2];
};

static struct bytes copy(const uint8_t *from, size_t size)
{
    struct bytes b = {malloc(size + !size), size};
    FUZZ_CHECK(b.at);
    memcpy(b.at, from, size);
    return b;
}

static struct bytes read_file(const char *path)
{
    static uint8_t buffer[1 << 20];
    FILE *stream = fopen(path, "rb");
    FUZZ_CHECK(stream);
    const size_t size = fread(buffer, 1, sizeof buffer, stream);
    FUZZ_CHECK(size < sizeof buffer && fclose(stream) == 0);
    return copy(buffer, size);
}

static struct checkpoint make_checkpoint(int variant)
{
    char path[FUZZ_PATH];
    fuzz_path(path, "checkpoint");
    cgsv_federation *federation = make_federation(variant);
    check(cgsv_federation_run(federation, SAVED_ROUND));
    check(cgsv_federation_evaluate(federation));
    check(cgsv_federation_save_checkpoint(federation, path));
    cgsv_federation_free(federation);
    struct bytes whole = read_file(path);
    uint64_t length;
    memcpy(&length, whole.at, sizeof length);
    const uint8_t *header = whole.at + LENGTH;
    const struct checkpoint made = {
        {copy(header, length), copy(header + length, whole.size - LENGTH - length - CHECKSUM)}};
    free(whole.at);
    return made;
}

static struct checkpoint checkpoint_of(int variant)
{
    static struct checkpoint made[VARIANTS];
    const struct bytes *part = made[variant].part;
    if (!pictures) make_pictures();
    if (!part->at) made[variant] = make_checkpoint(variant);
    return (struct checkpoint){{copy(part[0].at, part[0].size), copy(part[1].at, part[1].size)}};
}

/* ---- edits ---- */

/* A number's position says which of those in the header it is; the whole of it is dropped. */
enum target { HEADER, ARRAYS, NUMBER, TARGETS };
enum { EDIT_HEAD = 6 };

static bool is_digit(struct bytes b, size_t at) { return at < b.size && b.at[at] >= '0' && b.at[at] <= '9'; }

static size_t find_number(struct bytes b, size_t number, size_t *digits)
{
    size_t at = 0;
    for (*digits = 0; at < b.size; at += *digits + 1) {
        for (*digits = 0; is_digit(b, at + *digits);) ++*digits;
        if (*digits > 0 && number-- == 0) return at;
    }
    *digits = 0;
    return b.size;
}

/* Returns what is left of the input. */
static struct bytes edit(struct checkpoint *c, struct bytes in)
{
    const enum target target = in.at[0] % TARGETS;
    struct bytes *b = &c->part[target == ARRAYS];
    size_t at = (size_t)in.at[1] | (size_t)in.at[2] << 8 | (size_t)in.at[3] << 16, drop = in.at[4], count = in.at[5];
    at = target == NUMBER ? find_number(*b, at & 0xff, &drop) : at % (b->size + 1);
    if (drop > b->size - at) drop = b->size - at;
    if (count > in.size - EDIT_HEAD) count = in.size - EDIT_HEAD;
    struct bytes edited = {malloc(b->size - drop + count + 1), b->size - drop + count};
    FUZZ_CHECK(edited.at);
    memcpy(edited.at, b->at, at);
    memcpy(edited.at + at, in.at + EDIT_HEAD, count);
    memcpy(edited.at + at + count, b->at + at + drop, b->size - at - drop);
    free(b->at);
    *b = edited;
    return (struct bytes){in.at + EDIT_HEAD + count, in.size - EDIT_HEAD - count};
}

static void put_file(struct fuzz_file *file, const struct checkpoint *c)
{
    const struct bytes header = c->part[0], arrays = c->part[1];
    const size_t sum_at = LENGTH + header.size + arrays.size;
    const uint64_t length = header.size;
    uint8_t *all = malloc(sum_at + CHECKSUM);
    FUZZ_CHECK(all);
    memcpy(all, &length, LENGTH);
    memcpy(all + LENGTH, header.at, header.size);
    memcpy(all + LENGTH + header.size, arrays.at, arrays.size);
    const uint64_t sum = crc32(0, all, (unsigned)sum_at);
    memcpy(all + sum_at, &sum, CHECKSUM);
    fuzz_file_set(file, all, sum_at + CHECKSUM, "", 0);
    free(all);
}

/* ---- going on ---- */

static void go_on(cgsv_federation *federation)
{
    cgsv_round_record record[AGENTS];
    cgsv_evaluation agent[AGENTS], twin[AGENTS], server;
    const int done = cgsv_federation_rounds_done(federation);
    FUZZ_CHECK(done >= 0 && done <= ROUNDS);
    check(cgsv_federation_run(federation, ROUNDS - done));
    check(cgsv_federation_evaluate(federation));
    check(cgsv_federation_evaluation(federation, agent, twin, &server));
    for (int t = 0; t < ROUNDS; t++) check(cgsv_federation_round(federation, t, record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_file file;
    if (size < 1) return 0;
    const int variant = data[0] % VARIANTS;
    struct checkpoint edited = checkpoint_of(variant);
    struct bytes input = copy(data + 1, size - 1), left = input;
    while (left.size >= EDIT_HEAD) left = edit(&edited, left);
    put_file(&file, &edited);
    cgsv_federation *federation = make_federation(variant);
    const cgsv_status status =
        cgsv_federation_load_checkpoint(federation, file.path, CGSV_CHECKPOINT_OTHER_DEVICE);
    fuzz_count(status);
    if (status == CGSV_OK)
        go_on(federation);
    else
        FUZZ_CHECK(cgsv_federation_rounds_done(federation) == 0);
    cgsv_federation_free(federation);
    free(input.at);
    for (int i = 0; i < 2; i++) free(edited.part[i].at);
    return 0;
}
