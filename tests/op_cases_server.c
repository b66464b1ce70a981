/* The server step of CGSV: weights, aggregate, contributions, importance, selection, download, records. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "op_server.h"
#include "reference.h"

/* The download, given g and q of the kernels, of federation f: models, and what the
 * record says about them when `record` is given. */
static void check_download(const struct server *v, int f, const float *model_before,
                           const struct cgsv_round_record *record)
{
    const struct server_step s = v->s;
    const int64_t D = s.dimension, N = s.agents;
    const float *g = s.aggregate + f * s.ld, *server = model_of(&s, f, N);
    const float *before = model_before + f * s.model_block;
    const int64_t last_begin = s.tensors >= 2 ? v->tensor_begin[s.tensors - 2] : 0;
    uint8_t *kept = malloc((size_t)D);
    int64_t *order = malloc((size_t)D * sizeof *order);
    for (int segment = 0; segment < s.segments; segment++) {
        const int64_t begin = s.segment_begin[segment];
        reference_order(order + begin, g + begin, s.segment_begin[segment + 1] - begin);
    }
    double g_square = 0, server_square = 0;
    for (int64_t d = 0; d < D; d++) {
        g_square += (double)g[d] * g[d];
        server_square += (double)server[d] * server[d];
        same("server's model", d, server[d], before[N * s.model_stride + d] + g[d]);
    }
    for (int64_t i = 0; i < N; i++) {
        const float *w = model_of(&s, f, i);
        double count = 0, kept_square = 0, distance = 0, last = 0;
        memset(kept, 0, (size_t)D);
        for (int segment = 0; segment < s.segments; segment++) {
            const int64_t begin = s.segment_begin[segment], n = s.segment_begin[segment + 1] - begin;
            const int64_t keep = reference_keep_count(s.keep_ratio[f * N + i], n, s.reward);
            for (int64_t j = 0; j < keep; j++) kept[begin + order[begin + j]] = 1;
            count += (double)keep;
        }
        for (int64_t d = 0; d < D; d++) {
            const float want = before[i * s.model_stride + d] + (kept[d] ? g[d] : 0);
            if (w[d] != want)
                fail("agent %d q %.17g: w[%lld] %.9g, not %.9g (%s, g %.9g)", (int)i, s.keep_ratio[f * N + i],
                     (long long)d, w[d], want, kept[d] ? "kept" : "not kept", g[d]);
            if (kept[d]) kept_square += (double)g[d] * g[d];
            const double apart = (double)w[d] - server[d];
            distance += apart * apart;
            if (d >= last_begin) last += apart * apart;
        }
        if (!record) continue;
        const struct cgsv_round_record *r = record + i;
        same("kept", i, r->kept, count);
        near("reward_cos", i, r->reward_cos, kept_square > 0 ? sqrt(kept_square / g_square) : 0, 1e-9);
        near("reward_error²", i, r->reward_error * r->reward_error, g_square - kept_square, 1e-12 * g_square);
        if (count == (double)D) near("reward_error of all", i, r->reward_error, 0, 1e-6 * sqrt(g_square));
        near("distance", i, r->distance, sqrt(distance), 1e-10 * sqrt(distance));
        near("last layer's distance", i, r->distance_last_layer, sqrt(last), 1e-10 * sqrt(last));
        near("server norm", i, r->server_norm, sqrt(server_square), 1e-10 * sqrt(server_square));
        if (s.train_loss)
            same("train loss", i, r->train_loss, s.train_loss[f * N + i]);
        else if (!isnan(r->train_loss))
            fail("train loss of agent %d: %g, not NaN", (int)i, r->train_loss);
    }
    free(kept);
    free(order);
    for (int64_t i = 0; i <= N; i++) untouched("model", model_of(&s, f, i) + D, s.model_stride - D);
    const int64_t bins = (int64_t)s.segments * N * SELECT_BINS;
    for (int64_t i = 0; i < bins; i++)
        if (s.histogram[f * bins + i]) fail("histogram[%lld] not zero after the passes", (long long)i);
}

/* What the optimizer would have left. */
static void give_norms(const struct server *v)
{
    const struct server_step *s = &v->s;
    for (int f = 0; f < s->federations; f++)
        for (int i = 0; i < s->agents; i++)
            for (int piece = 0; piece < s->pieces; piece++) {
                const int64_t at = ((int64_t)f * s->agents + i), begin = (int64_t)piece * CHUNK_COLUMNS;
                const int64_t left = s->dimension - begin, n = left < CHUNK_COLUMNS ? left : CHUNK_COLUMNS;
                double size[NORM_SUMS];
                reference_norm_sums(s->norm_partial + (at * s->pieces + piece) * NORM_SUMS, size,
                                    v->update + at * s->update_stride + begin,
                                    model_of(s, f, i) + begin, n);
            }
}

/* With a loss, the optimizer's norms come along as well. */
static void server_case(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward,
                        enum updates kind, int with_loss)
{
    static const char *const names[] = {"", " faulty", " all faulty", " quantised", " narrow"};
    case_begin("server F%d N%d tensors %d of %lld… %s%s", federations, agents, tensors, (long long)tensor[0],
               reward == CGSV_REWARD_LAYER ? "layer" : "global", names[kind]);
    struct server v = server_make(federations, agents, tensor, tensors, reward);
    if (kind == NARROW) server_narrow(&v);
    if (!with_loss) v.s.train_loss = NULL;
    v.s.norms_given = with_loss;
    const struct server_step s = v.s;
    const int64_t N = agents, D = s.dimension, models = federations * s.model_block;
    float *before = TAKE(float, models);
    double *old = TAKE(double, federations * N);
    struct reference_round r = {.agents = agents, .dimension = D,
                                .update_stride = s.update_stride, .model_stride = s.model_stride,
                                .norm = TAKE(double, N), .psi = TAKE(double, N), .importance = TAKE(double, N),
                                .keep_ratio = TAKE(double, N), .fault = TAKE(int, N), .g = TAKE(double, D),
                                .g_size = TAKE(double, D)};
    for (int round = 0; round < 3; round++) {
        fill_updates(&v, round, kind);
        memcpy(before, s.model, (size_t)models * sizeof *before);
        memcpy(old, s.importance, (size_t)(federations * N) * sizeof *old);
        if (s.norms_given) give_norms(&v);
        server_run(s);
        same("rounds done", round, *s.round, round + 1);
        for (int f = 0; f < federations; f++) {
            r.gamma = s.mechanism[f].gamma, r.alpha = s.mechanism[f].alpha, r.beta = s.mechanism[f].beta;
            r.round = round;
            r.data_share = s.data_share + f * N, r.importance_before = old + f * N;
            r.update = v.update + f * N * s.update_stride;
            r.model = s.norms_given ? before + f * s.model_block : NULL;
            r.aggregate = s.aggregate + f * s.ld;
            reference_server_round(&r);
            const struct cgsv_round_record *record = s.record + ((int64_t)round * federations + f) * N;
            for (int64_t d = 0; d < D; d++)
                near("aggregate", d, r.aggregate[d], r.g[d],
                     FLT_EPSILON * fabs(r.g[d]) + 1e-12 * r.g_size[d] + 1e-45);
            untouched("aggregate", r.aggregate + D, s.ld - D);
            for (int64_t i = 0; i < N; i++) {
                same("fault", i, record[i].fault, r.fault[i]);
                if (r.fault[i] != CGSV_FAULT_NOT_FINITE)
                    near("norm", i, record[i].update_norm, r.norm[i], 1e-12 * r.norm[i]);
                near("psi", i, record[i].psi, r.psi[i], 1e-10);
                near("importance", i, record[i].importance, r.importance[i], 1e-10);
                near("keep ratio", i, record[i].keep_ratio, r.keep_ratio[i], 1e-9);
                same("importance kept", i, s.importance[f * N + i], record[i].importance);
                same("keep ratio kept", i, s.keep_ratio[f * N + i], record[i].keep_ratio);
            }
            for (int64_t i = 0; i < N; i++) {
                const int a = s.order[f * N + i], b = i + 1 < N ? s.order[f * N + i + 1] : -1;
                const double *q = s.keep_ratio + f * N;
                if (a < 0 || a >= N || (i == 0 && q[a] != 1)) fail("order[%d] = %d", (int)i, a);
                else if (b >= 0 && b < N && (q[a] < q[b] || (q[a] == q[b] && a > b))) fail("order: %d before %d", a, b);
            }
            check_download(&v, f, before, record);
        }
    }
    untouched("records of later rounds", s.record + 3 * federations * N,
              2 * (int64_t)(sizeof *s.record / 8) * federations * N);
    case_end();
}

/* The build with threads takes smaller samples than the others. */
static int samples_are_small(void) { return strcmp(k->name, "threads") == 0; }

/* Segments from this size on are sampled well enough for a few ranks, one entry of 16. */
static int64_t least_sampled(void) { return samples_are_small() ? 16384 : 65536; }

/* What was listed: something where the sample tells, nothing where it misleads. */
static void check_listed(const struct server_step *s, int misleading)
{
    for (int i = 0; i < s->segments; i++) {
        if (s->segment_begin[i + 1] - s->segment_begin[i] < least_sampled()) continue;
        if (!misleading != (s->windows[i] > 0)) fail("segment %d has %d windows", i, s->windows[i]);
        if (s->windows[i] > 0 && s->cells[i] == 0 && !samples_are_small()) fail("segment %d has no cells", i);
    }
}

/* Given g and q directly. */
enum pattern {
    RANDOM_G, HEAVY_TIES, FEW_TIES, ONE_VALUE, ZEROS, ALL_ZERO, SHARED_21_BITS, SHARED_11_BITS, WIDE, TINY, MISLEADING
};

static void select_case(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward,
                        enum pattern pattern, int few)
{
    static const char *const names[] = {"random",   "heavy ties",     "few ties",       "one value", "mostly zeros",
                                        "all zero", "shared 21 bits", "shared 11 bits", "wide",      "denormal",
                                        "misleading"};
    case_begin("select F%d N%d tensors %d of %lld… %s, %s%s", federations, agents, tensors, (long long)tensor[0],
               reward == CGSV_REWARD_LAYER ? "layer" : "global", names[pattern], few ? ", few" : "");
    struct server v = server_make(federations, agents, tensor, tensors, reward);
    const struct server_step s = v.s;
    const int64_t N = agents, D = s.dimension, models = federations * s.model_block;
    for (int64_t f = 0; f < federations; f++) {
        for (int64_t d = 0; d < D; d++) {
            double g = 0;
            switch (pattern) {
            case RANDOM_G: g = uniform(); break;
            case HEAVY_TIES: g = (below(4)) / 4.0; break;
            case FEW_TIES: g = 1 + below((int)(D / 3 + 1)) * 0x1p-18; break;
            case ONE_VALUE: g = 0.37; break;
            case ZEROS: g = below(10) ? 0 : uniform(); break;
            case ALL_ZERO: break;
            case SHARED_21_BITS: g = 1 + below(1024) * 0x1p-23; break;
            case SHARED_11_BITS: g = 1 + below(1 << 20) * 0x1p-23; break;
            case WIDE: g = ldexp(1 + uniform(), below(200) - 100); break;
            case TINY: g = below(3000) * 0x1p-149; break;
            case MISLEADING: g = d % 16 ? uniform() : 100 + uniform(); break; /* a sample of every 16th */
            }
            s.aggregate[f * s.ld + d] = (float)(random_bits() & 1 ? -g : g);
        }
        for (int64_t i = 0; i < N; i++) {
            const double q = few ? (double)(i + 1) / (double)(N * (D + 1)) : (double)(i + 1) / (double)N;
            s.keep_ratio[f * N + i] = i && i % 5 == 0 ? s.keep_ratio[f * N + i - 1] : q;
        }
        /* Agents in a random order of q. */
        for (int64_t i = N - 1; i > 0; i--) {
            const int64_t j = below((int)i + 1);
            const double q = s.keep_ratio[f * N + i];
            s.keep_ratio[f * N + i] = s.keep_ratio[f * N + j];
            s.keep_ratio[f * N + j] = q;
        }
        for (int64_t i = 0; i < N; i++) {
            int place = 0;
            const double *q = s.keep_ratio + f * N;
            for (int64_t j = 0; j < N; j++) place += q[j] > q[i] || (q[j] == q[i] && j < i);
            s.order[f * N + place] = (int32_t)i;
        }
    }
    const int few_ranks = agents > 1 && agents < 8 && !few; /* whose windows leave out much, however small the sample */
    float *before = TAKE(float, models);
    if (pattern == TINY || pattern == WIDE) /* entries must show in the model */
        for (int64_t i = 0; i < federations * (N + 1); i++)
            for (int64_t d = 0; d < D; d++) s.model[i * s.model_stride + d] = 0;
    for (int again = 0; again < 2; again++) { /* the histogram is left clean */
        memcpy(before, s.model, (size_t)models * sizeof *before);
        server_select(s);
        error_free(k->server_download(stream, s));
        if (few_ranks && (pattern == RANDOM_G || pattern == MISLEADING)) check_listed(&s, pattern == MISLEADING);
        for (int f = 0; f < federations; f++) check_download(&v, f, before, NULL);
    }
    case_end();
}

void server_cases(void)
{
    static const int64_t small[] = {1, 31, 33, 7, 2, 97, 10}, edges[] = {4095, 1, 4096, 4097, 31, 8193, 64, 10},
                         single[] = {1}, large[] = {60013, 211, 4096, 83}, spans[] = {150001, 66000, 5},
                         sampled[] = {20000, 80, 80000};
    for (int reward = 0; reward < 2; reward++) {
        const enum cgsv_reward rule = (enum cgsv_reward)reward;
        server_case(1, 1, single, 1, rule, HONEST, 1);
        server_case(1, 3, small + 1, 1, rule, HONEST, 0);
        server_case(3, 5, small, 7, rule, HONEST, 1);
        server_case(2, 7, small, 7, rule, FAULTY, 1);
        server_case(2, 4, small, 6, rule, ALL_FAULTY, 1);
        server_case(2, 6, small, 7, rule, QUANTISED, 0);
        server_case(1, 10, small, 7, rule, HONEST, 0); /* as many as registers hold; as shared memory; more */
        server_case(2, 13, small, 7, rule, FAULTY, 1);
        server_case(1, 31, small, 7, rule, FAULTY, 0);
        server_case(1, 35, small, 7, rule, FAULTY, 1);
        server_case(1, 4, small, 7, rule, NARROW, 0);
        server_case(1, 14, small, 7, rule, NARROW, 1);
        server_case(1, 36, small, 7, rule, NARROW, 0);
        server_case(2, 5, edges, 8, rule, HONEST, 1);
        if (!op_cases_small) {
            server_case(2, 12, edges, 8, rule, FAULTY, 0);
            server_case(1, 33, edges, 8, rule, HONEST, 0);
            server_case(1, 5, large, 4, rule, QUANTISED, 0);
            server_case(1, 100, edges, 8, rule, FAULTY, 1);
            server_case(1, 290, small, 7, rule, HONEST, 0); /* more than a GPU's shared memory holds */
            /* Several spans to a segment, and more groups than a block counts at a time. */
            select_case(1, 100, spans, 3, rule, SHARED_11_BITS, 0);
            select_case(1, 100, spans, 3, rule, RANDOM_G, 0);
            select_case(1, 7, spans, 3, rule, HEAVY_TIES, 0);
            /* Ends among ties: all of them in every span and part, or many in the first part. */
            for (int few = 0; few < 2; few++) {
                select_case(1, 24, spans, 3, rule, FEW_TIES, few);
                select_case(1, 24, spans, 3, rule, HEAVY_TIES, few);
                select_case(1, 24, spans, 3, rule, ONE_VALUE, few);
            }
        }
        for (int pattern = RANDOM_G; pattern <= MISLEADING; pattern++)
            for (int few = 0; few < 2; few++) {
                const enum pattern p = (enum pattern)pattern;
                select_case(2, 40, small, 7, rule, p, few);
                select_case(1, 4, sampled, samples_are_small() ? 2 : 3, rule, p, few);
                if (few) continue;
                select_case(1, 1, edges, 3, rule, p, few);
                select_case(1, op_cases_small ? 9 : 40, edges, 8, rule, p, few);
                if (!op_cases_small) select_case(1, 37, large, 4, rule, p, few);
            }
    }
}

uint64_t server_digest(uint64_t hash)
{
    case_begin("digest of the server step");
    static const int64_t tensor[] = {20011, 33, 4097, 10};
    struct server v = server_make(2, 7, tensor, 4, CGSV_REWARD_GLOBAL);
    for (int round = 0; round < 2; round++) {
        fill_updates(&v, round, round ? QUANTISED : HONEST);
        server_run(v.s);
    }
    hash = hashed(hash, v.s.model, (size_t)(2 * v.s.model_block) * sizeof(float));
    hash = hashed(hash, v.s.record, (size_t)(2 * 2 * 7) * sizeof *v.s.record);
    case_end();
    return hash;
}
