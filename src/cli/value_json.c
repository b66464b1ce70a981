/* What `cgsv value` found out, as JSON. */
#include <math.h>
#include <stdio.h>

#include "cli/value_results.h"
#include "io/json.h"

static const char *const faults[] = {NULL, "zero", "not_finite"};

/* 17 digits give every double back, cJSON's own 15 nearly; null for what is undefined. */
static cJSON *new_number(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.17g", value);
    return isfinite(value) ? cJSON_CreateRaw(text) : cJSON_CreateNull();
}

static bool add_number(cJSON *object, const char *key, double value)
{
    return json_add_item(object, key, new_number(value));
}

static bool add_settings(cJSON *root, const struct value_results *results)
{
    const struct value_options *o = results->options;
    cJSON *files = cJSON_AddArrayToObject(root, "files");
    bool complete = true;
    for (int r = 0; r < o->rounds; r++)
        complete = complete && json_add_item(files, NULL, cJSON_CreateString(o->files[r]));
    complete = complete && add_number(root, "agents", results->agents) &&
               add_number(root, "dimension", (double)results->dimension) &&
               json_add_text(root, "weights", o->weights) && cJSON_AddBoolToObject(root, "normalise", o->normalise) &&
               add_number(root, "gamma", o->normalise ? o->gamma : NAN) &&
               json_add_text(root, "method", cgsv_method_name(o->valuation.method)) &&
               add_number(root, "permutations", (double)results->cost.permutations) &&
               add_number(root, "evaluations", results->cost.evaluations) &&
               cJSON_AddBoolToObject(root, "every_order", results->cost.every_order) &&
               json_add_uint64(root, "seed", o->valuation.seed);
    if (!o->round) return complete;
    return complete && add_number(root, "alpha", o->alpha) &&
           add_number(root, "beta", o->beta) && json_add_text(root, "reward", cgsv_reward_name(o->reward)) &&
           json_add_text(root, "layers", o->layers);
}

static bool add_agent(cJSON *agents, const struct value_results *results, const struct value_round *round, int i)
{
    const struct value_agent *a = &round->agent[i];
    cJSON *to = cJSON_CreateObject();
    if (!json_add_item(agents, NULL, to)) return false;
    bool complete = add_number(to, "agent", i) &&
                    json_add_text(to, "name", results->name ? results->name[i] : NULL) &&
                    add_number(to, "weight", a->weight) &&
                    add_number(to, "coefficient", a->coefficient) &&
                    add_number(to, "norm", a->norm) && add_number(to, "value", a->value) &&
                    add_number(to, "standard_error", a->standard_error) &&
                    add_number(to, "share", value_share(round, i)) &&
                    add_number(to, "psi", a->psi) && json_add_text(to, "fault", faults[a->fault]) &&
                    add_number(to, "not_finite", a->not_finite);
    if (!results->options->round) return complete;
    return complete && add_number(to, "importance", a->importance) &&
           add_number(to, "keep_ratio", a->keep_ratio) && add_number(to, "kept", a->kept);
}

static bool add_round(cJSON *rounds, const struct value_results *results, int r)
{
    const struct value_round *round = &results->round[r];
    cJSON *to = cJSON_CreateObject();
    if (!json_add_item(rounds, NULL, to)) return false;
    bool complete = add_number(to, "round", r + 1) &&
                    cJSON_AddBoolToObject(to, "precise", round->precise) &&
                    cJSON_AddBoolToObject(to, "aggregate_is_zero", round->no_aggregate) &&
                    add_number(to, "sum", round->sum);
    cJSON *agents = cJSON_AddArrayToObject(to, "agents");
    for (int i = 0; complete && i < results->agents; i++) complete = add_agent(agents, results, round, i);
    return complete;
}

static bool add_totals(cJSON *root, const struct value_results *results)
{
    cJSON *mean = cJSON_AddArrayToObject(root, "mean"), *cumulative = cJSON_AddArrayToObject(root, "cumulative");
    bool complete = true;
    for (int i = 0; complete && i < results->agents; i++) {
        const double value = value_mean(results, i);
        complete = json_add_item(mean, NULL, new_number(value)) &&
                   json_add_item(cumulative, NULL, new_number(value * results->options->rounds));
    }
    return complete;
}

static bool add_seconds(cJSON *root, const struct value_results *results)
{
    double valuation = 0;
    for (int r = 0; r < results->options->rounds; r++) valuation += results->round[r].seconds;
    cJSON *device = cJSON_AddObjectToObject(root, "device"), *seconds = cJSON_AddObjectToObject(root, "seconds");
    return json_add_text(device, "name", results->device->name) &&
           json_add_text(device, "description", results->device->description) &&
           add_number(seconds, "reading", results->reading) &&
           add_number(seconds, "gram", results->gram) &&
           add_number(seconds, "valuation", valuation);
}

cgsv_status value_results_json(char **text, const struct value_results *results)
{
    cJSON *root = cJSON_CreateObject();
    bool complete = json_add_text(root, "cgsv_version", cgsv_version()) && add_settings(root, results);
    cJSON *rounds = cJSON_AddArrayToObject(root, "rounds");
    for (int r = 0; complete && r < results->options->rounds; r++) complete = add_round(rounds, results, r);
    complete = complete && add_totals(root, results) && add_seconds(root, results);
    complete = complete && json_add_checks(root, &results->checks);
    return json_print(text, root, complete);
}
