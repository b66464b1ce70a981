/* Estimates beside exact values, over a batch of games. */
#include "cgsv/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "valuation/internal.h"

enum { MEASURES = 6 };

struct study {
    cgsv_device *device;
    int games, agents;
    const cgsv_study_options *options;
    double *gram;     /* [games][N][N], of normalised updates if so wished */
    double *weight;   /* [games][N] */
    double *exact;    /* [games][N] */
    double *estimate; /* [games][N] */
    double *measure;  /* [MEASURES][games] */
};

static cgsv_status allocate(struct study *s)
{
    const size_t rows = BYTES_OF(double, s->games, s->agents);
    s->gram = malloc(BYTES_OF(double, s->games, s->agents, s->agents));
    s->weight = malloc(rows);
    s->exact = malloc(rows);
    s->estimate = malloc(rows);
    s->measure = malloc(BYTES_OF(double, s->games, MEASURES));
    if (s->gram && s->weight && s->exact && s->estimate && s->measure) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for a study of %d games of %d agents", s->games, s->agents);
}

static void release(struct study *s)
{
    free(s->gram);
    free(s->weight);
    free(s->exact);
    free(s->estimate);
    free(s->measure);
}

/* <u_i / ‖u_i‖, u_j / ‖u_j‖> from <u_i, u_j>. */
static void normalise(struct study *s)
{
    const int64_t N = s->agents, rows = s->games * N;
    for (int64_t i = 0; i < rows; i++) s->weight[i] = 1;
    cgsv_normalised_weights(s->exact, s->gram, s->weight, 1, s->games, s->agents);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < N; j++) s->gram[i * N + j] *= s->exact[i] * s->exact[i / N * N + j];
}

/* A short valuation is timed again, and the least time counts: 20 ms, or ten times within 250 ms, which
 * outlasts a disturbance by another process, but nothing that takes long. */
static bool timing_goes_on(int repeats, double seconds)
{
    return repeats == 0 || (repeats < 50 && seconds < 0.02) || (repeats < 10 && seconds < 0.25);
}

static cgsv_status value_and_time(const struct study *s, cgsv_method method, double *value, double *seconds)
{
    cgsv_valuation_options options = s->options->valuation;
    double spent = 0, least = INFINITY, once;
    options.method = method;
    options.gamma = 0;
    for (int i = 0; timing_goes_on(i, spent); i++) {
        TRY(cgsv_value(s->device, value, NULL, s->gram, s->weight, s->games, s->agents, &options, &once));
        spent += once;
        least = fmin(least, once);
    }
    *seconds = least / s->games;
    return CGSV_OK;
}

/* *undefined, or NULL: how many are NaN. */
static cgsv_spread spread(const double *x, int count, int *undefined)
{
    double sum = 0, squares = 0;
    int defined = 0;
    for (int i = 0; i < count; i++) {
        if (isnan(x[i])) continue;
        sum += x[i];
        defined++;
    }
    if (undefined) *undefined = count - defined;
    const double mean = defined > 0 ? sum / defined : NAN;
    for (int i = 0; i < count; i++)
        if (!isnan(x[i])) squares += (x[i] - mean) * (x[i] - mean);
    return (cgsv_spread){mean, defined > 1 ? sqrt(squares / (defined - 1)) : NAN};
}

static void compare(const struct study *s, cgsv_study_row *row, const double *value)
{
    const int64_t N = s->agents, F = s->games;
    double *measures = s->measure;
    for (int64_t game = 0; game < F; game++) {
        const cgsv_comparison c = cgsv_compare(value + game * N, s->exact + game * N, s->agents);
        const cgsv_theorem1 t = cgsv_theorem1_measure(s->gram + game * N * N, s->weight + game * N, s->agents);
        const double all[MEASURES] = {c.l1, c.l2, c.cosine, c.pearson, t.inverse_i, t.bound};
        for (int k = 0; k < MEASURES; k++) measures[k * F + game] = all[k];
    }
    cgsv_spread *const to[MEASURES] = {&row->l1,      &row->l2,        &row->cosine,
                                       &row->pearson, &row->inverse_i, &row->bound};
    for (int k = 0; k < MEASURES; k++) *to[k] = spread(measures + k * F, s->games, k == 0 ? &row->undefined : NULL);
}

static cgsv_status fill_row(const struct study *s, cgsv_study_row *row, cgsv_method method)
{
    double *value = method == CGSV_METHOD_EXACT ? s->exact : s->estimate;
    row->method = method;
    TRY(value_and_time(s, method, value, &row->seconds));
    compare(s, row, value);
    return CGSV_OK;
}

cgsv_status cgsv_study(cgsv_study_row *rows, cgsv_device *device, const double *gram, int games, int agents,
                       const cgsv_study_options *options)
{
    TRY(check_batch(games, agents));
    struct study s = {.device = device, .games = games, .agents = agents, .options = options};
    cgsv_status status = allocate(&s);
    if (status == CGSV_OK) {
        memcpy(s.gram, gram, BYTES_OF(double, games, agents, agents));
        if (options->normalise) normalise(&s);
        for (int64_t i = 0; i < (int64_t)games * agents; i++) s.weight[i] = 1.0 / agents;
        status = fill_row(&s, &rows[0], CGSV_METHOD_EXACT);
    }
    for (int i = 0; status == CGSV_OK && i < options->method_count; i++)
        status = fill_row(&s, &rows[1 + i], options->methods[i]);
    release(&s);
    return status;
}
