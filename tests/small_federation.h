/* A small federation for tests, and evaluations of its models in float64. */
#ifndef TESTS_SMALL_FEDERATION_H
#define TESTS_SMALL_FEDERATION_H

#include <criterion/criterion.h>

#include "cgsv/cgsv.h"
#include "federation/coalition.h"
#include "federation/internal.h"

enum { N = 4, ALL = (1 << N) - 1, ROUNDS = 3 };

void check(cgsv_status status);

/* That it was refused with a message that names `part`. */
void refused(cgsv_status status, const char *part);

/* Zeroed memory. */
void *take(size_t count, size_t size);

/* A federation of N agents with the mlp on synthetic data, of ROUNDS rounds. */
struct fixture {
    cgsv_dataset *data;
    cgsv_device *device;
    cgsv_federation *f;
    int64_t D;
    float *start;        /* the server's model before the latest round */
    float *device_start;
    double *score;       /* of the device, [N + 1] */
    int *round;          /* of the device */
    double size[N];      /* n_i */
};

cgsv_config small_config(void);
struct fixture start(const cgsv_config *config, int threads);
void stop(struct fixture *fixture);

/* The agents' samples and those kept aside. */
const struct partition *partition_of(const struct fixture *fixture);

struct naive {
    int correct, ambiguous; /* ambiguous: so near a tie that float32 may see it otherwise */
    double loss;            /* mean */
};

/* Of training samples index[samples]; w[D]. */
struct naive naive_evaluation(const struct fixture *fixture, const double *w, const int32_t *index, int64_t samples);

#endif
