/* Contribution index on coalitions of agents (Song et al., "Profit allocation for federated
 * learning", 2019; Wei et al., 2020): coalition S has the model
 *
 *     M_S = M + Σ_{i∈S} (n_i / n_S) Δ_i,   n_S = Σ_{i∈S} n_i,   M_∅ = M,
 *
 * and the utility U(S), the accuracy of M_S on the validation split.
 *
 * Models are made a batch at a time, each from the un-normalised sum Σ n_i Δ_i of another
 * coalition by one agent's joining (or leaving), that is one axpy:
 *
 *   exact         agents are bits. A batch has its high bits in common, whose sum comes first;
 *                 coalition k of the batch is k without its lowest bit, and that agent. The sum
 *                 for a lowest bit b is kept in level b until the next coalition with that
 *                 lowest bit, and all that build on it come before.
 *   permutations  each beginning of an order is the one before, and the next agent.
 *   leave-one-out everybody less one.
 *
 * So a block, for its columns, reads Δ once for each step and M once for each model, from
 * cache, and writes the model: 4 D bytes of memory and 3 D float64 operations a model. Sums are in
 * float64, members added highest first (exact) or in the order, so that a model is the
 * naive sum's, rounded once; an agent that does not count is added as 0, and changes no bit. */
#include "kernels/random.h"

enum { COALITION_COLUMNS = 512 };

DEVICE int update_counts(double norm) { return norm > 0 && norm < INFINITY; }

/* Block: COALITION_COLUMNS columns. A thread meets only its own columns of `sum`. */
KERNEL(coalition_models, struct coalition_models m)
{
    SHARED(double, sum, COALITION_LEVELS *COALITION_COLUMNS);
    double size[COALITION_LEVELS];
    const int64_t begin = BLOCK_X * COALITION_COLUMNS, width = smaller(m.dimension - begin, COALITION_COLUMNS);
    const float *start = m.start + begin;
    for (int s = 0; s < m.steps; s++) {
        const struct coalition_step step = m.step[s];
        const int agent = step.member < 0 ? -1 : m.order[step.member];
        const int counts = agent >= 0 && update_counts(m.norm[agent]);
        const double weight = counts ? step.sign * m.size[agent] : 0.0;
        const double whole = (step.from < 0 ? 0.0 : size[step.from]) + weight;
        const double inverse = whole > 0 ? 1 / whole : 0.0;
        /* Something to read stands in for what is not there, with a factor of 0. */
        const float *update = counts ? m.update + agent * m.update_stride + begin : start;
        const double *from = sum + (step.from < 0 ? 0 : step.from) * COALITION_COLUMNS;
        double *to = step.to < 0 ? NULL : sum + step.to * COALITION_COLUMNS;
        float *model = step.row < 0 ? NULL : m.model + step.row * m.ld + begin;
        SIMD BLOCK_FOR(i, width)
        {
            const double joined = (step.from < 0 ? 0.0 : from[i]) + (counts ? weight * update[i] : 0.0);
            if (to) to[i] = joined;
            if (model) model[i] = (float)(start[i] + inverse * joined);
        }
        if (to) size[step.to] = whole;
    }
}

static const char *launch_coalition_models(void *stream, struct coalition_models models)
{
    const int64_t blocks = (models.dimension + COALITION_COLUMNS - 1) / COALITION_COLUMNS;
    return LAUNCH(stream, grid_of(blocks, 1, 1), coalition_models, models);
}

/* A task: an order. */
KERNEL(coalition_orders, uint16_t *order, const int *round, uint64_t seed, int agents, int orders)
{
    GRID_FOR(task, orders)
    {
        struct draws draws = draws_start(seed, RANDOM_USE_ORDERS, 0, (uint32_t)task, (uint32_t)*round);
        uint16_t *list = order + task * agents;
        for (int i = 0; i < agents; i++) list[i] = (uint16_t)i;
        shuffle(list, agents, agents - 1, &draws);
    }
}

static const char *launch_coalition_orders(void *stream, uint16_t *order, const int *round, uint64_t seed, int agents,
                                           int orders)
{
    return LAUNCH(stream, grid_for((int64_t)orders * agents), coalition_orders, order, round, seed, agents, orders);
}

/* Σ_{S⊆N∖i} s! (N−s−1)! / N! (U(S∪i) − U(S)) in samples, from all coalitions. */
DEVICE double shapley_of(const struct loss_sums *utility, int agents, int i)
{
    double weight[COALITION_EXACT_AGENTS], value = 0;
    weight[0] = 1.0 / agents;
    for (int s = 1; s < agents; s++) weight[s] = weight[s - 1] * s / (agents - s);
    const int below = (1 << i) - 1;
    for (int others = 0; others < 1 << (agents - 1); others++) {
        const int without = (others & ~below) << 1 | (others & below);
        int size = 0;
        for (int rest = others; rest; rest &= rest - 1) size++;
        value += weight[size] * (utility[without | 1 << i].correct - utility[without].correct);
    }
    return value;
}

/* Row of the first `count` agents of an order. */
DEVICE int64_t beginning_row(int agents, int order, int count)
{
    return count == 0 ? 0 : count == agents ? 1 : 2 + (int64_t)order * (agents - 1) + count - 1;
}

/* Mean marginal contribution over the orders, in samples. */
DEVICE double mean_marginal(const struct loss_sums *utility, const uint16_t *order, int agents, int orders, int i)
{
    double value = 0;
    for (int k = 0; k < orders; k++) {
        int place = 0;
        while (order[(int64_t)k * agents + place] != i) place++;
        const int64_t with = beginning_row(agents, k, place + 1), without = beginning_row(agents, k, place);
        value += utility[with].correct - utility[without].correct;
    }
    return value / orders;
}

/* One block. A round whose scores do not add up to more than 0 has no shares: it adds nothing to the total. */
KERNEL(coalition_score, struct coalition_score c)
{
    const int N = c.agents;
    BLOCK_FOR(i, N)
    {
        const double gained = c.kind == COALITION_SHAPLEY ? shapley_of(c.utility, N, (int)i)
                              : c.kind == COALITION_PERMUTATIONS
                                  ? mean_marginal(c.utility, c.order + N, N, c.permutations, (int)i)
                                  : c.utility[0].correct - c.utility[1 + i].correct;
        c.score[i] = c.scale * gained / c.utility[0].samples;
    }
    block_sync();
    double sum = 0;
    for (int j = 0; j < N; j++) sum += c.score[j];
    const double discount = pow(c.discount, (double)*c.round);
    BLOCK_FOR(i, N) { c.total[i] += sum > 0 ? discount * (c.score[i] / sum) : 0.0; }
}

static const char *launch_coalition_score(void *stream, struct coalition_score score)
{
    return LAUNCH(stream, grid_of(1, 1, 1), coalition_score, score);
}

/* Block: COALITION_COLUMNS columns of an agent, or (the last) of the model of round 0. */
KERNEL(coalition_add_updates, struct coalition_sums c)
{
    const int64_t begin = BLOCK_X * COALITION_COLUMNS, width = smaller(c.dimension - begin, COALITION_COLUMNS);
    const int first = *c.round == 0;
    if (BLOCK_Z == c.agents) {
        if (first) BLOCK_FOR(i, width) { c.start[begin + i] = c.model[begin + i]; }
        return;
    }
    const int counts = update_counts(c.norm[BLOCK_Z]);
    const float *update = c.update + BLOCK_Z * c.update_stride + begin;
    float *sum = c.sum + BLOCK_Z * c.ld + begin;
    SIMD BLOCK_FOR(i, width) { sum[i] = (first ? 0.0f : sum[i]) + (counts ? update[i] : 0.0f); }
    if (BLOCK_X == 0 && THREAD_INDEX == 0) c.rounds[BLOCK_Z] = (first ? 0.0 : c.rounds[BLOCK_Z]) + counts;
}

static const char *launch_coalition_add_updates(void *stream, struct coalition_sums sums)
{
    const int64_t blocks = (sums.dimension + COALITION_COLUMNS - 1) / COALITION_COLUMNS;
    return LAUNCH(stream, grid_of(blocks, 1, sums.agents + 1), coalition_add_updates, sums);
}
