/* A network over sentences: words' vectors, convolutions over KERNEL words, the maximum over
 * time; and their gradients, for every row at once.
 *
 * A convolution is linear, so its part that comes from one word at one place of the window
 * depends on that word alone. Many words of a batch are alike (and all of its padding is),
 * so the products are taken once for every different word:
 *
 *     part[k][word][filter] = Σ_e weight[filter][k][e] vector[word][e]
 *     out[filter] = max_p act(bias[filter] + Σ_k part[k][word at p + k][filter])
 *
 * Steps: text_gather finds a batch's different words, word_gather copies their vectors,
 * matrix products give the parts, max_over_time the output. Backward, a sentence passes a
 * gradient only through the window that won for each filter, KERNEL words of all its
 * positions: sparse sums do with a fraction of what dense products would take. */
#include "kernels/activation.h"
#include "kernels/random.h"

enum { TEXT_SLOTS = 128 }; /* samples whose winners a block takes into shared memory at a time */

/* Words of one row's batch, or of the batch that all rows share. */
DEVICE int64_t batch_of(struct text_batch t, int64_t row) { return t.one_batch ? 0 : row; }

DEVICE int64_t slots_of(struct text_batch t) { return (int64_t)t.blocks * t.slots; }

/* Words of a slot, by their places in the batch's list; the first is -1 in an empty slot. */
DEVICE const int32_t *places_of(struct text_batch t, int64_t row, int64_t slot)
{
    return t.place + (batch_of(t, row) * slots_of(t) + slot) * t.longest;
}

/* Where activations [R][B][units][S] have a sample's first unit. */
DEVICE int64_t activation_at(struct text_batch t, int64_t row, int64_t slot, int64_t units)
{
    return (row * t.blocks + slot / t.slots) * units * t.slots + slot % t.slots;
}

/* Block: a batch. Its width is its longest sentence, KERNEL at least. Words are listed in the
 * order of their numbers, so that the list does not depend on who counts first. */
KERNEL(text_gather, struct text_batch t, int32_t *y, const int32_t *token, const int32_t *length,
       const int32_t *label, const int32_t *sample)
{
    const int64_t all = slots_of(t);
    int32_t *mark = t.mark + BLOCK_X * t.vocabulary, *place = t.place + BLOCK_X * all * t.longest;
    sample += BLOCK_X * all;
    int32_t width = TEXT_KERNEL;
    for (int64_t slot = 0; slot < all; slot++)
        if (sample[slot] >= 0 && length[sample[slot]] > width) width = length[sample[slot]];
    BLOCK_FOR(v, t.vocabulary) { mark[v] = 0; }
    block_sync();
    BLOCK_FOR(i, all * width)
    {
        const int64_t slot = i / width, p = i % width, from = sample[slot];
        const int32_t word = from < 0 ? -1 : p < length[from] ? token[from * t.row_words + p] : CGSV_WORD_PADDING;
        place[slot * t.longest + p] = word;
        if (word >= 0) grid_add(&mark[word], 1);
    }
    block_sync();
    const int64_t begin = t.vocabulary * THREAD_INDEX / THREAD_COUNT;
    const int64_t end = t.vocabulary * (THREAD_INDEX + 1) / THREAD_COUNT;
    int found = 0;
    for (int64_t v = begin; v < end; v++) found += mark[v] > 0;
    int next = block_scan(found);
    for (int64_t v = begin; v < end; v++)
        if (mark[v] > 0) {
            t.word[BLOCK_X * t.most_words + next] = (int32_t)v;
            mark[v] = next++;
        }
    if (THREAD_INDEX == THREAD_COUNT - 1) t.words[BLOCK_X] = next;
    if (THREAD_INDEX == 0) t.width[BLOCK_X] = width;
    block_sync();
    BLOCK_FOR(i, all * width)
    {
        int32_t *at = place + i / width * t.longest + i % width;
        if (*at >= 0) *at = mark[*at];
    }
    BLOCK_FOR(slot, all) { y[BLOCK_X * all + slot] = sample[slot] < 0 ? 0 : label[sample[slot]]; }
}

static const char *launch_text_gather(void *stream, struct text_batch t, int32_t *y, const int32_t *token,
                                      const int32_t *length, const int32_t *label, const int32_t *sample, int batches)
{
    return LAUNCH(stream, grid_of(batches, 1, 1), text_gather, t, y, token, length, label, sample);
}

enum { WORD_TILE = 16 }; /* words that a block copies */

/* Block: WORD_TILE words, a row. */
KERNEL(word_gather, float *vector, const float *embedding, int64_t w_stride, struct text_batch t, int values)
{
    const int64_t row = BLOCK_Z, first = BLOCK_X * WORD_TILE;
    const int64_t n = smaller(WORD_TILE, t.words[batch_of(t, row)] - first);
    const int32_t *word = t.word + batch_of(t, row) * t.most_words + first;
    vector += (row * t.most_words + first) * values;
    embedding += row * w_stride;
    for (int64_t i = 0; i < n; i++)
        SIMD BLOCK_FOR(e, values) { vector[i * values + e] = embedding[(int64_t)word[i] * values + e]; }
}

static const char *launch_word_gather(void *stream, float *vector, const float *embedding, int64_t w_stride,
                                      struct text_batch t, int values, int rows, int words)
{
    return LAUNCH(stream, grid_of((words + WORD_TILE - 1) / WORD_TILE, 1, rows), word_gather, vector, embedding,
                  w_stride, t, values);
}

/* Block: a slot, a row. part: [R][KERNEL][most_words][filters], filters a multiple of LANES.
 * ReLU does not decrease, so the maximum is taken before it. Of equal windows the first wins. */
KERNEL(max_over_time, float *out, int32_t *winner, const float *part, const float *bias, int64_t w_stride,
       struct text_batch t, int filters)
{
    const int64_t row = BLOCK_Z, slot = BLOCK_X, tap = (int64_t)t.most_words * filters;
    const int64_t windows = t.width[batch_of(t, row)] - TEXT_KERNEL + 1;
    const int32_t *place = places_of(t, row, slot);
    const int64_t at = activation_at(t, row, slot, filters);
    if (winner) winner += (row * slots_of(t) + slot) * filters;
    part += row * TEXT_KERNEL * tap;
    WARP_FOR(tile, filters / LANES)
    {
        const int64_t f = tile * LANES;
        lanes best = lanes_of(0.0f);
        lanes_int from = lanes_int_of(0);
        for (int64_t p = 0; p < windows && place[0] >= 0; p++) {
            lanes sum = lanes_load(part + place[p] * (int64_t)filters + f);
            for (int64_t k = 1; k < TEXT_KERNEL; k++)
                sum += lanes_load(part + k * tap + place[p + k] * (int64_t)filters + f);
            /* A NaN wins, as it must not be hidden. */
            const lanes_int wins = p == 0 ? lanes_int_of(-1) : (lanes_int)((sum > best) | (sum != sum));
            from = lanes_select_int(wins, lanes_int_of((int)p), from);
            best = lanes_select(wins, sum, best);
        }
        best += lanes_load(bias + row * w_stride + f);
        best = lanes_activate(best, ACTIVATION_RELU);
        if (place[0] < 0) best = lanes_of(0.0f);
        lanes_store_apart(out + at + f * t.slots, t.slots, best);
        if (winner) lanes_store_int(winner + f, from);
    }
}

static const char *launch_max_over_time(void *stream, float *out, int32_t *winner, const float *part,
                                        const float *bias, int64_t w_stride, struct text_batch t, int filters, int rows)
{
    return LAUNCH(stream, grid_of((int64_t)t.blocks * t.slots, 1, rows), max_over_time, out, winner, part, bias,
                  w_stride, t, filters);
}

/* Block: a filter, a row. weight_gradient[f][k][e] = Σ_s delta[f][s] vector[word at p_s + k][e],
 * p_s the window that won for sample s. */
KERNEL(text_weight_gradient, struct text_gradients g, struct text_batch t)
{
    const int64_t row = BLOCK_Z, f = BLOCK_X, all = slots_of(t), E = g.values;
    SHARED(float, delta, TEXT_SLOTS);
    SHARED(int32_t, from, TEXT_SLOTS);
    SHARED(float, sum, TEXT_KERNEL * TEXT_MOST_VALUES);
    const float *vector = g.vector + row * t.most_words * E;
    for (int64_t k = 0; k < TEXT_KERNEL; k++) BLOCK_FOR(e, E) { sum[k * E + e] = 0.0f; }
    for (int64_t first = 0; first < all; first += TEXT_SLOTS) {
        const int64_t n = smaller(TEXT_SLOTS, all - first);
        block_sync();
        BLOCK_FOR(i, n)
        {
            delta[i] = g.delta[activation_at(t, row, first + i, g.filters) + f * t.slots];
            from[i] = g.winner[(row * all + first + i) * g.filters + f];
        }
        block_sync();
        for (int64_t i = 0; i < n; i++) {
            const float d = delta[i];
            if (d == 0.0f) continue;
            const int32_t *place = places_of(t, row, first + i) + from[i];
            for (int64_t k = 0; k < TEXT_KERNEL; k++) {
                const float *v = vector + place[k] * E;
                SIMD BLOCK_FOR(e, E) { sum[k * E + e] += d * v[e]; }
            }
        }
    }
    float *gradient = g.weight_gradient + row * g.w_stride + f * TEXT_KERNEL * E;
    for (int64_t k = 0; k < TEXT_KERNEL; k++)
        SIMD BLOCK_FOR(e, E) { gradient[k * E + e] = sum[k * E + e]; }
}

/* Block: a slot, a row. Gradient of the vectors at the sentence's positions,
 * position[p + k][e] = Σ_f delta[f] weight[f][k][e] over the filters that p won for. */
KERNEL(text_position_gradient, struct text_gradients g, struct text_batch t)
{
    const int64_t row = BLOCK_Z, slot = BLOCK_X, E = g.values, width = t.width[row];
    SHARED(float, delta, TEXT_MOST_FILTERS);
    SHARED(int32_t, from, TEXT_MOST_FILTERS);
    if (places_of(t, row, slot)[0] < 0) return; /* the same for all threads */
    BLOCK_FOR(f, g.filters)
    {
        delta[f] = g.delta[activation_at(t, row, slot, g.filters) + f * t.slots];
        from[f] = g.winner[(row * slots_of(t) + slot) * g.filters + f];
    }
    float *position = g.position + (row * slots_of(t) + slot) * t.longest * E;
    for (int64_t p = 0; p < width; p++) BLOCK_FOR(e, E) { position[p * E + e] = 0.0f; }
    block_sync();
    for (int64_t f = 0; f < g.filters; f++) {
        const float d = delta[f];
        if (d == 0.0f) continue;
        const float *weight = g.weight + row * g.w_stride + f * TEXT_KERNEL * E;
        for (int64_t k = 0; k < TEXT_KERNEL; k++) {
            float *to = position + (from[f] + k) * E;
            SIMD BLOCK_FOR(e, E) { to[e] += d * weight[k * E + e]; }
        }
    }
}

/* Block: every WORD_PARTS-th of the batch's words, a row. Sums over a word's positions, in
 * their order. Other words' gradients are left as they are. */
KERNEL(word_gradient, struct text_gradients g, struct text_batch t)
{
    const int64_t row = BLOCK_Z, E = g.values, width = t.width[row], all = slots_of(t);
    const int32_t *word = t.word + row * t.most_words;
    float *gradient = g.embedding_gradient + row * g.w_stride;
    for (int64_t u = BLOCK_X; u < t.words[row]; u += WORD_PARTS)
        SIMD BLOCK_FOR(e, E) { gradient[word[u] * E + e] = 0.0f; }
    for (int64_t slot = 0; slot < all; slot++) {
        const int32_t *place = places_of(t, row, slot);
        const float *position = g.position + (row * all + slot) * t.longest * E;
        for (int64_t p = 0; p < width && place[0] >= 0; p++) {
            if (place[p] % WORD_PARTS != BLOCK_X) continue;
            float *to = gradient + word[place[p]] * E;
            SIMD BLOCK_FOR(e, E) { to[e] += position[p * E + e]; }
        }
    }
}

static const char *launch_text_gradients(void *stream, struct text_gradients g, struct text_batch t, int rows)
{
    const char *error = LAUNCH(stream, grid_of(g.filters, 1, rows), text_weight_gradient, g, t);
    if (!error)
        error = LAUNCH(stream, grid_of((int64_t)t.blocks * t.slots, 1, rows), text_position_gradient, g, t);
    return error ? error : LAUNCH(stream, grid_of(WORD_PARTS, 1, rows), word_gradient, g, t);
}

/* Block: a slot, a row. Inverted dropout: x /= 1 - rate, or 0 with probability `rate`. The
 * mask is drawn anew from (seed, agent, step), so the same call serves output and gradient. */
KERNEL(dropout, float *x, struct dropout_step d, int units, int blocks, int slots)
{
    const struct row row = d.row[BLOCK_Z];
    const int64_t slot = BLOCK_X, steps = (row.samples + d.batch - 1) / d.batch;
    const uint32_t step = (uint32_t)(((int64_t)*d.round * d.local_epochs + d.epoch) * steps + d.step);
    const uint32_t dropped = (uint32_t)(d.rate * 0x1p32);
    const float scale = (float)(1 / (1 - d.rate));
    x += (BLOCK_Z * blocks + slot / slots) * units * slots + slot % slots;
    BLOCK_FOR(quad, (units + 3) / 4)
    {
        const philox4x32_ctr_t words = random_words(row.seed, RANDOM_USE_DROPOUT,
                                                    (uint32_t)(slot * ((units + 3) / 4) + quad), (uint32_t)row.stream,
                                                    step);
        for (int64_t i = 0; i < smaller(4, units - 4 * quad); i++)
            x[(4 * quad + i) * slots] *= words.v[i] < dropped ? 0.0f : scale;
    }
}

static const char *launch_dropout(void *stream, float *x, struct dropout_step step, int units, int rows, int blocks,
                                  int slots)
{
    return LAUNCH(stream, grid_of((int64_t)blocks * slots, 1, rows), dropout, x, step, units, blocks, slots);
}
