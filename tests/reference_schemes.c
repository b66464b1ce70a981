#include "reference_schemes.h"

#include <math.h>
#include <stdlib.h>

/* ---- uploads ---- */

float reference_clipped(const cgsv_scheme *s, float x)
{
    if (s->normalise != CGSV_NORMALISE_ENTRIES) return x;
    return x > s->clip ? (float)s->clip : x < -s->clip ? -(float)s->clip : x;
}

/* The `keep` largest of x[n] stay: an entry goes when that many are larger, or equal and before it. */
static void keep_largest(float *kept, const float *x, int n, int keep)
{
    for (int d = 0; d < n; d++) {
        int ahead = 0;
        for (int e = 0; e < n; e++) ahead += fabsf(x[e]) > fabsf(x[d]) || (fabsf(x[e]) == fabsf(x[d]) && e < d);
        kept[d] = ahead < keep ? x[d] : 0;
    }
}

static void make_upload(struct scheme_round *r, int i)
{
    const int D = r->dimension;
    float *to = r->upload + i * D, *whole = malloc((size_t)D * sizeof *whole);
    r->faulty[i] = 0;
    for (int d = 0; d < D; d++) {
        r->faulty[i] |= !isfinite(r->update[i * D + d]);
        whole[d] = reference_clipped(&r->scheme, r->update[i * D + d]);
    }
    const double theta = r->scheme.upload > 0 ? r->scheme.upload : 1;
    if (!r->faulty[i]) keep_largest(to, whole, D, (int)(theta * D));
    double square = 0;
    for (int d = 0; d < D; d++) square += (double)to[d] * to[d];
    r->norm[i] = sqrt(square);
    if (r->norm[i] == 0) r->faulty[i] = 1;
    free(whole);
}

/* u = scale · upload. */
static double scale_of(const struct scheme_round *r, int i)
{
    if (r->scheme.normalise == CGSV_NORMALISE_RESCALE) return r->gamma / (r->norm[i] + 1e-7);
    const double length = r->norm[i] + 1e-7;
    return r->scheme.normalise == CGSV_NORMALISE_CLIP && length > r->gamma ? r->gamma / length : 1;
}

/* ---- aggregate ---- */

/* w_new = w − Σ_k Δ_k / Σ_k h_k with d_k = L (w − w_k), Δ_k = F_k^q d_k,
 * h_k = q F_k^(q−1) ‖d_k‖² + L F_k^q (Li et al., ICLR 2020, algorithm 2). */
static void weigh_by_loss(struct scheme_round *r)
{
    const double q = r->scheme.q, L = r->scheme.lipschitz;
    double h = 0;
    for (int k = 0; k < r->agents; k++) {
        const double F = r->loss[k] + 1e-10, d = r->faulty[k] ? 0 : L * scale_of(r, k) * r->norm[k];
        h += q * pow(F, q - 1) * d * d + L * pow(F, q);
    }
    for (int k = 0; k < r->agents; k++) r->weight[k] = pow(r->loss[k] + 1e-10, q) * L * scale_of(r, k) / h;
}

static void weigh(struct scheme_round *r, int valued)
{
    if (r->scheme.weights == CGSV_WEIGHTS_LOSS) weigh_by_loss(r);
    for (int i = 0; i < r->agents; i++) {
        double weight = 0;
        switch (r->scheme.weights) {
        case CGSV_WEIGHTS_IMPORTANCE: weight = r->round == 0 && !valued ? r->share[i] : r->importance[i]; break;
        case CGSV_WEIGHTS_SIZE: weight = r->share[i]; break;
        case CGSV_WEIGHTS_UNIFORM: weight = 1.0 / r->agents; break;
        case CGSV_WEIGHTS_SUM: weight = 1; break;
        case CGSV_WEIGHTS_LOSS: break;
        }
        if (r->scheme.weights != CGSV_WEIGHTS_LOSS) r->weight[i] = r->removed[i] ? 0 : weight * scale_of(r, i);
        if (r->faulty[i]) r->weight[i] = 0;
    }
    for (int d = 0; d < r->dimension; d++) {
        r->g[d] = r->g_size[d] = 0;
        for (int i = 0; i < r->agents; i++) {
            if (r->faulty[i]) continue;
            const double term = r->weight[i] * r->upload[i * r->dimension + d];
            r->g[d] += term;
            r->g_size[d] += fabs(term);
        }
    }
}

/* ---- contribution ---- */

/* <Σ_{i∈S} a_i, Σ_{j∈T} a_j>, a_i = weight_i upload_i. */
static double product(const struct scheme_round *r, int S, int T)
{
    double sum = 0;
    for (int d = 0; d < r->dimension; d++) {
        double left = 0, right = 0;
        for (int i = 0; i < r->agents; i++) {
            if (r->faulty[i]) continue;
            if (S >> i & 1) left += r->weight[i] * r->upload[i * r->dimension + d];
            if (T >> i & 1) right += r->weight[i] * r->upload[i * r->dimension + d];
        }
        sum += left * right;
    }
    return sum;
}

/* φ_i = Σ_S |S|! (N − |S| − 1)! / N! (ν(S ∪ i) − ν(S)), ν(S) = cos(u_S, u_N). */
static void value_exactly(struct scheme_round *r)
{
    const int N = r->agents, all = (1 << N) - 1;
    double *value = calloc((size_t)all + 1, sizeof *value), factorial[SCHEME_AGENTS + 1] = {1};
    for (int n = 1; n <= N; n++) factorial[n] = factorial[n - 1] * n;
    for (int S = 1; S <= all; S++) {
        const double square = product(r, S, S);
        value[S] = square > 0 ? product(r, S, all) / sqrt(square * product(r, all, all)) : 0;
    }
    for (int i = 0; i < N; i++) {
        r->contribution[i] = 0;
        for (int S = 0; S <= all; S++) {
            if (S >> i & 1) continue;
            int size = 0;
            for (int j = 0; j < N; j++) size += S >> j & 1;
            const double orders = factorial[size] * factorial[N - size - 1];
            r->contribution[i] += orders / factorial[N] * (value[S | 1 << i] - value[S]);
        }
    }
    free(value);
}

static double cosine_of(const struct scheme_round *r, int i)
{
    double dot = 0, square = 0;
    for (int d = 0; d < r->dimension; d++) {
        dot += (double)r->upload[i * r->dimension + d] * r->aggregate[d];
        square += (double)r->aggregate[d] * r->aggregate[d];
    }
    if (sqrt(square) < 1e-10 || scale_of(r, i) * r->norm[i] < 1e-10) return 0;
    return dot / sqrt(square) / r->norm[i];
}

static double distance_of(const struct scheme_round *r, int i)
{
    double square = 0;
    for (int d = 0; d < r->dimension; d++) {
        const double apart = scale_of(r, i) * r->upload[i * r->dimension + d] - r->aggregate[d];
        square += apart * apart;
    }
    return sqrt(square);
}

static void contribute(struct scheme_round *r)
{
    const cgsv_contribution c = r->scheme.contribution;
    double total = 0;
    if (c == CGSV_CONTRIBUTION_EXACT) value_exactly(r);
    for (int i = 0; i < r->agents; i++) {
        double *to = &r->contribution[i];
        int below = 0;
        for (int j = 0; j < r->agents && r->score; j++) below += r->score[j] < r->score[i];
        if (c == CGSV_CONTRIBUTION_SIZE) *to = r->share[i];
        if (c == CGSV_CONTRIBUTION_RANDOM) *to = r->drawn[i];
        if (c == CGSV_CONTRIBUTION_RANK) *to = (below + 1.0) / r->agents;
        if (c >= CGSV_CONTRIBUTION_INDEX && c <= CGSV_CONTRIBUTION_VALIDATION) *to = r->removed[i] ? 0 : r->score[i];
        if (c == CGSV_CONTRIBUTION_COSINE && !r->faulty[i]) *to = cosine_of(r, i);
        if (c == CGSV_CONTRIBUTION_EUCLIDEAN && !r->faulty[i]) *to = distance_of(r, i);
        if (r->faulty[i]) *to = 0;
        total += fabs(*to);
    }
    for (int i = 0; i < r->agents; i++) {
        if (r->faulty[i]) continue;
        if (c >= CGSV_CONTRIBUTION_INDEX && c <= CGSV_CONTRIBUTION_VALIDATION && total > 0) r->contribution[i] /= total;
        if (c != CGSV_CONTRIBUTION_EUCLIDEAN) continue;
        const double d = r->contribution[i];
        r->contribution[i] = r->scheme.similarity == CGSV_SIMILARITY_INVERSE ? 1 / (1 + d) : 1 - d / total;
    }
}

/* ---- importance and quota ---- */

static void scale(struct scheme_round *r)
{
    double total = 0;
    int left = 0;
    for (int i = 0; i < r->agents; i++) total += r->importance[i], left += !r->removed[i];
    for (int i = 0; i < r->agents; i++)
        r->importance[i] = total > 0 ? r->importance[i] / total : r->removed[i] ? 0 : 1.0 / left;
}

static void cumulate(struct scheme_round *r)
{
    const cgsv_scheme *s = &r->scheme;
    const cgsv_importance_rule rule = s->importance;
    int left = 0;
    for (int i = 0; i < r->agents; i++) {
        const double c = r->contribution[i], old = r->round == 0 ? 0 : r->importance[i];
        const double moved = r->alpha * old + (1 - r->alpha) * c;
        const double a = s->sinh_scale * (1 + (r->rounds ? s->sinh_growth * r->round / r->rounds : 0));
        r->importance[i] = rule == CGSV_IMPORTANCE_AVERAGE ? fmax(moved, 1e-3)
                           : rule == CGSV_IMPORTANCE_FIXED ? fmax(c, 0)
                           : rule == CGSV_IMPORTANCE_SINH  ? (exp(a * moved) - exp(-a * moved)) / 2
                                                           : moved;
        if (r->removed[i]) r->importance[i] = 0;
        left += !r->removed[i];
    }
    scale(r);
    if (rule == CGSV_IMPORTANCE_AVERAGE || rule == CGSV_IMPORTANCE_FIXED) return;
    if (s->removal == 0 || r->round < s->removal_round) return;
    for (int i = 0; i < r->agents; i++)
        if (!r->removed[i] && r->importance[i] < fmin(1, s->removal / left)) r->removed[i] = 1, r->importance[i] = 0;
    scale(r);
}

static void share_out(struct scheme_round *r)
{
    double most = 0, largest = 0;
    for (int i = 0; i < r->agents; i++) {
        most = fmax(most, r->importance[i]);
        largest = fmax(largest, r->share[i]);
    }
    for (int i = 0; i < r->agents; i++) {
        const double part = most > 0 ? fmax(r->importance[i], 0) / most : 0, size = r->share[i] / largest;
        switch (r->scheme.quota) {
        case CGSV_QUOTA_TANH: r->keep_ratio[i] = tanh(r->beta * r->importance[i]) / tanh(r->beta * most); break;
        case CGSV_QUOTA_LINEAR: r->keep_ratio[i] = part; break;
        case CGSV_QUOTA_CFFL: r->keep_ratio[i] = part * size; break;
        case CGSV_QUOTA_ALL: r->keep_ratio[i] = 1; break;
        case CGSV_QUOTA_NONE: r->keep_ratio[i] = 0; break;
        case CGSV_QUOTA_RANDOM: r->keep_ratio[i] = r->drawn[i]; break;
        }
        if (r->removed[i] || !(r->keep_ratio[i] > 0)) r->keep_ratio[i] = 0;
        r->own_share[i] = 0;
        if (r->scheme.own_update == CGSV_OWN_MINUS_SHARE && !r->removed[i])
            r->own_share[i] = r->scheme.weights == CGSV_WEIGHTS_SIZE ? size : 1;
    }
}

void reference_scheme_round(struct scheme_round *r)
{
    const cgsv_contribution c = r->scheme.contribution;
    const int from_aggregate = c == CGSV_CONTRIBUTION_COSINE || c == CGSV_CONTRIBUTION_EXACT ||
                               c == CGSV_CONTRIBUTION_EUCLIDEAN;
    const int first = r->scheme.importance == CGSV_IMPORTANCE_SINH && !from_aggregate;
    for (int i = 0; i < r->agents; i++) make_upload(r, i);
    if (first) {
        contribute(r);
        cumulate(r);
    }
    weigh(r, first);
    if (!first) {
        contribute(r);
        cumulate(r);
    }
    share_out(r);
}
