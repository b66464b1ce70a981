/* The results of a run: gathered from a federation, and as a table for people.
 * Fairness is that of the README's "How it works". */
#include "cli/results.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "cli/format.h"
#include "core/error.h"

static const char *const fault_texts[FAULT_KINDS] = {
    "an update of zero: valued 0, weight 0",
    "an update that is not finite: valued 0, weight 0",
    "updates that vanish beside its model in float32: training no longer moves it",
};

/* The columns at which the model's tensors begin; the last is where they end. */
static cgsv_status begin_checks(struct run_results *results, const cgsv_federation *federation,
                                const cgsv_config *config)
{
    const cgsv_tensor *tensor;
    const int tensors = cgsv_federation_tensors(federation, &tensor);
    int64_t *begin = calloc((size_t)tensors + 1, sizeof *begin);
    if (!begin) return error_set(CGSV_ERROR_MEMORY, "no memory for a table of %d tensors", tensors);
    for (int t = 0; t < tensors; t++) begin[t] = tensor[t].offset;
    begin[tensors] = cgsv_federation_parameters(federation);
    results->checked = (cgsv_checked_run){config, begin, tensors, true};
    return CGSV_OK;
}

cgsv_status results_begin(struct run_results *results, const cgsv_federation *federation, const cgsv_config *config,
                          int classes)
{
    size_t agents = (size_t)config->agents;
    assert(agents > 0); /* the first one owns what all share */
    *results = (struct run_results){.agents = config->agents, .classes = classes, .rounds = config->rounds};
    results->agent = calloc(agents, sizeof *results->agent);
    int64_t *counts = calloc(agents * (size_t)classes, sizeof *counts); /* of all agents: the first one's owns them */
    if (!results->agent || !counts) {
        free(counts);
        return error_set(CGSV_ERROR_MEMORY, "no memory for the results of %d agents", config->agents);
    }
    for (int i = 0; i < config->agents; i++) {
        struct agent_result *agent = &results->agent[i];
        agent->adversary = cgsv_adversary_of(&config->adversaries, i);
        agent->class_counts = counts + (size_t)i * (size_t)classes;
        agent->samples = cgsv_federation_samples(federation, i, agent->class_counts);
        for (int k = 0; k < classes; k++) agent->classes += agent->class_counts[k] > 0;
    }
    return begin_checks(results, federation, config);
}

void results_free(struct run_results *results)
{
    if (results->agent) free(results->agent[0].class_counts);
    free(results->agent);
    free((void *)results->checked.tensor_begin);
    *results = (struct run_results){0};
}

/* A free rider's zero updates are its setting, not a fault to be warned of. */
static bool is_intended(const struct agent_result *agent, int kind)
{
    return agent->adversary == CGSV_ZERO_UPDATE && fault_bits[kind] == CGSV_FAULT_ZERO;
}

void results_note_faults(struct run_results *results, int round, const cgsv_round_record *records,
                         struct progress *progress)
{
    const bool sound = results->checks.failed == 0;
    cgsv_check_round(&results->checks, &results->checked, round, records);
    if (sound && progress && cgsv_checks_status(&results->checks) != CGSV_OK) {
        progress_end(progress);
        fprintf(stderr, "cgsv: warning: %s\n", cgsv_last_error());
    }
    for (int i = 0; i < results->agents; i++) {
        for (int kind = 0; kind < FAULT_KINDS; kind++) {
            if (!((int)records[i].fault & fault_bits[kind])) continue;
            if (results->agent[i].faults[kind].rounds++ > 0) continue;
            results->agent[i].faults[kind].first_round = round;
            if (!progress || is_intended(&results->agent[i], kind)) continue;
            progress_end(progress);
            fprintf(stderr, "cgsv: warning: round %d: agent %d had %s\n", round, i, fault_texts[kind]);
        }
    }
}

void results_report_faults(const struct run_results *results)
{
    for (int i = 0; i < results->agents; i++)
        for (int kind = 0; kind < FAULT_KINDS; kind++)
            if (results->agent[i].faults[kind].rounds > 0 && !is_intended(&results->agent[i], kind))
                fprintf(stderr, "cgsv: warning: agent %d had %s; in %d of %d rounds, first in round %d\n", i,
                        fault_texts[kind], results->agent[i].faults[kind].rounds, results->rounds,
                        results->agent[i].faults[kind].first_round);
}

/* Mean and standard deviation of x[n]. */
static double mean_and_spread(const double *x, int n, double *spread)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    for (int i = 0; i < n; i++) squares += pow(x[i] - sum / n, 2);
    *spread = sqrt(squares / n);
    return sum / n;
}

/* Fairness and means; columns[6 × agents] is for working in. */
static void summarise(struct run_results *results, double *columns)
{
    const int n = results->agents;
    double *accuracy = columns, *loss = accuracy + n, *alone = loss + n, *samples = alone + n, *gain = samples + n;
    double *local = gain + n, alone_spread;
    results->accuracy_max = 0;
    results->accuracy_min = INFINITY;
    for (int i = 0; i < n; i++) {
        const struct agent_result *agent = &results->agent[i];
        accuracy[i] = agent->federated.accuracy;
        loss[i] = agent->federated.loss;
        alone[i] = agent->standalone.accuracy;
        samples[i] = (double)agent->samples;
        gain[i] = agent->gain;
        local[i] = agent->local.accuracy;
        results->accuracy_max = fmax(results->accuracy_max, accuracy[i]);
        results->accuracy_min = fmin(results->accuracy_min, accuracy[i]);
    }
    results->rho_accuracy = cgsv_pearson(alone, accuracy, n);
    results->rho_loss = cgsv_pearson(alone, loss, n);
    results->rho_local = cgsv_pearson(alone, local, n);
    results->rho_samples = cgsv_pearson(samples, accuracy, n);
    results->jain_index = cgsv_jain_index(accuracy, n);
    results->accuracy_mean = mean_and_spread(accuracy, n, &results->accuracy_spread);
    results->loss_mean = mean_and_spread(loss, n, &results->loss_spread);
    results->standalone_mean = mean_and_spread(alone, n, &alone_spread);
    results->gain_mean = mean_and_spread(gain, n, &results->gain_spread);
}

static cgsv_status read_agents(struct run_results *results, cgsv_federation *federation, cgsv_round_record *records,
                               cgsv_evaluation *federated, cgsv_evaluation *standalone, cgsv_evaluation *local)
{
    TRY(cgsv_federation_round(federation, results->rounds - 1, records));
    TRY(cgsv_federation_evaluation(federation, federated, standalone, &results->server));
    TRY(cgsv_federation_local_evaluation(federation, local));
    TRY(cgsv_federation_seconds(federation, &results->seconds));
    for (int i = 0; i < results->agents; i++) {
        struct agent_result *agent = &results->agent[i];
        agent->importance = records[i].importance;
        agent->keep_ratio = records[i].keep_ratio;
        agent->federated = federated[i];
        agent->standalone = standalone[i];
        agent->local = local[i];
        agent->gain = federated[i].accuracy - standalone[i].accuracy;
    }
    return CGSV_OK;
}

cgsv_status results_collect(struct run_results *results, cgsv_federation *federation)
{
    size_t agents = (size_t)results->agents;
    cgsv_round_record *records = calloc(agents, sizeof *records);
    cgsv_evaluation *evaluations = calloc(3 * agents, sizeof *evaluations);
    double *columns = calloc(6 * agents, sizeof *columns);
    cgsv_status status = CGSV_OK;
    if (!records || !evaluations || !columns)
        status = error_set(CGSV_ERROR_MEMORY, "no memory for the results of %d agents", results->agents);
    if (status == CGSV_OK)
        status = read_agents(results, federation, records, evaluations, evaluations + agents, evaluations + 2 * agents);
    if (status == CGSV_OK) summarise(results, columns);
    free(records);
    free(evaluations);
    free(columns);
    return status;
}

static void print_agents(FILE *stream, const struct run_results *results, bool standalone)
{
    char samples[FORMAT_SIZE];
    fprintf(stream, "%5s %9s %7s %10s %7s %8s", "agent", "samples", "classes", "importance", "q", "accuracy");
    if (standalone) fprintf(stream, " %10s %7s", "standalone", "gain");
    fprintf(stream, results->agent[0].adversary ? "  adversary\n" : "\n");
    for (int i = 0; i < results->agents; i++) {
        const struct agent_result *agent = &results->agent[i];
        fprintf(stream, "%5d %9s %7d %10.4f %7.4f %8.4f", i, format_count(samples, agent->samples), agent->classes,
                agent->importance, agent->keep_ratio, agent->federated.accuracy);
        if (standalone) fprintf(stream, " %10.4f %+7.4f", agent->standalone.accuracy, agent->gain);
        if (agent->adversary) fprintf(stream, "  %s", cgsv_adversary_name(agent->adversary));
        fputc('\n', stream);
    }
}

static void print_rho(FILE *stream, const char *what, double rho)
{
    if (isnan(rho))
        fprintf(stream, "%s undefined (no variance)\n", what);
    else
        fprintf(stream, "%s %+.4f\n", what, rho);
}

void results_print(FILE *stream, const struct run_results *results, bool standalone)
{
    char checks[FORMAT_CHECKS_SIZE];
    print_agents(stream, results, standalone);
    fprintf(stream, "\nserver accuracy      %.4f, loss %.4f\n", results->server.accuracy, results->server.loss);
    fprintf(stream, "agents' accuracy     mean %.4f, max %.4f, Jain's index %.4f\n", results->accuracy_mean,
            results->accuracy_max, results->jain_index);
    if (standalone) {
        fprintf(stream, "gain                 mean %+.4f, spread %.4f\n", results->gain_mean, results->gain_spread);
        print_rho(stream, "fairness rho        ", results->rho_accuracy);
        print_rho(stream, "rho with the loss   ", results->rho_loss);
        if (!isnan(results->agent[0].local.accuracy))
            print_rho(stream, "rho before download ", results->rho_local);
    } else {
        fprintf(stream, "fairness rho         not measured (--no-standalone)\n");
    }
    print_rho(stream, "rho of samples      ", results->rho_samples);
    fprintf(stream, "seconds              training %.2f, server step %.3f, evaluation %.2f\n",
            results->seconds.training, results->seconds.server, results->seconds.evaluation);
    fprintf(stream, "checks               %s\n", format_checks(checks, &results->checks));
}
