#include "cli/paper_plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/file.h"

/* ---- the protocol ---- */

enum { RUNTIME_ROUNDS = 5, EXACT_INDEX_AGENTS = 10, MOST_PUBLISHED_AGENTS = 3 };
#define ALL_PARTITIONS "uniform,powerlaw,classimbalance"

/* What cgsv_config_defaults does not say about the published experiments, and what --quick makes of them:
 * rounds, samples per agent, and where the published learning rate needs many rounds, another one.
 * Texts have no partition by classes (the published code's main.py). */
static const struct protocol {
    const char *data_set, *agents, *partitions, *quick_rounds, *quick_samples, *quick_lr;
} protocols[] = {
    {"synthetic", "5", ALL_PARTITIONS, "5", "150", NULL},
    {"mnist", "5,10", ALL_PARTITIONS, "5", "150", "0.15"},
    {"cifar10", "10", ALL_PARTITIONS, "5", "200", NULL},
    {"mr", "5", "powerlaw", "5", "200", "1e-3"},
    {"sst", "5", "powerlaw", "5", "200", "1e-3"},
};
static const struct protocol other = {NULL, "5", "powerlaw", "5", "200", NULL};
enum { PROTOCOLS = sizeof protocols / sizeof *protocols };

static const struct protocol *protocol_of(const char *data_set)
{
    for (int i = 0; i < PROTOCOLS; i++)
        if (strcmp(protocols[i].data_set, data_set) == 0) return &protocols[i];
    return &other;
}

/* ---- arguments ---- */

static cgsv_status add(struct paper_sweep *s, const char *name, const char *value)
{
    if (!value) return CGSV_OK;
    char **at = &s->argument[s->arguments];
    if (asprintf(&at[0], "--%s", name) < 0) at[0] = NULL;
    at[1] = strdup(value);
    s->arguments += 2;
    return at[0] && at[1] ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the arguments of a sweep");
}

static const char *first_of(const char *a, const char *b) { return a ? a : b; }

/* Settings that the sweeps of a data set have in common. */
static cgsv_status add_settings(struct paper_sweep *s, const struct paper_options *o, const struct protocol *p)
{
    char agents[16];
    snprintf(agents, sizeof agents, "%d", s->agents);
    TRY(add(s, "data-set", s->data_set));
    TRY(add(s, "agents", agents));
    TRY(add(s, "seed", o->seeds));
    TRY(add(s, "model", o->model));
    TRY(add(s, "lr", first_of(o->lr, o->quick ? p->quick_lr : NULL)));
    TRY(add(s, "local-epochs", o->local_epochs));
    TRY(add(s, "samples-per-agent", first_of(o->samples_per_agent, o->quick ? p->quick_samples : NULL)));
    TRY(add(s, "eval-every", "0"));
    TRY(add(s, "data", o->data));
    TRY(add(s, "device", o->device));
    TRY(add(s, "threads", o->threads));
    return add(s, "memory", o->memory);
}

/* Beyond ten agents all coalitions of a contribution index are too many; as many orders as agents are sampled. */
static cgsv_status add_schemes(struct paper_sweep *s, const struct paper_options *o)
{
    char permutations[16];
    TRY(add(s, "scheme", o->schemes));
    TRY(add(s, "validation-samples", first_of(o->validation_samples, "100")));
    if (s->agents <= EXACT_INDEX_AGENTS) return CGSV_OK;
    snprintf(permutations, sizeof permutations, "%d", s->agents);
    return add(s, "permutations", permutations);
}

/* Alone, so that the seconds are the scheme's own, without twins, and for a few rounds. */
static cgsv_status add_runtime(struct paper_sweep *s, const struct paper_options *o, const char *partitions,
                               const char *rounds)
{
    char partition[32], few[16];
    const long wanted = rounds ? strtol(rounds, NULL, 10) : RUNTIME_ROUNDS;
    snprintf(partition, sizeof partition, "%.*s", (int)strcspn(partitions, ","), partitions);
    snprintf(few, sizeof few, "%ld", wanted > 0 && wanted < RUNTIME_ROUNDS ? wanted : RUNTIME_ROUNDS);
    TRY(add_schemes(s, o));
    TRY(add(s, "partition", partition));
    TRY(add(s, "rounds", few));
    TRY(add(s, "fleet", "1"));
    s->argument[s->arguments++] = strdup("--no-standalone");
    return s->argument[s->arguments - 1] ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for a sweep");
}

static cgsv_status add_part(struct paper_sweep *s, const struct paper_options *o, const struct protocol *p)
{
    const char *partitions = first_of(o->partitions, p->partitions);
    const char *rounds = first_of(o->rounds, o->quick ? p->quick_rounds : NULL);
    if (s->part == PAPER_RUNTIME) return add_runtime(s, o, partitions, rounds);
    TRY(add(s, "partition", partitions));
    TRY(add(s, "rounds", rounds));
    TRY(add(s, "fleet", o->fleet));
    return s->part == PAPER_BETA ? add(s, "beta", o->betas) : add_schemes(s, o);
}

/* ---- the plan ---- */

static cgsv_status add_sweep(struct paper_plan *plan, const struct paper_options *o, enum paper_part part,
                             const char *data_set, int agents)
{
    static const char *const names[PAPER_PARTS] = {"fairness", "fairness", "runtime", "beta", "study"};
    struct paper_sweep *s = &plan->sweep[plan->sweeps++];
    const struct protocol *p = protocol_of(data_set);
    *s = (struct paper_sweep){.part = part, .data_set = data_set, .agents = agents};
    snprintf(s->name, sizeof s->name, "%s-%d-%s", data_set, agents, names[part]);
    TRY(add_settings(s, o, p));
    TRY(add_part(s, o, p));
    TRY(sweep_options_parse(&s->options, s->arguments, s->argument));
    return sweep_cell_config(&s->config, &s->options, 0);
}

static cgsv_status add_data_set(struct paper_plan *plan, const struct paper_options *o, const char *data_set)
{
    struct number_list published = {.low = 1, .high = 1 << 20};
    const struct number_list *agents = &o->agents;
    if (agents->count == 0) {
        TRY(number_list_parse(&published, protocol_of(data_set)->agents));
        agents = &published;
    }
    for (int i = 0; i < agents->count; i++) {
        const int n = (int)agents->number[i];
        if (o->part[PAPER_FAIRNESS] || o->part[PAPER_ACCURACY])
            TRY(add_sweep(plan, o, PAPER_FAIRNESS, data_set, n));
        if (o->part[PAPER_BETA] && i == 0) TRY(add_sweep(plan, o, PAPER_BETA, data_set, n));
        if (o->part[PAPER_RUNTIME]) TRY(add_sweep(plan, o, PAPER_RUNTIME, data_set, n));
    }
    return CGSV_OK;
}

cgsv_status paper_plan_make(struct paper_plan *plan, const struct paper_options *o)
{
    const size_t numbers = o->agents.count > 0 ? (size_t)o->agents.count : MOST_PUBLISHED_AGENTS;
    const size_t most = (size_t)o->data_sets * numbers * 3;
    *plan = (struct paper_plan){.sweep = calloc(most ? most : 1, sizeof *plan->sweep)};
    if (!plan->sweep) return error_set(CGSV_ERROR_MEMORY, "no memory for %zu sweeps", most);
    for (int i = 0; i < o->data_sets; i++) TRY(add_data_set(plan, o, o->data_set[i]));
    return CGSV_OK;
}

void paper_plan_free(struct paper_plan *plan)
{
    for (int i = 0; i < plan->sweeps; i++) {
        struct paper_sweep *s = &plan->sweep[i];
        for (int k = 0; k < s->arguments; k++) free(s->argument[k]);
        sweep_options_free(&s->options);
    }
    free(plan->sweep);
    *plan = (struct paper_plan){0};
}

cgsv_status paper_sweep_folder(char **path, const char *out, const struct paper_sweep *sweep)
{
    char name[PAPER_NAME + 8];
    snprintf(name, sizeof name, "sweeps/%s", sweep->name);
    return file_join(path, out, name);
}

/* ---- settings for people ---- */

static void print_change(FILE *stream, const char *name, double ours, double published)
{
    if (ours != published) fprintf(stream, "; %s %g instead of %g", name, ours, published);
}

/* A cap of 0 is none. */
static const char *cap_text(char text[32], int samples)
{
    snprintf(text, 32, samples > 0 ? "at most %d" : "all", samples);
    return text;
}

static void print_settings(FILE *stream, const struct paper_sweep *s)
{
    const cgsv_config *c = &s->config;
    cgsv_config published;
    char cap[32], published_cap[32];
    cgsv_config_defaults(&published, s->data_set);
    cap_text(cap, c->samples_per_agent);
    cap_text(published_cap, published.samples_per_agent);
    fprintf(stream,
            "- %s: %s, rounds %d, local epochs %d, batch %d, %s, learning rate %g, decay %g per %s, gamma %g, "
            "alpha %g, beta %g, samples per agent %s", s->data_set, cgsv_model_name(c->model), c->rounds,
            c->local_epochs, c->batch, cgsv_optimizer_name(c->optimizer), c->lr, c->lr_decay,
            cgsv_decay_name(c->decay_per), c->gamma, c->alpha, c->beta, cap);
    if (c->model != published.model)
        fprintf(stream, "; model %s instead of %s", cgsv_model_name(c->model), cgsv_model_name(published.model));
    print_change(stream, "rounds", c->rounds, published.rounds);
    print_change(stream, "learning rate", c->lr, published.lr);
    print_change(stream, "local epochs", c->local_epochs, published.local_epochs);
    if (strcmp(cap, published_cap) != 0) fprintf(stream, "; samples per agent %s instead of %s", cap, published_cap);
    if (strcmp(s->data_set, "synthetic") == 0) fputs("; no data set of the paper, built in", stream);
    if (strcmp(s->data_set, "mnist") == 0 && c->lr == published.lr)
        fputs("; at the published learning rate of 0.001 models learn little in few rounds, --lr 0.15 is the other one "
              "of the published code", stream);
    fputs(".\n", stream);
}

void paper_plan_print_settings(FILE *stream, const struct paper_plan *plan)
{
    const char *last = NULL;
    for (int i = 0; i < plan->sweeps; i++) {
        const struct paper_sweep *s = &plan->sweep[i];
        if (s->part == PAPER_RUNTIME || s->data_set == last) continue;
        print_settings(stream, s);
        last = s->data_set;
    }
}
