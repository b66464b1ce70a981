/* An agent whose update is not finite in one round: under every scheme, in every round, whatever made it so.
 * It is reported and counts for nothing, so all others must fare, bit for bit, as if its update had been zero. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "federation/internal.h"
#include "few_pictures.h"

enum { SAMPLES = 60, AGENTS = 4, ROUNDS = 3, VICTIM = 2 };

enum cause { ZERO, NOT_A_NUMBER, INFINITE, DIVERGES, PICTURE, CAUSES };
static const char *const cause_names[CAUSES] = {"zero", "NaN", "infinity", "diverging", "NaN picture"};

static cgsv_dataset *data;
static cgsv_device *device;

static void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

static void set_up(void)
{
    check(few_pictures(&data, SAMPLES));
    check(cgsv_device_open(&device, "cpu", 1));
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
    cgsv_evaluation agent[AGENTS], server;
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
    check(cgsv_federation_evaluation(f, o.agent, NULL, &o.server));
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

static void check_round(const char *name, const cgsv_config *config, int faulty, enum cause cause,
                        const struct outcome *zero)
{
    struct outcome o = run(config, faulty, cause);
    char what[128];
    const bool alone = strcmp(name, "standalone") == 0, differs = differs_by_definition(name, cause);
    for (int t = 0; t < ROUNDS; t++)
        for (int i = 0; i < AGENTS; i++) {
            snprintf(what, sizeof what, "%s, %s in round %d: round %d, agent %d", name, cause_names[cause], faulty, t,
                     i);
            if (i != VICTIM) check_finite(what, &o.record[t][i]);
            if (i == VICTIM && t == faulty && o.record[t][i].fault != CGSV_FAULT_NOT_FINITE)
                cr_expect(false, "%s: fault %g", what, o.record[t][i].fault);
            if (differs) continue;
            if (i == VICTIM && t == faulty)
                check_victim(what, o.record[t][i], &zero->record[t][i]);
            else if (!same_record(&o.record[t][i], &zero->record[t][i]))
                cr_expect(false, "%s: other records than with a zero update", what);
        }
    for (int i = 0; i <= AGENTS; i++) {
        snprintf(what, sizeof what, "%s, %s in round %d: model %d", name, cause_names[cause], faulty, i);
        if (alone && i == VICTIM) continue;
        if (!finite_all(o.model[i], o.bytes)) cr_expect(false, "%s: not finite", what);
        if (alone ? i < AGENTS : !differs)
            if (memcmp(o.model[i], zero->model[i], o.bytes) != 0)
                cr_expect(false, "%s: not as with a zero update", what);
    }
    faults++;
    outcome_free(&o);
}

Test(not_finite, in_every_round_under_every_scheme)
{
    for (int s = 0; s < cgsv_scheme_count(); s++) {
        const char *name = cgsv_scheme_name(s);
        const cgsv_config config = config_of(name);
        for (int faulty = 0; faulty < ROUNDS; faulty++) {
            struct outcome zero = run(&config, faulty, ZERO);
            for (int cause = NOT_A_NUMBER; cause < CAUSES; cause++)
                check_round(name, &config, faulty, (enum cause)cause, &zero);
            outcome_free(&zero);
        }
    }
    fprintf(stderr, "%ld updates that were not finite, under %d schemes\n", faults, cgsv_scheme_count());
}
