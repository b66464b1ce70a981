/* Op cases of the adversaries' kernels. */
#include <math.h>
#include <string.h>

#include "op_frame.h"
#include "reference.h"

static void flip_case(int classes, int batch)
{
    enum { ROWS = 7, SLOTS = 96, FIRST = 5 };
    static const int32_t flipped[] = {0, 2, 3, 6};
    case_begin("flip_labels of %d classes, batches up to %d", classes, batch);
    int32_t *label = TAKE(int32_t, ROWS * SLOTS), *before = TAKE(int32_t, ROWS * SLOTS), *count = TAKE(int32_t, ROWS);
    int32_t *row = TAKE(int32_t, 4);
    for (int i = 0; i < 4; i++) row[i] = FIRST + flipped[i];
    for (int i = 0; i < ROWS * SLOTS; i++) before[i] = label[i] = below(classes);
    for (int r = 0; r < ROWS; r++) count[r] = r == 3 ? 0 : batch - r;
    error_free(k->flip_labels(stream, label, count, row, 4, FIRST, classes, SLOTS));
    for (int r = 0; r < ROWS; r++)
        for (int s = 0; s < SLOTS; s++) {
            const int i = r * SLOTS + s, flips = (r == 0 || r == 2 || r == 6) && s < count[r];
            same("label", i, label[i], flips ? classes - 1 - before[i] : before[i]);
        }
    case_end();
}

enum { AGENTS = 5 };

struct attack {
    struct adversary_step s;
    float *before;
    int64_t dimension, ld, pieces;
};

/* Agents 0 and 2 of federation 0 and agent 1 of federation 1, two federations of AGENTS. */
static struct attack attack_make(int64_t dimension, enum cgsv_adversary kind)
{
    const int64_t ld = dimension + 5, agents = 2 * AGENTS, pieces = (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    struct attack a = {.dimension = dimension, .ld = ld, .pieces = pieces, .before = TAKE(float, agents * ld)};
    struct adversary *adversary = TAKE(struct adversary, 3);
    for (int i = 0; i < 3; i++) {
        const int federation = i / 2, stream = i < 2 ? 2 * i : 1;
        adversary[i] = (struct adversary){.kind = kind, .agent = federation * AGENTS + stream,
                                          .model = federation * (AGENTS + 1) + stream, .stream = stream,
                                          .seed = UINT64_C(0x123456789abcdef) + (unsigned)federation, .factor = 2.5f};
    }
    int *round = TAKE(int, 1);
    *round = 3;
    a.s = (struct adversary_step){.update = TAKE(float, agents * ld),
                                  .norm_partial = TAKE(double, agents * pieces * NORM_SUMS),
                                  .model = take_random((agents + 2) * ld, 1), .adversary = adversary, .round = round,
                                  .adversaries = 3, .dimension = dimension, .ld = ld};
    for (int64_t i = 0; i < agents; i++)
        for (int64_t d = 0; d < dimension; d++)
            a.before[i * ld + d] = ((float *)a.s.update)[i * ld + d] = (float)(1e-3 * (2 * uniform() - 1));
    return a;
}

/* The 24 bits behind a random entry: it is (2 bits + 1) / 2^24 - 1. */
static int is_uniform_value(float u)
{
    const double bits = ((double)u + 1) * 0x1p23 - 0.5;
    return bits == floor(bits) && bits >= 0 && bits < 0x1p24;
}

static void check_random(const struct attack *a, int64_t agent)
{
    const float *u = (const float *)a->s.update + agent * a->ld;
    double sum = 0, square = 0, neighbours = 0;
    for (int64_t d = 0; d < a->dimension; d++) {
        if (!is_uniform_value(u[d])) fail("agent %d: %.9g is not of the uniform ones", (int)agent, u[d]);
        sum += u[d];
        square += (double)u[d] * u[d];
        if (d > 0) neighbours += (double)u[d] * u[d - 1];
    }
    /* Standard deviations of the means: √(1/3n), √(4/45n), √(1/9n); five of each. */
    const double n = (double)a->dimension;
    near("mean", agent, sum / n, 0, 5 * sqrt(1 / (3 * n)));
    near("mean square", agent, square / n, 1.0 / 3, 5 * sqrt(4 / (45 * n)));
    near("product of neighbours", agent, neighbours / n, 0, 5 * sqrt(1 / (9 * n)));
}

static void check_agent(const struct attack *a, int64_t agent, int rewritten)
{
    const struct adversary *who = a->s.adversary;
    const float *u = (const float *)a->s.update + agent * a->ld, *before = a->before + agent * a->ld;
    const float *model = a->s.model + (agent / AGENTS * (AGENTS + 1) + agent % AGENTS) * a->ld;
    double *partial = a->s.norm_partial + agent * a->pieces * NORM_SUMS;
    const double factor = !rewritten                       ? 1
                          : who->kind == CGSV_SIGN_FLIP    ? -1
                          : who->kind == CGSV_RESCALED     ? who->factor
                                                           : 0;
    if (rewritten && who->kind == CGSV_RANDOM_UPDATE)
        check_random(a, agent);
    else
        for (int64_t d = 0; d < a->dimension; d++) same("update", d, u[d], (float)(factor * before[d]));
    untouched("update", u + a->dimension, a->ld - a->dimension);
    if (!rewritten) untouched("norm sums", partial, 2 * a->pieces * NORM_SUMS);
    for (int64_t p = 0; p < a->pieces && rewritten; p++) {
        const int64_t begin = p * CHUNK_COLUMNS, left = a->dimension - begin;
        const int64_t n = left < CHUNK_COLUMNS ? left : CHUNK_COLUMNS;
        double want[NORM_SUMS], size[NORM_SUMS];
        reference_norm_sums(want, size, u + begin, model + begin, n);
        for (int i = 0; i < NORM_SUMS; i++) near("norm sums", i, partial[p * NORM_SUMS + i], want[i], 1e-12 * size[i]);
    }
}

static void rewrite_case(int64_t dimension, enum cgsv_adversary kind)
{
    static const char *const names[] = {"", "", "random-update", "zero-update", "sign-flip", "rescaled"};
    case_begin("rewrite_updates %s D%lld", names[kind], (long long)dimension);
    struct attack a = attack_make(dimension, kind);
    error_free(k->rewrite_updates(stream, a.s));
    for (int64_t agent = 0; agent < 2 * AGENTS; agent++)
        check_agent(&a, agent, agent == 0 || agent == 2 || agent == AGENTS + 1);
    case_end();
}

/* Other agents, rounds and seeds draw other numbers; the same draw the same. */
static void random_keys_case(void)
{
    enum { D = 301 };
    case_begin("rewrite_updates random-update by agent, round and seed");
    struct attack a = attack_make(D, CGSV_RANDOM_UPDATE);
    float *first = TAKE(float, D);
    const float *u = a.s.update;
    const size_t bytes = D * sizeof *u;
    struct adversary *who = (struct adversary *)a.s.adversary;
    int *round = (int *)a.s.round;
    error_free(k->rewrite_updates(stream, a.s));
    memcpy(first, u, bytes);
    if (!memcmp(first, u + 2 * a.ld, bytes)) fail("two agents draw the same");
    error_free(k->rewrite_updates(stream, a.s));
    if (memcmp(first, u, bytes)) fail("the same agent and round draw differently");
    ++*round;
    error_free(k->rewrite_updates(stream, a.s));
    if (!memcmp(first, u, bytes)) fail("two rounds draw the same");
    --*round;
    who->seed ^= UINT64_C(1) << 40;
    error_free(k->rewrite_updates(stream, a.s));
    if (!memcmp(first, u, bytes)) fail("two seeds draw the same");
    case_end();
}

void adversary_cases(void)
{
    static const int64_t dimensions[] = {1, 2, 3, 4, 5, 31, 33, 997, 4095, 4096, 4097, 8195, 12301};
    static const int batches[] = {7, 32, 33, 96};
    for (int i = 0; i < 4; i++) flip_case(i % 2 ? 10 : 2 + i, batches[i]);
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++)
        for (int kind = CGSV_RANDOM_UPDATE; kind <= CGSV_RESCALED; kind++)
            rewrite_case(dimensions[i], (enum cgsv_adversary)kind);
    random_keys_case();
}
