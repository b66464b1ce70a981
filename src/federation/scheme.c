/* Reward schemes: the table of named ones, names of the stages' choices, checks. */
#include <math.h>

#include "core/names.h"
#include "federation/config.h"
#include "federation/scheme.h"

static const char *const normalises[] = {"rescale", "clip", "none", "clip-entries"};
static const char *const weights[] = {"importance", "size", "uniform", "sum", "loss"};
static const char *const contributions[] = {"cosine",          "exact",         "euclidean",  "size", "index",
                                            "index-one-round", "leave-one-out", "validation", "rank", "random"};
static const char *const similarities[] = {"inverse", "share"};
static const char *const importance_rules[] = {"average", "removal", "sinh", "fixed"};
static const char *const quotas[] = {"tanh", "linear", "cffl", "all", "none", "random"};
static const char *const rewards[] = {"layer", "global", "random", "full"};
static const char *const storages[] = {"float32", "bf16"};
static const char *const own_updates[] = {"dropped", "kept", "minus-share"};
enum { SELECTIONS = CGSV_REWARD_GLOBAL + 1, EXACT_AGENTS = 20 };

NAMED_CHOICE(normalise, normalises, cgsv_normalise)
NAMED_CHOICE(weights, weights, cgsv_weights)
NAMED_CHOICE(contribution, contributions, cgsv_contribution)
NAMED_CHOICE(similarity, similarities, cgsv_similarity)
NAMED_CHOICE(importance_rule, importance_rules, cgsv_importance_rule)
NAMED_CHOICE(quota, quotas, cgsv_quota)
NAMED_CHOICE(own_update, own_updates, cgsv_own_update)
NAMED_CHOICE(storage, storages, cgsv_storage)

const char *cgsv_reward_name(cgsv_reward reward) { return name_of(rewards, NAMES(rewards), (int)reward); }

static cgsv_status parse_reward(cgsv_reward *reward, const char *name, int known)
{
    int index;
    TRY(name_parse(&index, "reward", name, rewards, known));
    *reward = (cgsv_reward)index;
    return CGSV_OK;
}

cgsv_status cgsv_reward_parse(cgsv_reward *reward, const char *name) { return parse_reward(reward, name, SELECTIONS); }

cgsv_status cgsv_realise_parse(cgsv_reward *reward, const char *name)
{
    return parse_reward(reward, name, NAMES(rewards));
}

/* What all of FedAvg's kin have in common: contributions are measured, but everyone downloads g. */
#define EVERYONE_GETS_ALL \
    .normalise = CGSV_NORMALISE_NONE, .quota = CGSV_QUOTA_ALL, .reward = CGSV_REWARD_FULL

/* alpha: the scheme's own, or 0 for that of the configuration. What a row leaves out is CGSV's. Sources of
 * "as cgsv, but": only the names of these comparisons are published; see the stages for the reading taken. */
static const struct {
    const char *name, *help, *source;
    double alpha;
    cgsv_scheme scheme;
} schemes[] = {
    {.name = "cgsv", .help = "rewards by cosine with the aggregate", .source = "Xu et al., NeurIPS 2021"},
    {.name = "cgsv-exact", .help = "cgsv with exact cosine gradient Shapley values, up to 20 agents",
     .source = "Xu et al., NeurIPS 2021, section 3.1", .scheme = {.contribution = CGSV_CONTRIBUTION_EXACT}},
    {.name = "standalone", .help = "every agent alone, nothing is downloaded", .source = "baseline",
     .scheme = {.normalise = CGSV_NORMALISE_NONE, .quota = CGSV_QUOTA_NONE, .own_update = CGSV_OWN_KEPT}},
    {.name = "fedavg", .help = "the mean of the models weighted by samples, for everyone",
     .source = "McMahan et al., AISTATS 2017", .scheme = {EVERYONE_GETS_ALL, .weights = CGSV_WEIGHTS_SIZE}},
    {.name = "fedavg-uniform", .help = "the plain mean of the models, for everyone",
     .source = "McMahan et al., AISTATS 2017", .scheme = {EVERYONE_GETS_ALL, .weights = CGSV_WEIGHTS_UNIFORM}},
    {.name = "fedprox", .help = "fedavg with a proximal term in local training (--mu)",
     .source = "Li et al., MLSys 2020", .scheme = {EVERYONE_GETS_ALL, .weights = CGSV_WEIGHTS_SIZE, .mu = 0.01}},
    {.name = "qffl", .help = "fedavg that weighs agents by their loss (--q, --lipschitz)",
     .source = "Li et al., ICLR 2020, q-FedAvg", .scheme = {EVERYONE_GETS_ALL, .weights = CGSV_WEIGHTS_LOSS, .q = 1}},
    {.name = "cffl", .help = "rewards by validation accuracy, punishing the lowest",
     .source = "Lyu et al., Federated Learning, 2020; its code's MNIST setting", .alpha = 0.8,
     .scheme = {.normalise = CGSV_NORMALISE_ENTRIES, .clip = 0.01, .upload = 1, .weights = CGSV_WEIGHTS_SUM,
                .contribution = CGSV_CONTRIBUTION_VALIDATION, .importance = CGSV_IMPORTANCE_SINH, .sinh_scale = 5,
                .sinh_growth = 1, .removal = 1.0 / 3, .quota = CGSV_QUOTA_CFFL, .reward = CGSV_REWARD_RANDOM,
                .own_update = CGSV_OWN_MINUS_SHARE}},
    {.name = "rffl", .help = "cgsv that keeps the own update and removes who disagrees",
     .source = "Xu and Lyu, ICML workshop 2021, its code",
     .scheme = {.normalise = CGSV_NORMALISE_CLIP, .importance = CGSV_IMPORTANCE_REMOVAL, .removal = 1.0 / 3,
                .removal_round = 10, .quota = CGSV_QUOTA_LINEAR, .own_update = CGSV_OWN_KEPT}},
    {.name = "eci", .help = "as cgsv, but by the contribution index of each round",
     .source = "index: Song et al., IEEE Big Data 2019", .scheme = {.contribution = CGSV_CONTRIBUTION_INDEX}},
    {.name = "eci-one-round", .help = "as cgsv, but by the contribution index of all rounds together",
     .source = "index: Song et al., IEEE Big Data 2019", .scheme = {.contribution = CGSV_CONTRIBUTION_INDEX_ONE_ROUND}},
    {.name = "euclidean", .help = "as cgsv, but by distance to the aggregate (--similarity)",
     .source = "comparison in Xu et al., NeurIPS 2021", .scheme = {.contribution = CGSV_CONTRIBUTION_EUCLIDEAN}},
    {.name = "dw", .help = "rewards by the number of samples; fedavg where these are equal",
     .source = "comparison in Xu et al., NeurIPS 2021",
     .scheme = {.normalise = CGSV_NORMALISE_NONE, .weights = CGSV_WEIGHTS_SIZE,
                .contribution = CGSV_CONTRIBUTION_SIZE, .importance = CGSV_IMPORTANCE_FIXED,
                .quota = CGSV_QUOTA_LINEAR}},
    {.name = "rr", .help = "random rewards, drawn anew in every round",
     .source = "comparison in Xu et al., NeurIPS 2021",
     .scheme = {.normalise = CGSV_NORMALISE_NONE, .weights = CGSV_WEIGHTS_SIZE,
                .contribution = CGSV_CONTRIBUTION_SIZE, .importance = CGSV_IMPORTANCE_FIXED,
                .quota = CGSV_QUOTA_RANDOM}},
};

int cgsv_scheme_count(void) { return NAMES(schemes); }
const char *cgsv_scheme_name(int index) { return schemes[index].name; }
const char *cgsv_scheme_help(int index) { return schemes[index].help; }
const char *cgsv_scheme_source(int index) { return schemes[index].source; }

static cgsv_status find_scheme(int *index, const char *name)
{
    const char *names[NAMES(schemes)];
    for (int i = 0; i < NAMES(schemes); i++) names[i] = schemes[i].name;
    return name_parse(index, "scheme", name, names, NAMES(schemes));
}

cgsv_status cgsv_scheme_named(cgsv_scheme *scheme, const char *name)
{
    int index;
    TRY(find_scheme(&index, name));
    *scheme = schemes[index].scheme;
    return CGSV_OK;
}

cgsv_status cgsv_config_set_scheme(cgsv_config *config, const char *name)
{
    int index;
    TRY(find_scheme(&index, name));
    config->scheme = schemes[index].scheme;
    if (schemes[index].alpha > 0) config->alpha = schemes[index].alpha;
    return CGSV_OK;
}

static cgsv_status check_numbers(const cgsv_scheme *s)
{
    TRY(check_real("mu", s->mu, 0, true, 1e6, true));
    TRY(check_real("q", s->q, 0, true, 1e3, true));
    TRY(check_real("lipschitz", s->lipschitz, 0, true, 1e12, true));
    if (s->normalise == CGSV_NORMALISE_ENTRIES) TRY(check_real("clip", s->clip, 0, false, 1e6, true));
    TRY(check_real("upload", s->upload, 0, true, 1, true));
    if (s->importance == CGSV_IMPORTANCE_SINH) TRY(check_real("sinh-scale", s->sinh_scale, 0, false, 100, true));
    TRY(check_real("sinh-growth", s->sinh_growth, 0, true, 100, true));
    TRY(check_real("removal", s->removal, 0, true, 1e6, true));
    TRY(check_integer("removal-round", s->removal_round, 0, 1000000));
    return check_integer("permutations", s->permutations, 0, 1000000);
}

cgsv_status scheme_check(const cgsv_scheme *s, int agents)
{
    TRY(check_integer("normalise", s->normalise, 0, NAMES(normalises) - 1));
    TRY(check_integer("weights", s->weights, 0, NAMES(weights) - 1));
    TRY(check_integer("contribution", s->contribution, 0, NAMES(contributions) - 1));
    TRY(check_integer("similarity", s->similarity, 0, NAMES(similarities) - 1));
    TRY(check_integer("importance", s->importance, 0, NAMES(importance_rules) - 1));
    TRY(check_integer("quota", s->quota, 0, NAMES(quotas) - 1));
    TRY(check_integer("reward", s->reward, 0, NAMES(rewards) - 1));
    TRY(check_integer("own-update", s->own_update, 0, NAMES(own_updates) - 1));
    if (s->contribution == CGSV_CONTRIBUTION_EXACT && agents > EXACT_AGENTS)
        return error_set(CGSV_ERROR_ARGUMENT, "contribution 'exact' takes at most %d agents in a run, not %d: every "
                         "round would go through 2^%d coalitions; cosine and euclidean take any number", EXACT_AGENTS,
                         agents, agents);
    return check_numbers(s);
}

bool scheme_takes_scores(const cgsv_scheme *s)
{
    return s->contribution >= CGSV_CONTRIBUTION_INDEX && s->contribution <= CGSV_CONTRIBUTION_RANK;
}

bool scheme_trains_alone(const cgsv_scheme *s)
{
    return s->own_update == CGSV_OWN_KEPT && s->quota == CGSV_QUOTA_NONE && s->normalise != CGSV_NORMALISE_ENTRIES;
}

/* Equal quotas, as given to everyone or by equal numbers of samples. */
bool scheme_may_end_alike(const cgsv_scheme *s)
{
    return s->own_update == CGSV_OWN_DROPPED &&
           (s->quota == CGSV_QUOTA_ALL || s->contribution == CGSV_CONTRIBUTION_SIZE);
}

unsigned scheme_needs(const cgsv_scheme *s)
{
    unsigned needs = 0;
    if (s->contribution == CGSV_CONTRIBUTION_EXACT) needs |= NEEDS_EXACT;
    if (s->normalise == CGSV_NORMALISE_ENTRIES || (s->upload > 0 && s->upload < 1)) needs |= NEEDS_UPLOAD;
    if (s->own_update != CGSV_OWN_DROPPED) needs |= NEEDS_OWN;
    if (s->reward == CGSV_REWARD_RANDOM) needs |= NEEDS_KEYS;
    if (scheme_takes_scores(s)) needs |= NEEDS_SCORES;
    if (s->weights == CGSV_WEIGHTS_LOSS) needs |= NEEDS_LOSSES;
    return needs;
}

unsigned needs_with_storage(unsigned needs, cgsv_storage storage)
{
    return storage == CGSV_STORAGE_BF16 && (needs & (NEEDS_EXACT | NEEDS_SCORES)) ? needs | NEEDS_UPLOAD : needs;
}

struct mechanism mechanism_of(const cgsv_config *c)
{
    const int epochs = c->decay_per == CGSV_DECAY_EPOCH ? c->local_epochs : 1;
    return (struct mechanism){.gamma = c->gamma, .alpha = c->alpha, .beta = c->beta, .scheme = c->scheme,
                              .seed = c->seed, .lr = c->lr, .lr_decay = pow(c->lr_decay, epochs), .rounds = c->rounds,
                              .alone = scheme_trains_alone(&c->scheme)};
}
