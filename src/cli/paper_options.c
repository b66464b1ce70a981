#include "cli/paper_options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "core/error.h"
#include "core/names.h"

enum { TABLE_SIZE = 32 };

#define COMPARED_SCHEMES "cgsv,standalone,fedavg,fedprox,qffl,cffl,rffl,eci,euclidean,dw,rr"
static const char *const parts[PAPER_PARTS] = {"fairness", "accuracy", "runtime", "beta", "study"};

/* ---- lists ---- */

static cgsv_status take_data_set(void *context, const char *item)
{
    struct paper_options *o = context;
    const char *const *names;
    const int count = cgsv_dataset_names(&names);
    int index;
    TRY(name_parse(&index, "data set", item, names, count));
    for (int i = 0; i < o->data_sets; i++)
        if (o->data_set[i] == names[index])
            return error_set(CGSV_ERROR_ARGUMENT, "'%s' stands twice in the list", item);
    if (o->data_sets == PAPER_DATA_SETS)
        return error_set(CGSV_ERROR_ARGUMENT, "more than %d data sets", PAPER_DATA_SETS);
    o->data_set[o->data_sets++] = names[index];
    return CGSV_OK;
}

static cgsv_status take_part(void *context, const char *item)
{
    struct paper_options *o = context;
    int index;
    TRY(name_parse(&index, "part", item, parts, PAPER_PARTS));
    o->part[index] = true;
    return CGSV_OK;
}

static cgsv_status parse_list(struct paper_options *o, const char *name, const char *text,
                              cgsv_status (*take)(void *context, const char *item))
{
    if (list_each(text, take, o) == CGSV_OK) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "--%s: %s", name, cgsv_last_error());
}

static cgsv_status parse_agents(void *v, const char *text) { return number_list_parse(v, text); }
static const char *show_agents(const void *v) { return ((const struct number_list *)v)->text; }

/* ---- the table ---- */

/* What is read before it is made of. */
struct texts {
    const char *data_sets, *parts;
};

/* Fills table[TABLE_SIZE] with entries that point into `o`; returns their number. */
static int build_table(struct option *table, struct paper_options *o, struct texts *texts)
{
    const char *experiments = "Experiments", *settings = "Settings (as published for each data set, unless given)";
    const char *machine = "Machine", *output = "Output";
    const struct option options[] = {
        {"parts", "part", OPTION_STRING, &texts->parts, "LIST", experiments,
         .help = "of fairness, accuracy, runtime, beta and study"},
        {"data-sets", "data-set", OPTION_STRING, &texts->data_sets, "LIST", experiments,
         .help = "data sets; all that are known unless --quick is there, which takes the built-in one"},
        {"agents", NULL, OPTION_CHOICE, &o->agents, "LIST", experiments,
         .help = "numbers of agents: 5,10; else as published: 5 and 10 for mnist, 10 for cifar10, 5 for the others",
         .parse = parse_agents, .show = show_agents},
        {"partitions", "partition", OPTION_STRING, &o->partitions, "LIST", experiments,
         .help = "how samples are shared out; else uniform, powerlaw and classimbalance, powerlaw alone for texts"},
        {"schemes", "scheme", OPTION_STRING, &o->schemes, "LIST", experiments,
         .help = "reward schemes, see cgsv schemes; else " COMPARED_SCHEMES},
        {"seeds", "seed", OPTION_STRING, &o->seeds, "LIST", experiments,
         .help = "repetitions: means and deviations are over these"},
        {"betas", "beta", OPTION_STRING, &o->betas, "LIST", experiments, .help = "altruism degrees of the beta part"},
        {"quick", NULL, OPTION_FLAG, &o->quick, NULL, experiments,
         .help = "sizes for a laptop: the built-in data set unless --data-sets says otherwise, few rounds and "
                 "samples, and a learning rate at which mnist learns in them; what that changes is written down"},

        {"rounds", NULL, OPTION_STRING, &o->rounds, "T", settings, .help = "exchanges with the server"},
        {"lr", NULL, OPTION_STRING, &o->lr, "RATE", settings, .help = "learning rate"},
        {"model", NULL, OPTION_STRING, &o->model, "NAME", settings, .help = "model"},
        {"local-epochs", NULL, OPTION_STRING, &o->local_epochs, "E", settings, .help = "epochs of a round"},
        {"samples-per-agent", NULL, OPTION_STRING, &o->samples_per_agent, "N", settings,
         .help = "cap of the training samples, per agent on average"},
        {"validation-samples", NULL, OPTION_STRING, &o->validation_samples, "N", settings,
         .help = "most validation samples that cffl, eci and the like evaluate on; else 100, as the contribution "
                 "index evaluates 2^N models on them in every round"},

        {"data", NULL, OPTION_STRING, &o->data, "DIR", machine, .help = "where data sets are; see cgsv run"},
        {"device", NULL, OPTION_STRING, &o->device, "NAME", machine,
         .help = "auto, cpu, cuda or cuda:K; see cgsv devices"},
        {"threads", NULL, OPTION_STRING, &o->threads, "N", machine, .help = "threads of the CPU; 0 for all"},
        {"fleet", NULL, OPTION_STRING, &o->fleet, "K", machine,
         .help = "most federations to train at once, else as many as memory allows; a run that stops loses what is in "
                 "training"},
        {"memory", NULL, OPTION_STRING, &o->memory, "GIB", machine, .help = "memory that they may take, in GiB"},

        {"out", NULL, OPTION_STRING, &o->out, "DIR", output,
         .help = "folder for paper.md, tables and plots, and the sweeps they come from; what stopped goes on there"},
        {"retry", NULL, OPTION_FLAG, &o->retry, NULL, output, .help = "run cells again that failed there before"},
        {"force", NULL, OPTION_FLAG, &o->force, NULL, output,
         .help = "start anew, in place of what is in that folder"},
        {"dry-run", NULL, OPTION_FLAG, &o->dry_run, NULL, output,
         .help = "print the experiments and how long they will take, measured on a round; train no more than that"},
        {"quiet", NULL, OPTION_FLAG, &o->quiet, NULL, output, .help = "no progress, only tables, warnings and errors"},
    };
    _Static_assert(sizeof options <= TABLE_SIZE * sizeof *options, "TABLE_SIZE holds the table");
    memcpy(table, options, sizeof options);
    return (int)(sizeof options / sizeof *options);
}

static void set_defaults(struct paper_options *o, struct texts *texts)
{
    *o = (struct paper_options){.agents = {.low = 1, .high = INT_MAX, .text = ""},
                                .seeds = "1..3",
                                .betas = "0.5,1,1.2,1.5,2,1e7"};
    *texts = (struct texts){.parts = "fairness,accuracy,runtime,beta,study"};
}

static cgsv_status take_data_sets(struct paper_options *o, const char *text)
{
    const char *const *names;
    const int count = cgsv_dataset_names(&names);
    if (text) return parse_list(o, "data-sets", text, take_data_set);
    for (int i = 0; i < (o->quick ? 1 : count); i++) TRY(take_data_set(o, names[i])); /* the built-in one is first */
    return CGSV_OK;
}

/* Tables tell apart what their rows and columns name, and nothing else. */
static cgsv_status check_single(const struct option *table, int count)
{
    static const char *const single[] = {"rounds", "lr", "model", "local-epochs", "samples-per-agent",
                                         "validation-samples"};
    for (int i = 0; i < count; i++) {
        if (!table[i].given || name_index(table[i].name, single, NAMES(single)) < 0) continue;
        const char *value = *(const char *const *)table[i].value;
        if (strchr(value, ',') || strstr(value, ".."))
            return error_set(CGSV_ERROR_ARGUMENT, "--%s: '%s' is a list; expected one value (cgsv sweep takes several)",
                             table[i].name, value);
    }
    return CGSV_OK;
}

cgsv_status paper_options_parse(struct paper_options *o, int argc, char **argv)
{
    struct option table[TABLE_SIZE];
    struct texts texts;
    set_defaults(o, &texts);
    const int count = build_table(table, o, &texts);
    TRY(options_parse(table, count, argc, argv, &o->help));
    if (o->help) return CGSV_OK;
    TRY(check_single(table, count));
    if (!o->schemes) o->schemes = COMPARED_SCHEMES;
    TRY(take_data_sets(o, texts.data_sets));
    TRY(parse_list(o, "parts", texts.parts, take_part));
    if (!o->out && !o->dry_run)
        return error_set(CGSV_ERROR_ARGUMENT, "--out DIR is missing: the folder for tables and plots (or --dry-run)");
    return CGSV_OK;
}

void paper_options_print_help(FILE *stream, struct paper_options *o)
{
    struct option table[TABLE_SIZE];
    struct texts texts;
    set_defaults(o, &texts);
    char *text = options_help(table, build_table(table, o, &texts));
    fprintf(stream, "usage: cgsv paper --out DIR [options]\n\n"
                    "Repeats the experiments of the CGSV paper (Xu et al., NeurIPS 2021): fairness and accuracy of\n"
                    "reward schemes on partitions of data sets, seconds of the server's work, the effect of beta, and\n"
                    "how close cheap contributions are to exact ones. Deviations over seeds stand beside all means.\n"
                    "\n%s\n"
                    "The tables go to standard output, progress and warnings go to standard error.\n"
                    "Exit codes: 0 done, 1 failed, or a data set is missing, or some cells failed; 2 wrong usage,\n"
                    "130 stopped by SIGINT or SIGTERM\n",
            text ? text : "");
    free(text);
}
