/* An agent whose update is not finite, in one round or in all: under every scheme, whatever made it so. It is reported
 * and counts for nothing, so all others must fare, bit for bit, as if its update had been zero. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "federation/internal.h"
#include "few_pictures.h"
#include "test_device.h"

enum { SAMPLES = 60, AGENTS = 4, ROUNDS = 3, VICTIM = 2 };

enum cause { ZERO, NOT_A_NUMBER, INFINITE, DIVERGES, PICTURE, CAUSES };
static const char *const cause_names[CAUSES] = {"zero", "NaN", "infinity", "diverging", "NaN picture"};

static cgsv_dataset *data;
static cgsv_device *device;

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static void set_up(void)
{
    check(few_pictures(&data, SAMPLES));
    check(cgsv_device_open(&device, test_device(), 1));
}

static void tear_down(void)
{
    cgsv_device_close(device);
    cgsv_dataset_free(data);
}

TestSuite(not_finite, .init = set_up, .fini = tear_down, .timeout = 120);

static cgsv_config config_of(const char *scheme)
{
    cgsv_config config;
    cgsv_config_defaults(&config, "pictures");
    config.agents = AGENTS;
    config.rounds = ROUNDS;
    config.batch = 4;
    config.partition = CGSV_PARTITION_UNIFORM;
    config.standalone = false;
    config.validation_fraction = 0.2;
    check(cgsv_config_set_scheme(&config, scheme));
    return config;
}

struct outcome {
    cgsv_round_record record[ROUNDS][AGENTS];
    cgsv_evaluation agent[AGENTS], twin[AGENTS], server;
    float *model[AGENTS + 1]; /* the server's last */
    size_t bytes;
};

static void outcome_free(struct outcome *o)
{
    for (int i = 0; i <= AGENTS; i++) free(o->model[i]);
}

static struct outcome read_outcome(cgsv_federation *f)
{
    struct outcome o = {.bytes = (size_t)cgsv_federation_parameters(f) * sizeof(float)};
    check(cgsv_federation_evaluate(f));
    check(cgsv_federation_evaluation(f, o.agent, o.twin, &o.server));
    for (int t = 0; t < ROUNDS; t++) check(cgsv_federation_round(f, t, o.record[t]));
    for (int i = 0; i <= AGENTS; i++) {
        o.model[i] = malloc(o.bytes);
        cr_assert_not_null(o.model[i]);
        check(cgsv_federation_model(f, i < AGENTS ? CGSV_AGENT : CGSV_SERVER, i < AGENTS ? i : 0, o.model[i]));
    }
    return o;
}

/* The victim's place among the rows in training. */
static struct row *row_of_victim(cgsv_federation *f)
{
    for (int r = 0; r < f->fleet->rows; r++)
        if (f->fleet->device_row[r].agent == VICTIM) return &f->fleet->device_row[r];
    cr_assert_fail("no row of agent %d", VICTIM);
    return NULL;
}

/* Round `faulty` is trained with a learning rate, or a picture, that makes the victim's update what it must be. */
static struct outcome run(const cgsv_config *config, int faulty, enum cause cause)
{
    static const double lr[CAUSES] = {[NOT_A_NUMBER] = NAN, [INFINITE] = INFINITY, [DIVERGES] = 3e38};
    cgsv_federation *f;
    check(cgsv_federation_create(&f, device, config, data));
    check(cgsv_federation_run(f, faulty));
    struct row *row = row_of_victim(f), before = *row;
    float *pixel = &f->fleet->train_x[(int64_t)f->fleet->index[row->first] * FEW_SIDE * FEW_SIDE], was = *pixel;
    if (cause == PICTURE)
        *pixel = NAN;
    else
        row->lr = lr[cause];
    check(cgsv_federation_run(f, 1));
    *pixel = was;
    *row = before;
    check(cgsv_federation_run(f, ROUNDS - faulty - 1));
    const struct outcome o = read_outcome(f);
    cgsv_federation_free(f);
    return o;
}

static bool finite_all(const float *w, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *w; i++)
        if (!isfinite(w[i])) return false;
    return true;
}

static bool same_record(const cgsv_round_record *a, const cgsv_round_record *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* In its faulty round the victim's record tells the fault, and differs in what it has measured of itself. */
static void check_victim(const char *what, cgsv_round_record found, const cgsv_round_record *zero)
{
    if (zero->fault != CGSV_FAULT_ZERO) cr_expect(false, "%s: a zero update's fault is %g", what, zero->fault);
    if (isfinite(found.update_norm)) cr_expect(false, "%s: ‖Δw‖ = %g", what, found.update_norm);
    if (found.psi != 0 && zero->psi == 0) cr_expect(false, "%s: ψ = %g", what, found.psi);
    found.fault = zero->fault;
    found.update_norm = zero->update_norm;
    found.train_loss = zero->train_loss;
    if (!same_record(&found, zero)) cr_expect(false, "%s: not as with a zero update", what);
}

/* What has no meaning is NaN in all records: where no agent is given a loss or a distance. */
static void check_finite(const char *what, const cgsv_round_record *r)
{
    if (!(isfinite(r->update_norm) && isfinite(r->psi) && isfinite(r->importance) && isfinite(r->keep_ratio) &&
          isfinite(r->kept) && isfinite(r->distance) && isfinite(r->server_norm)))
        cr_expect(false, "%s: a record that is not finite", what);
}

static long faults;

/* What the agent itself is left with when it keeps its own training, and what others see of it later. */
static bool differs_by_definition(const char *scheme, enum cause cause)
{
    return strcmp(scheme, "standalone") == 0 || /* its model goes on from its own, and stays faulty */
           (strcmp(scheme, "qffl") == 0 && cause == PICTURE); /* who has no loss before training is left out */
}

/* Whose updates were not finite, in which rounds. */
struct faulty {
    int agent, first, last;
};

static void check_records(const char *what, struct faulty who, bool differs, const struct outcome *o,
                          const struct outcome *zero)
{
    char where[192];
    for (int t = 0; t < ROUNDS; t++)
        for (int i = 0; i < AGENTS; i++) {
            const bool faulty = i == who.agent && t >= who.first && t <= who.last;
            snprintf(where, sizeof where, "%s: round %d, agent %d", what, t, i);
            if (i != who.agent) check_finite(where, &o->record[t][i]);
            if (faulty && o->record[t][i].fault != CGSV_FAULT_NOT_FINITE)
                cr_expect(false, "%s: fault %g", where, o->record[t][i].fault);
            if (differs) continue;
            if (faulty)
                check_victim(where, o->record[t][i], &zero->record[t][i]);
            else if (!same_record(&o->record[t][i], &zero->record[t][i]))
                cr_expect(false, "%s: other records than with a zero update", where);
        }
}

static void check_models(const char *what, struct faulty who, bool alone, bool differs, const struct outcome *o,
                         const struct outcome *zero)
{
    for (int i = 0; i <= AGENTS; i++) {
        if (alone && i == who.agent) continue;
        if (!finite_all(o->model[i], o->bytes)) cr_expect(false, "%s: model %d is not finite", what, i);
        if ((alone ? i < AGENTS : !differs) && memcmp(o->model[i], zero->model[i], o->bytes) != 0)
            cr_expect(false, "%s: model %d is not as with a zero update", what, i);
    }
}

static void check_outcome(const char *scheme, const char *what, struct faulty who, bool differs, struct outcome *o,
                          const struct outcome *zero)
{
    check_records(what, who, differs, o, zero);
    check_models(what, who, strcmp(scheme, "standalone") == 0, differs, o, zero);
    faults += who.last - who.first + 1;
    outcome_free(o);
}

Test(not_finite, in_every_round_under_every_scheme)
{
    for (int s = 0; s < cgsv_scheme_count(); s++) {
        const char *name = cgsv_scheme_name(s);
        const cgsv_config config = config_of(name);
        for (int faulty = 0; faulty < ROUNDS; faulty++) {
            struct outcome zero = run(&config, faulty, ZERO);
            for (int cause = NOT_A_NUMBER; cause < CAUSES; cause++) {
                struct outcome o = run(&config, faulty, (enum cause)cause);
                char what[128];
                snprintf(what, sizeof what, "%s, %s in round %d", name, cause_names[cause], faulty);
                check_outcome(name, what, (struct faulty){VICTIM, faulty, faulty},
                              differs_by_definition(name, (enum cause)cause), &o, &zero);
            }
            outcome_free(&zero);
        }
    }
    fprintf(stderr, "%ld updates that were not finite, under %d schemes\n", faults, cgsv_scheme_count());
}

/* ---- an adversary that overflows ---- */

static struct outcome run_with(const char *scheme, const char *adversary, double factor)
{
    cgsv_federation *f;
    cgsv_config config = config_of(scheme);
    check(cgsv_adversaries_parse(&config.adversaries, adversary));
    config.adversaries.factor = factor;
    check(cgsv_federation_create(&f, device, &config, data));
    check(cgsv_federation_run(f, ROUNDS));
    const struct outcome o = read_outcome(f);
    cgsv_federation_free(f);
    return o;
}

Test(not_finite, overflowing_adversary)
{
    for (int s = 0; s < cgsv_scheme_count(); s++) {
        const char *name = cgsv_scheme_name(s);
        struct outcome zero = run_with(name, "zero-update:1", 1), o = run_with(name, "rescaled:1", 1e300);
        check_outcome(name, name, (struct faulty){0, 0, ROUNDS - 1}, strcmp(name, "standalone") == 0, &o, &zero);
        outcome_free(&zero);
    }
}

/* ---- twins ---- */

/* The twins of the others train as ever, and the victim's own is not finite from its faulty round on, which says so in
 * its loss. Samples that a NaN model classifies are counted as wrong. */
static void check_twins(int faulty)
{
    cgsv_config config = config_of("cgsv");
    config.standalone = true;
    struct outcome zero = run(&config, faulty, ZERO), o = run(&config, faulty, PICTURE);
    for (int i = 0; i < AGENTS; i++) {
        if (i != VICTIM)
            cr_expect_eq(memcmp(&o.twin[i], &zero.twin[i], sizeof *o.twin), 0, "round %d: twin %d", faulty, i);
        cr_expect(isfinite(zero.twin[i].loss));
    }
    cr_expect(isnan(o.twin[VICTIM].loss), "round %d: the victim's twin has loss %g", faulty, o.twin[VICTIM].loss);
    cr_expect_eq(o.twin[VICTIM].accuracy, 0, "round %d: accuracy %g", faulty, o.twin[VICTIM].accuracy);
    check_outcome("cgsv", "with twins", (struct faulty){VICTIM, faulty, faulty}, false, &o, &zero);
    outcome_free(&zero);
}

Test(not_finite, twins)
{
    for (int faulty = 0; faulty < ROUNDS; faulty++) check_twins(faulty);
}
