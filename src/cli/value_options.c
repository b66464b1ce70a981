/* The options of `cgsv value`: the table of them, and what they must not be together. */
#include "cli/value_options.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "core/error.h"

enum { TABLE_SIZE = 32 };

static cgsv_status parse_method(void *v, const char *text) { return cgsv_method_parse(v, text); }
static cgsv_status parse_reward(void *v, const char *text) { return cgsv_reward_parse(v, text); }
static const char *show_method(const void *v) { return cgsv_method_name(*(const cgsv_method *)v); }
static const char *show_reward(const void *v) { return cgsv_reward_name(*(const cgsv_reward *)v); }

/* "4096", "64K", "64M", "2G": K is 1024. */
static cgsv_status parse_size(void *v, const char *text)
{
    static const char suffixes[] = "KMGT";
    struct memory_size *size = v;
    char *end;
    const unsigned long long number = strtoull(text, &end, 10);
    const char *suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    const int shift = suffix ? 10 * (int)(suffix - suffixes + 1) : 0;
    if (!isdigit((unsigned char)*text) || number == 0 || (*end && (!suffix || end[1])))
        return error_set(CGSV_ERROR_ARGUMENT, "'%s' is not a size; expected a number of bytes above 0, such as 64M, "
                         "with K, M, G or T", text);
    if (number > (unsigned long long)INT64_MAX >> shift) /* also what strtoull gives on an overflow */
        return error_set(CGSV_ERROR_ARGUMENT, "'%s' is out of range; it must be at most %lldG", text,
                         (long long)(INT64_MAX >> 30));
    *size = (struct memory_size){(int64_t)(number << shift), text};
    return CGSV_OK;
}

static const char *show_size(const void *v) { return ((const struct memory_size *)v)->text; }

/* Fills table[TABLE_SIZE] with entries that point into `o`; returns their number. */
static int build_table(struct option *table, struct value_options *o)
{
    cgsv_valuation_options *v = &o->valuation;
    const struct option_range from_0 = {.low = 0, .high = INFINITY};
    const struct option_range positive = {.low = 0, .high = INFINITY, .low_excluded = true};
    const struct option_range below_1 = {.low = 0, .high = 1, .high_excluded = true};
    const struct option_range inside_1 = {.low = 0, .high = 1, .low_excluded = true, .high_excluded = true};
    const char *updates = "Updates", *method = "Valuation", *mechanism = "Mechanism", *machine = "Machine";
    const char *output = "Output";

    const struct option options[] = {
        {"tensor", NULL, OPTION_STRING, &o->tensor, "NAME", updates,
         .help = "of .safetensors files: the matrix of that name, or all agents whose names begin so"},
        {"weights", NULL, OPTION_STRING, &o->weights, "FILE", updates,
         .help = "the agents' weights: uniform, or a file with a number for each (text or .npy), such as their numbers "
                 "of samples; scaled to sum 1"},
        {"normalise", "normalize", OPTION_SWITCH, &o->normalise, NULL, updates,
         .help = "rescale every update to length gamma, as the mechanism does"},
        {"gamma", NULL, OPTION_DOUBLE, &o->gamma, "G", updates, .help = "that length", .range = positive},
        {"skip-faulty", NULL, OPTION_FLAG, &o->skip_faulty, NULL, updates,
         .help = "value agents with NaN or infinite entries 0 and go on, instead of failing"},

        {"method", NULL, OPTION_CHOICE, &v->method, "NAME", method,
         .help = "exact, cosine, permutation, antithetic, stratified, owen, leave-one-out or euclidean",
         .parse = parse_method, .show = show_method},
        {"budget", NULL, OPTION_INT, &o->budget, "K", method,
         .help = "of sampling methods, in permutations; 0: what epsilon and delta ask for", .range = from_0},
        {"epsilon", NULL, OPTION_DOUBLE, &v->epsilon, "E", method, .help = "error of a mean by Hoeffding's bound ...",
         .range = inside_1},
        {"delta", NULL, OPTION_DOUBLE, &v->delta, "D", method, .help = "... that is missed with this probability",
         .range = inside_1},
        {"seed", NULL, OPTION_UINT64, &v->seed, "S", method, .help = "of sampling methods"},
        {"precise", NULL, OPTION_FLAG, &o->precise, NULL, method,
         .help = "products of updates in float64; files of float64 always have them"},

        {"round", NULL, OPTION_FLAG, &o->round, NULL, mechanism,
         .help = "also run the mechanism: importance, which weighs the agents from the second file on, keep ratio q "
                 "and rewards"},
        {"alpha", NULL, OPTION_DOUBLE, &o->alpha, "A", mechanism, .help = "weight of the past in the importance",
         .range = below_1},
        {"beta", NULL, OPTION_DOUBLE, &o->beta, "B", mechanism,
         .help = "altruism; the larger, the more equal the rewards", .range = positive},
        {"reward", NULL, OPTION_CHOICE, &o->reward, "RULE", mechanism,
         .help = "the largest entries of each layer (layer) or of the whole aggregate (global)", .parse = parse_reward,
         .show = show_reward},
        {"layers", NULL, OPTION_STRING, &o->layers, "FILE", mechanism,
         .help = "sizes of the layers, as text or a JSON list; without it the vector is one layer"},
        {"out", NULL, OPTION_STRING, &o->out, "DIR", mechanism,
         .help = "folder for the rewards: rewards.safetensors, of several files rewards_1.safetensors ... with "
                 "NAME.index and NAME.value of each agent"},
        {"dense-rewards", NULL, OPTION_FLAG, &o->dense_rewards, NULL, mechanism,
         .help = "write them as whole vectors, with all their zeros"},

        {"device", NULL, OPTION_STRING, &o->device, "NAME", machine,
         .help = "auto, cpu, cuda or cuda:K; see cgsv devices"},
        {"threads", NULL, OPTION_INT, &o->threads, "N", machine, .help = "threads of the CPU; 0 for all",
         .range = {.low = 0, .high = 4096}},
        {"memory", NULL, OPTION_CHOICE, &o->memory, "SIZE", machine,
         .help = "most bytes of updates held at a time, such as 64M; without it 32M, and with --round whatever a "
                 "round takes",
         .parse = parse_size, .show = show_size},

        {"json", NULL, OPTION_STRING, &o->json, "PATH", output,
         .help = "write all results there; - for standard output, instead of the table"},
        {"csv", NULL, OPTION_STRING, &o->csv, "PATH", output, .help = "likewise, a row per round and agent"},
        {"force", NULL, OPTION_FLAG, &o->force, NULL, output, .help = "replace files that are there already"},
    };
    _Static_assert(sizeof options <= TABLE_SIZE * sizeof *options, "TABLE_SIZE holds the table");
    memcpy(table, options, sizeof options);
    return (int)(sizeof options / sizeof *options);
}

static cgsv_status check_together(const struct value_options *o, const struct option *table, int count)
{
    static const char *const of_round[] = {"alpha", "beta", "reward", "layers", "out", "dense-rewards"};
    if (o->rounds == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "no file of updates; expected cgsv value FILE..., one file per round");
    for (size_t i = 0; i < sizeof of_round / sizeof *of_round && !o->round; i++)
        if (options_given(table, count, of_round[i]))
            return error_set(CGSV_ERROR_ARGUMENT, "--%s needs --round", of_round[i]);
    if (o->round && !o->normalise)
        return error_set(CGSV_ERROR_ARGUMENT, "--round normalises, as the mechanism does; leave --no-normalise out");
    if (!o->normalise && options_given(table, count, "gamma"))
        return error_set(CGSV_ERROR_ARGUMENT, "--gamma is the length that --no-normalise does without; leave one out");
    if (o->dense_rewards && !o->out) return error_set(CGSV_ERROR_ARGUMENT, "--dense-rewards needs --out DIR");
    if (o->layers && o->reward != CGSV_REWARD_LAYER)
        return error_set(CGSV_ERROR_ARGUMENT, "--layers needs --reward layer");
    if (o->json && o->csv && strcmp(o->json, o->csv) == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "--json and --csv both write to '%s'; give each its own", o->csv);
    if (o->force && !o->out && !o->json && !o->csv)
        return error_set(CGSV_ERROR_ARGUMENT, "--force needs --json, --csv or --out");
    return CGSV_OK;
}

static void set_defaults(struct value_options *options)
{
    *options = (struct value_options){.weights = "uniform", .normalise = true, .device = "auto", .memory = {0, ""}};
    cgsv_server_config mechanism;
    cgsv_server_config_defaults(&mechanism, 1, 1);
    options->gamma = mechanism.gamma;
    options->alpha = mechanism.alpha;
    options->beta = mechanism.beta;
    options->reward = mechanism.scheme.reward;
    cgsv_valuation_defaults(&options->valuation);
}

cgsv_status value_options_parse(struct value_options *options, int argc, char **argv)
{
    struct option table[TABLE_SIZE];
    set_defaults(options);
    options->files = calloc((size_t)argc + 1, sizeof *options->files);
    if (!options->files) return error_set(CGSV_ERROR_MEMORY, "no memory for %d arguments", argc);
    struct option_files files = {.paths = options->files};
    const int count = build_table(table, options);
    TRY(options_parse_with_files(table, count, argc, argv, &options->help, &files));
    options->rounds = files.count;
    options->valuation.budget = options->budget;
    options->valuation.gamma = options->normalise ? options->gamma : 0;
    return options->help ? CGSV_OK : check_together(options, table, count);
}

void value_options_free(struct value_options *options)
{
    free(options->files);
    options->files = NULL;
}

void value_options_print_help(FILE *stream, struct value_options *options)
{
    struct option table[TABLE_SIZE];
    char *text = options_help(table, build_table(table, options));
    fprintf(stream, "usage: cgsv value [options] FILE...\n\n"
                    "Values agents by their updates: the cosine gradient Shapley value, exact or estimated. A file\n"
                    "is a round: a .npy matrix (agents x parameters), or a .safetensors file with one matrix, or\n"
                    "one tensor per agent. Files may be larger than memory.\n\n%s\n"
                    "Results go to standard output, warnings to standard error.\n"
                    "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
            text ? text : "");
    free(text);
}
