/* The stages of a scheme that concern agents, not entries: what an agent weighs in the
 * aggregate, its contribution, its importance, its quota. Formulas: include/cgsv/scheme.h.
 *
 * One block serves a federation; the functions below that take BLOCK_PARAM are called by
 * all of its threads. Where all agents are added up, every thread does so, in the same
 * order, between two barriers. */
#ifndef KERNELS_STAGES_H
#define KERNELS_STAGES_H

#include "kernels/random.h"
#include "kernels/server.h"

#define NORM_EPSILON 1e-7     /* in u = Γ Δw / (‖Δw‖ + ε), from the published code of CGSV */
#define ZERO_NORM 1e-10       /* a cosine with a shorter vector counts as 0 */
#define IMPORTANCE_FLOOR 1e-3 /* before r is normalised */
#define LOSS_EPSILON 1e-10    /* added to a loss, from the published code of q-FedAvg */

/* What the numbers of a random scheme are for: part of their counter. */
enum { DRAW_CONTRIBUTION, DRAW_QUOTA, DRAW_ORDER };

/* Uniform in (0, 1), by seed, round and agent. */
DEVICE double scheme_draw(const struct mechanism *m, int round, int purpose, int64_t agent)
{
    struct draws d = draws_start(m->seed, RANDOM_USE_SCHEME, (uint32_t)agent, (uint32_t)round, (uint32_t)purpose);
    return draws_uniform(&d);
}

DEVICE double sum_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum;
}

DEVICE double most_of(const double *x, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, x[i]);
    return most;
}

/* u_i = update_scale · Δw_i; where entries are clipped, Δw_i is clipped already. */
DEVICE double update_scale(const struct mechanism *m, double norm)
{
    const double length = norm + NORM_EPSILON;
    switch (m->scheme.normalise) {
    case CGSV_NORMALISE_RESCALE: return m->gamma / length;
    case CGSV_NORMALISE_CLIP: return length > m->gamma ? m->gamma / length : 1.0;
    default: return 1.0;
    }
}

/* ---- contribution ---- */

DEVICE int needs_aggregate(enum cgsv_contribution c)
{
    return c == CGSV_CONTRIBUTION_COSINE || c == CGSV_CONTRIBUTION_EXACT || c == CGSV_CONTRIBUTION_EUCLIDEAN;
}

/* CFFL: agents are valued, and removed, before their updates are aggregated. */
DEVICE int values_first(const struct mechanism *m)
{
    return m->scheme.importance == CGSV_IMPORTANCE_SINH && !needs_aggregate(m->scheme.contribution);
}

/* Products of the updates with g. */
struct products {
    const double *dot; /* [N]; NULL: there is no g yet */
    double g_norm;
};

DEVICE struct products products_of(struct server_step s, int64_t federation)
{
    const double *dot = s.dot + federation * (s.agents + 1);
    const struct products p = {dot, sqrt(dot[s.agents])};
    return p;
}

/* ‖u_i − g‖ from <Δw_i, g>. */
DEVICE double distance_to(double scale, double norm, double dot, double g_norm)
{
    const double u_norm = scale * norm;
    return sqrt(fmax(u_norm * u_norm + g_norm * g_norm - 2 * scale * dot, 0.0));
}

/* 1 / N for the lowest score, 1 for the highest; equal scores have the same, lower rank. */
DEVICE double rank_of(const double *score, int agents, int64_t i)
{
    int below = 0;
    for (int j = 0; j < agents; j++) below += score[j] < score[i];
    return (double)(below + 1) / agents;
}

/* Of an agent whose update is sound, not compared with the others' yet. */
DEVICE double own_contribution(struct server_step s, int64_t federation, int64_t i, struct products p)
{
    const struct mechanism *m = s.mechanism + federation;
    const int64_t first = federation * s.agents, agent = first + i;
    const double norm = s.norm[agent], scale = update_scale(m, norm);
    switch (m->scheme.contribution) {
    case CGSV_CONTRIBUTION_COSINE:
        return scale * norm >= ZERO_NORM && p.g_norm >= ZERO_NORM ? p.dot[i] / norm / p.g_norm : 0.0;
    case CGSV_CONTRIBUTION_EUCLIDEAN: {
        const double distance = distance_to(scale, norm, p.dot[i], p.g_norm);
        return m->scheme.similarity == CGSV_SIMILARITY_INVERSE ? 1 / (1 + distance) : distance;
    }
    case CGSV_CONTRIBUTION_EXACT: return s.exact[agent];
    case CGSV_CONTRIBUTION_SIZE: return s.data_share[agent];
    case CGSV_CONTRIBUTION_RANDOM: return scheme_draw(m, *s.round, DRAW_CONTRIBUTION, i);
    case CGSV_CONTRIBUTION_RANK: return rank_of(s.score + first, s.agents, i);
    default: return s.removed[agent] || !(fabs(s.score[agent]) <= 1e300) ? 0.0 : s.score[agent];
    }
}

/* Scores are divided by the sum of their magnitudes, distances become 1 − d_i / Σ d. */
DEVICE double compared_contribution(const struct mechanism *m, double own, double magnitudes)
{
    const enum cgsv_contribution c = m->scheme.contribution;
    if (c == CGSV_CONTRIBUTION_EUCLIDEAN && m->scheme.similarity == CGSV_SIMILARITY_SHARE)
        return magnitudes > 0 ? 1 - own / magnitudes : 1.0;
    if (c >= CGSV_CONTRIBUTION_INDEX && c <= CGSV_CONTRIBUTION_VALIDATION)
        return magnitudes > 0 ? own / magnitudes : 0.0;
    return own;
}

DEVICE void contribute(BLOCK_PARAM struct server_step s, int64_t federation, struct products p)
{
    const struct mechanism *m = s.mechanism + federation;
    const double *coefficient = s.coefficient + federation * s.agents;
    double *contribution = s.contribution + federation * s.agents;
    struct cgsv_round_record *record = round_record(s, federation);
    BLOCK_FOR(i, s.agents)
    {
        contribution[i] = is_faulty(coefficient[i]) ? 0.0 : own_contribution(s, federation, i, p);
    }
    block_sync();
    double magnitudes = 0;
    for (int i = 0; i < s.agents; i++) magnitudes += fabs(contribution[i]);
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (!is_faulty(coefficient[i])) contribution[i] = compared_contribution(m, contribution[i], magnitudes);
        record[i].psi = contribution[i];
    }
    block_sync();
}

/* ---- importance ---- */

DEVICE double moved_importance(const struct mechanism *m, double old, double contribution, int round)
{
    const double moved = m->alpha * old + (1 - m->alpha) * contribution;
    const double growth = m->rounds > 0 ? m->scheme.sinh_growth * round / m->rounds : 0.0;
    switch (m->scheme.importance) {
    case CGSV_IMPORTANCE_AVERAGE: return moved > IMPORTANCE_FLOOR ? moved : IMPORTANCE_FLOOR;
    case CGSV_IMPORTANCE_SINH: return sinh(m->scheme.sinh_scale * (1 + growth) * moved);
    case CGSV_IMPORTANCE_FIXED: return fmax(contribution, 0.0);
    default: return moved;
    }
}

/* Scales r to sum 1; where it has none to scale, the agents left share equally. */
DEVICE void scale_importance(BLOCK_PARAM double *importance, const int32_t *removed, int agents)
{
    int left = 0;
    for (int i = 0; i < agents; i++) left += !removed[i];
    const double total = sum_of(importance, agents);
    block_sync();
    BLOCK_FOR(i, agents)
    {
        if (total > 0)
            importance[i] /= total;
        else
            importance[i] = removed[i] ? 0.0 : 1.0 / left;
    }
    block_sync();
}

DEVICE void cumulate(BLOCK_PARAM struct server_step s, int64_t federation)
{
    const struct mechanism *m = s.mechanism + federation;
    const double *contribution = s.contribution + federation * s.agents;
    double *importance = s.importance + federation * s.agents;
    int32_t *removed = s.removed + federation * s.agents;
    const int removes = m->scheme.importance == CGSV_IMPORTANCE_REMOVAL || m->scheme.importance == CGSV_IMPORTANCE_SINH;
    int left = 0;
    BLOCK_FOR(i, s.agents)
    {
        const double old = *s.round == 0 ? 0.0 : importance[i];
        importance[i] = removed[i] ? 0.0 : moved_importance(m, old, contribution[i], *s.round);
    }
    block_sync();
    scale_importance(BLOCK_PASS importance, removed, s.agents);
    if (!removes || m->scheme.removal == 0 || *s.round < m->scheme.removal_round) return;
    for (int i = 0; i < s.agents; i++) left += !removed[i];
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (removed[i] || importance[i] >= fmin(1.0, m->scheme.removal / left)) continue;
        removed[i] = 1;
        importance[i] = 0;
    }
    block_sync();
    scale_importance(BLOCK_PASS importance, removed, s.agents);
}

/* ---- weights ---- */

DEVICE double update_weight(struct server_step s, int64_t federation, int64_t i)
{
    const struct mechanism *m = s.mechanism + federation;
    const int64_t agent = federation * s.agents + i;
    if (s.removed[agent]) return 0;
    switch (m->scheme.weights) {
    case CGSV_WEIGHTS_IMPORTANCE:
        return *s.round == 0 && !values_first(m) ? s.data_share[agent] : s.importance[agent];
    case CGSV_WEIGHTS_SIZE: return s.data_share[agent];
    case CGSV_WEIGHTS_UNIFORM: return 1.0 / s.agents;
    default: return 1;
    }
}

/* q-FedAvg. A faulty update counts as none, so with q = 0 every weight is 1 / N; an agent
 * whose loss is not finite is left out. */
DEVICE void weigh_by_loss(BLOCK_PARAM struct server_step s, int64_t federation)
{
    const struct mechanism *m = s.mechanism + federation;
    const int64_t first = federation * s.agents;
    const double q = m->scheme.q;
    const double L = m->scheme.lipschitz > 0 ? m->scheme.lipschitz : 1 / (m->lr * pow(m->lr_decay, (double)*s.round));
    double *weight = s.contribution + first, *h = s.keep_ratio + first; /* both to be set anew later */
    BLOCK_FOR(i, s.agents)
    {
        const int faulty = is_faulty(s.coefficient[first + i]);
        const double loss = s.local_loss[first + i] + LOSS_EPSILON;
        const double norm = faulty ? 0.0 : update_scale(m, s.norm[first + i]) * s.norm[first + i];
        const int counts = fabs(loss) <= 1e300 && !s.removed[first + i];
        weight[i] = counts ? L * pow(loss, q) : 0.0;
        h[i] = counts ? q * pow(loss, q - 1) * (L * norm) * (L * norm) + L * pow(loss, q) : 0.0;
    }
    block_sync();
    const double total = sum_of(h, s.agents);
    block_sync();
    BLOCK_FOR(i, s.agents)
    {
        if (is_faulty(s.coefficient[first + i])) continue;
        s.coefficient[first + i] = total > 0 ? weight[i] / total * update_scale(m, s.norm[first + i]) : 0.0;
    }
}

/* ---- quota ---- */

DEVICE double quota_of(struct server_step s, int64_t federation, int64_t i, double most, double largest_share)
{
    const struct mechanism *m = s.mechanism + federation;
    const int64_t agent = federation * s.agents + i;
    const double r = s.importance[agent], linear = most > 0 && r > 0 ? r / most : 0.0;
    if (s.removed[agent]) return 0;
    switch (m->scheme.quota) {
    case CGSV_QUOTA_TANH: return most > 0 && r > 0 ? tanh(m->beta * r) / tanh(m->beta * most) : 0.0;
    case CGSV_QUOTA_LINEAR: return linear;
    case CGSV_QUOTA_CFFL: return linear * s.data_share[agent] / largest_share;
    case CGSV_QUOTA_ALL: return 1;
    case CGSV_QUOTA_NONE: return 0;
    default: return scheme_draw(m, *s.round, DRAW_QUOTA, i);
    }
}

/* κ: see cgsv_own_update. */
DEVICE double own_share(struct server_step s, int64_t federation, int64_t i, double largest_share)
{
    const struct mechanism *m = s.mechanism + federation;
    const int64_t agent = federation * s.agents + i;
    if (m->scheme.own_update != CGSV_OWN_MINUS_SHARE || s.removed[agent]) return 0;
    return m->scheme.weights == CGSV_WEIGHTS_SIZE ? s.data_share[agent] / largest_share : 1.0;
}

#endif
