#include "federation/settings.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "core/numbers.h"

static void show_int(char *text, size_t size, const void *v) { snprintf(text, size, "%d", *(const int *)v); }
static void show_bool(char *text, size_t size, const void *v)
{
    snprintf(text, size, "%s", *(const bool *)v ? "on" : "off");
}
static void show_uint64(char *text, size_t size, const void *v)
{
    snprintf(text, size, "%" PRIu64, *(const uint64_t *)v);
}
static void show_double(char *text, size_t size, const void *v) { number_text(text, size, *(const double *)v); }

/* Its factor is a setting of its own. */
static void show_adversaries(char *text, size_t size, const void *v) { cgsv_adversaries_text(text, size, v); }

#define NAMED(noun, type)                                                 \
    static void show_##noun(char *text, size_t size, const void *v)       \
    {                                                                     \
        snprintf(text, size, "%s", cgsv_##noun##_name(*(const type *)v)); \
    }

NAMED(model, cgsv_model)
NAMED(partition, cgsv_partition)
NAMED(optimizer, cgsv_optimizer)
NAMED(augment, cgsv_augment)
NAMED(precision, cgsv_precision)
NAMED(storage, cgsv_storage)
NAMED(decay, cgsv_decay)
NAMED(normalise, cgsv_normalise)
NAMED(weights, cgsv_weights)
NAMED(contribution, cgsv_contribution)
NAMED(similarity, cgsv_similarity)
NAMED(importance_rule, cgsv_importance_rule)
NAMED(quota, cgsv_quota)
NAMED(reward, cgsv_reward)
NAMED(own_update, cgsv_own_update)

#define FIELD(name, member, show) {name, offsetof(cgsv_config, member), sizeof(((cgsv_config *)0)->member), show}

static const struct setting_field all[] = {
    FIELD("model", model, show_model),
    FIELD("partition", partition, show_partition),
    FIELD("dirichlet-concentration", dirichlet_concentration, show_double),
    FIELD("agents", agents, show_int),
    FIELD("samples-per-agent", samples_per_agent, show_int),
    FIELD("validation-fraction", validation_fraction, show_double),
    FIELD("validation-samples", validation_samples, show_int),
    FIELD("adversary", adversaries, show_adversaries),
    FIELD("adversary-factor", adversaries.factor, show_double),
    FIELD("rounds", rounds, show_int),
    FIELD("local-epochs", local_epochs, show_int),
    FIELD("batch", batch, show_int),
    FIELD("optimizer", optimizer, show_optimizer),
    FIELD("momentum", momentum, show_double),
    FIELD("weight-decay", weight_decay, show_double),
    FIELD("augment", augment, show_augment),
    FIELD("precision", precision, show_precision),
    FIELD("updates", update_storage, show_storage),
    FIELD("lr", lr, show_double),
    FIELD("lr-decay", lr_decay, show_double),
    FIELD("decay-per", decay_per, show_decay),
    FIELD("gamma", gamma, show_double),
    FIELD("alpha", alpha, show_double),
    FIELD("beta", beta, show_double),
    FIELD("normalise", scheme.normalise, show_normalise),
    FIELD("weights", scheme.weights, show_weights),
    FIELD("contribution", scheme.contribution, show_contribution),
    FIELD("similarity", scheme.similarity, show_similarity),
    FIELD("importance", scheme.importance, show_importance_rule),
    FIELD("quota", scheme.quota, show_quota),
    FIELD("realise", scheme.reward, show_reward),
    FIELD("own-update", scheme.own_update, show_own_update),
    FIELD("mu", scheme.mu, show_double),
    FIELD("q", scheme.q, show_double),
    FIELD("lipschitz", scheme.lipschitz, show_double),
    FIELD("clip", scheme.clip, show_double),
    FIELD("upload", scheme.upload, show_double),
    FIELD("sinh-scale", scheme.sinh_scale, show_double),
    FIELD("sinh-growth", scheme.sinh_growth, show_double),
    FIELD("removal", scheme.removal, show_double),
    FIELD("removal-round", scheme.removal_round, show_int),
    FIELD("permutations", scheme.permutations, show_int),
    FIELD("standalone", standalone, show_bool),
    FIELD("standalone-lr", standalone_lr, show_double),
    FIELD("eval-every", eval_every, show_int),
    FIELD("seed", seed, show_uint64),
};
enum { FIELDS = sizeof all / sizeof *all };
_Static_assert((int)FIELDS <= (int)CONFIG_SETTINGS, "CONFIG_SETTINGS holds the table");

int setting_fields(const struct setting_field **fields)
{
    *fields = all;
    return FIELDS;
}
