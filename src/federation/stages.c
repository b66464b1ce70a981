#include "federation/stages.h"

#include <stdlib.h>
#include <string.h>

#include "federation/scheme.h"
#include "valuation/internal.h"

struct server_stages {
    unsigned needs;
    struct valuation exact;    /* a game for each federation */
    struct gram gram;          /* partial and not_finite are its own */
    struct server_step upload; /* the uploads' selections: each a federation of one agent, whose aggregate it is */
    bool masked;               /* some agents upload a part only */
    float *key;                /* [F][ld] */
};

/* The uploads' selection works within the whole vector. */
static struct server_sizes upload_sizes(const struct server_sizes *z)
{
    struct server_sizes u = *z;
    u.federations = z->federations * z->agents;
    u.agents = u.rounds = 1;
    u.reward = CGSV_REWARD_GLOBAL;
    u.needs = 0;
    return u;
}

static size_t gram_partial_bytes(const struct server_sizes *z)
{
    return BYTES_OF(double, z->federations, gram_runs(z->dimension), (int64_t)z->agents * (z->agents + 1) / 2);
}

static void exact_options(cgsv_valuation_options *options)
{
    cgsv_valuation_defaults(options);
    options->method = CGSV_METHOD_EXACT;
}

size_t stages_bytes(const struct kernels *kernels, const struct server_sizes *z)
{
    const int64_t F = z->federations, N = z->agents;
    size_t bytes = 0;
    if (z->needs & NEEDS_EXACT) {
        cgsv_valuation_options options;
        exact_options(&options);
        bytes += gram_partial_bytes(z) + BYTES_OF(int, F, N) + valuation_bytes(z->federations, z->agents, &options);
    }
    if (z->needs & NEEDS_UPLOAD) {
        const struct server_sizes u = upload_sizes(z);
        bytes += server_step_bytes(kernels, &u);
    }
    if (z->needs & NEEDS_KEYS) bytes += BYTES_OF(float, F, z->ld);
    return bytes;
}

static cgsv_status create_exact(struct server_stages *stages, cgsv_device *device, const struct server_sizes *z)
{
    const struct device_backend *backend = device->backend;
    cgsv_valuation_options options;
    exact_options(&options);
    TRY(valuation_create(&stages->exact, device, z->federations, z->agents, &options));
    stages->gram = (struct gram){.gram = stages->exact.gram, .columns = z->dimension, .games = z->federations,
                                 .agents = z->agents, .precise = 1};
    TRY(backend->allocate(device, (void **)&stages->gram.partial, gram_partial_bytes(z)));
    return backend->allocate(device, (void **)&stages->gram.not_finite, BYTES_OF(int, z->federations, z->agents));
}

/* Every agent's share θ, as the quota of its upload's only "agent". */
static cgsv_status create_upload(struct server_stages *stages, cgsv_device *device, const struct server_sizes *z,
                                 const struct mechanism *mechanism)
{
    const struct server_sizes sizes = upload_sizes(z);
    const size_t rows = (size_t)sizes.federations;
    struct mechanism *unused = calloc(rows, sizeof *unused);
    double *share = calloc(rows, sizeof *share);
    cgsv_status status = CGSV_OK;
    if (!unused || !share) status = error_set(CGSV_ERROR_MEMORY, "no memory for the uploads of %zu agents", rows);
    if (status == CGSV_OK) status = server_step_create(&stages->upload, device, &sizes, unused, share);
    for (size_t i = 0; status == CGSV_OK && i < rows; i++) {
        const double upload = mechanism[i / (size_t)z->agents].scheme.upload;
        share[i] = upload > 0 ? upload : 1;
        stages->masked = stages->masked || share[i] < 1;
    }
    if (status == CGSV_OK)
        status = device->backend->upload(device, stages->upload.keep_ratio, share, rows * sizeof *share);
    free(unused);
    free(share);
    return status;
}

static cgsv_status create_all(struct server_step *step, cgsv_device *device, const struct server_sizes *z,
                              const struct mechanism *mechanism)
{
    struct server_stages *stages = step->stages;
    stages->needs = z->needs;
    if (z->needs & NEEDS_EXACT) {
        TRY(create_exact(stages, device, z));
        step->exact = stages->exact.value;
    }
    if (z->needs & NEEDS_UPLOAD) TRY(create_upload(stages, device, z, mechanism));
    if (z->needs & NEEDS_KEYS) {
        TRY(device->backend->allocate(device, (void **)&stages->key, BYTES_OF(float, z->federations, z->ld)));
        step->key = stages->key;
    }
    return CGSV_OK;
}

cgsv_status stages_create(struct server_step *step, cgsv_device *device, const struct server_sizes *z,
                          const struct mechanism *mechanism)
{
    if (!z->needs) return CGSV_OK;
    step->stages = calloc(1, sizeof *step->stages);
    if (!step->stages) return error_set(CGSV_ERROR_MEMORY, "no memory for the stages of a scheme");
    return create_all(step, device, z, mechanism);
}

void stages_free(struct server_step *step, cgsv_device *device)
{
    struct server_stages *stages = step->stages;
    if (!stages) return;
    valuation_free(&stages->exact);
    if (stages->needs & NEEDS_UPLOAD) server_step_free(&stages->upload, device);
    void *all[] = {stages->gram.partial, stages->gram.not_finite, stages->key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, all[i]);
    free(stages);
    step->stages = NULL;
}

cgsv_status stages_upload(cgsv_device *device, struct server_step *step, void *stream)
{
    struct server_stages *stages = step->stages;
    step->raw = step->update;
    step->raw_stride = step->update_stride;
    step->raw_storage = step->storage;
    if (!stages || !(stages->needs & NEEDS_UPLOAD)) return CGSV_OK;
    float *upload = stages->upload.aggregate;
    LAUNCHED(device, device->kernels->server_upload(stream, upload, *step, step->ld));
    if (stages->masked) {
        TRY(server_step_select(device, &stages->upload, stream));
        LAUNCHED(device, device->kernels->server_upload_mask(stream, upload, stages->upload));
    }
    step->update = upload;
    step->update_stride = step->ld;
    step->storage = CGSV_STORAGE_FLOAT32;
    return CGSV_OK;
}

cgsv_status stages_value(cgsv_device *device, const struct server_step *step, void *stream)
{
    struct server_stages *stages = step->stages;
    if (!stages || !(stages->needs & NEEDS_EXACT)) return CGSV_OK;
    const struct kernels *k = device->kernels;
    struct gram gram = stages->gram;
    gram.row = step->update;
    gram.stride = step->update_stride;
    LAUNCHED(device, k->server_exact_begin(stream, stages->exact.gram, stages->exact.weight, *step));
    LAUNCHED(device, k->gram_add(stream, gram));
    LAUNCHED(device, k->games_prepare(stream, stages->exact.games));
    LAUNCHED(device, k->shapley_exact(stream, stages->exact.shapley));
    return CGSV_OK;
}

cgsv_status stages_order(cgsv_device *device, const struct server_step *step, void *stream)
{
    struct server_stages *stages = step->stages;
    if (!stages || !(stages->needs & NEEDS_KEYS)) return CGSV_OK;
    LAUNCHED(device, device->kernels->server_random_keys(stream, stages->key, *step));
    return CGSV_OK;
}

cgsv_status stages_own(cgsv_device *device, const struct server_step *step, void *stream)
{
    if (!step->stages || !(step->stages->needs & NEEDS_OWN) || !step->model) return CGSV_OK;
    LAUNCHED(device, device->kernels->server_keep_own(stream, *step));
    return CGSV_OK;
}
