#include "federation/scores.h"

#include <string.h>

#include "federation/internal.h"
#include "federation/scheme.h"

/* The index that a contribution is; -1: none. */
static int index_kind(cgsv_contribution contribution)
{
    switch (contribution) {
    case CGSV_CONTRIBUTION_INDEX: return COALITION_INDEX_MULTI_ROUND;
    case CGSV_CONTRIBUTION_INDEX_ONE_ROUND: return COALITION_INDEX_ONE_ROUND;
    case CGSV_CONTRIBUTION_LEAVE_ONE_OUT: return COALITION_INDEX_LEAVE_ONE_OUT;
    default: return -1;
    }
}

static struct coalition_options options_of(const cgsv_config *c, int kind)
{
    return (struct coalition_options){.index = (enum contribution_index)kind, .discount = 1, .seed = c->seed,
                                      .permutations = kind == COALITION_INDEX_LEAVE_ONE_OUT ? 0
                                                                                            : c->scheme.permutations};
}

cgsv_status scores_check(const cgsv_config *c, bool own_validation)
{
    const int kind = index_kind(c->scheme.contribution);
    if (!scheme_takes_scores(&c->scheme)) return CGSV_OK;
    if (!(c->validation_fraction > 0) && !own_validation)
        return error_set(CGSV_ERROR_ARGUMENT, "contribution '%s' is measured on samples kept aside, and "
                         "validation-fraction is 0; set it to more than 0, say 0.1",
                         cgsv_contribution_name(c->scheme.contribution));
    if (kind < 0) return CGSV_OK;
    const struct coalition_options options = options_of(c, kind);
    return coalition_check(&options, c->agents);
}

/* The first federation that needs an index of this kind, NULL for none. */
static const cgsv_federation *who_needs(const cgsv_fleet *f, int kind)
{
    for (int m = 0; m < f->federations; m++)
        if (index_kind(f->federation[m].config.scheme.contribution) == kind) return &f->federation[m];
    return NULL;
}

static size_t numbers_bytes(const cgsv_fleet *f) { return (size_t)fleet_agents(f) * sizeof(double); }

size_t scores_bytes(const cgsv_fleet *f)
{
    size_t bytes = 0;
    if (f->needs & NEEDS_SCORES) bytes += numbers_bytes(f);
    if (f->needs & NEEDS_LOSSES) bytes += numbers_bytes(f);
    for (int kind = 0; kind < INDEX_KINDS; kind++) {
        const cgsv_federation *m = who_needs(f, kind);
        if (!m) continue;
        const struct coalition_options options = options_of(&m->config, kind);
        bytes += coalition_bytes(f->device, &f->model, f->federations, f->agents, &options);
    }
    return bytes;
}

cgsv_status scores_create(cgsv_fleet *f)
{
    struct scores *s = &f->scores;
    const struct device_backend *backend = f->device->backend;
    if (f->needs & NEEDS_SCORES) TRY(backend->allocate(f->device, (void **)&s->score, numbers_bytes(f)));
    if (f->needs & NEEDS_LOSSES) TRY(backend->allocate(f->device, (void **)&s->local_loss, numbers_bytes(f)));
    f->server.score = s->score;
    f->server.local_loss = s->local_loss;
    for (int m = 0; m < f->federations; m++)
        if (scheme_takes_scores(&f->federation[m].config.scheme))
            TRY(validation_check(validation_set(&f->federation[m]).samples));
    for (int kind = 0; kind < INDEX_KINDS; kind++) {
        const cgsv_federation *m = who_needs(f, kind);
        if (!m) continue;
        const struct coalition_options options = options_of(&m->config, kind);
        TRY(coalition_create(&s->index[kind], f->device, &f->model, f->federations, f->agents, &options));
        s->made[kind] = true;
    }
    return CGSV_OK;
}

void scores_free(cgsv_fleet *f)
{
    struct scores *s = &f->scores;
    for (int kind = 0; kind < INDEX_KINDS; kind++)
        if (s->made[kind]) coalition_free(&s->index[kind]);
    f->device->backend->release(f->device, s->score);
    f->device->backend->release(f->device, s->local_loss);
    memset(s, 0, sizeof *s);
}

cgsv_status scores_losses(cgsv_fleet *f)
{
    if (!(f->needs & NEEDS_LOSSES)) return CGSV_OK;
    TRY(profile_hold(f->device, STAGE_VALIDATION));
    TRY(local_losses(f, f->scores.local_loss));
    return profile_release(f->device);
}

static double *score_of(const cgsv_federation *m)
{
    return m->fleet->scores.score + (ptrdiff_t)m->number * m->fleet->agents;
}

cgsv_status scores_trained(cgsv_fleet *f)
{
    if (!(f->needs & NEEDS_SCORES)) return CGSV_OK;
    TRY(profile_hold(f->device, STAGE_VALIDATION));
    for (int m = 0; m < f->federations; m++)
        if (f->federation[m].config.scheme.contribution == CGSV_CONTRIBUTION_RANK)
            TRY(trained_accuracy(&f->federation[m], score_of(&f->federation[m]), NULL));
    return profile_release(f->device);
}

/* CFFL: accuracies of the server's model with each agent's upload alone. */
static cgsv_status try_uploads(cgsv_federation *m, double *score, const struct server_step *step)
{
    const int64_t first = (int64_t)m->number * step->agents;
    const struct moved_models tried = {.from = step->server_model + m->number * step->model_block,
                                       .update = (const float *)step->update + first * step->update_stride,
                                       .update_stride = step->update_stride, .rows = step->agents};
    return moved_accuracy(m, score, NULL, tried);
}

static cgsv_status score_member(cgsv_federation *m, const struct server_step *step)
{
    cgsv_fleet *f = m->fleet;
    double *score = score_of(m);
    const int kind = index_kind(m->config.scheme.contribution);
    if (kind >= 0) {
        const struct coalition_inputs inputs = coalition_inputs_of(m, step);
        f->scores.index[kind].options.seed = m->config.seed;
        return coalition_index(&f->scores.index[kind], score, m->number, &inputs);
    }
    if (m->config.scheme.contribution == CGSV_CONTRIBUTION_VALIDATION) return try_uploads(m, score, step);
    return CGSV_OK;
}

cgsv_status scores_run(cgsv_fleet *f, const struct server_step *step)
{
    if (!(f->needs & NEEDS_SCORES)) return CGSV_OK;
    TRY(profile_hold(f->device, STAGE_VALIDATION));
    for (int m = 0; m < f->federations; m++) TRY(score_member(&f->federation[m], step));
    return profile_release(f->device);
}
