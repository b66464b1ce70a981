/* What a run was and what came of it, as JSON. */
#include "io/run_record.h"

#include <math.h>

#include "io/json.h"

const int fault_bits[FAULT_KINDS] = {CGSV_FAULT_ZERO, CGSV_FAULT_NOT_FINITE, CGSV_FAULT_ROUNDED};
const char *const fault_names[FAULT_KINDS] = {"zero", "not_finite", "rounded"};

int run_recorded_rounds(const struct run_setup *setup)
{
    return setup->record_every > 0 ? setup->config->rounds / setup->record_every : 0;
}

size_t run_recorded_bytes(const struct run_setup *setup)
{
    return (size_t)run_recorded_rounds(setup) * (size_t)setup->config->agents * (size_t)setup->plan->parameters *
           sizeof(float);
}

static bool add_adversaries(cJSON *root, const cgsv_adversaries *adversaries)
{
    cJSON *to = cJSON_AddArrayToObject(root, "adversaries");
    if (!to) return false;
    for (int g = 0; g < adversaries->groups; g++) {
        cJSON *group = cJSON_CreateObject();
        if (!json_add_item(to, NULL, group) ||
            !json_add_text(group, "kind", cgsv_adversary_name(adversaries->group[g].kind)) ||
            !cJSON_AddNumberToObject(group, "count", adversaries->group[g].count))
            return false;
    }
    return cJSON_AddNumberToObject(root, "adversary_factor", adversaries->factor);
}

static bool add_scheme(cJSON *to, const char *name, const cgsv_scheme *s)
{
    return json_add_text(to, "scheme", name) && json_add_text(to, "normalise", cgsv_normalise_name(s->normalise)) &&
           json_add_text(to, "weights", cgsv_weights_name(s->weights)) &&
           json_add_text(to, "contribution", cgsv_contribution_name(s->contribution)) &&
           json_add_text(to, "similarity", cgsv_similarity_name(s->similarity)) &&
           json_add_text(to, "importance", cgsv_importance_rule_name(s->importance)) &&
           json_add_text(to, "quota", cgsv_quota_name(s->quota)) &&
           json_add_text(to, "reward", cgsv_reward_name(s->reward)) &&
           json_add_text(to, "own_update", cgsv_own_update_name(s->own_update)) &&
           cJSON_AddNumberToObject(to, "mu", s->mu) && cJSON_AddNumberToObject(to, "q", s->q) &&
           cJSON_AddNumberToObject(to, "lipschitz", s->lipschitz) && cJSON_AddNumberToObject(to, "clip", s->clip) &&
           cJSON_AddNumberToObject(to, "upload", s->upload) &&
           cJSON_AddNumberToObject(to, "sinh_scale", s->sinh_scale) &&
           cJSON_AddNumberToObject(to, "sinh_growth", s->sinh_growth) &&
           cJSON_AddNumberToObject(to, "removal", s->removal) &&
           cJSON_AddNumberToObject(to, "removal_round", s->removal_round) &&
           cJSON_AddNumberToObject(to, "permutations", s->permutations);
}

static bool add_config(cJSON *root, const cgsv_config *config, const char *scheme)
{
    cJSON *to = cJSON_AddObjectToObject(root, "config");
    return json_add_text(to, "model", cgsv_model_name(config->model)) &&
           json_add_text(to, "partition", cgsv_partition_name(config->partition)) &&
           cJSON_AddNumberToObject(to, "dirichlet_concentration", config->dirichlet_concentration) &&
           cJSON_AddNumberToObject(to, "agents", config->agents) &&
           cJSON_AddNumberToObject(to, "samples_per_agent", config->samples_per_agent) &&
           cJSON_AddNumberToObject(to, "validation_fraction", config->validation_fraction) &&
           cJSON_AddNumberToObject(to, "validation_samples", config->validation_samples) &&
           add_adversaries(to, &config->adversaries) &&
           cJSON_AddNumberToObject(to, "rounds", config->rounds) &&
           cJSON_AddNumberToObject(to, "local_epochs", config->local_epochs) &&
           cJSON_AddNumberToObject(to, "batch", config->batch) &&
           json_add_text(to, "optimizer", cgsv_optimizer_name(config->optimizer)) &&
           cJSON_AddNumberToObject(to, "momentum", config->momentum) &&
           cJSON_AddNumberToObject(to, "weight_decay", config->weight_decay) &&
           json_add_text(to, "augment", cgsv_augment_name(config->augment)) &&
           json_add_text(to, "precision", cgsv_precision_name(config->precision)) &&
           json_add_text(to, "updates", cgsv_storage_name(config->update_storage)) &&
           cJSON_AddNumberToObject(to, "lr", config->lr) &&
           cJSON_AddNumberToObject(to, "lr_decay", config->lr_decay) &&
           json_add_text(to, "decay_per", cgsv_decay_name(config->decay_per)) &&
           cJSON_AddNumberToObject(to, "gamma", config->gamma) &&
           cJSON_AddNumberToObject(to, "alpha", config->alpha) && cJSON_AddNumberToObject(to, "beta", config->beta) &&
           add_scheme(to, scheme, &config->scheme) &&
           cJSON_AddBoolToObject(to, "standalone", config->standalone) &&
           cJSON_AddNumberToObject(to, "standalone_lr", config->standalone_lr) &&
           cJSON_AddNumberToObject(to, "eval_every", config->eval_every) && json_add_uint64(to, "seed", config->seed);
}

static bool add_data(cJSON *root, const struct run_setup *setup)
{
    const cgsv_dataset *dataset = setup->dataset;
    const int64_t shape[] = {dataset->channels, dataset->height, dataset->width};
    cJSON *to = cJSON_AddObjectToObject(root, "data");
    if (setup->mr_split && !json_add_text(to, "mr_split", setup->mr_split)) return false;
    if (dataset->vocabulary > 0 && !cJSON_AddNumberToObject(to, "vocabulary", dataset->vocabulary)) return false;
    if (setup->word_vectors && !(json_add_text(to, "word_vectors", setup->word_vectors) &&
                                 cJSON_AddNumberToObject(to, "words_with_vectors", setup->vectors)))
        return false;
    return json_add_text(to, "set", dataset->name) && json_add_text(to, "directory", setup->data_directory) &&
           cJSON_AddNumberToObject(to, "train_samples", (double)dataset->train.samples) &&
           cJSON_AddNumberToObject(to, "test_samples", (double)dataset->test.samples) &&
           cJSON_AddNumberToObject(to, "classes", dataset->classes) && json_add_integers(to, "shape", shape, 3);
}

static bool add_memory(cJSON *root, const cgsv_memory_plan *plan)
{
    cJSON *to = cJSON_AddObjectToObject(root, "memory");
    return cJSON_AddNumberToObject(to, "models", (double)plan->models) &&
           cJSON_AddNumberToObject(to, "updates", (double)plan->updates) &&
           cJSON_AddNumberToObject(to, "training", (double)plan->training) &&
           cJSON_AddNumberToObject(to, "optimizer", (double)plan->optimizer) &&
           cJSON_AddNumberToObject(to, "activations", (double)plan->activations) &&
           cJSON_AddNumberToObject(to, "data", (double)plan->data) &&
           cJSON_AddNumberToObject(to, "server", (double)plan->server) &&
           cJSON_AddNumberToObject(to, "total", (double)plan->total) &&
           cJSON_AddNumberToObject(to, "available", (double)plan->available);
}

cgsv_status run_setup_json(char **text, const struct run_setup *setup)
{
    cJSON *root = cJSON_CreateObject();
    bool complete = json_add_origin(root, "run", setup->argc, setup->argv);
    complete = complete && add_data(root, setup) && add_config(root, setup->config, setup->scheme);

    complete = complete && json_add_device(root, setup->device, setup->threads) &&
               cJSON_AddNumberToObject(root, "parameters", (double)setup->plan->parameters);
    if (setup->record_every > 0) {
        cJSON *recorded = cJSON_AddObjectToObject(root, "recorded_updates");
        complete = complete && cJSON_AddNumberToObject(recorded, "every", setup->record_every) &&
                   cJSON_AddNumberToObject(recorded, "rounds", run_recorded_rounds(setup)) &&
                   cJSON_AddNumberToObject(recorded, "bytes", (double)run_recorded_bytes(setup));
    }
    if (setup->samples)
        complete = complete && json_add_integers(root, "samples", setup->samples, setup->config->agents);
    complete = complete && add_memory(root, setup->plan);
    return json_print(text, root, complete);
}

static bool add_agent(cJSON *agents, int index, const struct agent_result *agent, int classes)
{
    cJSON *to = cJSON_CreateObject();
    if (!json_add_item(agents, NULL, to)) return false;
    bool complete = cJSON_AddNumberToObject(to, "agent", index) &&
                    json_add_text(to, "adversary", agent->adversary ? cgsv_adversary_name(agent->adversary) : NULL) &&
                    cJSON_AddNumberToObject(to, "samples", (double)agent->samples) &&
                    cJSON_AddNumberToObject(to, "classes", agent->classes) &&
                    json_add_integers(to, "class_counts", agent->class_counts, classes) &&
                    cJSON_AddNumberToObject(to, "importance", agent->importance) &&
                    cJSON_AddNumberToObject(to, "keep_ratio", agent->keep_ratio) &&
                    cJSON_AddNumberToObject(to, "accuracy", agent->federated.accuracy) &&
                    cJSON_AddNumberToObject(to, "loss", agent->federated.loss) &&
                    cJSON_AddNumberToObject(to, "local_accuracy", agent->local.accuracy) &&
                    cJSON_AddNumberToObject(to, "local_loss", agent->local.loss) &&
                    cJSON_AddNumberToObject(to, "standalone_accuracy", agent->standalone.accuracy) &&
                    cJSON_AddNumberToObject(to, "standalone_loss", agent->standalone.loss) &&
                    cJSON_AddNumberToObject(to, "gain", agent->gain);
    cJSON *faults = cJSON_AddObjectToObject(to, "faulty_rounds");
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        complete = complete && cJSON_AddNumberToObject(faults, fault_names[kind], agent->faults[kind].rounds);
    return complete;
}

static bool add_stage(cJSON *stages, const char *name, const struct profile *profile, struct stage_sums sums)
{
    const double floor = profile_floor(profile, sums.work);
    cJSON *to = cJSON_CreateObject();
    return json_add_item(stages, NULL, to) && json_add_text(to, "stage", name) &&
           cJSON_AddNumberToObject(to, "seconds", sums.seconds) &&
           cJSON_AddNumberToObject(to, "bytes", sums.work.bytes) &&
           cJSON_AddNumberToObject(to, "flops", sums.work.flops) &&
           cJSON_AddNumberToObject(to, "floor_seconds", floor) &&
           cJSON_AddNumberToObject(to, "share_of_floor", sums.seconds > 0 ? floor / sums.seconds : NAN);
}

/* Stages that never came are left out. */
static bool add_profile(cJSON *root, const struct profile *profile)
{
    cJSON *to = cJSON_AddObjectToObject(root, "profile"), *stages = cJSON_AddArrayToObject(to, "stages");
    bool complete = cJSON_AddNumberToObject(to, "copy_bytes_per_second", profile->copy_bandwidth) &&
                    cJSON_AddNumberToObject(to, "product_flops_per_second", profile->product_rate) &&
                    cJSON_AddNumberToObject(to, "convolution_share_of_products", profile_convolutions(profile));
    for (int i = 0; i < STAGES; i++)
        if (profile->stage[i].seconds != 0)
            complete = complete && add_stage(stages, stage_names[i], profile, profile->stage[i]);
    return complete && stages;
}

cgsv_status run_results_json(char **text, const struct run_results *results)
{
    cJSON *root = cJSON_CreateObject();
    bool complete = cJSON_AddNumberToObject(root, "rounds", results->rounds);
    cJSON *agents = cJSON_AddArrayToObject(root, "agents");
    for (int i = 0; i < results->agents; i++)
        complete = complete && add_agent(agents, i, &results->agent[i], results->classes);

    cJSON *server = cJSON_AddObjectToObject(root, "server");
    complete = complete && cJSON_AddNumberToObject(server, "accuracy", results->server.accuracy) &&
               cJSON_AddNumberToObject(server, "loss", results->server.loss) &&
               cJSON_AddNumberToObject(root, "rho_accuracy", results->rho_accuracy) &&
               cJSON_AddNumberToObject(root, "rho_loss", results->rho_loss) &&
               cJSON_AddNumberToObject(root, "rho_samples", results->rho_samples) &&
               cJSON_AddNumberToObject(root, "rho_local", results->rho_local) &&
               cJSON_AddNumberToObject(root, "accuracy_mean", results->accuracy_mean) &&
               cJSON_AddNumberToObject(root, "accuracy_max", results->accuracy_max) &&
               cJSON_AddNumberToObject(root, "gain_mean", results->gain_mean) &&
               cJSON_AddNumberToObject(root, "gain_spread", results->gain_spread) &&
               cJSON_AddNumberToObject(root, "jain_index", results->jain_index);

    cJSON *seconds = cJSON_AddObjectToObject(root, "seconds");
    complete = complete && cJSON_AddNumberToObject(seconds, "training", results->seconds.training) &&
               cJSON_AddNumberToObject(seconds, "server", results->seconds.server) &&
               cJSON_AddNumberToObject(seconds, "evaluation", results->seconds.evaluation);
    complete = complete && json_add_checks(root, &results->checks);
    if (results->profile) complete = complete && add_profile(root, results->profile);
    return json_print(text, root, complete);
}
