/* What must hold of a round's records. */
#include "cgsv/checks.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "core/error.h"

#define COUNT_TOLERANCE 1e-9 /* of the selection: rounding of q n must not move a count by one */

/* Σ φ_i − 1. Rounding leaves about N² ε κ, κ = Σ ‖r_i u_i‖² / ‖g‖²: below this for κ up to 10^7, where the
 * updates cancel to all but some three digits. A mistake shows in the first digits. */
#define EXACT_SUM_ERROR 1e-6

enum { ANY_FAULT = CGSV_FAULT_ZERO | CGSV_FAULT_NOT_FINITE | CGSV_FAULT_ROUNDED };

/* A round's records, and who they belong to. */
struct round {
    cgsv_checks *checks;
    const cgsv_checked_run *run;
    int number;
    const cgsv_round_record *record;
    double rounding; /* relative, of a sum over all D entries */
};

void cgsv_check_value(cgsv_checks *checks, int round, int agent, const char *what, double value, double least,
                      double most)
{
    checks->made++;
    if (value >= least && value <= most) return;
    if (checks->failed++ == 0) checks->first = (struct cgsv_failed_check){round, agent, what, value, least, most};
}

cgsv_status cgsv_checks_status(const cgsv_checks *checks)
{
    const struct cgsv_failed_check *first = &checks->first;
    char agent[32] = "", expected[96];
    if (checks->failed == 0) return CGSV_OK;
    if (first->agent >= 0) snprintf(agent, sizeof agent, ", agent %d", first->agent);
    snprintf(expected, sizeof expected, first->least == first->most ? "%.17g" : "%.17g to %.17g", first->least,
             first->most);
    return error_set(CGSV_ERROR_DEVICE, "%lld of %lld checks failed, the first in round %d%s: %s is %.17g; expected "
                     "%s. The numbers are not to be trusted: run again with --device cpu, and report it",
                     (long long)checks->failed, (long long)checks->made, first->round, agent, first->what,
                     first->value, expected);
}

static void expect(const struct round *r, int agent, const char *what, double value, double least, double most)
{
    cgsv_check_value(r->checks, r->number, agent, what, value, least, most);
}

static int fault_of(const cgsv_round_record *record)
{
    return record->fault >= 0 && record->fault <= ANY_FAULT ? (int)record->fault : 0;
}

static bool is_faulty(const cgsv_round_record *record)
{
    return fault_of(record) & (CGSV_FAULT_ZERO | CGSV_FAULT_NOT_FINITE);
}

static int64_t dimension(const cgsv_checked_run *run) { return run->tensor_begin[run->tensors]; }

/* ---- an update and its value ---- */

static void check_update(const struct round *r, int i)
{
    const cgsv_round_record *record = &r->record[i];
    const int fault = fault_of(record);
    const double least = fault & CGSV_FAULT_ZERO ? 0 : DBL_TRUE_MIN, most = fault & CGSV_FAULT_ZERO ? 0 : DBL_MAX;
    expect(r, i, "fault", record->fault, 0, ANY_FAULT);
    if (fault & CGSV_FAULT_NOT_FINITE)
        expect(r, i, "update_norm is finite", isfinite(record->update_norm) != 0, 0, 0);
    else
        expect(r, i, "update_norm", record->update_norm, least, most);
}

static void check_psi(const struct round *r, int i)
{
    const bool cosine = r->run->config->scheme.contribution == CGSV_CONTRIBUTION_COSINE;
    const double most = is_faulty(&r->record[i]) ? 0 : cosine ? 1 + r->rounding : DBL_MAX;
    expect(r, i, "psi", r->record[i].psi, -most, most);
}

static void check_exact_values(const struct round *r)
{
    double sum = 0;
    int sound = 0;
    if (r->run->config->scheme.contribution != CGSV_CONTRIBUTION_EXACT) return;
    for (int i = 0; i < r->run->config->agents; i++) {
        sum += r->record[i].psi;
        sound += !is_faulty(&r->record[i]);
    }
    /* All values are 0 where there is no aggregate. */
    const double expected = sound > 0 && sum != 0 ? 1 : 0;
    expect(r, -1, "sum of exact values", sum, expected - EXACT_SUM_ERROR, expected + EXACT_SUM_ERROR);
}

/* ---- importance and quota ---- */

static bool removes(const cgsv_scheme *s)
{
    return s->importance == CGSV_IMPORTANCE_REMOVAL || s->importance == CGSV_IMPORTANCE_SINH;
}

static void check_importance(const struct round *r)
{
    const cgsv_config *c = r->run->config;
    const bool free = removes(&c->scheme); /* contributions below 0 are not cut off */
    double sum = 0, magnitudes = 0;
    for (int i = 0; i < c->agents; i++) {
        const double importance = r->record[i].importance;
        expect(r, i, "importance", importance, free ? -DBL_MAX : 0, free ? DBL_MAX : 1 + DBL_EPSILON);
        sum += importance;
        magnitudes += fabs(importance);
    }
    if (free && magnitudes == 0) return; /* everyone is removed */
    /* Two sums and as many divisions, each rounded by half an ε of the magnitudes. */
    const double error = 2 * c->agents * DBL_EPSILON * fmax(magnitudes, 1);
    expect(r, -1, "sum of importance", sum, 1 - error, 1 + error);
}

/* The quota where it follows from importance alone, else NAN. */
static double quota_by_importance(const cgsv_config *c, double r, double most)
{
    switch (c->scheme.quota) {
    case CGSV_QUOTA_TANH: return most > 0 && r > 0 ? tanh(c->beta * r) / tanh(c->beta * most) : 0;
    case CGSV_QUOTA_LINEAR: return most > 0 && r > 0 ? r / most : 0;
    case CGSV_QUOTA_ALL: return removes(&c->scheme) ? NAN : 1; /* 0 for who is removed */
    case CGSV_QUOTA_NONE: return 0;
    default: return NAN;
    }
}

static void check_quota(const struct round *r, int i, double most)
{
    const cgsv_round_record *record = &r->record[i];
    const double expected = quota_by_importance(r->run->config, record->importance, most);
    const double error = 16 * DBL_EPSILON; /* a GPU's tanh may differ by an ulp or two from the host's */
    if (isnan(expected))
        expect(r, i, "keep_ratio", record->keep_ratio, 0, 1);
    else
        expect(r, i, "keep_ratio", record->keep_ratio, fmax(expected - error, 0), fmin(expected + error, 1));
}

/* ---- the reward ---- */

static double kept_of(const cgsv_checked_run *run, double q)
{
    const double D = (double)dimension(run);
    double kept = 0;
    switch (run->config->scheme.reward) {
    case CGSV_REWARD_FULL: return q > 0 ? D : 0;
    case CGSV_REWARD_LAYER:
        for (int t = 0; t < run->tensors; t++) {
            const double n = (double)(run->tensor_begin[t + 1] - run->tensor_begin[t]);
            kept += fmin(ceil(q * n - COUNT_TOLERANCE), n);
        }
        return kept;
    default: return fmin(floor(q * D + COUNT_TOLERANCE), D);
    }
}

/* ‖g‖ at most: Γ where g is a mean of vectors no longer than that; rounded to float32. */
static double longest_aggregate(const cgsv_config *c)
{
    const cgsv_scheme *s = &c->scheme;
    const bool bounded = s->normalise == CGSV_NORMALISE_RESCALE || s->normalise == CGSV_NORMALISE_CLIP;
    const bool mean = s->weights == CGSV_WEIGHTS_SIZE || s->weights == CGSV_WEIGHTS_UNIFORM ||
                      (s->weights == CGSV_WEIGHTS_IMPORTANCE && !removes(s));
    return bounded && mean ? c->gamma * (1 + FLT_EPSILON) : DBL_MAX;
}

/* ‖v − g‖ is the root of ‖g‖² − ‖v‖², which of a whole reward is rounding. */
static void check_reward(const struct round *r, int i)
{
    const cgsv_round_record *record = &r->record[i];
    const double kept = kept_of(r->run, record->keep_ratio), cosine = record->reward_cos;
    const bool whole = kept == (double)dimension(r->run), no_aggregate = cosine == 0 && record->reward_error == 0;
    const double least = whole && !no_aggregate ? 1 - r->rounding : 0, most = kept == 0 ? 0 : 1 + r->rounding;
    const double longest = longest_aggregate(r->run->config);
    expect(r, i, "kept", record->kept, kept, kept);
    expect(r, i, "reward_cos", cosine, least, most);
    expect(r, i, "reward_error", record->reward_error, 0, whole && longest < DBL_MAX ? longest * sqrt(r->rounding)
                                                                                     : longest);
}

static void check_models(const struct round *r, int i)
{
    const cgsv_round_record *record = &r->record[i];
    const bool trained = !(fault_of(record) & CGSV_FAULT_NOT_FINITE) &&
                         cgsv_adversary_of(&r->run->config->adversaries, i) == 0; /* else its update tells nothing */
    expect(r, i, "server_norm", record->server_norm, 0, DBL_MAX);
    expect(r, i, "distance", record->distance, 0, DBL_MAX);
    expect(r, i, "distance_last_layer", record->distance_last_layer, 0, record->distance * (1 + r->rounding));
    if (trained) expect(r, i, "train_loss", record->train_loss, 0, DBL_MAX);
}

void cgsv_check_round(cgsv_checks *checks, const cgsv_checked_run *run, int round, const cgsv_round_record *records)
{
    const struct round r = {checks, run, round, records, (double)dimension(run) * DBL_EPSILON};
    double most = 0;
    check_exact_values(&r);
    check_importance(&r);
    for (int i = 0; i < run->config->agents; i++) most = fmax(most, records[i].importance);
    for (int i = 0; i < run->config->agents; i++) {
        check_update(&r, i);
        check_psi(&r, i);
        check_quota(&r, i, most);
        check_reward(&r, i);
        if (run->models) check_models(&r, i);
    }
}
