/* The kernels of the valuation against tests/reference_valuation.h. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "reference_valuation.h"

enum { MOST_AGENTS = 40 };

static const char *const method_name[] = {"exact",      "cosine", "permutation",   "antithetic",
                                          "stratified", "owen",   "leave-one-out", "euclidean"};
static const char *const vectors_name[] = {"normal", "correlated", "heavy-tailed", "sparse", "free-riders", "opposed"};

/* ---- Gram matrices ---- */

/* Entries of scratch for a batch of Gram matrices. */
static int64_t partials(struct gram g) { return g.games * gram_runs(g.columns) * g.agents * (g.agents + 1) / 2; }

static struct gram gram_make(int games, int agents, int64_t columns, int64_t stride)
{
    struct gram g = {.games = games, .agents = agents, .columns = columns, .stride = stride};
    const int64_t rows = (int64_t)games * agents;
    g.gram = TAKE(double, rows * agents);
    g.not_finite = TAKE(int, rows);
    g.partial = TAKE(double, partials(g));
    memset(g.gram, 0, (size_t)(rows * agents) * sizeof *g.gram);
    memset(g.not_finite, 0, (size_t)rows * sizeof *g.not_finite);
    return g;
}

static void gram_case(int games, int agents, int64_t columns, int arithmetic)
{
    static const char *const names[] = {"float", "widened", "double"};
    case_begin("gram_add %s F%d N%d D%lld", names[arithmetic], games, agents, (long long)columns);
    const int64_t stride = columns + 13, rows = (int64_t)games * agents;
    struct gram g = gram_make(games, agents, columns, stride);
    float *row = take_random(rows * stride, 1);
    double *same_row = TAKE(double, rows * stride), *exact = TAKE(double, agents * columns),
           *want = TAKE(double, agents * agents);
    for (int64_t i = 0; i < rows * stride; i++) same_row[i] = row[i];
    g.precise = arithmetic > 0;
    if (arithmetic == 2)
        g.row_double = same_row;
    else
        g.row = row;
    error_free(k->gram_add(stream, g));
    error_free(k->gram_add(stream, g)); /* is added to */
    for (int game = 0; game < games; game++) {
        for (int64_t i = 0; i < agents; i++)
            for (int64_t d = 0; d < columns; d++) exact[i * columns + d] = row[(game * agents + i) * stride + d];
        reference_gram(want, exact, agents, columns);
        for (int64_t i = 0; i < agents; i++)
            for (int64_t j = 0; j < agents; j++) {
                const double size = sqrt(want[i * agents + i] * want[j * agents + j]);
                const double bound = size * (arithmetic ? 4 * (double)columns * DBL_EPSILON
                                                        : 2 * sqrt(fmin((double)columns, 2048)) * FLT_EPSILON);
                near("gram", (game * agents + i) * agents + j, g.gram[(game * agents + i) * agents + j],
                     2 * want[i * agents + j], bound);
            }
    }
    for (int64_t i = 0; i < rows; i++) same("not_finite", i, g.not_finite[i], 0);
    case_end();
}

static void gram_faulty_case(int arithmetic)
{
    enum { N = 5, D = 2100 };
    case_begin("gram_add of entries that are not finite, arithmetic %d", arithmetic);
    struct gram g = gram_make(2, N, D, D);
    float *row = take_random(2 * N * D, 1);
    g.row = row;
    g.precise = arithmetic;
    row[1 * D + 2048] = NAN;
    row[1 * D] = row[7 * D + 2099] = -INFINITY;
    row[3 * D + 5] = 1e30f; /* finite, but not its square in float32 */
    error_free(k->gram_add(stream, g));
    for (int i = 0; i < 2 * N; i++) {
        const int bad = i == 1 || i == 7 || (i == 3 && !arithmetic);
        same("not_finite", i, g.not_finite[i], i == 1 ? 2 : i == 7 ? 1 : 0);
        same("diagonal is finite", i, isfinite(g.gram[(i / N * N + i % N) * N + i % N]) != 0, !bad);
    }
    case_end();
}

/* ---- games ---- */

/* A batch of random games with the rows that made it. */
struct batch {
    struct games g;
    double *row, *gram, *weight;
    int64_t dimension;
};

static struct batch batch_make(int games, int agents, int64_t dimension)
{
    struct batch b = {.g = {.games = games, .agents = agents}, .dimension = dimension};
    const int64_t rows = (int64_t)games * agents;
    b.row = TAKE(double, rows * dimension);
    b.g.gram = b.gram = TAKE(double, rows * agents);
    b.g.weight = b.weight = TAKE(double, rows);
    b.g.product = TAKE(double, rows * agents);
    b.g.dot = TAKE(double, rows);
    b.g.length = TAKE(double, games);
    b.g.longest = TAKE(double, games);
    for (int64_t i = 0; i < rows * dimension; i++) b.row[i] = 2 * uniform() - 0.7;
    for (int64_t i = 0; i < rows; i++) b.weight[i] = 0.2 + uniform();
    if (agents > 2) /* one without an update, in the first game */
        for (int64_t d = 0; d < dimension; d++) b.row[2 * dimension + d] = 0;
    for (int game = 0; game < games; game++)
        reference_gram(b.gram + (int64_t)game * agents * agents, b.row + game * agents * dimension, agents, dimension);
    return b;
}

static double *batch_row(struct batch b, int game) { return b.row + (int64_t)game * b.g.agents * b.dimension; }
static double *batch_weight(struct batch b, int game) { return b.weight + (int64_t)game * b.g.agents; }

/* W of every size outside the tile and every subset of the tile, from factorials. */
static double *shapley_weights(int agents, int tile)
{
    const int64_t count = (int64_t)(agents - tile + 1) << tile;
    double *weight = TAKE(double, count);
    for (int64_t i = 0; i < count; i++) {
        int size = (int)(i >> tile);
        for (int b = 0; b < tile; b++) size += (int)(i >> b & 1);
        weight[i] = size == 0        ? 0
                    : size == agents ? 1.0 / agents
                                     : tgamma(size) * tgamma(agents - size) / tgamma(agents);
    }
    return weight;
}

static struct shapley shapley_make(struct batch b, int tile, int middle, int top)
{
    struct shapley s = {.games = b.g, .tile_bits = tile, .middle_bits = middle, .top_bits = top};
    s.value = TAKE(double, b.g.games *b.g.agents);
    s.partial = TAKE(double, ((int64_t)b.g.games << top) * b.g.agents);
    s.weight = shapley_weights(b.g.agents, tile);
    return s;
}

/* Any split of the agents gives the same values. */
static void shapley_case(int games, int tile, int middle, int top)
{
    const int agents = tile + middle + top;
    case_begin("shapley_exact F%d N%d as %d + %d + %d", games, agents, tile, middle, top);
    struct batch b = batch_make(games, agents, 9);
    struct shapley s = shapley_make(b, tile, middle, top);
    error_free(k->games_prepare(stream, b.g));
    error_free(k->shapley_exact(stream, s));
    for (int game = 0; game < games; game++) {
        double want[MOST_AGENTS];
        reference_shapley(want, batch_row(b, game), batch_weight(b, game), agents, b.dimension);
        for (int i = 0; i < agents; i++) near("value", game * agents + i, s.value[game * agents + i], want[i], 1e-13);
    }
    if (agents > 2) same("value without an update", 2, s.value[2], 0);
    case_end();
}

static void closed_form_case(int games, int agents)
{
    case_begin("closed_form F%d N%d", games, agents);
    struct batch b = batch_make(games, agents, 9);
    double *value = TAKE(double, games *agents);
    uint16_t *everyone = TAKE(uint16_t, games *agents);
    error_free(k->games_prepare(stream, b.g));
    for (int method = 0; method < 3; method++) {
        static const enum cgsv_method methods[] = {CGSV_METHOD_COSINE, CGSV_METHOD_LEAVE_ONE_OUT,
                                                   CGSV_METHOD_EUCLIDEAN};
        error_free(k->closed_form(stream, value, everyone, b.g, methods[method], 0));
        for (int game = 0; game < games; game++)
            for (int i = 0; i < agents; i++) {
                const double *row = batch_row(b, game), *weight = batch_weight(b, game);
                const uint64_t all = (UINT64_C(1) << agents) - 1;
                double dot = 0, own = 0, aggregate = 0, away = 0;
                for (int64_t d = 0; d < b.dimension; d++) {
                    double u = 0;
                    for (int j = 0; j < agents; j++) u += weight[j] * row[j * b.dimension + d];
                    const double x = row[i * b.dimension + d];
                    dot += x * u;
                    own += x * x;
                    aggregate += u * u;
                    away += (x - u) * (x - u);
                }
                const double want = method == 0   ? own > 0 ? dot / sqrt(own * aggregate) : 0
                                    : method == 1 ? 1 - reference_coalition(row, weight, agents, b.dimension,
                                                                            all - (UINT64_C(1) << i))
                                                  : 1 / (1 + sqrt(away));
                near(method_name[methods[method]], game * agents + i, value[game * agents + i], want, 1e-12);
            }
    }
    case_end();
}

/* Samples and moments of a few units, in one launch or two: each game by itself, by the sums that
 * every kind of unit keeps, and the moments from the samples. */
static void sample_case(int games, int agents, int64_t units, enum cgsv_method method)
{
    case_begin("sample %s F%d N%d %lld units", method_name[method], games, agents, (long long)units);
    const int64_t rows = (int64_t)games * agents, orders = method == CGSV_METHOD_STRATIFIED ? agents : 1;
    const int stratified = method == CGSV_METHOD_STRATIFIED || method == CGSV_METHOD_OWEN;
    struct batch b = batch_make(games, agents, 9);
    struct sampling s = {.games = b.g, .method = method, .seed = OP_SEED, .units = units, .total = units};
    s.sample = TAKE(double, rows *units);
    s.order = TAKE(uint16_t, rows *units *orders);
    s.mean = TAKE(double, rows);
    s.spread = TAKE(double, rows);
    s.error = TAKE(double, rows);
    error_free(k->games_prepare(stream, b.g));
    error_free(k->sample(stream, s));
    for (int64_t at = 0; at < rows; at++) {
        const double *sample = s.sample + at / agents * units * agents + at % agents;
        double mean = 0, spread = 0;
        for (int64_t u = 0; u < units; u++) mean += sample[u * agents] / (double)units;
        for (int64_t u = 0; u < units; u++)
            if (!stratified)
                spread += pow(sample[u * agents] - mean, 2) / (double)(units * (units - 1));
            else if (u > 0 && (u % 2 || u == units - 1))
                spread += pow(sample[u * agents] - sample[(u - 1) * agents], 2) / (u % 2 ? 1 : 2) /
                          (double)(units * units);
        near("mean", at, s.mean[at], mean, 1e-14);
        near("squared error", at, s.error[at] * s.error[at], spread, 1e-14);
    }
    if (!stratified) /* marginal contributions along an order add up to ν(N) */
        for (int64_t u = 0; u < games * units; u++) {
            double sum = 0;
            for (int i = 0; i < agents; i++) sum += s.sample[u * agents + i];
            near("sum of a unit", u, sum, 1, 1e-12);
        }
    const int64_t half = units / 4 * 2;
    double *once = TAKE(double, 2 * rows);
    memcpy(once, s.mean, (size_t)rows * sizeof *once);
    memcpy(once + rows, s.error, (size_t)rows * sizeof *once);
    for (int part = half > 0 ? 0 : 1; part < 2; part++) {
        s.first = part ? half : 0;
        s.units = part ? units - half : half;
        error_free(k->sample(stream, s));
    }
    for (int64_t at = 0; at < rows; at++) {
        same("mean of two launches", at, s.mean[at], once[at]);
        same("error of two launches", at, s.error[at], once[rows + at]);
    }
    case_end();
}

/* ---- random updates ---- */

static void random_case(enum cgsv_vectors kind, int games, int agents, int64_t first, int64_t columns)
{
    case_begin("random_updates %s F%d N%d columns %lld + %lld", vectors_name[kind], games, agents, (long long)first,
               (long long)columns);
    const int64_t rows = (int64_t)games * agents, stride = columns + 5, whole = first + columns;
    float *piece = TAKE(float, rows *stride), *all = TAKE(float, rows *whole);
    struct random_updates r = {.row = piece,          .kind = kind,     .parameter = 0.25,  .seed = OP_SEED,
                               .first_column = first, .stride = stride, .columns = columns, .games = games,
                               .agents = agents};
    error_free(k->random_updates(stream, r));
    r.row = all;
    r.first_column = 0;
    r.columns = r.stride = whole;
    error_free(k->random_updates(stream, r));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t d = 0; d < columns; d++)
            same("a piece", i * stride + d, piece[i * stride + d], all[i * whole + first + d]);
        untouched("between rows", piece + i * stride + columns, stride - columns);
    }
    case_end();
}

/* ---- all ---- */

void valuation_cases(void)
{
    static const int64_t columns[] = {1, 31, 33, 2047, 2048, 2049, 4101};
    for (int arithmetic = 0; arithmetic < 3; arithmetic++) {
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) gram_case(2, 5, columns[i], arithmetic);
        for (int agents = 1; agents <= 9; agents++) gram_case(1, agents, 67, arithmetic);
        if (!op_cases_small) gram_case(3, 37, 10007, arithmetic);
        if (arithmetic < 2) gram_faulty_case(arithmetic);
    }
    for (int agents = 1; agents <= 10; agents++) shapley_case(2, agents, 0, 0);
    shapley_case(2, 3, 2, 2);
    shapley_case(1, 5, 1, 3);
    shapley_case(3, 6, 3, 0);
    shapley_case(2, 7, 2, 1);
    shapley_case(1, 1, 5, 4);
    if (!op_cases_small) shapley_case(1, 10, 3, 2);
    for (int agents = 1; agents <= 7; agents += 3) closed_form_case(3, agents);
    for (int method = CGSV_METHOD_PERMUTATION; method <= CGSV_METHOD_OWEN; method++) {
        sample_case(1, 1, 2, (enum cgsv_method)method);
        sample_case(3, 5, 7, (enum cgsv_method)method);
        sample_case(2, 11, 34, (enum cgsv_method)method);
    }
    for (int kind = CGSV_VECTORS_NORMAL; kind <= CGSV_VECTORS_OPPOSED; kind++) {
        random_case((enum cgsv_vectors)kind, 2, 3, 0, 1);
        random_case((enum cgsv_vectors)kind, 2, 7, 6, 131);
    }
}

uint64_t valuation_digest(uint64_t hash)
{
    case_begin("digest of the valuation");
    struct gram g = gram_make(3, 13, 5003, 5003);
    float *row = TAKE(float, 3 * 13 * 5003);
    const struct random_updates r = {.row = row,      .kind = CGSV_VECTORS_HEAVY_TAILED, .seed = OP_SEED,
                                     .columns = 5003, .stride = 5003,                    .games = 3,
                                     .agents = 13};
    error_free(k->random_updates(stream, r));
    g.row = row;
    error_free(k->gram_add(stream, g));
    struct batch b = batch_make(3, 13, 9);
    struct shapley s = shapley_make(b, 8, 3, 2);
    error_free(k->games_prepare(stream, b.g));
    error_free(k->shapley_exact(stream, s));
    hash = hashed(hash, g.gram, 3 * 13 * 13 * sizeof *g.gram);
    hash = hashed(hash, s.value, 3 * 13 * sizeof *s.value);
    case_end();
    return hash;
}
