/* A server step's arrays, updates for it, and its launches in their order. */
#include "op_server.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op_frame.h"

/* Pieces of `columns` of each stretch begin[t] .. begin[t + 1] − 1, and every stretch's first. */
static int cut(struct chunk **piece, int32_t *first, const int64_t *begin, int parts, int64_t columns)
{
    int count = 0;
    for (int t = 0; t < parts; t++) count += (int)((begin[t + 1] - begin[t] + columns - 1) / columns);
    *piece = TAKE(struct chunk, count);
    count = 0;
    for (int t = 0; t < parts; t++) {
        if (first) first[t] = count;
        for (int64_t at = begin[t]; at < begin[t + 1]; at += columns)
            (*piece)[count++] = (struct chunk){at, at + columns < begin[t + 1] ? at + columns : begin[t + 1], t};
    }
    if (first) first[parts] = count;
    return count;
}

float *model_of(const struct server_step *s, int64_t f, int64_t i)
{
    return s->model + f * s->model_block + i * s->model_stride;
}

struct server server_make(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward)
{
    struct server v = {0};
    int64_t D = 0;
    for (int t = 0; t < tensors; t++) {
        v.tensor_begin[t] = D;
        D += tensor[t];
    }
    v.tensor_begin[tensors] = D;
    const int64_t F = federations, N = agents, ld = (D + 31) / 32 * 32 + 32, update_stride = ld + 3;
    const int64_t G = reward == CGSV_REWARD_LAYER ? tensors : 1, model_stride = ld + 1;
    const int64_t Q = (D + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS, model_block = (N + 1) * model_stride;
    int64_t *segment_begin = TAKE(int64_t, G + 1);
    memcpy(segment_begin, v.tensor_begin, (size_t)(G + 1) * sizeof *segment_begin);
    segment_begin[G] = D;
    struct chunk *chunk, *span;
    int32_t *segment_span = TAKE(int32_t, G + 1);
    const int P = cut(&chunk, NULL, v.tensor_begin, tensors, CHUNK_COLUMNS);
    const int S = cut(&span, segment_span, segment_begin, (int)G, k->span_columns(D));
    const int64_t K = (k->span_columns(D) + TIE_COLUMNS - 1) / TIE_COLUMNS;
    v.update = TAKE(float, F * N * update_stride);
    v.data_share = TAKE(double, F * N);
    v.mechanism = TAKE(struct mechanism, F);
    v.loss = TAKE(double, F * N);
    float *model = TAKE(float, F * model_block);
    v.s = (struct server_step){
        .federations = federations, .agents = agents, .rounds = RECORD_ROUNDS, .dimension = D, .tensors = tensors,
        .chunks = P, .pieces = (int)Q, .spans = S, .segments = (int)G, .span_parts = (int)K, .reward = reward,
        .chunk = chunk, .span = span, .segment_span = segment_span, .segment_begin = segment_begin,
        .mechanism = v.mechanism, .data_share = v.data_share, .update = v.update, .update_stride = update_stride,
        .model = model, .model_stride = model_stride, .model_block = model_block,
        .server_model = model + N * model_stride,
        .aggregate = TAKE(float, F * ld), .ld = ld, .round = TAKE(int, 1), .importance = TAKE(double, F * N),
        .norm = TAKE(double, F * N), .coefficient = TAKE(double, F * N), .contribution = TAKE(double, F * N),
        .removed = TAKE(int32_t, F * N), .own_share = TAKE(double, F * N), .keep_ratio = TAKE(double, F * N),
        .order = TAKE(int32_t, F * N), .rank = TAKE(struct rank_state, F * G * N), .groups = TAKE(int32_t, F * G),
        .group_prefix = TAKE(uint32_t, F * G * N), .windows = TAKE(int32_t, F * G), .cells = TAKE(int32_t, F * G),
        .histogram = TAKE(int, F * G * N * SELECT_BINS),
        .met = TAKE(uint8_t, F * S * K * TIE_RUNS), .ties = TAKE(int, F * N * S),
        .norm_partial = TAKE(double, F * N * Q * NORM_SUMS), .dot_partial = TAKE(double, F * P * (N + 1)),
        .download_partial = TAKE(double, F * P * (N + 1) * DOWNLOAD_SUMS), .dot = TAKE(double, F * (N + 1)),
        .download = TAKE(double, F * (N + 1) * DOWNLOAD_TOTALS), .train_loss = v.loss,
        .record = TAKE(struct cgsv_round_record, RECORD_ROUNDS * F * N)};
    v.s.key = v.s.aggregate;
    if (N <= LISTED_AGENTS) {
        v.s.list = TAKE(float, F * ld);
        v.s.listed = TAKE(int, F * S);
        v.s.bound = TAKE(int, F * G * BOUNDS_MOST);
        v.s.above = TAKE(int, F * G * BOUNDS_MOST);
    }
    *v.s.round = 0;
    memset(v.s.histogram, 0, (size_t)(F * G * N * SELECT_BINS) * sizeof(int));
    for (int64_t f = 0; f < F; f++) {
        v.mechanism[f] = (struct mechanism){.gamma = f % 2 ? 0.15 : 0.5, .alpha = f % 2 ? 0.5 : 0.95,
                                              .beta = f % 2 ? 1.0 : 1.5};
        double total = 0;
        for (int64_t i = 0; i < N; i++) total += v.data_share[f * N + i] = 1 + below(50);
        for (int64_t i = 0; i < N; i++) {
            v.data_share[f * N + i] /= total;
            v.loss[f * N + i] = uniform();
        }
        for (int64_t i = 0; i <= N; i++)
            for (int64_t d = 0; d < D; d++) model_of(&v.s, f, i)[d] = (float)(2 * uniform() - 1);
    }
    return v;
}

void server_narrow(struct server *v)
{
    const int64_t entries = (int64_t)v->s.federations * v->s.agents * v->s.update_stride;
    v->narrow = TAKE(uint16_t, entries);
    v->s.update = v->narrow;
    v->s.storage = CGSV_STORAGE_BF16;
}

void server_select(struct server_step s)
{
    error_free(k->select_begin(stream, s));
    if (s.list) error_free(k->select_list(stream, s));
    for (int pass = 0; pass < SELECT_PASSES; pass++) {
        error_free(k->select_count(stream, s, pass));
        error_free(k->select_narrow(stream, s, pass));
    }
    error_free(k->select_count_ties(stream, s));
    error_free(k->select_end_ties(stream, s));
}

void server_run(struct server_step s)
{
    s.sampled = s.list && s.key == s.aggregate;
    if (!s.norms_given) error_free(k->server_norms(stream, s));
    error_free(k->server_examine(stream, s));
    error_free(k->server_weigh(stream, s));
    error_free(k->server_aggregate_and_dot(stream, s));
    error_free(k->server_add_dots(stream, s));
    error_free(k->server_contribution(stream, s));
    server_select(s);
    error_free(k->server_download(stream, s));
    error_free(k->server_add_downloads(stream, s));
    error_free(k->server_record(stream, s));
}

void fill_updates(struct server *v, int round, enum updates kind)
{
    const struct server_step s = v->s;
    const int quantised = kind == QUANTISED || kind == NARROW;
    for (int f = 0; f < s.federations; f++) {
        float *common = malloc((size_t)s.dimension * sizeof *common);
        for (int64_t d = 0; d < s.dimension; d++)
            common[d] = quantised ? (float)(below(7) - 3) / 8 : (float)(2 * uniform() - 1);
        for (int i = 0; i < s.agents; i++) {
            float *u = v->update + ((int64_t)f * s.agents + i) * s.update_stride;
            for (int64_t d = 0; d < s.dimension; d++)
                u[d] = quantised ? (d % 2 && i % 2 ? -common[d] : common[d])
                                 : (float)(0.01 * (i + 1) * (common[d] + (double)i / 4 * (2 * uniform() - 1)));
            if (kind == FAULTY || kind == ALL_FAULTY) {
                const int what = kind == ALL_FAULTY ? (i + round) % 3 : (i + round) % 6;
                const int64_t at = (int64_t)(random_bits() % (uint64_t)s.dimension);
                if (what == 0)
                    for (int64_t d = 0; d < s.dimension; d++) u[d] = d % 2 ? -0.0f : 0.0f;
                if (what == 1) u[at] = NAN;
                if (what == 2) u[at] = at % 2 ? INFINITY : -INFINITY;
                if (what == 3) /* vanishes beside the model, yet counts */
                    for (int64_t d = 0; d < s.dimension; d++) u[d] *= 1e-9f;
                if (what == 4) /* below ψ's limit even when normalised */
                    for (int64_t d = 0; d < s.dimension; d++) u[d] *= 1e-18f;
            }
            uint16_t *narrow = v->narrow ? v->narrow + (u - v->update) : NULL;
            for (int64_t d = 0; narrow && d < s.dimension; d++) {
                uint32_t bits;
                memcpy(&bits, &u[d], sizeof bits);
                narrow[d] = (uint16_t)(bits >> 16);
                same("bits that bfloat16 has no room for", d, bits & 0xffff, 0);
            }
        }
        free(common);
    }
}
