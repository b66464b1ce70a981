/* Seconds of one round of local training of all agents, on random pictures, to be put
 * beside peers/torch_training.py: mnist_cnn with N = 5, cifar_cnn with N = 10. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"

static void stop(void)
{
    fprintf(stderr, "bench_training: %s\n", cgsv_last_error());
    exit(1);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "mnist";
    const int threads = argc > 2 ? atoi(argv[2]) : 0, rounds = argc > 3 ? atoi(argv[3]) : 3;
    const char *device_name = argc > 4 ? argv[4] : "cpu";
    cgsv_config config;
    cgsv_config_defaults(&config, name);
    config.standalone = false;
    config.validation_fraction = 0;
    config.rounds = rounds + 1;
    const int channels = strcmp(name, "cifar10") == 0 ? 3 : 1;
    const int64_t samples = (int64_t)config.agents * config.samples_per_agent, floats = samples * channels * 32 * 32;
    float *x = malloc((size_t)floats * sizeof *x);
    int32_t *y = malloc((size_t)samples * sizeof *y);
    if (!x || !y) return 1;
    srand(1);
    for (int64_t i = 0; i < floats; i++) x[i] = 2.0f * (float)rand() / (float)RAND_MAX - 1.0f;
    for (int64_t i = 0; i < samples; i++) y[i] = rand() % 10;

    cgsv_device *device;
    cgsv_dataset *data;
    cgsv_federation *federation;
    if (cgsv_device_open(&device, device_name, threads)) stop();
    if (cgsv_dataset_create(&data, "random", channels, 32, 32, 10, samples, x, y, 1, x, y)) stop();
    if (cgsv_federation_create(&federation, device, &config, data)) stop();
    if (cgsv_federation_run(federation, 1)) stop(); /* warm-up */

    double *training = calloc((size_t)rounds, sizeof *training), *server = calloc((size_t)rounds, sizeof *server);
    cgsv_seconds before, after;
    for (int i = 0; i < rounds; i++) {
        if (cgsv_federation_seconds(federation, &before) || cgsv_federation_run(federation, 1) ||
            cgsv_federation_seconds(federation, &after))
            stop();
        training[i] = after.training - before.training;
        server[i] = after.server - before.server;
    }
    qsort(training, (size_t)rounds, sizeof *training, ascending);
    qsort(server, (size_t)rounds, sizeof *server, ascending);
    printf("{\"what\": \"training\", \"model\": \"%s\", \"agents\": %d, \"seconds\": %.4f, \"server_seconds\": %.6f, "
           "\"device\": \"%s\"}\n",
           cgsv_model_name(config.model), config.agents, training[rounds / 2], server[rounds / 2],
           cgsv_device_describe(device)->description);
    cgsv_federation_free(federation);
    cgsv_dataset_free(data);
    cgsv_device_close(device);
    free(training);
    free(server);
    free(x);
    free(y);
    return 0;
}
