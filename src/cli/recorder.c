#include "cli/recorder.h"

#include <stdlib.h>

#include "core/error.h"

static cgsv_status prepare(struct recorder *r, cgsv_federation *federation, const struct run_setup *setup)
{
    const size_t agents = (size_t)setup->config->agents;
    *r = (struct recorder){.federation = federation, .setup = *setup};
    TRY(results_begin(&r->results, federation, setup->config, setup->dataset->classes));
    r->samples = calloc(agents, sizeof *r->samples);
    r->records = calloc(agents, sizeof *r->records);
    r->agents = calloc(agents, sizeof *r->agents);
    r->standalone = calloc(agents, sizeof *r->standalone);
    r->local = calloc(agents, sizeof *r->local);
    if (!r->samples || !r->records || !r->agents || !r->standalone || !r->local)
        return error_set(CGSV_ERROR_MEMORY, "no memory for the records of %zu agents", agents);
    for (size_t i = 0; i < agents; i++) r->samples[i] = r->results.agent[i].samples;
    r->setup.samples = r->samples;
    return CGSV_OK;
}

cgsv_status recorder_begin(struct recorder *r, cgsv_federation *federation, const struct run_setup *setup,
                           const char *out)
{
    TRY(prepare(r, federation, setup));
    return out ? run_folder_begin(&r->folder, out, &r->setup) : CGSV_OK;
}

cgsv_status recorder_continue(struct recorder *r, cgsv_federation *federation, const struct run_setup *setup,
                              const char *out)
{
    const int done = cgsv_federation_rounds_done(federation);
    TRY(prepare(r, federation, setup));
    for (int round = 0; round < done; round++) {
        TRY(cgsv_federation_round(federation, round, r->records));
        results_note_faults(&r->results, round + 1, r->records, NULL);
    }
    return out ? run_folder_continue(&r->folder, out, recorder_rows(setup->config, done)) : CGSV_OK;
}

struct run_rows recorder_rows(const cgsv_config *config, int rounds)
{
    struct run_rows rows = {(int64_t)rounds * config->agents, 0};
    for (int round = 1; round <= rounds; round++) rows.server += recorder_is_evaluated(config, round);
    return rows;
}

cgsv_status recorder_add(struct recorder *r, int done, int stop, bool evaluated, struct progress *progress)
{
    const bool written = r->folder.path;
    const struct round_evaluations latest = {r->agents, r->local, r->standalone}, none = {NULL, NULL, NULL};
    if (evaluated) {
        TRY(cgsv_federation_evaluation(r->federation, r->agents, r->standalone, &r->results.server));
        TRY(cgsv_federation_local_evaluation(r->federation, r->local));
    }
    for (int round = done; round < stop; round++) {
        TRY(cgsv_federation_round(r->federation, round, r->records));
        results_note_faults(&r->results, round + 1, r->records, progress);
        if (written)
            run_folder_add_round(&r->folder, round + 1, &r->setup, r->records,
                                 evaluated && round + 1 == stop ? latest : none);
    }
    if (!written) return CGSV_OK;
    if (evaluated) run_folder_add_server(&r->folder, stop, &r->results.server);
    return run_folder_flush(&r->folder);
}

cgsv_status recorder_finish(struct recorder *r, bool save_models)
{
    if (!r->folder.path) return CGSV_OK;
    if (save_models) TRY(run_folder_save_models(&r->folder, r->federation, &r->setup));
    return run_folder_finish(&r->folder, &r->results);
}

void recorder_free(struct recorder *r)
{
    run_folder_free(&r->folder);
    results_free(&r->results);
    free(r->samples);
    free(r->records);
    free(r->agents);
    free(r->standalone);
    free(r->local);
    *r = (struct recorder){0};
}

int recorder_next_multiple(int every, int done, int rounds)
{
    return every > 0 && every - done % every < rounds - done ? done + every - done % every : rounds;
}

int recorder_next_stop(const cgsv_config *config, int done)
{
    const int every = config->eval_every > 0 ? config->eval_every : (config->rounds + 19) / 20;
    return recorder_next_multiple(every, done, config->rounds);
}

bool recorder_is_evaluated(const cgsv_config *config, int round)
{
    return round == config->rounds || (config->eval_every > 0 && round % config->eval_every == 0);
}

double recorder_mean_accuracy(const struct recorder *r)
{
    double sum = 0;
    for (int i = 0; i < r->results.agents; i++) sum += r->agents[i].accuracy;
    return sum / r->results.agents;
}
