/* The server step's kernels under schemes other than CGSV, two federations of different ones at a
 * time, against tests/reference_schemes.h. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "op_server.h"
#include "reference_schemes.h"

enum { F = 2, N = 5, ROUNDS = 3, TENSORS = 7 };
static const int64_t tensor[TENSORS] = {1, 31, 33, 7, 2, 97, 10};

struct scheme_server {
    struct server v;
    struct server uploads; /* the selection of uploads */
    struct scheme_round r[F];
    double *score, *loss, *drawn, *gram, *weight;
    float *before, *key, *reference_upload;
};

static struct scheme_server scheme_server_make(const cgsv_scheme *scheme, cgsv_reward reward)
{
    struct scheme_server x = {.v = server_make(F, N, tensor, TENSORS, reward)};
    struct server_step *s = &x.v.s;
    const int64_t D = s->dimension;
    x.uploads = server_make(F * N, 1, tensor, TENSORS, CGSV_REWARD_GLOBAL);
    x.score = TAKE(double, F * N);
    x.loss = TAKE(double, F * N);
    x.drawn = TAKE(double, F * N);
    x.gram = TAKE(double, F * N * N);
    x.weight = TAKE(double, F * N);
    x.before = TAKE(float, F * s->model_block);
    x.key = TAKE(float, F * s->ld);
    x.reference_upload = TAKE(float, F * N * D);
    s->score = x.score;
    s->local_loss = x.loss;
    s->exact = x.score; /* Shapley values have cases of their own */
    s->norms_given = 0;
    if (reward == CGSV_REWARD_RANDOM) s->key = x.key;
    for (int f = 0; f < F; f++) {
        struct mechanism *m = &x.v.mechanism[f];
        m->scheme = scheme[f];
        m->seed = 3;
        m->rounds = 5;
        x.r[f] = (struct scheme_round){.scheme = scheme[f], .gamma = m->gamma, .alpha = m->alpha, .beta = m->beta,
                                       .agents = N, .dimension = (int)D, .rounds = 5, .share = s->data_share + f * N,
                                       .score = x.score + f * N, .loss = x.loss + f * N, .drawn = x.drawn + f * N,
                                       .aggregate = s->aggregate + f * s->ld,
                                       .upload = x.reference_upload + f * N * D, .g = TAKE(double, D),
                                       .g_size = TAKE(double, D)};
        for (int i = 0; i < N; i++) {
            const double share = scheme[f].upload > 0 ? scheme[f].upload : 1;
            x.uploads.s.keep_ratio[f * N + i] = share;
            x.uploads.s.order[f * N + i] = 0;
        }
    }
    return x;
}

static void run_step(struct scheme_server *x)
{
    struct server_step s = x->v.s;
    s.raw = s.update;
    s.raw_stride = s.update_stride;
    float *upload = x->uploads.s.aggregate;
    error_free(k->server_upload(stream, upload, s, x->uploads.s.ld));
    server_select(x->uploads.s);
    error_free(k->server_upload_mask(stream, upload, x->uploads.s));
    s.update = upload;
    s.update_stride = x->uploads.s.ld;
    error_free(k->server_norms(stream, s));
    error_free(k->server_examine(stream, s));
    error_free(k->server_weigh(stream, s));
    error_free(k->server_exact_begin(stream, x->gram, x->weight, s));
    error_free(k->server_aggregate_and_dot(stream, s));
    error_free(k->server_add_dots(stream, s));
    error_free(k->server_contribution(stream, s));
    if (s.reward == CGSV_REWARD_RANDOM) error_free(k->server_random_keys(stream, x->key, s));
    server_select(s);
    error_free(k->server_keep_own(stream, s));
    error_free(k->server_download(stream, s));
    error_free(k->server_add_downloads(stream, s));
    error_free(k->server_record(stream, s));
}

static void fill_round(struct scheme_server *x, int round, int faulty)
{
    fill_updates(&x->v, round, faulty ? FAULTY : HONEST);
    for (int i = 0; i < F * N; i++) {
        x->score[i] = 0.1 + 0.2 * (i % N) + 0.1 * uniform();
        x->loss[i] = 0.5 + 2 * uniform();
    }
}

/* The models: own update, then the entries of g that the keys select. */
static void check_models(const struct scheme_server *x, int f)
{
    const struct server_step s = x->v.s;
    const struct scheme_round *r = &x->r[f];
    const int64_t D = s.dimension;
    const float *g = s.aggregate + f * s.ld, *key = s.key + f * s.ld;
    for (int i = 0; i < N; i++) {
        const float *raw = x->v.update + (f * N + i) * s.update_stride, *w = model_of(&s, f, i);
        const float *before = x->before + f * s.model_block + i * s.model_stride;
        double kept = 0;
        for (int64_t d = 0; d < D; d++) {
            const double own = r->scheme.own_update == CGSV_OWN_DROPPED || r->faulty[i]
                                   ? 0 : reference_clipped(&r->scheme, raw[d]) - r->own_share[i] * r->upload[i * D + d];
            int ahead = 0;
            for (int64_t e = 0; e < D; e++)
                ahead += fabsf(key[e]) > fabsf(key[d]) || (fabsf(key[e]) == fabsf(key[d]) && e < d);
            const int gets = s.reward == CGSV_REWARD_FULL ? r->keep_ratio[i] > 0
                                                          : ahead < (int64_t)floor(r->keep_ratio[i] * (double)D + 1e-9);
            const double want = before[d] + own + (gets ? g[d] : 0);
            const double size = fabs(want) + fabs(own) + fabs((double)g[d]) + fabs((double)before[d]);
            near("model", d, w[d], want, 3 * FLT_EPSILON * size);
            kept += gets;
        }
        same("kept", i, s.record[((int64_t)r->round * F + f) * N + i].kept, kept);
    }
}

static void check_round(struct scheme_server *x, int round, int f)
{
    const struct server_step s = x->v.s;
    struct scheme_round *r = &x->r[f];
    const struct cgsv_round_record *record = s.record + ((int64_t)round * F + f) * N;
    const int64_t D = s.dimension;
    float *update = TAKE(float, N * D);
    for (int i = 0; i < N; i++) {
        memcpy(update + i * D, x->v.update + (f * N + i) * s.update_stride, (size_t)D * sizeof *update);
        x->drawn[f * N + i] = r->scheme.quota == CGSV_QUOTA_RANDOM ? record[i].keep_ratio : record[i].psi;
        if (!(x->drawn[f * N + i] >= 0 && x->drawn[f * N + i] <= 1) && r->scheme.quota == CGSV_QUOTA_RANDOM)
            fail("drawn %g", x->drawn[f * N + i]);
    }
    r->update = update;
    r->round = round;
    reference_scheme_round(r);
    for (int i = 0; i < N; i++) {
        const float *upload = x->uploads.s.aggregate + (f * N + i) * x->uploads.s.ld;
        for (int64_t d = 0; d < D && !r->faulty[i]; d++) same("upload", i * D + d, upload[d], r->upload[i * D + d]);
        near("weight", i, x->weight[f * N + i], r->weight[i], 1e-9 * fabs(r->weight[i]));
        near("contribution", i, record[i].psi, r->contribution[i], 1e-9);
        near("importance", i, record[i].importance, r->importance[i], 1e-9);
        near("keep ratio", i, record[i].keep_ratio, r->keep_ratio[i], 1e-9);
        near("own share", i, s.own_share[f * N + i], r->own_share[i], 1e-12);
        same("removed", i, s.removed[f * N + i], r->removed[i]);
        r->importance[i] = record[i].importance;
        r->keep_ratio[i] = record[i].keep_ratio;
    }
    for (int i = 0; i < N * N; i++) same("gram", i, x->gram[f * N * N + i], 0);
    for (int64_t d = 0; d < D; d++)
        near("aggregate", d, r->aggregate[d], r->g[d], FLT_EPSILON * fabs(r->g[d]) + 1e-12 * r->g_size[d] + 1e-45);
    check_models(x, f);
}

/* A random order: positive finite keys, others in each round, the same for equal seeds. */
static void check_keys(const struct scheme_server *x, const float *last)
{
    const struct server_step s = x->v.s;
    int64_t repeated = 0;
    for (int64_t d = 0; d < s.dimension; d++) {
        if (!(x->key[d] > 0 && x->key[d] < 2)) fail("key[%lld] is %g", (long long)d, x->key[d]);
        same("key of an equal seed", d, x->key[s.ld + d], x->key[d]);
        repeated += x->key[d] == last[d];
    }
    if (repeated > 2) fail("%lld keys as in the round before", (long long)repeated);
    untouched("keys", x->key + s.dimension, s.ld - s.dimension);
}

static void scheme_case(const char *name, cgsv_scheme first, cgsv_scheme second, cgsv_reward reward, int faulty)
{
    case_begin("schemes %s%s", name, faulty ? ", faulty" : "");
    const cgsv_scheme scheme[F] = {first, second};
    struct scheme_server x = scheme_server_make(scheme, reward);
    float *last = TAKE(float, x.v.s.ld);
    for (int round = 0; round < ROUNDS; round++) {
        fill_round(&x, round, faulty);
        memcpy(x.before, x.v.s.model, (size_t)(F * x.v.s.model_block) * sizeof *x.before);
        memcpy(last, x.key, (size_t)x.v.s.ld * sizeof *last);
        run_step(&x);
        for (int f = 0; f < F; f++) check_round(&x, round, f);
        if (reward == CGSV_REWARD_RANDOM) check_keys(&x, last);
    }
    case_end();
}

/* Each row its own model, or all the same. */
static void move_case(int rows, int64_t dimension, int one_start)
{
    case_begin("models moved R%d D%lld%s", rows, (long long)dimension, one_start ? " from one" : "");
    const int64_t ld = dimension + 5, update_ld = dimension + 3, from_ld = one_start ? 0 : dimension + 7;
    float *from = take_random((rows - 1) * from_ld + dimension, 1), *update = take_random(rows * update_ld, 1);
    float *to = TAKE(float, rows * ld);
    const struct moved_models moved = {to, from, update, from_ld, update_ld, dimension, ld, rows,
                                       CGSV_STORAGE_FLOAT32};
    error_free(k->move_models(stream, moved));
    for (int r = 0; r < rows; r++) {
        for (int64_t d = 0; d < dimension; d++)
            same("moved model", r * ld + d, to[r * ld + d], from[r * from_ld + d] + update[r * update_ld + d]);
        untouched("moved model", to + r * ld + dimension, ld - dimension);
    }
    case_end();
}

void scheme_cases(void)
{
    for (int one_start = 0; one_start < 2; one_start++) {
        move_case(1, 1, one_start);
        move_case(3, 33, one_start);
        move_case(2, 4097, one_start);
    }
    const cgsv_scheme cffl = {.normalise = CGSV_NORMALISE_ENTRIES, .clip = 0.01, .upload = 0.4,
                              .weights = CGSV_WEIGHTS_SUM, .contribution = CGSV_CONTRIBUTION_VALIDATION,
                              .importance = CGSV_IMPORTANCE_SINH, .sinh_scale = 5, .sinh_growth = 1, .removal = 0.4,
                              .quota = CGSV_QUOTA_CFFL, .own_update = CGSV_OWN_MINUS_SHARE};
    const cgsv_scheme rffl = {.normalise = CGSV_NORMALISE_CLIP, .importance = CGSV_IMPORTANCE_REMOVAL, .removal = 0.7,
                              .removal_round = 1, .quota = CGSV_QUOTA_LINEAR, .own_update = CGSV_OWN_KEPT};
    const cgsv_scheme qffl = {.normalise = CGSV_NORMALISE_NONE, .weights = CGSV_WEIGHTS_LOSS, .q = 2, .lipschitz = 3,
                              .contribution = CGSV_CONTRIBUTION_EUCLIDEAN, .quota = CGSV_QUOTA_ALL};
    const cgsv_scheme dw = {.weights = CGSV_WEIGHTS_SIZE, .contribution = CGSV_CONTRIBUTION_SIZE,
                            .importance = CGSV_IMPORTANCE_FIXED, .quota = CGSV_QUOTA_RANDOM, .upload = 0.2};
    const cgsv_scheme rank = {.weights = CGSV_WEIGHTS_UNIFORM, .contribution = CGSV_CONTRIBUTION_RANK};
    const cgsv_scheme share = {.contribution = CGSV_CONTRIBUTION_EUCLIDEAN, .similarity = CGSV_SIMILARITY_SHARE,
                               .quota = CGSV_QUOTA_NONE, .own_update = CGSV_OWN_KEPT};
    for (int faulty = 0; faulty < 2; faulty++) {
        scheme_case("cffl, rffl", cffl, rffl, CGSV_REWARD_RANDOM, faulty);
        scheme_case("qffl, dw", qffl, dw, CGSV_REWARD_FULL, faulty);
        scheme_case("rank, share", rank, share, CGSV_REWARD_GLOBAL, faulty);
        scheme_case("rffl, cffl", rffl, cffl, CGSV_REWARD_GLOBAL, faulty);
    }
}
