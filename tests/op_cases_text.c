/* The kernels of sentences against naive float64 versions: kernels/text.cu, and batches that
 * stay among sentences of like length. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"

struct text_case {
    struct text_batch t;
    int rows, samples;
    int32_t *token, *length, *label; /* the data set */
    int32_t *sample;                 /* [R][B S] */
    int32_t *y;
};

/* Row r's batch fills all slots but 7 r of them; row 0 of more than one is empty. */
static struct text_case text_make(int rows, int vocabulary, int row_words, int blocks, int slots)
{
    struct text_case c = {.rows = rows, .samples = 53};
    const int all = blocks * slots, longest = row_words < TEXT_KERNEL ? TEXT_KERNEL : row_words;
    c.token = TAKE(int32_t, c.samples * row_words);
    c.length = TAKE(int32_t, c.samples);
    c.label = TAKE(int32_t, c.samples);
    c.sample = TAKE(int32_t, rows * all);
    c.y = TAKE(int32_t, rows * all);
    for (int i = 0; i < c.samples; i++) {
        c.length[i] = 1 + below(row_words);
        c.label[i] = below(5);
        for (int p = 0; p < row_words; p++)
            c.token[i * row_words + p] = p < c.length[i] ? below(vocabulary) : CGSV_WORD_PADDING;
    }
    for (int i = 0; i < rows * all; i++) {
        const int row = i / all, filled = rows > 1 && row == 0 ? 0 : all - 7 * row;
        c.sample[i] = i % all < filled ? below(c.samples) : -1;
    }
    int most = all * longest + 1;
    if (most > vocabulary) most = vocabulary;
    c.t = (struct text_batch){.word = TAKE(int32_t, rows * most), .words = TAKE(int32_t, rows),
                              .place = TAKE(int32_t, (int64_t)rows * all * longest), .width = TAKE(int32_t, rows),
                              .mark = TAKE(int32_t, rows * vocabulary), .vocabulary = vocabulary,
                              .row_words = row_words, .longest = longest, .most_words = most, .blocks = blocks,
                              .slots = slots};
    error_free(k->text_gather(stream, c.t, c.y, c.token, c.length, c.label, c.sample, rows));
    return c;
}

/* The word at a position of a slot, as it should be. */
static int word_at(const struct text_case *c, int64_t slot, int p)
{
    const int from = c->sample[slot];
    return p < c->length[from] ? c->token[from * c->t.row_words + p] : CGSV_WORD_PADDING;
}

static void gather_case(int rows, int vocabulary, int row_words, int blocks, int slots)
{
    case_begin("text_gather R%d V%d words %d B%d S%d", rows, vocabulary, row_words, blocks, slots);
    const struct text_case c = text_make(rows, vocabulary, row_words, blocks, slots);
    const struct text_batch t = c.t;
    const int all = blocks * slots;
    for (int row = 0; row < rows; row++) {
        int width = TEXT_KERNEL, words = 0;
        uint8_t *seen = TAKE(uint8_t, vocabulary);
        memset(seen, 0, (size_t)vocabulary);
        for (int64_t slot = row * all; slot < (row + 1) * all; slot++)
            if (c.sample[slot] >= 0 && c.length[c.sample[slot]] > width) width = c.length[c.sample[slot]];
        same("width", row, t.width[row], width);
        for (int64_t slot = row * all; slot < (row + 1) * all; slot++) {
            same("label", slot, c.y[slot], c.sample[slot] < 0 ? 0 : c.label[c.sample[slot]]);
            const int32_t *place = t.place + slot * t.longest;
            for (int p = 0; p < width; p++) {
                if (c.sample[slot] < 0) {
                    same("empty slot", slot, place[p], -1);
                    continue;
                }
                seen[word_at(&c, slot, p)] = 1;
                if (place[p] < 0 || place[p] >= t.words[row]) fail("slot %lld: place %d", (long long)slot, place[p]);
                else same("word", slot, t.word[row * t.most_words + place[p]], word_at(&c, slot, p));
            }
            untouched("place", place + width, t.longest - width);
        }
        for (int v = 0; v < vocabulary; v++)
            if (seen[v]) same("list of words", words, t.word[row * t.most_words + words], v), words++;
        same("words", row, t.words[row], words);
        untouched("list of words", t.word + row * t.most_words + words, t.most_words - words);
    }

    const int values = 33;
    const int64_t w_stride = (int64_t)vocabulary * values + 5;
    float *embedding = take_random(rows * w_stride, 1), *vector = TAKE(float, (int64_t)rows * t.most_words * values);
    error_free(k->word_gather(stream, vector, embedding, w_stride, t, values, rows, t.most_words));
    for (int row = 0; row < rows; row++)
        for (int64_t i = 0; i < (int64_t)t.words[row] * values; i++)
            same("vector", i, vector[(int64_t)row * t.most_words * values + i],
                 embedding[row * w_stride + (int64_t)t.word[row * t.most_words + i / values] * values + i % values]);
    case_end();
}

/* integers: exact sums with many ties, of which the first window must win. */
static void max_case(int rows, int filters, int row_words, int blocks, int slots, int one_batch, int integers)
{
    case_begin("max_over_time R%d F%d words %d B%d S%d%s%s", rows, filters, row_words, blocks, slots,
               one_batch ? " one batch" : "", integers ? " integers" : "");
    struct text_case c = text_make(one_batch ? 1 : rows, 101, row_words, blocks, slots);
    struct text_batch t = c.t;
    t.one_batch = one_batch;
    const int64_t all = blocks * slots, w_stride = filters + 7, tap = (int64_t)t.most_words * filters;
    float *part = take_random(rows * TEXT_KERNEL * tap, 1), *bias = take_random(rows * w_stride, 1);
    for (int64_t i = 0; integers && i < rows * TEXT_KERNEL * tap; i++) part[i] = (float)(below(3) - 1);
    float *out = TAKE(float, rows * all * filters), *out2 = TAKE(float, rows * all * filters);
    int32_t *winner = TAKE(int32_t, rows * all * filters);
    error_free(k->max_over_time(stream, out, winner, part, bias, w_stride, t, filters, rows));
    error_free(k->max_over_time(stream, out2, NULL, part, bias, w_stride, t, filters, rows));
    if (memcmp(out, out2, (size_t)(rows * all * filters) * sizeof *out)) fail("differs without winners");
    for (int64_t i = 0; i < rows * all * filters; i++) {
        const int64_t row = i / (all * filters), slot = i / filters % all, f = i % filters, batch = one_batch ? 0 : row;
        const float got = out[((row * blocks + slot / slots) * filters + f) * slots + slot % slots];
        const int32_t *place = t.place + (batch * all + slot) * t.longest;
        double best = -INFINITY, chosen = 0;
        int first = 0;
        if (place[0] < 0) {
            same("empty slot", i, got, 0);
            continue;
        }
        for (int p = 0; p + TEXT_KERNEL <= t.width[batch]; p++) {
            double sum = 0;
            for (int tapped = 0; tapped < TEXT_KERNEL; tapped++)
                sum += part[(row * TEXT_KERNEL + tapped) * tap + (int64_t)place[p + tapped] * filters + f];
            if (p == winner[i]) chosen = sum;
            if (sum > best) best = sum, first = p;
        }
        if (integers) same("winner", i, winner[i], first);
        near("winner's value", i, chosen, best, float_bound(TEXT_KERNEL, 3));
        near("out", i, got, fmax(0, best + bias[row * w_stride + f]), float_bound(TEXT_KERNEL + 1, 4));
    }
    case_end();
}

static void gradients_case(int rows, int filters, int values, int row_words, int blocks, int slots)
{
    case_begin("text_gradients R%d F%d E%d words %d B%d S%d", rows, filters, values, row_words, blocks, slots);
    const struct text_case c = text_make(rows, 37, row_words, blocks, slots);
    const struct text_batch t = c.t;
    const int64_t all = blocks * slots, E = values, taps = TEXT_KERNEL * E;
    const int64_t embedding = (int64_t)t.vocabulary * E, w_stride = embedding + filters * taps + 11;
    float *w = take_random(rows * w_stride, 1), *gradient = TAKE(float, rows * w_stride);
    float *delta = take_random(rows * all * filters, 1), *vector = take_random(rows * (int64_t)t.most_words * E, 1);
    int32_t *winner = TAKE(int32_t, rows * all * filters);
    for (int64_t i = 0; i < rows * all * filters; i++) {
        const int64_t row = i / (all * filters), slot = i / filters % all, f = i % filters;
        float *d = &delta[((row * blocks + slot / slots) * filters + f) * slots + slot % slots];
        winner[i] = below(t.width[row] - TEXT_KERNEL + 1);
        if (c.sample[row * all + slot] < 0 || below(2)) *d = 0; /* as dropout leaves it */
    }
    const struct text_gradients g = {.weight_gradient = gradient + embedding, .embedding_gradient = gradient,
                                     .position = TAKE(float, rows * all * t.longest * E), .delta = delta,
                                     .winner = winner, .vector = vector, .weight = w + embedding,
                                     .w_stride = w_stride, .filters = filters, .values = values};
    error_free(k->text_gradients(stream, g, t, rows));

    const int64_t D = embedding + filters * taps;
    double *want = TAKE(double, D), *size = TAKE(double, D);
    for (int row = 0; row < rows; row++) {
        memset(want, 0, (size_t)D * sizeof *want);
        memset(size, 0, (size_t)D * sizeof *size);
        for (int64_t slot = 0; slot < all; slot++)
            for (int64_t f = 0; f < filters; f++) {
                const double d = delta[((row * blocks + slot / slots) * filters + f) * slots + slot % slots];
                const int64_t sentence = row * all + slot;
                const int32_t *place = t.place + sentence * t.longest + winner[sentence * filters + f];
                for (int64_t i = 0; d != 0 && i < taps; i++) {
                    const int64_t u = place[i / E], e = i % E, at = embedding + f * taps + i;
                    const int64_t word = t.word[row * t.most_words + u] * E + e;
                    const double v = vector[(row * (int64_t)t.most_words + u) * E + e], weight = w[row * w_stride + at];
                    want[at] += d * v, size[at] += fabs(d * v);
                    want[word] += d * weight, size[word] += fabs(d * weight);
                }
            }
        for (int64_t i = embedding; i < D; i++)
            near("weight gradient", i - embedding, gradient[row * w_stride + i], want[i], float_bound(all, size[i]));
        for (int v = 0, next = 0; v < t.vocabulary; v++) {
            const float *got = gradient + row * w_stride + v * E;
            if (next >= t.words[row] || t.word[row * t.most_words + next] != v) {
                untouched("gradient of a word outside the batch", got, E);
                continue;
            }
            next++;
            for (int64_t e = 0; e < E; e++)
                near("word gradient", v * E + e, got[e], want[v * E + e],
                     float_bound(all * filters, size[v * E + e]));
        }
    }
    case_end();
}

enum word_optimizer { SGD, SGD_MOMENTUM, ADAM };

/* Two rounds of two epochs of two steps, with each step touching its batch's words alone, and
 * again with every step touching all columns: the same bits. Before a step, the words of its
 * batch must be what they are where nothing is left out. */
static void word_steps_case(enum word_optimizer kind, int vocabulary, int values, int row_words, double mu, int alone)
{
    static const char *const names[] = {"SGD", "SGD with momentum", "Adam"};
    enum { ROWS = 3, EPOCHS = 2, STEPS = 2 };
    case_begin("words left out by %s V%d E%d mu %g%s", names[kind], vocabulary, values, mu, alone ? " alone" : "");
    const int64_t dimension = (int64_t)vocabulary * values + 77, ld = dimension + 3, all = ROWS * ld;
    const int64_t pieces = (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    struct row row[ROWS] = {{.agent = 1, .model = 2, .samples = 60},
                            {.agent = -1, .model = 1, .samples = 60, .alone = 1},
                            {.agent = 0, .model = 0, .samples = 33, .mu = mu, .alone = alone}};
    float *model = take_random(3 * ld, 1);
    float *gradient = TAKE(float, all), *changed = TAKE(float, all);
    float *work[2], *update[2], *moment1[2], *moment2[2];
    double *norms[2], *lr = TAKE(double, ROWS);
    for (int lazy = 0; lazy < 2; lazy++) {
        work[lazy] = TAKE(float, all), update[lazy] = TAKE(float, 2 * ld);
        moment1[lazy] = TAKE(float, all), moment2[lazy] = TAKE(float, all);
        norms[lazy] = TAKE(double, 2 * pieces * NORM_SUMS);
        memset(moment1[lazy], 0, (size_t)all * sizeof(float));
        memset(moment2[lazy], 0, (size_t)all * sizeof(float));
    }
    struct word_steps words = {.done = TAKE(int32_t, ROWS * vocabulary), .rate = TAKE(float, ROWS * EPOCHS * STEPS),
                               .scale = TAKE(float, ROWS * EPOCHS * STEPS), .most = EPOCHS * STEPS, .values = values};
    struct loss_sums *sums = TAKE(struct loss_sums, ROWS);
    int *round = TAKE(int, 1);
    for (*round = 0; *round < 2; ++*round) {
        for (int lazy = 0; lazy < 2; lazy++)
            error_free(k->round_begin(stream, work[lazy], update[lazy], model, sums, row, ROWS, dimension, ld));
        error_free(k->words_begin(stream, words.done, ROWS * vocabulary));
        for (int step = 0; step < EPOCHS * STEPS; step++) {
            const struct text_case c = text_make(ROWS, vocabulary, row_words, 1, 32);
            words.batch = c.t;
            for (int r = 0; r < ROWS; r++) lr[r] = 0.01 / (1 + r + step);
            memset(gradient, 0, (size_t)all * sizeof *gradient);
            for (int r = 0; r < ROWS; r++) {
                for (int64_t i = 0; i < (int64_t)c.t.words[r] * values; i++)
                    gradient[r * ld + c.t.word[r * c.t.most_words + i / values] * values + i % values] =
                        (float)(2 * uniform() - 1);
                for (int64_t i = (int64_t)vocabulary * values; i < dimension; i++)
                    gradient[r * ld + i] = (float)(2 * uniform() - 1);
            }
            struct optimizer_step o = {.gradient = changed, .model = model, .row = row, .lr = lr, .round = round,
                                       .dimension = dimension, .ld = ld, .rows = ROWS,
                                       .momentum = kind == SGD_MOMENTUM ? 0.9 : 0, .batch = 32, .local_epochs = EPOCHS,
                                       .epoch = step / STEPS, .step = step % STEPS};
            for (int lazy = 1; lazy >= 0; lazy--) {
                o.work = work[lazy], o.update = update[lazy], o.norm_partial = norms[lazy];
                o.moment1 = kind == SGD ? NULL : moment1[lazy], o.moment2 = kind == ADAM ? moment2[lazy] : NULL;
                o.words = lazy ? words : (struct word_steps){0};
                memcpy(changed, gradient, (size_t)all * sizeof *gradient); /* a proximal term is added to it */
                if (lazy) error_free(k->words_make_up(stream, o));
                for (int r = 0; lazy && r < ROWS; r++) /* the other run has not made this step yet */
                    for (int64_t i = 0; i < (int64_t)c.t.words[r] * values; i++) {
                        const int64_t at = r * ld + c.t.word[r * c.t.most_words + i / values] * values + i % values;
                        same("word before its step", at, work[1][at], work[0][at]);
                    }
                error_free(k->optimize(stream, o));
            }
        }
        for (int r = 0; r < ROWS; r++)
            if (memcmp(work[0] + r * ld, work[1] + r * ld, (size_t)dimension * sizeof(float)))
                fail("row %d differs", r);
        if (memcmp(update[0], update[1], (size_t)(ld + dimension) * sizeof(float))) fail("updates differ");
        if (memcmp(norms[0], norms[1], (size_t)(2 * pieces * NORM_SUMS) * sizeof(double))) fail("norms differ");
        error_free(k->keep_alone(stream, model, work[0], row, ROWS, dimension, ld));
        for (int64_t i = 0; i < all && kind != SGD; i++)
            if (i % ld < dimension) same("moment", i, moment1[1][i], moment1[0][i]);
    }
    case_end();
}

static void drop(float *x, struct row *row, int round, double rate, int step, int units, int rows, int blocks,
                 int slots)
{
    int *cell = TAKE(int, 1);
    *cell = round;
    for (int64_t i = 0; i < (int64_t)rows * units * blocks * slots; i++) x[i] = 1;
    const struct dropout_step d = {.row = row, .round = cell, .rate = rate, .batch = 30, .local_epochs = 2, .epoch = 1,
                                   .step = step};
    error_free(k->dropout(stream, x, d, units, rows, blocks, slots));
}

static void dropout_case(int units, int rows, int blocks, int slots, double rate)
{
    case_begin("dropout R%d units %d B%d S%d rate %g", rows, units, blocks, slots, rate);
    const int64_t each = (int64_t)units * blocks * slots, n = rows * each;
    struct row row[3];
    for (int r = 0; r < 3; r++) row[r] = (struct row){.samples = 100, .stream = r, .seed = 5};
    float *x = TAKE(float, n), *again = TAKE(float, n), *other[4];
    drop(x, row, 3, rate, 2, units, rows, blocks, slots);
    drop(again, row, 3, rate, 2, units, rows, blocks, slots);
    if (memcmp(x, again, (size_t)n * sizeof *x)) fail("differs the second time");
    for (int i = 0; i < 4; i++) other[i] = TAKE(float, n);
    drop(other[0], row, 3, rate, 1, units, rows, blocks, slots);
    drop(other[1], row, 2, rate, 2, units, rows, blocks, slots);
    for (int r = 0; r < 3; r++) row[r].stream += 3;
    drop(other[2], row, 3, rate, 2, units, rows, blocks, slots);
    for (int r = 0; r < 3; r++) row[r].stream -= 3, row[r].seed = UINT64_C(5) << 32 | 5;
    drop(other[3], row, 3, rate, 2, units, rows, blocks, slots);
    int64_t dropped = 0, alike[4] = {0};
    for (int64_t i = 0; i < n; i++) {
        if (x[i] != 0) same("scale", i, x[i], (float)(1 / (1 - rate)));
        dropped += x[i] == 0;
        for (int j = 0; j < 4; j++) alike[j] += x[i] == other[j][i];
    }
    near("share dropped", 0, (double)dropped / (double)n, rate, 5 * sqrt(rate * (1 - rate) / (double)n));
    for (int j = 0; rate > 0 && n > 1000 && j < 4; j++) {
        const double chance = rate * rate + (1 - rate) * (1 - rate);
        near("agreement with another mask", j, (double)alike[j] / (double)n, chance, 5 * sqrt(0.25 / (double)n));
    }
    case_end();
}

void text_cases(void)
{
    gather_case(1, 2, 1, 1, 32);
    gather_case(3, 31, 5, 1, 64);
    gather_case(2, 1009, 33, 3, 32);
    for (int integers = 0; integers < 2; integers++) {
        max_case(1, 32, 1, 1, 32, 0, integers);
        max_case(3, 96, 31, 2, 32, 0, integers);
        max_case(2, 64, 33, 1, 64, 1, integers);
    }
    gradients_case(1, 1, 1, 1, 1, 32);
    gradients_case(3, 31, 33, 7, 2, 32);
    gradients_case(2, 33, 31, 3, 1, 64);
    if (!op_cases_small) gradients_case(2, 97, CGSV_WORD_VALUES, 31, 5, 32);
    for (int kind = 0; kind < 3; kind++) {
        word_steps_case((enum word_optimizer)kind, 2, 1, 1, 0, 0);
        word_steps_case((enum word_optimizer)kind, 997, 31, 3, 0, 0);
        word_steps_case((enum word_optimizer)kind, 97, 31, 3, 0.1, 0);
        word_steps_case((enum word_optimizer)kind, 97, 31, 3, 0, 1);
        if (!op_cases_small) word_steps_case((enum word_optimizer)kind, 211, CGSV_WORD_VALUES, 2, 0.1, 0);
    }
    dropout_case(1, 1, 1, 32, 0.5);
    dropout_case(31, 3, 2, 32, 0.25);
    dropout_case(33, 2, 1, 64, 0.5);
    dropout_case(4, 1, 1, 32, 0);
}

uint64_t text_digest(uint64_t hash)
{
    case_begin("digest of sentences");
    const struct text_case c = text_make(3, 211, 17, 2, 32);
    const struct text_batch t = c.t;
    enum { FILTERS = 32, VALUES = 20 };
    const int64_t all = t.blocks * t.slots, w_stride = (t.vocabulary + FILTERS * TEXT_KERNEL) * VALUES;
    const int64_t n = c.rows * all * FILTERS;
    float *part = take_random(c.rows * TEXT_KERNEL * t.most_words * FILTERS, 1), *w = take_random(c.rows * w_stride, 1);
    float *vector = TAKE(float, c.rows * t.most_words * VALUES), *out = TAKE(float, n);
    float *gradient = TAKE(float, c.rows * w_stride);
    int32_t *winner = TAKE(int32_t, n);
    memset(gradient, 0, (size_t)(c.rows * w_stride) * sizeof *gradient);
    error_free(k->word_gather(stream, vector, w, w_stride, t, VALUES, c.rows, t.most_words));
    error_free(k->max_over_time(stream, out, winner, part, w, w_stride, t, FILTERS, c.rows));
    const struct text_gradients g = {.weight_gradient = gradient + t.vocabulary * VALUES,
                                     .embedding_gradient = gradient,
                                     .position = TAKE(float, c.rows * all * t.longest * VALUES), .delta = out,
                                     .winner = winner, .vector = vector, .weight = w + t.vocabulary * VALUES,
                                     .w_stride = w_stride, .filters = FILTERS, .values = VALUES};
    error_free(k->text_gradients(stream, g, t, c.rows));
    hash = hashed(hash, out, (size_t)n * sizeof *out);
    hash = hashed(hash, gradient, (size_t)(c.rows * w_stride) * sizeof *gradient);
    case_end();
    return hash;
}
