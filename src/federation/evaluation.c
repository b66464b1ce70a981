/* Evaluating a fleet's models on the test split. */
#include "federation/internal.h"
#include "federation/scheme.h"

static struct sample_set test_set(const cgsv_fleet *f)
{
    return (struct sample_set){{f->test_x, f->test_token, f->test_length, f->test_y}, NULL, f->test_samples};
}

/* An update is exact, so that the model that has been trained is the sum, bit for bit (of a rounded one: the model
 * that it leads to); but who trains alone has taken
 * its place in W by then. */
struct moved_models trained_models(const cgsv_federation *m)
{
    const cgsv_fleet *f = m->fleet;
    const int64_t ld = f->model.row_stride;
    const size_t first = (size_t)m->number * (size_t)f->agents * (size_t)ld;
    const void *update = (const char *)f->updates + first * update_size(m->config.update_storage);
    return (struct moved_models){.from = f->models + (ptrdiff_t)m->number * (f->agents + 1) * ld, .from_stride = ld,
                                 .update = scheme_trains_alone(&m->config.scheme) ? NULL : update,
                                 .update_stride = ld, .rows = f->agents, .storage = m->config.update_storage};
}

cgsv_status evaluate_trained(cgsv_fleet *f)
{
    struct loss_sums *sums = f->test_sums + fleet_models(f) + fleet_twins(f);
    TRY(f->device->backend->phase(f->device, PHASE_EVALUATION));
    TRY(profile_hold(f->device, STAGE_EVALUATION));
    for (int m = 0; m < f->federations; m++)
        if (scheme_may_end_alike(&f->federation[m].config.scheme))
            TRY(evaluate_moved(f, sums + (ptrdiff_t)m * f->agents, trained_models(&f->federation[m]), test_set(f)));
    f->trained_round = f->rounds_done + 1;
    return profile_release(f->device);
}

cgsv_status cgsv_fleet_evaluate(cgsv_fleet *f)
{
    const struct device_backend *backend = f->device->backend;
    TRY(backend->phase(f->device, PHASE_EVALUATION));
    TRY(profile_hold(f->device, STAGE_EVALUATION));
    TRY(evaluate_models(f, f->test_sums, f->models, fleet_models(f) + fleet_twins(f), test_set(f)));
    TRY(profile_release(f->device));
    f->evaluated_round = f->rounds_done;
    return backend->phase(f->device, PHASE_IDLE);
}
