/* cgsv run: trains a federation and reports. Everything that can go wrong for the
 * sake of the command line, the data, the device or the output folder goes wrong
 * before the first round. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgsv/cgsv.h"
#include "cli/checkpoints.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/pace.h"
#include "cli/profile.h"
#include "cli/recorder.h"
#include "cli/resume.h"
#include "cli/run_options.h"
#include "cli/signals.h"
#include "core/error.h"
#include "io/run_folder.h"

/* All that a run holds; zeroed members are fine to release. */
struct run {
    struct run_options options;
    struct resume resume; /* of --resume */
    int lock;             /* of the folder, or -1 */
    int first;            /* rounds done before, by a run that this one goes on with */
    cgsv_dataset *dataset;
    int vectors; /* words with a vector from a file */
    cgsv_device *device;
    struct profile profile;
    cgsv_memory_plan plan;
    cgsv_fleet *fleet; /* of one */
    cgsv_federation *federation;
    struct run_setup setup;
    struct recorder recorder;
    struct progress progress;
    struct pace pace;
    float *updates; /* [agents][parameters], NULL unless they are recorded */
};

static void run_release(struct run *run)
{
    recorder_free(&run->recorder);
    cgsv_fleet_free(run->fleet);
    cgsv_device_close(run->device);
    cgsv_dataset_free(run->dataset);
    resume_free(&run->resume);
    if (run->lock >= 0) close(run->lock);
    free(run->updates);
}

static cgsv_status load_data(struct run *run)
{
    const struct run_options *options = &run->options;
    const cgsv_dataset_options with = {options->mr_split, options->config.seed};
    TRY(cgsv_dataset_load_with(&run->dataset, run_data_set(options), options->data, &with));
    if (!options->word_vectors) return CGSV_OK;
    TRY(cgsv_dataset_read_vectors(run->dataset, options->word_vectors, &run->vectors));
    if (run->vectors > 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has a vector for none of the %d words of %s", options->word_vectors,
                     run->dataset->vocabulary - 2, run->dataset->name);
}

/* What --precision rounds, and what it leaves. */
static void print_precision(FILE *stream, const struct run *run)
{
    static const char *const rounded[] = {
        [CGSV_MODEL_MLP] = "all layers",
        [CGSV_MODEL_MNIST_CNN] = "the dense layers; convolutions compute in float32",
        [CGSV_MODEL_CIFAR_CNN] = "the dense layers; convolutions compute in float32",
        [CGSV_MODEL_TEXT_CNN] = "the dense layer and, forward, the convolutions; their gradients compute in float32",
        [CGSV_MODEL_CIFAR_RESNET] = "all convolutions and the dense layer"};
    const cgsv_config *config = &run->options.config;
    if (config->precision == CGSV_PRECISION_FLOAT32) return;
    fprintf(stream, "inputs  of products in %s: %s%s\n", cgsv_precision_name(config->precision), rounded[config->model],
            strcmp(run->setup.device->name, "cpu") == 0 ? "; on a CPU this is slower than float32" : "");
}

static void print_start(FILE *stream, const struct run *run)
{
    const cgsv_config *config = &run->options.config;
    const cgsv_memory_plan *plan = &run->plan;
    char parameters[FORMAT_SIZE], total[FORMAT_SIZE], available[FORMAT_SIZE];
    fprintf(stream, "device  %s: %s\n", run->setup.device->name, run->setup.device->description);
    fprintf(stream, "model   %s, D = %s parameters, N = %d agents on %s (%s)\n", cgsv_model_name(config->model),
            format_count(parameters, plan->parameters), config->agents, run->dataset->name,
            cgsv_partition_name(config->partition));
    print_precision(stream, run);
    fprintf(stream, "scheme  %s: %s\n", run->setup.scheme, cgsv_scheme_help(run->options.scheme));
    if (run->dataset->vocabulary > 0) {
        char words[FORMAT_SIZE], vectors[FORMAT_SIZE];
        fprintf(stream, "words   V = %s", format_count(words, run->dataset->vocabulary));
        if (run->options.word_vectors)
            fprintf(stream, ", %s of them with a vector from %s", format_count(vectors, run->vectors),
                    run->options.word_vectors);
        fputc('\n', stream);
    }
    fprintf(stream, "memory  needs %s", format_bytes(total, plan->total));
    if (plan->available > 0) fprintf(stream, " of %s free", format_bytes(available, plan->available));
    fputc('\n', stream);
}

static void print_bytes(FILE *stream, const char *name, size_t bytes)
{
    char human[FORMAT_SIZE], exact[FORMAT_SIZE];
    fprintf(stream, "  %-24s %-12s %s bytes\n", name, format_bytes(human, bytes), format_count(exact, (int64_t)bytes));
}

static void print_plan(FILE *stream, const struct run_setup *setup)
{
    const cgsv_memory_plan *plan = setup->plan;
    fprintf(stream, "\nmemory\n");
    print_bytes(stream, "models", plan->models);
    print_bytes(stream, "updates", plan->updates);
    print_bytes(stream, "training", plan->training);
    print_bytes(stream, "optimizer", plan->optimizer);
    print_bytes(stream, "activations", plan->activations);
    print_bytes(stream, "data", plan->data);
    print_bytes(stream, "server", plan->server);
    print_bytes(stream, "total", plan->total);
    if (plan->available > 0) print_bytes(stream, "available", plan->available);
    if (setup->record_every == 0) return;
    const int rounds = run_recorded_rounds(setup);
    fprintf(stream, "\nrecorded updates of %d rounds\n", rounds);
    print_bytes(stream, "on disk", run_recorded_bytes(setup));
    print_bytes(stream, "in the host's memory", rounds > 0 ? run_recorded_bytes(setup) / (size_t)rounds : 0);
}

/* Data, device and plan: what a dry run needs too. */
static cgsv_status open_inputs(struct run *run, int argc, char **argv)
{
    struct run_options *options = &run->options;
    TRY(load_data(run));
    TRY(cgsv_device_open(&run->device, options->device, options->threads));
    TRY(cgsv_federation_plan(&run->plan, run->device, &options->config, run->dataset));
    run->setup = (struct run_setup){
        .config = &options->config,
        .scheme = cgsv_scheme_name(options->scheme),
        .data_directory = run_data_directory(options),
        .dataset = run->dataset,
        .mr_split = strcmp(run->dataset->name, "mr") == 0 ? cgsv_mr_split_name(options->mr_split) : NULL,
        .word_vectors = options->word_vectors,
        .vectors = run->vectors,
        .device = cgsv_device_describe(run->device),
        .threads = options->threads,
        .record_every = options->record_every,
        .argc = argc,
        .argv = argv,
        .plan = &run->plan,
    };
    return CGSV_OK;
}

static cgsv_status print_dry_run(struct run *run)
{
    if (run->options.format == FORMAT_JSON) {
        char *text;
        TRY(run_setup_json(&text, &run->setup));
        puts(text);
        free(text);
    } else {
        print_start(stdout, run);
        printf("\nsettings\n");
        run_options_print_values(stdout, &run->options);
        print_plan(stdout, &run->setup);
    }
    if (run->plan.available > 0 && run->plan.total > run->plan.available)
        fprintf(stderr, "cgsv: warning: that is more memory than the device has free\n");
    return CGSV_OK;
}

/* Where a run that was stopped stood; its tables go on from there. */
static cgsv_status go_on(struct run *run)
{
    const struct run_options *options = &run->options;
    const cgsv_status status = checkpoints_load(&run->first, options->out, run->fleet, &options->config,
                                                &options->out, 1, options->other_device);
    if (status == CGSV_ERROR_DATA)
        return error_set(status, "%s: remove '%s/checkpoints' to start over", cgsv_last_error(), options->out);
    TRY(status);
    if (run->first == 0)
        fprintf(stderr, "cgsv: '%s' has no checkpoint yet: starting over\n", options->out);
    else if (!options->quiet)
        fprintf(stderr, "resume  after round %d of %d\n", run->first, options->config.rounds);
    return CGSV_OK;
}

static cgsv_status begin_recorder(struct run *run)
{
    const char *out = run->options.out;
    if (run->options.resume) TRY(go_on(run));
    if (run->first > 0) return recorder_continue(&run->recorder, run->federation, &run->setup, out);
    TRY(recorder_begin(&run->recorder, run->federation, &run->setup, out));
    return out ? run_folder_lock(out, &run->lock) : CGSV_OK;
}

static cgsv_status begin(struct run *run)
{
    const cgsv_config *config = &run->options.config;
    if (!run->options.quiet) print_start(stderr, run);
    if (run->options.profile) TRY(profile_begin(&run->profile, run->device));
    TRY(cgsv_fleet_create(&run->fleet, run->device, config, 1, run->dataset));
    run->federation = cgsv_fleet_federation(run->fleet, 0);
    if (run_recorded_rounds(&run->setup) > 0) {
        run->updates = calloc((size_t)config->agents * (size_t)run->plan.parameters, sizeof *run->updates);
        if (!run->updates)
            return error_set(CGSV_ERROR_MEMORY, "no memory to record the updates of %d agents", config->agents);
    }
    TRY(begin_recorder(run));
    progress_begin(&run->progress, config->rounds, run->first, run->options.quiet);
    return CGSV_OK;
}

/* Where to stop next after `done` rounds: where there is something to evaluate, to record or to save. */
static int next_stop(const struct run *run, int done)
{
    const cgsv_config *config = &run->options.config;
    const int evaluation = recorder_next_stop(config, done);
    const int record = recorder_next_multiple(run->options.record_every, done, config->rounds);
    const int checkpoint = recorder_next_multiple(run->options.checkpoint_every, done, config->rounds);
    const int earlier = evaluation < record ? evaluation : record;
    return earlier < checkpoint ? earlier : checkpoint;
}

/* The updates of round `round`, which must be the latest. */
static cgsv_status record_updates(struct run *run, int round)
{
    if (!run->updates || round % run->options.record_every != 0) return CGSV_OK;
    for (int i = 0; i < run->options.config.agents; i++)
        TRY(cgsv_federation_update(run->federation, i, run->updates + i * run->plan.parameters));
    return run_folder_save_updates(&run->recorder.folder, round, &run->setup, run->updates);
}

/* Trains from `done` rounds to `stop`, or to where a signal asks to stop: *reached. */
static cgsv_status train_to(struct run *run, int done, int stop, int *reached)
{
    cgsv_seconds waited;
    for (*reached = done; *reached < stop && !(signals_asked() && *reached > done);) {
        const int rounds = pace_begin(&run->pace, stop - *reached);
        TRY(cgsv_fleet_run(run->fleet, rounds));
        TRY(cgsv_fleet_seconds(run->fleet, &waited));
        pace_end(&run->pace, rounds);
        *reached += rounds;
    }
    return CGSV_OK;
}

/* Saves what is due after round `round`. */
static cgsv_status save_checkpoint(struct run *run, int round)
{
    const int every = run->options.checkpoint_every;
    const bool stopped = signals_asked() && round < run->options.config.rounds;
    if (run->options.out && (stopped || (every > 0 && round % every == 0)))
        TRY(checkpoints_save(run->options.out, run->fleet, &run->recorder, 1));
    if (!stopped) return CGSV_OK;
    progress_end(&run->progress);
    if (!run->options.out)
        return error_set(CGSV_ERROR_INTERRUPTED, "stopped after round %d of %d; without --out nothing was saved", round,
                         run->options.config.rounds);
    return error_set(CGSV_ERROR_INTERRUPTED, "stopped after round %d of %d; go on with: cgsv run --resume %s", round,
                     run->options.config.rounds, run->options.out);
}

static cgsv_status train(struct run *run)
{
    const cgsv_config *config = &run->options.config;
    const struct recorder *recorder = &run->recorder;
    for (int done = run->first, reached; done < config->rounds; done = reached) {
        TRY(train_to(run, done, next_stop(run, done), &reached));
        bool evaluate = recorder_is_evaluated(config, reached);
        if (evaluate) TRY(cgsv_fleet_evaluate(run->fleet));
        TRY(record_updates(run, reached));
        TRY(recorder_add(&run->recorder, done, reached, evaluate, &run->progress));
        progress_round(&run->progress, reached, evaluate ? recorder_mean_accuracy(recorder) : NAN,
                       evaluate ? recorder->results.server.accuracy : NAN);
        TRY(save_checkpoint(run, reached));
    }
    return CGSV_OK;
}

/* The results are printed before models and summary are written: a disk that is
 * full by then does not take them away. */
static cgsv_status finish(struct run *run)
{
    const struct run_options *options = &run->options;
    const struct run_results *results = &run->recorder.results;
    TRY(results_collect(&run->recorder.results, run->federation));
    if (options->profile) run->recorder.results.profile = &run->profile;
    results_report_faults(results);
    if (options->format == FORMAT_JSON) {
        char *text;
        TRY(run_results_json(&text, results));
        puts(text);
        free(text);
    } else {
        results_print(stdout, results, options->config.standalone);
        if (options->profile) profile_print(stdout, &run->profile);
    }
    fflush(stdout);
    if (!options->out) return cgsv_checks_status(&results->checks);

    TRY(recorder_finish(&run->recorder, options->save_models));
    if (options->format == FORMAT_TEXT)
        printf("written to           %s: config.json, rounds.csv, server.csv, summary.json%s%s%s\n", options->out,
               options->save_models ? ", models/" : "", run->updates ? ", updates/" : "",
               options->checkpoint_every > 0 ? ", checkpoints/" : "");
    return cgsv_checks_status(&results->checks);
}

/* Where the results go; before anything that takes long. */
static cgsv_status open_folder(struct run *run)
{
    const struct run_options *options = &run->options;
    if (!options->out) return CGSV_OK;
    if (options->dry_run) return options->resume ? CGSV_OK : run_folder_check(options->out, options->force);
    if (!options->resume) TRY(run_folder_prepare(options->out, options->force));
    return run_folder_lock(options->out, &run->lock);
}

static cgsv_status print_complete(const struct run *run)
{
    if (run->options.format == FORMAT_JSON)
        puts(run->resume.summary);
    else
        printf("the run in %s is complete: see its summary.json\n", run->options.out);
    return CGSV_OK;
}

static cgsv_status train_and_save(struct run *run)
{
    TRY(begin(run));
    signals_watch();
    cgsv_status status = train(run);
    signals_release();
    progress_end(&run->progress);
    TRY(status);
    return finish(run);
}

static cgsv_status run_all(struct run *run, int argc, char **argv)
{
    const bool resumed = run->options.resume;
    TRY(open_folder(run));
    if (run->resume.summary) return print_complete(run);
    TRY(open_inputs(run, resumed ? run->resume.argc : argc, resumed ? run->resume.argv : argv));
    if (resumed) TRY(resume_check_setup(&run->resume, &run->setup, run->options.out));
    return run->options.dry_run ? print_dry_run(run) : train_and_save(run);
}

int command_run(int argc, char **argv)
{
    struct run run = {.lock = -1};
    cgsv_status status = run_options_parse(&run.options, argc, argv);
    if (status == CGSV_OK && run.options.resume && !run.options.help)
        status = resume_options(&run.resume, &run.options, argc, argv);
    if (status == CGSV_OK && run.options.help)
        run_options_print_help(stdout, &run.options);
    else if (status == CGSV_OK)
        status = run_all(&run, argc, argv);
    int code = report_status(status);
    run_release(&run);
    return code;
}
