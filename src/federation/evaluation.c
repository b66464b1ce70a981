/* Evaluating a fleet's models on the test split. */
#include "federation/internal.h"
#include "federation/scheme.h"

/* Agents and twins lie scattered among the rows in training; the gradients' memory is free
 * between rounds and takes them side by side. */
static cgsv_status gather(cgsv_fleet *f, int place, int row)
{
    const int64_t ld = f->model.row_stride;
    return f->device->backend->copy(f->device, f->gradient + place * ld, f->work + row * ld,
                                    (size_t)ld * sizeof *f->work);
}

static cgsv_status gather_twins(cgsv_fleet *f)
{
    for (int t = 0; t < f->twin_sets; t++)
        for (int i = 0; i < f->agents; i++) TRY(gather(f, t * f->agents + i, f->twins[t].row[i]));
    return CGSV_OK;
}

cgsv_status gather_agents(cgsv_federation *m)
{
    cgsv_fleet *f = m->fleet;
    const int first = m->number * f->agents;
    for (int r = 0; r < f->rows; r++)
        if (f->row[r].agent >= first && f->row[r].agent < first + f->agents)
            TRY(gather(f, f->row[r].agent - first, r));
    return CGSV_OK;
}

/* Of a federation's agents before the download. */
static cgsv_status evaluate_local(cgsv_federation *m, struct sample_set test)
{
    cgsv_fleet *f = m->fleet;
    struct loss_sums *sums = f->test_sums + fleet_models(f) + fleet_twins(f) + m->number * f->agents;
    TRY(gather_agents(m));
    return evaluate_models(f, sums, f->gradient, f->agents, test);
}

cgsv_status cgsv_fleet_evaluate(cgsv_fleet *f)
{
    const struct device_backend *backend = f->device->backend;
    const struct sample_set test = {{f->test_x, f->test_token, f->test_length, f->test_y}, NULL, f->test_samples};
    TRY(backend->phase(f->device, PHASE_EVALUATION));
    TRY(evaluate_models(f, f->test_sums, f->models, fleet_models(f), test));
    TRY(gather_twins(f));
    TRY(evaluate_models(f, f->test_sums + fleet_models(f), f->gradient, fleet_twins(f), test));
    for (int m = 0; m < f->federations; m++)
        if (scheme_may_end_alike(&f->federation[m].config.scheme)) TRY(evaluate_local(&f->federation[m], test));
    f->evaluated = true;
    return backend->phase(f->device, PHASE_IDLE);
}
