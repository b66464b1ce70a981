#include "cli/scheme_options.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/names.h"

static cgsv_status parse_scheme(void *v, const char *text)
{
    cgsv_scheme unused;
    TRY(cgsv_scheme_named(&unused, text));
    for (int i = 0; i < cgsv_scheme_count(); i++)
        if (strcmp(text, cgsv_scheme_name(i)) == 0) *(int *)v = i;
    return CGSV_OK;
}
static const char *show_scheme(const void *v) { return cgsv_scheme_name(*(const int *)v); }

/* parse_… and show_… of a stage's choices. */
#define CHOICE(stage, parse, noun, type)                                                            \
    static cgsv_status parse_##stage(void *v, const char *text) { return cgsv_##parse##_parse(v, text); } \
    static const char *show_##stage(const void *v) { return cgsv_##noun##_name(*(const type *)v); }

CHOICE(normalise, normalise, normalise, cgsv_normalise)
CHOICE(weights, weights, weights, cgsv_weights)
CHOICE(contribution, contribution, contribution, cgsv_contribution)
CHOICE(similarity, similarity, similarity, cgsv_similarity)
CHOICE(importance, importance_rule, importance_rule, cgsv_importance_rule)
CHOICE(quota, quota, quota, cgsv_quota)
CHOICE(realise, realise, reward, cgsv_reward)
CHOICE(own_update, own_update, own_update, cgsv_own_update)

void scheme_options(struct option *table, int *index, cgsv_scheme *s)
{
    const struct option_range from_0 = {.low = 0, .high = INFINITY}, share = {.low = 0, .high = 1};
    const char *scheme = "Scheme (--scheme sets all of its stages, the others single ones; see cgsv schemes)";
    const struct option options[] = {
        {"scheme", NULL, OPTION_CHOICE, index, "NAME", scheme, .help = "named setting of all stages, see cgsv schemes",
         .parse = parse_scheme, .show = show_scheme},
        {"normalise", "normalize", OPTION_CHOICE, &s->normalise, "RULE", scheme,
         .help = "updates: rescale to --gamma, clip to it, none, or clip-entries to --clip", .parse = parse_normalise,
         .show = show_normalise},
        {"clip", NULL, OPTION_DOUBLE, &s->clip, "C", scheme, .help = "bound of clip-entries", .range = from_0},
        {"upload", NULL, OPTION_DOUBLE, &s->upload, "F", scheme,
         .help = "share of its entries that an agent uploads, the largest; 0 or 1 for all", .range = share},
        {"weights", NULL, OPTION_CHOICE, &s->weights, "RULE", scheme,
         .help = "of the aggregate: importance, size, uniform, sum (each 1) or loss (q-FFL)", .parse = parse_weights,
         .show = show_weights},
        {"q", NULL, OPTION_DOUBLE, &s->q, "Q", scheme, .help = "power of the loss in weights by loss; 0 for uniform",
         .range = from_0},
        {"lipschitz", NULL, OPTION_DOUBLE, &s->lipschitz, "L", scheme,
         .help = "of weights by loss; 0 for 1 / the round's learning rate, which suits sgd alone", .range = from_0},
        {"contribution", NULL, OPTION_CHOICE, &s->contribution, "WHAT", scheme,
         .help = "cosine, exact, euclidean, size, random; on validation samples index, index-one-round, "
                 "leave-one-out, validation, rank",
         .parse = parse_contribution, .show = show_contribution},
        {"permutations", NULL, OPTION_INT, &s->permutations, "K", scheme,
         .help = "orders of the agents that a contribution index samples in every round; 0 for all coalitions of at "
                 "most 10 agents", .range = from_0},
        {"similarity", NULL, OPTION_CHOICE, &s->similarity, "RULE", scheme,
         .help = "of euclidean: inverse for 1 / (1 + d), share for 1 - d / sum of d", .parse = parse_similarity,
         .show = show_similarity},
        {"importance", NULL, OPTION_CHOICE, &s->importance, "RULE", scheme,
         .help = "average, removal (rffl), sinh (cffl) or fixed (the contribution itself)", .parse = parse_importance,
         .show = show_importance},
        {"removal", NULL, OPTION_DOUBLE, &s->removal, "F", scheme,
         .help = "agents below F / (agents left) are removed by removal and sinh; 0 for none", .range = from_0},
        {"removal-round", NULL, OPTION_INT, &s->removal_round, "T", scheme, .help = "rounds before that begins",
         .range = from_0},
        {"sinh-scale", NULL, OPTION_DOUBLE, &s->sinh_scale, "A", scheme, .help = "of sinh; the larger, the more "
         "uneven", .range = from_0},
        {"sinh-growth", NULL, OPTION_DOUBLE, &s->sinh_growth, "F", scheme,
         .help = "by which share of itself that grows over the run", .range = from_0},
        {"quota", NULL, OPTION_CHOICE, &s->quota, "RULE", scheme, .help = "tanh, linear, cffl, all, none or random",
         .parse = parse_quota, .show = show_quota},
        {"realise", "reward", OPTION_CHOICE, &s->reward, "RULE", scheme,
         .help = "the largest entries of each layer (layer) or of the whole aggregate (global), random ones, or all "
                 "(full)",
         .parse = parse_realise, .show = show_realise},
        {"own-update", NULL, OPTION_CHOICE, &s->own_update, "RULE", scheme,
         .help = "dropped, kept, or minus-share (cffl)", .parse = parse_own_update, .show = show_own_update},
        {"mu", NULL, OPTION_DOUBLE, &s->mu, "MU", scheme, .help = "proximal term of local training (fedprox)",
         .range = from_0},
    };
    _Static_assert(sizeof options == SCHEME_OPTIONS * sizeof *options, "SCHEME_OPTIONS counts the table");
    memcpy(table, options, sizeof options);
}

void scheme_print_list(FILE *stream)
{
    for (int i = 0; i < cgsv_scheme_count(); i++)
        fprintf(stream, "%-15s %s\n%-15s (%s)\n", cgsv_scheme_name(i), cgsv_scheme_help(i), "", cgsv_scheme_source(i));
}
