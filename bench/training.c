/* Seconds of whole rounds, local training and server step, of a federation or a fleet on random samples: to be
 * put beside bench/peers/. Prints one line of JSON. usage: bench_training [--OPTION VALUE]...; see `options`. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "cli/bench_measure.h"
#include "core/clock.h"
#include "federation/internal.h"
#include "io/npy.h"

enum { WORDS = 20, VOCABULARY = 5000, CLASSES = 10 };

static struct setting {
    const char *model, *device, *precision, *dump;
    int agents, batch, samples, epochs, federations, threads, repeat;
    double seconds;
} o = {.model = "mnist_cnn", .device = "cpu", .precision = "float32", .agents = 5, .batch = 32, .samples = 600,
       .epochs = 1, .federations = 1, .repeat = 31, .seconds = 1};

static const struct {
    const char *name;
    const char **text;
    int *number;
} options[] = {
    {"model", &o.model, NULL},
    {"device", &o.device, NULL},
    {"precision", &o.precision, NULL},
    {"dump", &o.dump, NULL}, /* folder for what a peer needs to compute the same round, and for the result */
    {"agents", NULL, &o.agents},
    {"batch", NULL, &o.batch},
    {"samples", NULL, &o.samples}, /* of each agent; 0: shared out by the power law, 600 or 2,000 on average */
    {"epochs", NULL, &o.epochs},
    {"federations", NULL, &o.federations},
    {"threads", NULL, &o.threads},
    {"repeat", NULL, &o.repeat}, /* rounds at most */
};
enum { OPTIONS = sizeof options / sizeof *options, LEAST_ROUNDS = 3, PROFILED_ROUNDS = 3, UNTIMED_ROUNDS = 4 };

static void stop(const char *message)
{
    fprintf(stderr, "bench_training: %s\n", message);
    exit(1);
}

static void check(cgsv_status status)
{
    if (status) stop(cgsv_last_error());
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory) stop("no memory");
    return memory;
}

static void read_options(int argc, char **argv)
{
    struct option table[OPTIONS + 2] = {{"seconds", required_argument, NULL, OPTIONS}};
    for (int i = 0; i < OPTIONS; i++) table[i + 1] = (struct option){options[i].name, required_argument, NULL, i};
    for (int i; (i = getopt_long(argc, argv, "", table, NULL)) >= 0;) {
        if (i > OPTIONS) exit(2);
        if (i == OPTIONS)
            o.seconds = atof(optarg);
        else if (options[i].text)
            *options[i].text = optarg;
        else
            *options[i].number = atoi(optarg);
    }
}

/* ---- random samples ---- */

static double uniform(void) { return (double)rand() / RAND_MAX; }

static void random_split(cgsv_split *split, const cgsv_dataset *data, int64_t samples)
{
    const int64_t values = (int64_t)data->channels * data->height * data->width;
    *split = (cgsv_split){.samples = samples, .y = take((size_t)samples, sizeof *split->y)};
    for (int64_t i = 0; i < samples; i++) split->y[i] = rand() % data->classes;
    if (data->vocabulary == 0) {
        split->x = take((size_t)(samples * values), sizeof *split->x);
        for (int64_t i = 0; i < samples * values; i++) split->x[i] = (float)(2 * uniform() - 1);
        return;
    }
    split->token = take((size_t)(samples * values), sizeof *split->token);
    split->length = take((size_t)samples, sizeof *split->length);
    for (int64_t i = 0; i < samples; i++) split->length[i] = WORDS;
    for (int64_t i = 0; i < samples * values; i++) split->token[i] = 2 + rand() % (data->vocabulary - 2);
}

static void free_split(cgsv_split *split)
{
    free(split->x);
    free(split->token);
    free(split->length);
    free(split->y);
}

static cgsv_dataset random_data(const char *name, int64_t samples)
{
    const bool sentences = strcmp(name, "mr") == 0, colours = strcmp(name, "cifar10") == 0;
    cgsv_dataset data = {.name = "random", .channels = colours ? 3 : 1, .height = sentences ? 1 : 32,
                         .width = sentences ? WORDS : 32, .classes = sentences ? 2 : CLASSES,
                         .vocabulary = sentences ? VOCABULARY : 0};
    srand(1);
    random_split(&data.train, &data, samples);
    random_split(&data.test, &data, 1);
    return data;
}

/* ---- the setting ---- */

/* The data set whose published settings the model goes with. */
static const char *data_set_of(const char *model)
{
    if (strcmp(model, "mlp") == 0) return "synthetic";
    if (strcmp(model, "mnist_cnn") == 0) return "mnist";
    return strcmp(model, "text_cnn") == 0 ? "mr" : "cifar10";
}

/* Federations that differ in β. */
static cgsv_config *make_configs(void)
{
    cgsv_config *config = take((size_t)o.federations, sizeof *config), first;
    cgsv_model model;
    check(cgsv_model_parse(&model, o.model));
    cgsv_config_defaults(&first, data_set_of(o.model));
    cgsv_config_set_model(&first, model);
    check(cgsv_precision_parse(&first.precision, o.precision));
    first.agents = o.agents;
    first.batch = o.batch;
    first.local_epochs = o.epochs;
    first.partition = o.samples ? CGSV_PARTITION_UNIFORM : CGSV_PARTITION_POWERLAW;
    if (o.samples) first.samples_per_agent = o.samples;
    first.augment = CGSV_AUGMENT_NONE;
    first.standalone = false;
    first.validation_fraction = 0;
    first.rounds = o.repeat + UNTIMED_ROUNDS;
    for (int i = 0; i < o.federations; i++) {
        config[i] = first;
        config[i].beta = 1 + 0.1 * i;
    }
    return config;
}

/* ---- a round for a peer to repeat ---- */

static void write_floats(const char *name, const float *x, int64_t rows, int64_t columns)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.npy", o.dump, name);
    check(npy_write(path, ELEMENT_FLOAT32, x, rows, columns));
}

static void write_integers(const char *name, const int32_t *x, int64_t rows, int64_t columns)
{
    float *copy = take((size_t)(rows * columns), sizeof *copy);
    for (int64_t i = 0; i < rows * columns; i++) copy[i] = (float)x[i];
    write_floats(name, copy, rows, columns);
    free(copy);
}

static void dump_samples(cgsv_fleet *f, const cgsv_dataset *data)
{
    const int64_t values = (int64_t)data->channels * data->height * data->width, D = f->model.parameters;
    float *w = take((size_t)D, sizeof *w);
    check(cgsv_federation_model(cgsv_fleet_federation(f, 0), CGSV_SERVER, 0, w));
    write_floats("start", w, 1, D);
    if (data->vocabulary > 0)
        write_integers("x", data->train.token, data->train.samples, values);
    else
        write_floats("x", data->train.x, data->train.samples, values);
    write_integers("y", data->train.y, data->train.samples, 1);
    write_integers("index", f->split[0].partition.index, o.agents, o.samples); /* of equal shards */
    free(w);
}

static void dump_round(cgsv_fleet *f)
{
    cgsv_federation *m = cgsv_fleet_federation(f, 0);
    const int64_t D = f->model.parameters;
    float *update = take((size_t)(o.agents * D), sizeof *update), *model = take((size_t)(o.agents * D), sizeof *model);
    float *loss = take((size_t)o.agents, sizeof *loss);
    cgsv_round_record *record = take((size_t)o.agents, sizeof *record);
    check(cgsv_federation_round(m, 0, record));
    for (int i = 0; i < o.agents; i++) {
        check(cgsv_federation_update(m, i, update + i * D));
        check(cgsv_federation_model(m, CGSV_AGENT, i, model + i * D));
        loss[i] = (float)record[i].train_loss;
    }
    write_floats("update", update, o.agents, D);
    write_floats("model", model, o.agents, D);
    write_floats("loss", loss, 1, o.agents);
    free(update);
    free(model);
    free(loss);
    free(record);
}

/* ---- the measurement ---- */

/* Rounds under a profile: what they have to do, and how near the convolutions come to products. */
static void profile_rounds(struct profile *profile, cgsv_device *device, cgsv_fleet *f)
{
    check(bench_copy_bandwidth(&profile->copy_bandwidth, device));
    check(bench_product_rate(&profile->product_rate, device));
    device->profile = profile;
    check(cgsv_fleet_run(f, PROFILED_ROUNDS));
    cgsv_seconds unused;
    check(cgsv_fleet_seconds(f, &unused));
    device->profile = NULL;
}

struct rounds {
    double *training, *server, *whole;
    int count;
};

static void measure(struct rounds *r, cgsv_fleet *f)
{
    const double begin = clock_seconds();
    cgsv_seconds before, after;
    while (r->count < o.repeat && (r->count < LEAST_ROUNDS || clock_seconds() - begin < o.seconds)) {
        check(cgsv_fleet_seconds(f, &before));
        const double start = clock_seconds();
        check(cgsv_fleet_run(f, 1));
        check(cgsv_fleet_seconds(f, &after)); /* waits */
        r->whole[r->count] = clock_seconds() - start;
        r->training[r->count] = after.training - before.training;
        r->server[r->count++] = after.server - before.server;
    }
}

static void print_times(const char *name, double *seconds, int count)
{
    const struct bench_times t = bench_times_of(seconds, count);
    printf(", \"%s\": {\"seconds\": %.9g, \"lower\": %.9g, \"upper\": %.9g, \"repeat\": %d}", name, t.median, t.lower,
           t.upper, count);
}

static void print_result(struct rounds *r, const struct profile *p, cgsv_device *device, const cgsv_fleet *f)
{
    double flops = 0, server_floor = 0;
    for (int i = 0; i < STAGE_NORMS; i++) flops += p->stage[i].work.flops / PROFILED_ROUNDS;
    for (int i = STAGE_NORMS; i < STAGES; i++) server_floor += profile_floor(p, p->stage[i].work) / PROFILED_ROUNDS;
    printf("{\"what\": \"training\", \"model\": \"%s\", \"agents\": %d, \"batch\": %d, \"samples\": %d, "
           "\"epochs\": %d, \"federations\": %d, \"parameters\": %lld, \"description\": \"%s\"",
           o.model, o.agents, o.batch, o.samples, o.epochs, o.federations, (long long)f->model.parameters,
           cgsv_device_describe(device)->description);
    print_times("training", r->training, r->count);
    print_times("server", r->server, r->count);
    print_times("whole", r->whole, r->count);
    const double share = profile_convolutions(p);
    printf(", \"training_flops\": %.6g, \"server_floor\": %.6g, \"product_gflop_per_second\": %.6g, "
           "\"copy_gb_per_second\": %.6g, \"convolution_share\": ",
           flops, server_floor, 1e-9 * p->product_rate, 1e-9 * p->copy_bandwidth);
    printf(share == share ? "%.4g}\n" : "null}\n", share);
}

int main(int argc, char **argv)
{
    struct profile profile = {0};
    cgsv_device *device;
    cgsv_fleet *fleet;
    read_options(argc, argv);
    cgsv_config *config = make_configs();
    cgsv_dataset data = random_data(data_set_of(o.model), (int64_t)o.agents * config->samples_per_agent);
    struct rounds rounds = {.training = take((size_t)o.repeat, sizeof(double)),
                            .server = take((size_t)o.repeat, sizeof(double)),
                            .whole = take((size_t)o.repeat, sizeof(double))};
    check(cgsv_device_open(&device, o.device, o.threads));
    check(cgsv_fleet_create(&fleet, device, config, o.federations, &data));
    if (o.dump) dump_samples(fleet, &data);
    check(cgsv_fleet_run(fleet, 1)); /* warm-up */
    if (o.dump) dump_round(fleet);
    profile_rounds(&profile, device, fleet);
    measure(&rounds, fleet);
    print_result(&rounds, &profile, device, fleet);
    cgsv_fleet_free(fleet);
    cgsv_device_close(device);
    free_split(&data.train);
    free_split(&data.test);
    free(config);
    free(rounds.training);
    free(rounds.server);
    free(rounds.whole);
    return 0;
}
