/* The kernels of the contribution index against naive float64, from memberships. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"

/* ---- models ---- */

/* Seven agents; 3 and 5 do not count. Members are what the step's coalition should hold. */
enum { AGENTS = 7, OUT_1 = 3, OUT_2 = 5, ROWS = 7 };
static const struct {
    struct coalition_step step;
    int members;
} programme[] = {
    {{-1, 6, -1, 4, 1}, 0x40},  /* no row; kept in level 4 */
    {{0, -1, 4, -1, 1}, 0x40},  /* a row, kept nowhere */
    {{1, 0, 4, 0, 1}, 0x41},
    {{-1, 1, 4, 1, 1}, 0x42},
    {{2, 3, 1, 0, 1}, 0x42},    /* one that does not count joins */
    {{3, 2, 0, 6, 1}, 0x46},
    {{4, 6, 6, -1, -1}, 0x06},  /* one leaves */
    {{6, -1, -1, -1, 1}, 0x00}, /* nobody */
    {{-1, 5, -1, 2, 1}, 0x00},
    {{5, 4, 2, 2, 1}, 0x10},    /* joins one that does not count, in its level */
};
enum { STEPS = sizeof programme / sizeof *programme };

static void models_case(int64_t columns)
{
    case_begin("coalition_models D%lld", (long long)columns);
    const int64_t ld = columns + 11, stride = columns + 3;
    static const uint16_t order[AGENTS] = {4, 1, 6, 5, 0, 3, 2};
    float *start = take_random(columns, 1), *update = take_random(AGENTS * stride, 0.1), *model = TAKE(float, ROWS *ld);
    double *size = TAKE(double, AGENTS), *norm = TAKE(double, AGENTS);
    uint16_t *places = TAKE(uint16_t, AGENTS);
    struct coalition_step *step = TAKE(struct coalition_step, STEPS);
    memcpy(places, order, sizeof order);
    for (int i = 0; i < AGENTS; i++) {
        size[i] = 1 + below(1000);
        norm[i] = i == OUT_1 ? NAN : i == OUT_2 ? 0 : 1;
        for (int64_t d = 0; d < columns && i == OUT_1; d++) update[i * stride + d] = NAN;
    }
    for (int s = 0; s < STEPS; s++) {
        step[s] = programme[s].step;
        for (int place = 0; place < AGENTS && programme[s].step.member >= 0; place++)
            if (order[place] == programme[s].step.member) step[s].member = place;
    }
    const struct coalition_models m = {.model = model, .start = start, .update = update, .size = size, .norm = norm,
                                       .order = places, .step = step, .dimension = columns, .ld = ld,
                                       .update_stride = stride, .steps = STEPS};
    error_free(k->coalition_models(stream, m));
    for (int s = 0; s < STEPS; s++) {
        const float *got = model + programme[s].step.row * ld;
        double whole = 0;
        if (programme[s].step.row < 0) continue;
        for (int i = 0; i < AGENTS; i++) whole += programme[s].members >> i & 1 ? size[i] : 0;
        for (int64_t d = 0; d < columns; d++) {
            double want = start[d];
            for (int i = 0; i < AGENTS; i++)
                if (programme[s].members >> i & 1) want += size[i] / whole * update[i * stride + d];
            near("model", programme[s].step.row * ld + d, got[d], want, 0.5001 * FLT_EPSILON * fabs(want) + 1e-15);
        }
        untouched("between rows", got + columns, ld - columns);
    }
    case_end();
}

static void add_updates_case(int64_t columns)
{
    case_begin("coalition_add_updates D%lld", (long long)columns);
    enum { N = 3, ROUNDS = 3 };
    const int64_t ld = columns + 9, stride = columns + 2;
    float *sum = TAKE(float, N *ld), *start = TAKE(float, columns), *first = take_random(columns, 1);
    double *rounds = TAKE(double, N), *norm = TAKE(double, N), *want = TAKE(double, N *columns);
    int *round = TAKE(int, 1);
    memset(want, 0, (size_t)(N * columns) * sizeof *want);
    for (*round = 0; *round < ROUNDS; ++*round) {
        float *update = take_random(N * stride, 1), *model = *round ? take_random(columns, 1) : first;
        for (int i = 0; i < N; i++) norm[i] = i == *round ? (i ? INFINITY : 0) : 2; /* each is left out once */
        const struct coalition_sums c = {.sum = sum, .start = start, .rounds = rounds, .model = model,
                                         .update = update, .norm = norm, .round = round, .dimension = columns,
                                         .ld = ld, .update_stride = stride, .agents = N};
        error_free(k->coalition_add_updates(stream, c));
        for (int i = 0; i < N; i++)
            for (int64_t d = 0; d < columns && i != *round; d++) want[i * columns + d] += update[i * stride + d];
    }
    for (int i = 0; i < N; i++) {
        same("rounds", i, rounds[i], ROUNDS - 1);
        for (int64_t d = 0; d < columns; d++) near("sum", i * ld + d, sum[i * ld + d], want[i * columns + d], 1e-6);
        untouched("between rows", sum + i * ld + columns, ld - columns);
    }
    for (int64_t d = 0; d < columns; d++) same("start", d, start[d], first[d]);
    case_end();
}

/* ---- scores ---- */

enum { SAMPLES = 100, MOST = 6, MOST_ORDERS = 720 };

/* Correct samples of the coalition with these members, some number for each. */
static int worth(int members) { return (int)(((unsigned)members * 2654435761u) >> 16) % SAMPLES; }

static struct coalition_score score_make(int agents, int orders)
{
    struct coalition_score c = {.agents = agents, .permutations = orders, .scale = 1, .discount = 1};
    c.score = TAKE(double, agents);
    c.total = TAKE(double, agents);
    memset(c.total, 0, (size_t)agents * sizeof *c.total);
    int *round = TAKE(int, 1);
    *round = 0;
    c.round = round;
    return c;
}

static struct loss_sums *take_utility(int64_t rows) { return TAKE(struct loss_sums, rows); }
static struct loss_sums utility_of(int members) { return (struct loss_sums){NAN, worth(members), SAMPLES}; }

/* The next of all orders, by their numbers; whether there is one. */
static int next_order(uint16_t *order, int n)
{
    int i = n - 2, j = n - 1;
    while (i >= 0 && order[i] > order[i + 1]) i--;
    if (i < 0) return 0;
    while (order[j] < order[i]) j--;
    for (uint16_t t = order[i], once = 1; once; once = 0) order[i] = order[j], order[j] = t;
    for (int a = i + 1, b = n - 1; a < b; a++, b--) {
        const uint16_t t = order[a];
        order[a] = order[b];
        order[b] = t;
    }
    return 1;
}

/* Utilities of the beginnings of orders[count][N], in rows as COALITION_PERMUTATIONS has them. */
static struct loss_sums *beginnings_of(const uint16_t *orders, int agents, int count)
{
    struct loss_sums *utility = take_utility(2 + (int64_t)count * (agents - 1));
    utility[0] = utility_of(0);
    utility[1] = utility_of((1 << agents) - 1);
    for (int o = 0, row = 2; o < count; o++)
        for (int place = 0, members = 0; place < agents - 1; place++)
            utility[row++] = utility_of(members |= 1 << orders[o * agents + place]);
    return utility;
}

/* By the definition over orders, and by sums over coalitions, and leave-one-out. */
static void score_case(int agents)
{
    case_begin("coalition_score N%d", agents);
    const int coalitions = 1 << agents, all = coalitions - 1;
    double want[MOST] = {0};
    uint16_t *order = TAKE(uint16_t, (1 + MOST_ORDERS) * agents), now[MOST];
    int orders = 0;
    for (int i = 0; i < agents; i++) order[i] = now[i] = (uint16_t)i;
    do {
        memcpy(order + (1 + orders++) * agents, now, (size_t)agents * sizeof *now);
        for (int place = 0, members = 0; place < agents; members |= 1 << now[place++])
            want[now[place]] += worth(members | 1 << now[place]) - worth(members);
    } while (next_order(now, agents));

    struct coalition_score c = score_make(agents, orders);
    struct loss_sums *utility = take_utility(coalitions), *without = take_utility(agents + 1);
    for (int s = 0; s < coalitions; s++) utility[s] = utility_of(s);
    without[0] = utility_of(all);
    for (int i = 0; i < agents; i++) without[1 + i] = utility_of(all - (1 << i));
    c.order = order;
    for (int kind = COALITION_SHAPLEY; kind <= COALITION_LEAVE_ONE_OUT; kind++) {
        c.kind = (enum coalition_kind)kind;
        c.utility = kind == COALITION_SHAPLEY         ? utility
                    : kind == COALITION_LEAVE_ONE_OUT ? without
                                                      : beginnings_of(order + agents, agents, orders);
        c.scale = kind == COALITION_SHAPLEY ? agents : 1;
        error_free(k->coalition_score(stream, c));
        for (int i = 0; i < agents; i++)
            near("score", kind * agents + i, c.score[i],
                 kind == COALITION_LEAVE_ONE_OUT ? (worth(all) - worth(all - (1 << i))) / (double)SAMPLES
                                                 : c.scale * want[i] / orders / SAMPLES,
                 1e-13);
    }
    case_end();
}

/* Rounds with a gain, a loss and a gain: Σ_t λ^t score^t / Σ score^t over the first and the last. */
static void total_case(void)
{
    case_begin("coalition_score totals");
    static const double correct[3][3] = {{80, 60, 70}, {50, 60, 55}, {90, 80, 50}};
    struct coalition_score c = score_make(2, 0);
    struct loss_sums *utility = take_utility(3);
    c.kind = COALITION_LEAVE_ONE_OUT;
    c.utility = utility;
    c.discount = 0.5;
    for (int t = 0; t < 3; t++) {
        for (int row = 0; row < 3; row++) utility[row] = (struct loss_sums){0, correct[t][row], SAMPLES};
        *(int *)(uintptr_t)c.round = t;
        error_free(k->coalition_score(stream, c));
    }
    near("total", 0, c.total[0], 20.0 / 30 + 0.25 * 10 / 50, 1e-15);
    near("total", 1, c.total[1], 10.0 / 30 + 0.25 * 40 / 50, 1e-15);
    case_end();
}

/* Every order is one; means over many come near the exact values, as near as their spread says. */
static void orders_case(int agents, int orders)
{
    case_begin("coalition_orders N%d K%d", agents, orders);
    const int64_t count = (int64_t)orders * agents;
    uint16_t *order = TAKE(uint16_t, count + agents), *later = TAKE(uint16_t, count), *again = TAKE(uint16_t, count);
    int *round = TAKE(int, 1);
    *round = 3;
    error_free(k->coalition_orders(stream, order + agents, round, OP_SEED, agents, orders));
    error_free(k->coalition_orders(stream, again, round, OP_SEED, agents, orders));
    if (memcmp(order + agents, again, (size_t)count * sizeof *again)) fail("twice the same differs");
    *round = 4;
    error_free(k->coalition_orders(stream, later, round, OP_SEED, agents, orders));
    if (!memcmp(later, again, (size_t)count * sizeof *again)) fail("two rounds have the same orders");
    for (int o = 0; o < orders; o++) {
        uint64_t seen = 0;
        for (int i = 0; i < agents; i++) seen |= UINT64_C(1) << again[o * agents + i];
        same("agents in an order", o, (double)seen, (double)((UINT64_C(1) << agents) - 1));
    }
    if (agents <= MOST) {
        struct coalition_score sampled = score_make(agents, orders), exact = score_make(agents, 0);
        struct loss_sums *utility = take_utility(1 << agents);
        for (int s = 0; s < 1 << agents; s++) utility[s] = utility_of(s);
        exact.utility = utility;
        exact.kind = COALITION_SHAPLEY;
        sampled.kind = COALITION_PERMUTATIONS;
        sampled.order = order;
        sampled.utility = beginnings_of(again, agents, orders);
        error_free(k->coalition_score(stream, exact));
        error_free(k->coalition_score(stream, sampled));
        for (int i = 0; i < agents; i++) { /* a marginal contribution lies within ±1 */
            near("mean marginal", i, sampled.score[i], exact.score[i], 4 / sqrt(orders));
            if (orders < 100) continue;
            if (sampled.score[i] == exact.score[i]) fail("a sample hits the exact value");
        }
    }
    case_end();
}

/* ---- batches of an index list ---- */

static void range_case(void)
{
    case_begin("batch_range");
    enum { SLOTS = 64, COUNT = 40 };
    int32_t *index = TAKE(int32_t, 100), *sample = TAKE(int32_t, SLOTS);
    for (int i = 0; i < 100; i++) index[i] = below(1000);
    for (int listed = 0; listed < 2; listed++) {
        error_free(k->batch_range(stream, sample, listed ? index : NULL, 60, COUNT, SLOTS));
        for (int i = 0; i < SLOTS; i++)
            same("sample", i, sample[i], i >= COUNT ? -1 : listed ? index[60 + i] : 60 + i);
    }
    case_end();
}

void coalition_cases(void)
{
    static const int64_t columns[] = {1, 31, 33, 511, 512, 513, 1500};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        models_case(columns[i]);
        add_updates_case(columns[i]);
    }
    for (int agents = 1; agents <= MOST; agents++) score_case(agents);
    total_case();
    orders_case(2, 5);
    orders_case(5, op_cases_small ? 500 : 20000);
    orders_case(33, 40);
    range_case();
}
