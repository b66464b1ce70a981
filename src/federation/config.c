/* Settings: published defaults, names, checks. */
#include "federation/config.h"

#include <math.h>
#include <string.h>

#include "cgsv/server.h"
#include "core/error.h"
#include "core/names.h"
#include "federation/adversary.h"

static const char *const models[] = {"mlp", "mnist_cnn", "cifar_cnn", "text_cnn", "cifar_resnet"};
static const char *const partitions[] = {"uniform", "powerlaw", "classimbalance", "dirichlet"};
static const char *const optimizers[] = {"sgd", "adam"};
static const char *const augments[] = {"none", "crop-flip"};
static const char *const precisions[] = {"float32", "tf32", "bf16"};
static const char *const decays[] = {"round", "epoch"};

NAMED_CHOICE(model, models, cgsv_model)
NAMED_CHOICE(partition, partitions, cgsv_partition)
NAMED_CHOICE(optimizer, optimizers, cgsv_optimizer)
NAMED_CHOICE(augment, augments, cgsv_augment)
NAMED_CHOICE(precision, precisions, cgsv_precision)
NAMED_CHOICE(decay, decays, cgsv_decay)

void cgsv_server_config_defaults(cgsv_server_config *config, int agents, int64_t dimension)
{
    *config = (cgsv_server_config){.agents = agents, .dimension = dimension, .gamma = 0.5, .alpha = 0.95,
                                   .beta = 1};
}

void cgsv_config_defaults(cgsv_config *config, const char *data_set)
{
    *config = (cgsv_config){
        .model = CGSV_MODEL_MNIST_CNN,
        .partition = CGSV_PARTITION_POWERLAW,
        .dirichlet_concentration = 0.5,
        .agents = 5,
        .samples_per_agent = 600,
        .validation_fraction = 0.1,
        .adversaries = {.factor = 10},
        .rounds = 200,
        .local_epochs = 3,
        .batch = 32,
        .optimizer = CGSV_OPTIMIZER_SGD,
        .lr = 1e-3,
        .lr_decay = 0.955,
        .decay_per = CGSV_DECAY_ROUND,
        .gamma = 0.5,
        .alpha = 0.95,
        .beta = 1,
        .standalone = true,
        .eval_every = 10,
        .seed = 1,
    };
    if (strcmp(data_set, "mnist") == 0) return;
    if (strcmp(data_set, "cifar10") == 0) {
        config->model = CGSV_MODEL_CIFAR_CNN;
        config->agents = 10;
        config->samples_per_agent = 2000;
        config->validation_fraction = 0.2;
        config->batch = 128;
        config->lr = 0.015;
        config->lr_decay = 0.977;
        config->gamma = 0.15;
        return;
    }
    const bool mr = strcmp(data_set, "mr") == 0;
    if (mr || strcmp(data_set, "sst") == 0) {
        config->model = CGSV_MODEL_TEXT_CNN;
        config->samples_per_agent = 0;
        config->validation_fraction = 0; /* a split of its own */
        config->optimizer = CGSV_OPTIMIZER_ADAM;
        config->batch = mr ? 128 : 256;
        config->lr = mr ? 5e-5 : 1e-4;
        config->lr_decay = 0.977;
        config->gamma = 1;
        return;
    }
    config->lr = 0.15;
    config->rounds = 20;
    config->eval_every = 2;
    if (strcmp(data_set, "synthetic") != 0) config->model = CGSV_MODEL_MLP;
}

void cgsv_config_set_model(cgsv_config *config, cgsv_model model)
{
    config->model = model;
    if (model != CGSV_MODEL_CIFAR_RESNET) return;
    config->batch = 128;
    config->optimizer = CGSV_OPTIMIZER_SGD;
    config->momentum = 0.9;
    config->weight_decay = 5e-4;
    config->augment = CGSV_AUGMENT_CROP_FLIP;
    config->lr = 0.03;
    config->lr_decay = 0.9;
    config->rounds = 30;
    config->eval_every = 5;
    config->gamma = 1; /* about the norm of a round's update */
}

cgsv_status check_integer(const char *name, long long value, long long least, long long most)
{
    if (value >= least && value <= most) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "%s is %lld; expected %lld to %lld", name, value, least, most);
}

cgsv_status check_real(const char *name, double value, double low, bool with_low, double high, bool with_high)
{
    if ((value > low || (with_low && value == low)) && (value < high || (with_high && value == high))) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "%s is %g; expected a number in %c%g, %g%c", name, value,
                     with_low ? '[' : '(', low, high, with_high ? ']' : ')');
}

cgsv_status check_mechanism(double gamma, double alpha, double beta)
{
    TRY(check_real("gamma", gamma, 0, false, 1e6, true));
    TRY(check_real("alpha", alpha, 0, true, 1, false));
    return check_real("beta", beta, 0, false, INFINITY, false);
}

cgsv_status config_check(const cgsv_config *c)
{
    TRY(check_integer("model", c->model, 0, NAMES(models) - 1));
    TRY(check_integer("partition", c->partition, 0, NAMES(partitions) - 1));
    TRY(check_integer("optimizer", c->optimizer, 0, NAMES(optimizers) - 1));
    TRY(check_integer("augment", c->augment, 0, NAMES(augments) - 1));
    TRY(check_integer("precision", c->precision, 0, NAMES(precisions) - 1));
    TRY(check_integer("updates", (int64_t)c->update_storage, 0, CGSV_STORAGE_BF16));
    TRY(check_integer("decay-per", c->decay_per, 0, NAMES(decays) - 1));
    TRY(check_integer("agents", c->agents, 1, MOST_AGENTS));
    TRY(adversaries_check(&c->adversaries, c->agents));
    TRY(check_integer("samples-per-agent", c->samples_per_agent, 0, 1 << 30));
    TRY(check_integer("validation-samples", c->validation_samples, 0, 1 << 30));
    TRY(check_integer("rounds", c->rounds, 1, 1000000));
    TRY(check_integer("local-epochs", c->local_epochs, 1, 10000));
    TRY(check_integer("batch", c->batch, 1, 65536));
    TRY(check_integer("eval-every", c->eval_every, 0, 1000000));
    TRY(check_real("validation-fraction", c->validation_fraction, 0, true, 1, false));
    if (c->partition == CGSV_PARTITION_DIRICHLET)
        TRY(check_real("dirichlet-concentration", c->dirichlet_concentration, 0, false, 1e100, true));
    TRY(check_real("momentum", c->momentum, 0, true, 1, false));
    if (c->momentum > 0 && c->optimizer != CGSV_OPTIMIZER_SGD)
        return error_set(CGSV_ERROR_ARGUMENT, "momentum is for the optimizer sgd; %s has its own",
                         cgsv_optimizer_name(c->optimizer));
    TRY(check_real("weight-decay", c->weight_decay, 0, true, 1, true));
    if (c->model == CGSV_MODEL_TEXT_CNN && (c->weight_decay > 0 || c->augment != CGSV_AUGMENT_NONE))
        return error_set(CGSV_ERROR_ARGUMENT, "%s is for models of pictures; text_cnn takes none",
                         c->weight_decay > 0 ? "weight-decay" : "augment");
    TRY(check_real("lr", c->lr, 0, false, 1e6, true));
    TRY(check_real("lr-decay", c->lr_decay, 0, false, 1, true));
    TRY(check_mechanism(c->gamma, c->alpha, c->beta));
    TRY(scheme_check(&c->scheme, c->agents));
    return check_real("standalone-lr", c->standalone_lr, 0, true, 1e6, true);
}
