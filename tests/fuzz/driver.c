/* Runs a fuzz target without libFuzzer: over every file of its corpus, then over
 * mutations of them.
 *
 *     fuzz_TARGET CORPUS COUNT SEED [FIRST]
 *
 * Mutation k depends on corpus, seed and k alone. When one crashes, its number is
 * printed: "COUNT = 1, FIRST = k" runs it again. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum { INPUTS = 256, CAPACITY = 1 << 16, MOST_STEPS = 6 };

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input corpus[INPUTS];
static int corpus_count;
static long running = -1;
static unsigned long seed;

/* ---- what a crash says ---- */

/* Of sanitizers, where they are linked. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void say_where(void)
{
    char text[96];
    const int length =
        snprintf(text, sizeof text, "fuzz: crash in mutation %ld of seed %lu (-1: in the corpus)\n", running, seed);
    (void)!write(STDERR_FILENO, text, (size_t)length);
}

static void on_signal(int number)
{
    say_where();
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- the corpus ---- */

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "fuzz: %s '%s'\n", what, path);
    exit(2);
}

static void load(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "rb");
    uint8_t *bytes = malloc(CAPACITY);
    if (!stream || !bytes || corpus_count == INPUTS) fail("cannot take", path);
    corpus[corpus_count++] = (struct input){bytes, fread(bytes, 1, CAPACITY, stream)};
    fclose(stream);
}

static void load_corpus(const char *folder)
{
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) fail("cannot read the folder", folder);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') load(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (corpus_count == 0) fail("no inputs in", folder);
}

/* ---- mutations ---- */

static uint64_t random_state;

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t below(size_t bound) { return bound ? (size_t)(draw() % bound) : 0; }

/* Replaces `old` bytes at `at` by those given. */
static void replace(struct input *in, size_t at, size_t old, const void *bytes, size_t count)
{
    if (in->size - old + count > CAPACITY) return;
    memmove(in->bytes + at + count, in->bytes + at + old, in->size - at - old);
    memcpy(in->bytes + at, bytes, count);
    in->size += count - old;
}

static void replace_integer(struct input *in)
{
    static const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                      0x100000000, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX};
    const uint64_t value = values[below(sizeof values / sizeof *values)];
    const size_t width = (size_t)1 << below(4), big_endian = below(2);
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++) bytes[big_endian ? width - 1 - i : i] = (uint8_t)(value >> (8 * i));
    if (in->size >= width) replace(in, below(in->size - width + 1), width, bytes, width);
}

/* The next number in decimal digits, if any. */
static void replace_decimal(struct input *in)
{
    static const char *const values[] = {"0", "1", "2", "3", "8", "16", "255", "-1", "1e400", "0.5", "2147483648",
                                         "4294967296", "9007199254740993", "9223372036854775807",
                                         "18446744073709551616", "00", "1L", "nan", ""};
    const char *value = values[below(sizeof values / sizeof *values)];
    size_t at = below(in->size), end;
    while (at < in->size && (in->bytes[at] < '0' || in->bytes[at] > '9')) at++;
    for (end = at; end < in->size && in->bytes[end] >= '0' && in->bytes[end] <= '9';) end++;
    if (end > at) replace(in, at, end - at, value, strlen(value));
}

/* A piece of another input, or of this one. */
static void insert_piece(struct input *in, size_t old)
{
    const struct input *from = &corpus[below((size_t)corpus_count)];
    const size_t at = below(from->size), most = from->size - at < 64 ? from->size - at : 64;
    replace(in, below(in->size - old + 1), old, from->bytes + at, below(most + 1));
}

static void insert_token(struct input *in, size_t old)
{
    static const char *const tokens[] = {"{", "}", "[", "]", "(", ")", ",", ":", "'", "\"", "\\", "\\u0000", " ", "\n",
                                         "True", "False", "null", "F16", "BF16", "I64", "'<f8'", "'<f2'", "'|O'",
                                         "shape", "dtype", "data_offsets", "descr", "__metadata__", "--", "=", "no-",
                                         "--help", "\x1f\x8b\x08", "PK\3\4", "\xff\xff\xff\xff", "\xc2\x9b", "\x1b["};
    const char *token = tokens[below(sizeof tokens / sizeof *tokens)];
    replace(in, below(in->size - old + 1), old, token, strlen(token));
}

static void mutate_once(struct input *in)
{
    const uint8_t byte = (uint8_t)draw();
    const size_t old = below(in->size < 16 ? in->size + 1 : 16); /* bytes that may go */
    switch (below(9)) {
    case 0: if (in->size) in->bytes[below(in->size)] ^= (uint8_t)(1 << byte % 8); break;
    case 1: if (in->size) in->bytes[below(in->size)] = byte; break;
    case 2: replace(in, below(in->size - old + 1), old, "", 0); break;
    case 3: replace_integer(in); break;
    case 4: replace_decimal(in); break;
    case 5: insert_piece(in, old); break;
    case 6: insert_token(in, 0); break;
    case 7: insert_token(in, old); break;
    default: if (below(4) == 0) in->size = below(in->size + 1);
    }
}

static void run_mutation(long k, struct input *work)
{
    running = k;
    random_state = (seed + 1) * 0xd1342543de82ef95 ^ (uint64_t)k * 0x2545f4914f6cdd1d;
    const struct input *from = &corpus[below((size_t)corpus_count)];
    memcpy(work->bytes, from->bytes, from->size);
    work->size = from->size;
    for (size_t steps = 1 + below(MOST_STEPS); steps > 0; steps--) mutate_once(work);
    /* an exact copy, so that AddressSanitizer sees a read past its end */
    uint8_t *copy = malloc(work->size + !work->size);
    if (!copy) exit(2);
    memcpy(copy, work->bytes, work->size);
    LLVMFuzzerTestOneInput(copy, work->size);
    free(copy);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s CORPUS COUNT SEED [FIRST]\n", argv[0]);
        return 2;
    }
    const long count = atol(argv[2]), first = argc > 4 ? atol(argv[4]) : 0;
    seed = strtoul(argv[3], NULL, 10);
    signal(SIGABRT, on_signal); /* FUZZ_CHECK's, which sanitizers leave alone */
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_where);
    else
        for (size_t i = 0; i < 4; i++) signal((int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL}[i], on_signal);

    load_corpus(argv[1]);
    for (int i = 0; i < corpus_count; i++) LLVMFuzzerTestOneInput(corpus[i].bytes, corpus[i].size);
    printf("corpus: %d inputs, %ld taken, %ld refused\n", corpus_count, (long)fuzz_taken, (long)fuzz_refused);
    const int corpus_is_good = fuzz_taken > 0;

    struct input work = {malloc(CAPACITY), 0};
    if (!work.bytes) return 2;
    fuzz_taken = fuzz_refused = 0;
    for (long k = first; k < first + count; k++) run_mutation(k, &work);
    printf("mutations %ld to %ld of seed %lu: %ld taken, %ld refused\n", first, first + count - 1, seed,
           (long)fuzz_taken, (long)fuzz_refused);
    free(work.bytes);
    for (int i = 0; i < corpus_count; i++) free(corpus[i].bytes);
    /* A corpus or mutations that all end the same way would test next to nothing. */
    return corpus_is_good && (count < 1000 || (fuzz_taken > 0 && fuzz_refused > 0)) ? 0 : 1;
}
