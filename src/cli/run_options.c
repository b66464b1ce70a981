/* The options of `cgsv run`: the one table of them, and what it takes to read it
 * with defaults that depend on the data set. */
#include "cli/run_options.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/scheme_options.h"
#include "core/error.h"
#include "core/names.h"

static const char *const formats[] = {"text", "json"};
enum { FORMATS = sizeof formats / sizeof *formats };

static cgsv_status parse_data_set(void *v, const char *text)
{
    const char *const *names;
    int count = cgsv_dataset_names(&names);
    return name_parse(v, "data set", text, names, count);
}
static cgsv_status parse_format(void *v, const char *text) { return name_parse(v, "format", text, formats, FORMATS); }
static cgsv_status parse_mr_split(void *v, const char *text) { return cgsv_mr_split_parse(v, text); }
static cgsv_status parse_model(void *v, const char *text) { return cgsv_model_parse(v, text); }
static cgsv_status parse_partition(void *v, const char *text) { return cgsv_partition_parse(v, text); }
static cgsv_status parse_optimizer(void *v, const char *text) { return cgsv_optimizer_parse(v, text); }
static cgsv_status parse_augment(void *v, const char *text) { return cgsv_augment_parse(v, text); }
static cgsv_status parse_precision(void *v, const char *text) { return cgsv_precision_parse(v, text); }
static cgsv_status parse_storage(void *v, const char *text) { return cgsv_storage_parse(v, text); }
static cgsv_status parse_decay(void *v, const char *text) { return cgsv_decay_parse(v, text); }

static cgsv_status parse_adversaries(void *v, const char *text) { return cgsv_adversaries_parse(v, text); }

static const char *show_adversaries(const void *v)
{
    static _Thread_local char text[160];
    cgsv_adversaries_text(text, sizeof text, v);
    return text;
}
static const char *show_data_set(const void *v)
{
    const char *const *names;
    cgsv_dataset_names(&names);
    return names[*(const int *)v];
}
static const char *show_format(const void *v) { return formats[*(const int *)v]; }
static const char *show_mr_split(const void *v) { return cgsv_mr_split_name(*(const cgsv_mr_split *)v); }
static const char *show_model(const void *v) { return cgsv_model_name(*(const cgsv_model *)v); }
static const char *show_partition(const void *v) { return cgsv_partition_name(*(const cgsv_partition *)v); }
static const char *show_optimizer(const void *v) { return cgsv_optimizer_name(*(const cgsv_optimizer *)v); }
static const char *show_augment(const void *v) { return cgsv_augment_name(*(const cgsv_augment *)v); }
static const char *show_precision(const void *v) { return cgsv_precision_name(*(const cgsv_precision *)v); }
static const char *show_storage(const void *v) { return cgsv_storage_name(*(const cgsv_storage *)v); }
static const char *show_decay(const void *v) { return cgsv_decay_name(*(const cgsv_decay *)v); }

int run_options_table(struct option *table, struct run_options *o)
{
    cgsv_config *c = &o->config;
    const struct option_range from_0 = {.low = 0, .high = INFINITY}, from_1 = {.low = 1, .high = INFINITY};
    const struct option_range positive = {.low = 0, .high = INFINITY, .low_excluded = true};
    const struct option_range below_1 = {.low = 0, .high = 1, .high_excluded = true};
    const struct option_range factor = {.low = 0, .high = 1, .low_excluded = true};
    const char *data = "Data", *agents = "Agents", *training = "Training (defaults depend on the data set)";
    const char *mechanism = "Mechanism", *machine = "Machine", *output = "Output";

    const struct option options[] = {
        {"data-set", "dataset", OPTION_CHOICE, &o->data_set, "NAME", data,
         .help = "synthetic (built in), mnist, cifar10, mr or sst",
         .parse = parse_data_set, .show = show_data_set},
        {"data", NULL, OPTION_STRING, &o->data, "DIR", data,
         .help = "where its files are; else $CGSV_DATA, then data/"},
        {"mr-split", NULL, OPTION_CHOICE, &o->mr_split, "NAME", data,
         .help = "of mr: shuffled by the seed, or published, which tests on positive sentences alone",
         .parse = parse_mr_split, .show = show_mr_split},
        {"word-vectors", NULL, OPTION_STRING, &o->word_vectors, "FILE", data,
         .help = "300 values a word to begin with, in GloVe's or word2vec's text format"},

        {"agents", NULL, OPTION_INT, &c->agents, "N", agents, .help = "number of agents", .range = from_1},
        {"partition", NULL, OPTION_CHOICE, &c->partition, "NAME", agents,
         .help = "how samples are shared out: uniform, powerlaw, classimbalance or dirichlet", .parse = parse_partition,
         .show = show_partition},
        {"dirichlet-concentration", NULL, OPTION_DOUBLE, &c->dirichlet_concentration, "A", agents,
         .help = "of the dirichlet partition; smaller is more uneven", .range = positive},
        {"samples-per-agent", NULL, OPTION_INT, &c->samples_per_agent, "N", agents,
         .help = "cap of the training samples, per agent on average; 0 for none", .range = from_0},
        {"validation-fraction", NULL, OPTION_DOUBLE, &c->validation_fraction, "F", agents,
         .help = "share of the training samples kept aside", .range = below_1},
        {"validation-samples", NULL, OPTION_INT, &c->validation_samples, "N", agents,
         .help = "how many of these at most are evaluated on, for speed; 0 for all", .range = from_0},
        {"adversary", NULL, OPTION_CHOICE, &c->adversaries, "KIND:COUNT[,...]", agents,
         .help = "turns the first agents, from 0 on and in the order given, into adversaries: label-flip (trains on "
                 "classes - 1 - label), random-update, zero-update, sign-flip, rescaled, replicated (holds the "
                 "samples of the first honest agent)",
         .parse = parse_adversaries, .show = show_adversaries},
        {"adversary-factor", NULL, OPTION_DOUBLE, &c->adversaries.factor, "F", agents,
         .help = "times which rescaled adversaries upload their update", .range = positive},

        {"model", NULL, OPTION_CHOICE, &c->model, "NAME", training,
         .help = "mlp, mnist_cnn, cifar_cnn, cifar_resnet or text_cnn; cifar_resnet has settings of its own: "
                 "cgsv run --model cifar_resnet --help",
         .parse = parse_model, .show = show_model},
        {"rounds", NULL, OPTION_INT, &c->rounds, "T", training, .help = "exchanges with the server", .range = from_1},
        {"local-epochs", NULL, OPTION_INT, &c->local_epochs, "E", training,
         .help = "epochs of local training in a round",
         .range = from_1},
        {"batch", NULL, OPTION_INT, &c->batch, "B", training, .help = "samples in a minibatch", .range = from_1},
        {"optimizer", NULL, OPTION_CHOICE, &c->optimizer, "NAME", training,
         .help = "sgd or adam", .parse = parse_optimizer,
         .show = show_optimizer},
        {"momentum", NULL, OPTION_DOUBLE, &c->momentum, "M", training, .help = "of sgd", .range = below_1},
        {"weight-decay", NULL, OPTION_DOUBLE, &c->weight_decay, "W", training,
         .help = "so many times the model is added to its gradient", .range = from_0},
        {"augment", NULL, OPTION_CHOICE, &c->augment, "NAME", training,
         .help = "what is done to pictures in training: none, or crop-flip (random crops and flips)",
         .parse = parse_augment, .show = show_augment},
        {"precision", NULL, OPTION_CHOICE, &c->precision, "NAME", training,
         .help = "what products' inputs are rounded to: float32, tf32 or bf16; a GPU takes the latter two to its "
                 "tensor cores, a CPU gains nothing",
         .parse = parse_precision, .show = show_precision},
        {"updates", NULL, OPTION_CHOICE, &c->update_storage, "STORAGE", training,
         .help = "how they are stored once training has ended: float32, or bf16 in half the memory",
         .parse = parse_storage, .show = show_storage},
        {"lr", NULL, OPTION_DOUBLE, &c->lr, "RATE", training, .help = "learning rate", .range = positive},
        {"lr-decay", NULL, OPTION_DOUBLE, &c->lr_decay, "F", training,
         .help = "factor by which the learning rate falls",
         .range = factor},
        {"decay-per", NULL, OPTION_CHOICE, &c->decay_per, "WHAT", training,
         .help = "it falls once per round, or per local epoch", .parse = parse_decay, .show = show_decay},
        {"standalone", NULL, OPTION_SWITCH, &c->standalone, NULL, training,
         .help = "also train every agent alone, which fairness is measured against"},
        {"standalone-lr", NULL, OPTION_DOUBLE, &c->standalone_lr, "RATE", training,
         .help = "learning rate of that; 0 for that of --lr", .range = from_0},
        {"seed", NULL, OPTION_UINT64, &c->seed, "S", training, .help = "same seed, same results, bit for bit"},

        {"gamma", NULL, OPTION_DOUBLE, &c->gamma, "G", mechanism,
         .help = "norm that every update is scaled to (depends on the data set)", .range = positive},
        {"alpha", NULL, OPTION_DOUBLE, &c->alpha, "A", mechanism, .help = "weight of the past in an agent's importance",
         .range = below_1},
        {"beta", NULL, OPTION_DOUBLE, &c->beta, "B", mechanism,
         .help = "altruism; the larger, the more equal the rewards",
         .range = positive},
    };
    const struct option of_the_machine[] = {
        {"device", NULL, OPTION_STRING, &o->device, "NAME", machine,
         .help = "auto, cpu, cuda or cuda:K; see cgsv devices"},
        {"threads", NULL, OPTION_INT, &o->threads, "N", machine, .help = "threads of the CPU; 0 for all",
         .range = {.low = 0, .high = 4096}},

        {"eval-every", NULL, OPTION_INT, &c->eval_every, "K", output,
         .help = "rounds between two evaluations; 0 for the last round only", .range = from_0},
        {"out", NULL, OPTION_STRING, &o->out, "DIR", output,
         .help = "folder for config.json, rounds.csv, server.csv, summary.json and models/; without it nothing is "
                 "written"},
        {"force", NULL, OPTION_FLAG, &o->force, NULL, output,
         .help = "replace the results of an earlier run in that folder"},
        {"save-models", NULL, OPTION_SWITCH, &o->save_models, NULL, output,
         .help = "write the final models to that folder, as safetensors"},
        {"record-updates", NULL, OPTION_INT, &o->record_every, "K", output,
         .help = "write all agents' raw updates of every K-th round to that folder's updates/, as safetensors, for "
                 "cgsv study --updates; without K of every round; 0 for none",
         .range = from_0, .implied = "1"},
        {"checkpoint-every", NULL, OPTION_INT, &o->checkpoint_every, "K", output,
         .help = "write all that is needed to go on to that folder's checkpoints/ after every K-th round, and keep the "
                 "latest two; 0 for only when stopped by SIGINT or SIGTERM",
         .range = from_0},
        {"resume", NULL, OPTION_STRING, &o->resume, "DIR", output,
         .help = "go on with the run in that folder from its latest checkpoint, with its own settings: to the same "
                 "results, bit for bit"},
        {"other-device", NULL, OPTION_FLAG, &o->other_device, NULL, output,
         .help = "go on from another kind of device's checkpoint, too; bits will then differ"},
        {"format", NULL, OPTION_CHOICE, &o->format, "NAME", output, .help = "of the results: text or json",
         .parse = parse_format, .show = show_format},
        {"profile", NULL, OPTION_FLAG, &o->profile, NULL, output,
         .help = "print, and write to summary.json, what every stage of the rounds takes, beside what memory and "
                 "products of this machine allow"},
        {"dry-run", NULL, OPTION_FLAG, &o->dry_run, NULL, output,
         .help = "print settings and memory need, train nothing"},
        {"quiet", NULL, OPTION_FLAG, &o->quiet, NULL, output,
         .help = "no progress, only results, warnings and errors"},
    };
    enum { FIRST = sizeof options / sizeof *options, LAST = sizeof of_the_machine / sizeof *of_the_machine };
    _Static_assert(FIRST + SCHEME_OPTIONS + LAST <= RUN_OPTIONS, "RUN_OPTIONS holds the table");
    memcpy(table, options, sizeof options);
    scheme_options(table + FIRST, &o->scheme, &c->scheme);
    memcpy(table + FIRST + SCHEME_OPTIONS, of_the_machine, sizeof of_the_machine);
    return FIRST + SCHEME_OPTIONS + LAST;
}

cgsv_status run_options_parse(struct run_options *options, int argc, char **argv)
{
    struct option table[RUN_OPTIONS];
    bool help;
    *options = (struct run_options){.device = "auto", .save_models = true};

    /* Twice: first for the data set, the model and the scheme, then over their defaults. */
    int count = run_options_table(table, options);
    TRY(options_parse(table, count, argc, argv, &help));
    const cgsv_model model = options->config.model;
    cgsv_config_defaults(&options->config, run_data_set(options));
    if (options_given(table, count, "model")) cgsv_config_set_model(&options->config, model);
    TRY(cgsv_config_set_scheme(&options->config, cgsv_scheme_name(options->scheme)));
    if (help) {
        options->help = true;
        return CGSV_OK;
    }
    TRY(options_parse(table, count, argc, argv, &help));

    if (!options->resume && options_given(table, count, "mr-split") && strcmp(run_data_set(options), "mr") != 0)
        return error_set(CGSV_ERROR_ARGUMENT, "--mr-split is for --data-set mr, not %s", run_data_set(options));
    if (options->resume) return CGSV_OK; /* the rest is that run's */
    if (options->other_device) return error_set(CGSV_ERROR_ARGUMENT, "--other-device is for --resume DIR");
    if (!options->out && options->force) return error_set(CGSV_ERROR_ARGUMENT, "--force needs --out DIR");
    if (!options->out && options->save_models && options_given(table, count, "save-models"))
        return error_set(CGSV_ERROR_ARGUMENT, "--save-models needs --out DIR");
    if (!options->out && options->record_every > 0 && !options->dry_run)
        return error_set(CGSV_ERROR_ARGUMENT, "--record-updates needs --out DIR");
    if (!options->out && options->checkpoint_every > 0 && !options->dry_run)
        return error_set(CGSV_ERROR_ARGUMENT, "--checkpoint-every needs --out DIR");
    return CGSV_OK;
}

const char *run_data_set(const struct run_options *options) { return show_data_set(&options->data_set); }

const char *run_data_directory(const struct run_options *options)
{
    if (options->data_set == 0) return NULL; /* built in */
    const char *environment = getenv("CGSV_DATA");
    return options->data ? options->data : environment ? environment : "data";
}

void run_options_print_help(FILE *stream, struct run_options *options)
{
    struct option table[RUN_OPTIONS];
    int count = run_options_table(table, options);
    char *text = options_help(table, count);
    fprintf(stream, "usage: cgsv run [options]\n\n"
                    "Trains agents on their own samples with CGSV rewards, or those of another scheme, and prints who\n"
                    "contributed, who got what, and how fair it was. Defaults below are those of the data set '%s'\n"
                    "and the scheme '%s'; for those of others: cgsv run --data-set NAME --scheme NAME --help\n\n%s\n"
                    "Results go to standard output, progress and warnings to standard error.\n"
                    "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by SIGINT or SIGTERM\n",
            run_data_set(options), cgsv_scheme_name(options->scheme), text ? text : "");
    free(text);
}

void run_options_print_values(FILE *stream, struct run_options *options)
{
    struct option table[RUN_OPTIONS];
    options_print(stream, table, run_options_table(table, options));
}
