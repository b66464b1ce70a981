/* The federations of a fleet: what they must have in common, what they share, and their
 * rows in training. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "federation/config.h"
#include "federation/internal.h"
#include "federation/scheme.h"
#include "federation/sentences.h"

enum { MOST_FEDERATIONS = 10000 };

/* ---- what all have in common ---- */

static cgsv_status check_same(const char *setting, double a, double b)
{
    if (a == b) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "%s is %g and %g; federations of one fleet have it in common", setting, a, b);
}

cgsv_status cgsv_fleet_alike(const cgsv_config *a, const cgsv_config *b)
{
    TRY(check_same("model", a->model, b->model));
    TRY(check_same("agents", a->agents, b->agents));
    TRY(check_same("rounds", a->rounds, b->rounds));
    TRY(check_same("local-epochs", a->local_epochs, b->local_epochs));
    TRY(check_same("batch", a->batch, b->batch));
    TRY(check_same("optimizer", a->optimizer, b->optimizer));
    TRY(check_same("momentum", a->momentum, b->momentum));
    TRY(check_same("weight-decay", a->weight_decay, b->weight_decay));
    TRY(check_same("augment", a->augment, b->augment));
    TRY(check_same("precision", a->precision, b->precision));
    TRY(check_same("updates", a->update_storage, b->update_storage));
    TRY(check_same("lr-decay", a->lr_decay, b->lr_decay));
    TRY(check_same("decay-per", a->decay_per, b->decay_per));
    TRY(check_same("reward", a->scheme.reward, b->scheme.reward));
    TRY(check_same("permutations", a->scheme.permutations, b->scheme.permutations));
    return check_same("eval-every", a->eval_every, b->eval_every);
}

/* ---- what they share ---- */

static bool same_split(const cgsv_config *a, const cgsv_config *b)
{
    return a->partition == b->partition && a->seed == b->seed && a->samples_per_agent == b->samples_per_agent &&
           a->validation_fraction == b->validation_fraction && a->validation_samples == b->validation_samples &&
           (a->partition != CGSV_PARTITION_DIRICHLET || a->dirichlet_concentration == b->dirichlet_concentration);
}

static double twin_lr(const cgsv_config *c) { return c->standalone_lr > 0 ? c->standalone_lr : c->lr; }

/* The split and twin set of federation m: those of an earlier one, or new ones. */
static void find_shared(cgsv_fleet *f, cgsv_federation *m)
{
    const cgsv_config *c = &m->config;
    m->split = m->twins = -1;
    for (int s = 0; s < f->splits && m->split < 0; s++)
        if (same_split(&f->federation[f->split[s].member].config, c)) m->split = s;
    if (m->split < 0) {
        m->split = f->splits++;
        f->split[m->split].member = m->number;
    }
    for (int t = 0; t < f->twin_sets && m->twins < 0 && c->standalone; t++) {
        const cgsv_federation *other = &f->federation[f->twins[t].member];
        if (other->split == m->split && twin_lr(&other->config) == twin_lr(c) &&
            adversaries_same_data(&other->config.adversaries, &c->adversaries, f->agents))
            m->twins = t;
    }
    if (m->twins < 0 && c->standalone) {
        m->twins = f->twin_sets++;
        f->twins[m->twins].member = m->number;
    }
}

cgsv_status members_create(cgsv_fleet *f, const cgsv_config *configs, int count)
{
    TRY(check_integer("the fleet's number of federations", count, 1, MOST_FEDERATIONS));
    for (int i = 0; i < count; i++) {
        TRY(config_check(&configs[i]));
        TRY(scores_check(&configs[i], f->validation.own_samples > 0));
        TRY(cgsv_fleet_alike(&configs[0], &configs[i]));
    }
    f->config = configs[0];
    f->federations = count;
    f->agents = configs[0].agents;
    f->federation = calloc((unsigned)count, sizeof *f->federation);
    f->split = calloc((unsigned)count, sizeof *f->split);
    f->twins = calloc((unsigned)count, sizeof *f->twins);
    if (!f->federation || !f->split || !f->twins)
        return error_set(CGSV_ERROR_MEMORY, "no memory for %d federations", count);
    for (int i = 0; i < count; i++) {
        f->federation[i] = (cgsv_federation){.fleet = f, .number = i, .config = configs[i]};
        find_shared(f, &f->federation[i]);
        f->needs |= scheme_needs(&configs[i].scheme);
    }
    return CGSV_OK;
}

void members_free(cgsv_fleet *f)
{
    for (int s = 0; s < f->splits; s++) partition_free(&f->split[s].partition);
    free(f->federation);
    free(f->split);
    free(f->twins);
    free(f->row);
    free(f->steps);
}

cgsv_status members_split(cgsv_fleet *f, const cgsv_dataset *data)
{
    int64_t first = 0;
    for (int s = 0; s < f->splits; s++) {
        struct split *split = &f->split[s];
        TRY(partition_create(&split->partition, &f->federation[split->member].config, data->train.y,
                             data->train.samples, data->classes));
        if (data->vocabulary > 0) TRY(sentences_sort_shards(&split->partition, data->train.length));
        split->first = first;
        first += split->partition.first[f->agents];
    }
    return CGSV_OK;
}

/* ---- rows ---- */

/* A row, and where it goes before rows are sorted: among equals, that order stays. */
struct candidate {
    struct row row;
    int number;
};

static int most_samples_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->row.samples != y->row.samples) return x->row.samples < y->row.samples ? 1 : -1;
    return x->number < y->number ? -1 : 1;
}

/* The rows of federation m's agents, or of their twins. Returns how many there are by then. */
static int add_rows(struct candidate *candidate, int count, const cgsv_fleet *f, const cgsv_federation *m, int twins)
{
    const struct split *split = &f->split[m->split];
    const int64_t *first = split->partition.first;
    for (int i = 0; i < f->agents; i++, count++) {
        const int64_t *own = first + adversary_holds(&m->config.adversaries, i);
        candidate[count] = (struct candidate){
            .row = {.agent = twins < 0 ? m->number * f->agents + i : -1,
                    .model = twins < 0 ? m->number * (f->agents + 1) + i : fleet_models(f) + twins * f->agents + i,
                    .samples = (int32_t)(own[1] - own[0]), .stream = i, .first = split->first + own[0],
                    .seed = m->config.seed, .lr = twins < 0 ? m->config.lr : twin_lr(&m->config),
                    .mu = twins < 0 ? m->config.scheme.mu : 0,
                    .alone = twins >= 0 || scheme_trains_alone(&m->config.scheme)},
            .number = count};
    }
    return count;
}

static cgsv_status allocate_rows(cgsv_fleet *f)
{
    f->rows = fleet_rows(f);
    f->row = calloc((size_t)f->rows, sizeof *f->row);
    f->steps = calloc((size_t)f->rows, sizeof *f->steps);
    return f->row && f->steps ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for %d rows", f->rows);
}

cgsv_status members_make_rows(cgsv_fleet *f)
{
    TRY(allocate_rows(f));
    struct candidate *all = calloc((size_t)f->rows, sizeof *all);
    if (!all) return error_set(CGSV_ERROR_MEMORY, "no memory for %d rows", f->rows);
    int count = 0;
    for (int i = 0; i < f->federations; i++) count = add_rows(all, count, f, &f->federation[i], -1);
    for (int t = 0; t < f->twin_sets; t++) count = add_rows(all, count, f, &f->federation[f->twins[t].member], t);
    qsort(all, (size_t)f->rows, sizeof *all, most_samples_first);
    for (int r = 0; r < f->rows; r++) {
        f->row[r] = all[r].row;
        f->steps[r] = (all[r].row.samples + f->config.batch - 1) / f->config.batch;
    }
    free(all);
    return CGSV_OK;
}
