#include "cli/paper_estimate.h"

#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "core/error.h"

enum { FEW_SAMPLES = 32 };

/* Seconds of one round by one local epoch, and if wanted of an evaluation after it. */
static cgsv_status measure(cgsv_seconds *seconds, cgsv_device *device, const cgsv_config *config,
                           const cgsv_dataset *dataset, bool evaluate)
{
    cgsv_federation *federation;
    cgsv_config one = *config;
    one.rounds = one.local_epochs = 1;
    one.standalone = false;
    TRY(cgsv_federation_create(&federation, device, &one, dataset));
    cgsv_status status = cgsv_federation_run(federation, 1);
    if (status == CGSV_OK && evaluate) status = cgsv_federation_evaluate(federation);
    if (status == CGSV_OK) status = cgsv_federation_seconds(federation, seconds);
    cgsv_federation_free(federation);
    return status;
}

/* ---- models in training ---- */

/* Takes the first cell that is not done yet and all that a fleet may hold beside it. */
static int take_fleet(cgsv_config *fleet, const cgsv_config *configs, bool *done, int cells, int most)
{
    int count = 0;
    for (int cell = 0; cell < cells && count < most; cell++) {
        if (done[cell] || (count > 0 && cgsv_fleet_alike(&fleet[0], &configs[cell]) != CGSV_OK)) continue;
        done[cell] = true;
        fleet[count++] = configs[cell];
    }
    return count;
}

static cgsv_status count_models(int *models, struct paper_sweep *s, cgsv_device *device, const cgsv_dataset *dataset,
                                const cgsv_config *configs)
{
    const int cells = s->options.cells, most = s->options.fleet > 0 ? s->options.fleet : cells;
    cgsv_config *fleet = malloc((size_t)cells * sizeof *fleet);
    bool *done = calloc((size_t)cells, sizeof *done);
    cgsv_status status = fleet && done ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", cells);
    *models = 0;
    for (int count = 1; status == CGSV_OK && count > 0;) {
        cgsv_memory_plan plan = {0};
        count = take_fleet(fleet, configs, done, cells, most);
        if (count > 0) status = cgsv_fleet_plan(&plan, device, fleet, count, dataset);
        *models += plan.rows;
    }
    free(fleet);
    free(done);
    return status;
}

/* ---- the server ---- */

/* Seconds of a cell's server step; training is not looked at, so it has few samples. */
static cgsv_status measure_server(double *server, const cgsv_config *config, cgsv_device *device,
                                  const cgsv_dataset *dataset)
{
    cgsv_seconds seconds;
    cgsv_config few = *config;
    few.partition = CGSV_PARTITION_UNIFORM;
    if (few.samples_per_agent == 0 || few.samples_per_agent > FEW_SAMPLES) few.samples_per_agent = FEW_SAMPLES;
    TRY(measure(&seconds, device, &few, dataset, false));
    *server = seconds.server;
    return CGSV_OK;
}

static const char *scheme_of(const struct sweep_options *o, int cell)
{
    for (int i = 0; i < o->axes; i++)
        if (strcmp(o->axis[i].option.name, "scheme") == 0) return sweep_cell_value(o, i, cell);
    return "";
}

/* Schemes differ in their server step, cells of one scheme do not. */
static cgsv_status add_server(struct paper_estimate *e, const struct sweep_options *o, cgsv_device *device,
                              const cgsv_dataset *dataset, const cgsv_config *configs)
{
    const int cells = o->cells;
    double *seconds = calloc((size_t)cells, sizeof *seconds);
    cgsv_status status = seconds ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", cells);
    for (int cell = 0; cell < cells && status == CGSV_OK; cell++) {
        int like = 0;
        while (strcmp(scheme_of(o, like), scheme_of(o, cell)) != 0) like++;
        if (like == cell) status = measure_server(&seconds[cell], &configs[cell], device, dataset);
        seconds[cell] = seconds[like];
        e->server += seconds[cell] * configs[cell].rounds;
    }
    free(seconds);
    return status;
}

/* ---- all ---- */

static cgsv_status estimate_cells(struct paper_estimate *e, struct paper_sweep *s, cgsv_device *device,
                                  const cgsv_dataset *dataset, cgsv_config *configs)
{
    cgsv_seconds seconds;
    for (int cell = 0; cell < s->options.cells; cell++) TRY(sweep_cell_config(&configs[cell], &s->options, cell));
    TRY(count_models(&e->models, s, device, dataset, configs));
    TRY(measure(&seconds, device, &configs[0], dataset, true));
    e->training = seconds.training / s->agents * configs[0].local_epochs * configs[0].rounds * e->models;
    /* An evaluation is of all agents before and after the download, of the server, and of the twins. */
    const int cells = s->options.cells, twins = e->models - cells * s->agents;
    e->evaluation = seconds.evaluation * (cells + (double)twins / (2 * s->agents + 1));
    return add_server(e, &s->options, device, dataset, configs);
}

cgsv_status paper_estimate_make(struct paper_estimate *estimate, struct paper_sweep *sweep, cgsv_device *device,
                                const cgsv_dataset *dataset)
{
    cgsv_config *configs = calloc((size_t)sweep->options.cells, sizeof *configs);
    *estimate = (struct paper_estimate){0};
    cgsv_status status = configs ? estimate_cells(estimate, sweep, device, dataset, configs)
                                 : error_set(CGSV_ERROR_MEMORY, "no memory for %d cells", sweep->options.cells);
    free(configs);
    return status;
}

cgsv_status paper_warm_up(const struct paper_sweep *sweep, cgsv_device *device, const cgsv_dataset *dataset)
{
    cgsv_seconds seconds;
    return measure(&seconds, device, &sweep->config, dataset, false);
}
