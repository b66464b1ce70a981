/* cgsv value: what agents' updates are worth, from files. Each file is a round; its Gram
 * matrix is all that the valuation needs, so files are read in pieces. With --round the
 * rounds also go through the mechanism, one after the other. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/server.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/value_inputs.h"
#include "cli/value_options.h"
#include "cli/value_results.h"
#include "cli/value_rewards.h"
#include "cli/value_stream.h"
#include "core/error.h"
#include "io/file.h"

enum { NAMED = 8 };       /* faulty agents that a warning names */
#define COSINE_ERROR 1e-5  /* of a cosine of products in float32 */
#define LONG_EXACT 4e9    /* coalitions from which on one is told of them */
#define CANCELLED 1e-3    /* float32 products leave less than four digits of the aggregate's length */

struct value_run {
    struct value_options options;
    struct updates *updates;
    cgsv_device *device;
    struct value_stream stream;
    cgsv_server *server; /* NULL without --round */
    cgsv_round_record *records; /* [agents] */
    int64_t *layer_begin;
    int layers; /* 0: one */
    int agents;
    double *weight;                         /* [agents] of the next round */
    double *gram;                           /* [agents][agents] */
    double *coefficient, *value, *error, *psi; /* [agents] */
    int *faulty;                            /* [agents] */
    struct value_results results;
};

/* ---- before anything is read ---- */

static cgsv_status check_target(const char *path, bool force)
{
    if (force || !file_exists(path)) return CGSV_OK;
    return error_set(CGSV_ERROR_IO, "'%s' is there already; choose another path or use --force", path);
}

static bool is_standard_output(const char *path) { return path && strcmp(path, "-") == 0; }

static cgsv_status check_targets(const struct value_options *o)
{
    if (o->json && !is_standard_output(o->json)) TRY(check_target(o->json, o->force));
    if (o->csv && !is_standard_output(o->csv)) TRY(check_target(o->csv, o->force));
    for (int r = 0; o->out && r < o->rounds; r++) {
        char *path;
        TRY(value_rewards_path(&path, o, r));
        cgsv_status status = check_target(path, o->force);
        free(path);
        TRY(status);
    }
    return CGSV_OK;
}

static cgsv_status check_sizes(const struct updates *updates, const char *path)
{
    const int64_t agents = updates_agents(updates), dimension = updates_dimension(updates);
    if (agents > CGSV_MAX_AGENTS)
        return error_set(CGSV_ERROR_DATA, "'%s' has %lld agents; at most %d can be valued (a row is an agent)", path,
                         (long long)agents, CGSV_MAX_AGENTS);
    if (dimension > INT32_MAX)
        return error_set(CGSV_ERROR_DATA, "'%s' has %lld parameters; at most %d can be valued", path,
                         (long long)dimension, INT32_MAX);
    return CGSV_OK;
}

static cgsv_status reserve_results(struct value_run *run)
{
    struct value_results *results = &run->results;
    const size_t N = (size_t)run->agents;
    double **vectors[] = {&run->weight, &run->coefficient, &run->value, &run->error, &run->psi};
    results->round = calloc((size_t)run->options.rounds, sizeof *results->round);
    run->gram = calloc(N * N, sizeof *run->gram);
    run->faulty = calloc(N, sizeof *run->faulty);
    run->records = calloc(N, sizeof *run->records);
    bool complete = results->round && run->gram && run->faulty && run->records;
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
        complete = (*vectors[k] = calloc(N, sizeof **vectors[k])) && complete;
    for (int r = 0; complete && r < run->options.rounds; r++)
        complete = (results->round[r].agent = calloc(N, sizeof *results->round[r].agent)) != NULL;
    if (complete && updates_agent_name(run->updates, 0)) {
        results->name = calloc(N, sizeof *results->name);
        complete = results->name != NULL;
        for (int i = 0; complete && i < run->agents; i++) results->name[i] = updates_agent_name(run->updates, i);
    }
    if (complete) return CGSV_OK;
    return error_set(CGSV_ERROR_MEMORY, "no memory for the values of %d agents", run->agents);
}

/* An agent of weight 0 has a cosine with the aggregate all the same; the server step computes
 * it of those that weigh something, so it gets what no sum will show. */
static cgsv_status create_server(struct value_run *run)
{
    const struct value_options *o = &run->options;
    cgsv_server_config config;
    cgsv_server_config_defaults(&config, run->agents, run->stream.dimension);
    config.tensors = run->layers;
    config.tensor_begin = run->layer_begin;
    config.scheme.reward = o->reward;
    config.gamma = o->gamma;
    config.alpha = o->alpha;
    config.beta = o->beta;
    config.shares = run->weight;
    return cgsv_server_create(&run->server, run->device, &config);
}

/* All that can be wrong is found here, before files of gigabytes are read. */
static cgsv_status open_inputs(struct value_run *run)
{
    const struct value_options *o = &run->options;
    struct value_results *results = &run->results;
    TRY(check_targets(o));
    TRY(updates_open(&run->updates, o->files, o->rounds, o->tensor));
    TRY(check_sizes(run->updates, o->files[0]));
    run->agents = results->agents = (int)updates_agents(run->updates);
    results->dimension = updates_dimension(run->updates);
    TRY(cgsv_valuation_plan(&results->cost, run->agents, &o->valuation));
    TRY(reserve_results(run));
    TRY(value_read_weights(run->weight, run->agents, o->weights));
    if (o->layers) TRY(value_read_layers(&run->layer_begin, &run->layers, results->dimension, o->layers));
    TRY(cgsv_device_open(&run->device, o->device, o->threads));
    results->device = cgsv_device_describe(run->device);
    TRY(value_stream_create(&run->stream, run->device, run->updates, o->memory.bytes, o->round));
    if (o->round) TRY(create_server(run));
    return o->out ? file_make_folder(o->out) : CGSV_OK;
}

/* ---- a round ---- */

static cgsv_status refuse_faulty(const struct value_run *run, int round, int agent, int count)
{
    char who[96], all[48] = "";
    const char *path = run->options.files[round];
    if (run->results.name)
        snprintf(who, sizeof who, "agent %d, '%.60s',", agent, run->results.name[agent]);
    else
        snprintf(who, sizeof who, "agent %d", agent);
    if (count > 1) snprintf(all, sizeof all, " (faulty agents in all: %d)", count);
    if (run->faulty[agent] < 0)
        return error_set(CGSV_ERROR_DATA, "'%s': the update of %s is so large that its squared length overflows%s; "
                         "scale it down, or use --skip-faulty", path, who, all);
    return error_set(CGSV_ERROR_DATA, "'%s': the update of %s has %d of %lld entries that are NaN or infinite%s; leave "
                     "it out, or use --skip-faulty", path, who, run->faulty[agent], (long long)run->results.dimension,
                     all);
}

static cgsv_status check_faulty(const struct value_run *run, int round)
{
    int first = -1, count = 0;
    for (int i = run->agents - 1; i >= 0; i--) {
        if (!run->faulty[i]) continue;
        first = i;
        count++;
    }
    return first < 0 || run->options.skip_faulty ? CGSV_OK : refuse_faulty(run, round, first, count);
}

/* One line that names the first few agents of a kind. */
static void warn_of(const struct value_run *run, int round, enum value_fault fault, const char *what)
{
    const struct value_agent *agent = run->results.round[round].agent;
    char label[24];
    int count = 0;
    for (int i = 0; i < run->agents; i++) {
        if (agent[i].fault != (int)fault || count++ >= NAMED) continue;
        if (count == 1) fprintf(stderr, "cgsv: warning: round %d: %s:", round + 1, what);
        fprintf(stderr, "%s %s", count > 1 ? "," : "", value_agent_label(label, &run->results, i));
    }
    if (count > NAMED) fprintf(stderr, " and %d more", count - NAMED);
    if (count > 0) fputc('\n', stderr);
}

/* The weights of the round, those of faulty agents 0. */
static void weigh(struct value_run *run, struct value_round *round)
{
    for (int64_t i = 0; i < run->agents; i++) {
        struct value_agent *agent = &round->agent[i];
        const double square = run->gram[i * run->agents + i];
        agent->fault = run->faulty[i] ? VALUE_NOT_FINITE : square > 0 ? VALUE_SOUND : VALUE_ZERO;
        agent->not_finite = run->faulty[i] > 0 ? run->faulty[i] : 0;
        agent->norm = run->faulty[i] ? NAN : sqrt(square);
        agent->weight = agent->fault ? 0 : run->weight[i];
        run->coefficient[i] = agent->weight;
    }
    if (run->options.normalise)
        cgsv_normalised_weights(run->coefficient, run->gram, run->coefficient, run->options.gamma, 1, run->agents);
}

/* The aggregate's squared length over that of updates at right angles: how far updates cancel. */
static double cancellation(const struct value_run *run)
{
    double length = 0, squares = 0;
    for (int64_t i = 0; i < run->agents; i++) {
        const double *row = run->gram + i * run->agents;
        squares += run->coefficient[i] * run->coefficient[i] * row[i];
        for (int64_t j = 0; j < run->agents; j++) length += run->coefficient[i] * run->coefficient[j] * row[j];
    }
    return squares > 0 ? length / squares : 1;
}

/* The Gram matrix and the weights, in float64 where float32 does not do. */
static cgsv_status read_round(struct value_run *run, int number)
{
    struct value_round *round = &run->results.round[number];
    round->precise = run->options.precise;
    TRY(value_stream_round(&run->stream, number, &round->precise, run->gram, run->faulty));
    TRY(check_faulty(run, number));
    weigh(run, round);
    if (round->precise || cancellation(run) >= CANCELLED) return CGSV_OK;
    round->precise = true;
    TRY(value_stream_round(&run->stream, number, &round->precise, run->gram, run->faulty));
    weigh(run, round);
    return CGSV_OK;
}

/* Values that telescope to ν(N) = 1, order by order. */
static bool is_efficient(cgsv_method method)
{
    return method == CGSV_METHOD_EXACT || method == CGSV_METHOD_PERMUTATION || method == CGSV_METHOD_ANTITHETIC;
}

/* Whatever the products are, rounded or not: only their sums, of N² terms, are rounded here, and count the
 * more the more the updates cancel. Products of float32 leave a cosine its first six digits. */
static void check_values(struct value_run *run, int number)
{
    const struct value_round *round = &run->results.round[number];
    const double N = run->agents, rounding = 8 * N * N * DBL_EPSILON / fmax(cancellation(run), DBL_EPSILON);
    cgsv_checks *checks = &run->results.checks;
    for (int i = 0; i < run->agents; i++) {
        cgsv_check_value(checks, number + 1, i, "value", round->agent[i].value, -DBL_MAX, DBL_MAX);
        cgsv_check_value(checks, number + 1, i, "psi", round->agent[i].psi, -1 - COSINE_ERROR, 1 + COSINE_ERROR);
    }
    if (is_efficient(run->options.valuation.method) && !round->no_aggregate)
        cgsv_check_value(checks, number + 1, -1, "sum of values", round->sum, 1 - rounding, 1 + rounding);
}

static cgsv_status compute_values(struct value_run *run, int number)
{
    cgsv_valuation_options options = run->options.valuation, cosine;
    struct value_round *round = &run->results.round[number];
    options.first_game = number;
    cgsv_valuation_defaults(&cosine);
    cosine.method = CGSV_METHOD_COSINE;
    TRY(cgsv_value(run->device, run->value, run->error, run->gram, run->coefficient, 1, run->agents, &options,
                   &round->seconds));
    TRY(cgsv_value(run->device, run->psi, NULL, run->gram, run->coefficient, 1, run->agents, &cosine, NULL));

    /* Only a zero aggregate is orthogonal to all updates it consists of. */
    round->no_aggregate = true;
    for (int i = 0; i < run->agents; i++) round->no_aggregate = round->no_aggregate && run->psi[i] == 0;
    for (int i = 0; i < run->agents; i++) {
        struct value_agent *agent = &round->agent[i];
        agent->coefficient = run->coefficient[i];
        agent->value = agent->fault || round->no_aggregate ? 0 : run->value[i];
        agent->psi = agent->fault ? 0 : run->psi[i];
        agent->standard_error = run->error[i];
        agent->importance = agent->keep_ratio = agent->kept = NAN;
        round->sum += agent->value;
    }
    check_values(run, number);
    return CGSV_OK;
}

/* The mechanism computes in float32, in which an update can be out of range that is not
 * in float64. */
static void compare_faults(const struct value_run *run, int number)
{
    char label[24];
    const struct value_agent *agent = run->results.round[number].agent;
    for (int i = 0; i < run->agents; i++)
        if (run->records[i].fault != 0 && agent[i].fault == VALUE_SOUND)
            fprintf(stderr, "cgsv: warning: round %d: the update of %s is out of the range of float32, so that the "
                            "mechanism values it 0\n", number + 1, value_agent_label(label, &run->results, i));
}

static void check_records(struct value_run *run, int number)
{
    const struct value_options *o = &run->options;
    const cgsv_config config = {.agents = run->agents, .gamma = o->gamma, .alpha = o->alpha, .beta = o->beta,
                                .scheme.reward = o->reward};
    const int64_t whole[2] = {0, run->stream.dimension};
    const cgsv_checked_run checked = {.config = &config, .tensor_begin = run->layers ? run->layer_begin : whole,
                                      .tensors = run->layers ? run->layers : 1};
    cgsv_check_round(&run->results.checks, &checked, number + 1, run->records);
}

/* After this the weights are the importance. */
static cgsv_status run_mechanism(struct value_run *run, int number)
{
    struct value_round *round = &run->results.round[number];
    TRY(cgsv_server_step(run->server, run->stream.matrix, run->stream.dimension, NULL, 0, NULL, NULL));
    TRY(cgsv_server_records(run->server, run->records));
    for (int i = 0; i < run->agents; i++) {
        const cgsv_round_record *record = &run->records[i];
        round->agent[i].importance = run->weight[i] = record->importance;
        round->agent[i].keep_ratio = record->keep_ratio;
        round->agent[i].kept = record->kept;
    }
    check_records(run, number);
    compare_faults(run, number);
    return run->options.out ? value_rewards_write(run->server, &run->results, number) : CGSV_OK;
}

static cgsv_status value_one_round(struct value_run *run, int number)
{
    const struct value_round *round = &run->results.round[number];
    TRY(read_round(run, number));
    TRY(compute_values(run, number));
    warn_of(run, number, VALUE_ZERO, "updates of zero, which are valued 0");
    warn_of(run, number, VALUE_NOT_FINITE, "updates that are not finite, which are valued 0");
    if (round->no_aggregate)
        fprintf(stderr, "cgsv: warning: round %d: the aggregate of all updates is zero, so all values are 0\n",
                number + 1);
    return run->server ? run_mechanism(run, number) : CGSV_OK;
}

/* ---- output ---- */

typedef cgsv_status (*make_text)(char **text, const struct value_results *results);

static cgsv_status write_text(const char *path, make_text make, const struct value_results *results)
{
    char *text;
    if (!path) return CGSV_OK;
    TRY(make(&text, results));
    cgsv_status status = CGSV_OK;
    if (is_standard_output(path))
        printf("%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    else
        status = file_write_text(path, text);
    free(text);
    return status;
}

/* What goes to standard output comes first: a disk that is full does not take it away. */
static cgsv_status print_results(const struct value_run *run)
{
    const struct value_options *o = &run->options;
    const bool json_first = is_standard_output(o->json);
    if (!json_first && !is_standard_output(o->csv)) value_print_table(stdout, &run->results);
    if (json_first) TRY(write_text(o->json, value_results_json, &run->results));
    TRY(write_text(o->csv, value_results_csv, &run->results));
    fflush(stdout);
    return json_first ? CGSV_OK : write_text(o->json, value_results_json, &run->results);
}

static cgsv_status value_all(struct value_run *run)
{
    char count[FORMAT_SIZE];
    TRY(open_inputs(run));
    if (run->results.cost.evaluations > LONG_EXACT && run->options.valuation.method == CGSV_METHOD_EXACT)
        fprintf(stderr, "cgsv: exact values of %d agents evaluate %s coalitions; the method permutation takes less\n",
                run->agents, format_count(count, (int64_t)run->results.cost.evaluations));
    for (int r = 0; r < run->options.rounds; r++) TRY(value_one_round(run, r));
    run->results.reading = run->stream.reading;
    run->results.gram = run->stream.gram;
    TRY(print_results(run));
    return cgsv_checks_status(&run->results.checks);
}

static void value_release(struct value_run *run)
{
    cgsv_server_free(run->server);
    value_stream_free(&run->stream);
    cgsv_device_close(run->device);
    updates_close(run->updates);
    for (int r = 0; run->results.round && r < run->options.rounds; r++) free(run->results.round[r].agent);
    void *all[] = {run->results.round, run->results.name, run->records, run->layer_begin, run->weight, run->gram,
                   run->coefficient,   run->value,        run->error,   run->psi,         run->faulty};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    value_options_free(&run->options);
}

int command_value(int argc, char **argv)
{
    struct value_run run = {0};
    cgsv_status status = value_options_parse(&run.options, argc, argv);
    run.results.options = &run.options;
    if (status == CGSV_OK && run.options.help)
        value_options_print_help(stdout, &run.options);
    else if (status == CGSV_OK)
        status = value_all(&run);
    int code = report_status(status);
    value_release(&run);
    return code;
}
