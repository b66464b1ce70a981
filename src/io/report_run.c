/* A folder of `cgsv run`, read for a report. */
#include "io/report_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/csv_read.h"
#include "io/file.h"
#include "io/json.h"

enum { JSON_LIMIT = 1 << 30, SPARE_VALUES = 1 << 20 };

static const char *const columns[REPORT_METRICS] = {
    [REPORT_IMPORTANCE] = "importance",     [REPORT_KEEP_RATIO] = "keep_ratio",
    [REPORT_PSI] = "psi",                   [REPORT_DISTANCE] = "distance",
    [REPORT_TRAIN_LOSS] = "train_loss",     [REPORT_TEST_LOSS] = "test_loss",
    [REPORT_ACCURACY] = "test_accuracy",    [REPORT_ALONE_LOSS] = "standalone_loss",
    [REPORT_ALONE_ACCURACY] = "standalone_accuracy", [REPORT_SAMPLES] = "samples",
    [REPORT_FAULT] = "fault",
};

/* ---- JSON ---- */

static cgsv_status parse(cJSON **object, const char *text, const char *path)
{
    const char *end = text;
    TRY(json_parse(object, text, strlen(text), &end, path));
    const bool whole = *object && !end[strspn(end, " \t\r\n")];
    if (whole && cJSON_IsObject(*object)) return CGSV_OK;
    int line = 1;
    for (const char *at = text; at < end && *at; at++) line += *at == '\n';
    cJSON_Delete(*object);
    *object = NULL;
    return error_set(CGSV_ERROR_DATA, "'%s', line %d: %s", path, whole ? 1 : line,
                     whole ? "not a JSON object" : "not valid JSON; was the file cut short?");
}

cgsv_status report_read_json(cJSON **object, const char *path)
{
    char *text;
    TRY(file_read_text(&text, path, JSON_LIMIT));
    cgsv_status status = parse(object, text, path);
    free(text);
    return status;
}

double report_number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

const cJSON *report_run_setting(const struct report_run *run, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(run->config, "config"), key);
}

static cgsv_status take_agents(struct report_run *run, const char *path)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(run->config, "config");
    const double agents = report_number(config, "agents");
    if (!cJSON_IsObject(config))
        return error_set(CGSV_ERROR_DATA, "'%s' has no object 'config': it is not that of a cgsv run", path);
    if (!(agents >= 1 && agents <= REPORT_MOST_AGENTS && agents == floor(agents)))
        return error_set(CGSV_ERROR_DATA, "'%s': 'agents' of 'config' is %g; expected a whole number from 1 to %d",
                         path, agents, REPORT_MOST_AGENTS);
    run->agents = (int)agents;
    return CGSV_OK;
}

/* ---- rounds.csv ---- */

/* The table in the making. */
struct rounds {
    struct report_run *run;
    struct csv_reader csv;
    int round_column, agent_column, column[REPORT_METRICS];
    int room; /* rounds that there is memory for */
};

static cgsv_status wrong(const struct csv_reader *csv, const char *what, double value, const char *expected)
{
    return error_set(CGSV_ERROR_DATA, "'%s', line %lld: %s is %g; expected %s", csv->path, (long long)csv->line, what,
                     value, expected);
}

static bool grow(void **array, size_t bytes)
{
    void *grown = realloc(*array, bytes);
    if (grown) *array = grown;
    return grown != NULL;
}

/* Begins a round, in which nothing is known yet. */
static cgsv_status add_round(struct rounds *t, double round)
{
    struct report_run *run = t->run;
    const size_t N = (size_t)run->agents;
    /* A short file that claims many agents must not get their memory for each of its lines. */
    if ((size_t)(run->rounds + 1) * N > t->csv.size + SPARE_VALUES)
        return error_set(CGSV_ERROR_DATA, "'%s', line %lld: more rounds, of %d agents each, than a file of %llu bytes "
                         "holds; expected a line for each round and agent", t->csv.path, (long long)t->csv.line,
                         run->agents, (unsigned long long)t->csv.size);
    if ((size_t)(run->rounds + 1) * N > REPORT_MOST_VALUES)
        return error_set(CGSV_ERROR_DATA, "'%s', line %lld: more than %d rounds times agents, which is all that a "
                         "report takes", t->csv.path, (long long)t->csv.line, REPORT_MOST_VALUES);
    if (run->rounds == t->room) {
        const size_t room = t->room ? 2 * (size_t)t->room : 1; /* 1: agents may be a million */
        bool done = grow((void **)&run->round, room * sizeof *run->round);
        for (int m = 0; m < REPORT_METRICS; m++)
            if (t->column[m] >= 0)
                done = done && grow((void **)&run->metric[m], room * N * sizeof(float));
        if (!done) return error_set(CGSV_ERROR_MEMORY, "no memory for the rounds of '%s'", t->csv.path);
        t->room = (int)room;
    }
    for (int m = 0; m < REPORT_METRICS; m++)
        for (size_t i = 0; run->metric[m] && i < N; i++) run->metric[m][(size_t)run->rounds * N + i] = NAN;
    run->round[run->rounds++] = round;
    return CGSV_OK;
}

static cgsv_status take_row(struct rounds *t)
{
    struct report_run *run = t->run;
    double round, agent, value;
    TRY(csv_reader_number(&t->csv, t->round_column, &round));
    TRY(csv_reader_number(&t->csv, t->agent_column, &agent));
    if (!(round >= 0 && round <= 1e9 && round == floor(round)))
        return wrong(&t->csv, "the round", round, "a whole number");
    if (!(agent >= 0 && agent < run->agents && agent == floor(agent)))
        return wrong(&t->csv, "the agent", agent, "one of the agents of config.json, counted from 0");
    if (run->rounds > 0 && round < run->round[run->rounds - 1])
        return wrong(&t->csv, "the round", round, "rounds in ascending order");
    if (run->rounds == 0 || round > run->round[run->rounds - 1]) TRY(add_round(t, round));
    const size_t at = (size_t)(run->rounds - 1) * (size_t)run->agents + (size_t)agent;
    for (int m = 0; m < REPORT_METRICS; m++) {
        TRY(csv_reader_number(&t->csv, t->column[m], &value));
        if (run->metric[m]) run->metric[m][at] = (float)value;
    }
    return CGSV_OK;
}

static cgsv_status take_columns(struct rounds *t)
{
    t->round_column = csv_reader_column(&t->csv, "round");
    t->agent_column = csv_reader_column(&t->csv, "agent");
    for (int m = 0; m < REPORT_METRICS; m++) t->column[m] = csv_reader_column(&t->csv, columns[m]);
    if (t->round_column >= 0 && t->agent_column >= 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s', line 1: no column '%s'; expected that of a cgsv run", t->csv.path,
                     t->round_column < 0 ? "round" : "agent");
}

static cgsv_status take_rows(struct rounds *t)
{
    bool row;
    TRY(take_columns(t));
    for (;;) {
        TRY(csv_reader_next(&t->csv, &row));
        if (!row) break;
        TRY(take_row(t));
    }
    if (t->run->rounds > 0) return CGSV_OK;
    return error_set(CGSV_ERROR_DATA, "'%s' has no rows yet: the run has not finished a round", t->csv.path);
}

static cgsv_status read_rounds(struct report_run *run, const char *path)
{
    struct rounds t = {.run = run};
    TRY(csv_reader_open(&t.csv, path));
    cgsv_status status = take_rows(&t);
    csv_reader_close(&t.csv);
    return status;
}

static cgsv_status find_means(struct report_run *run)
{
    const int N = run->agents;
    for (int m = 0; m < REPORT_METRICS; m++) {
        if (!run->metric[m]) continue;
        run->mean[m] = malloc((size_t)run->rounds * sizeof(double));
        if (!run->mean[m]) return error_set(CGSV_ERROR_MEMORY, "no memory for the rounds of '%s'", run->path);
        for (int t = 0; t < run->rounds; t++) {
            double sum = 0;
            int count = 0;
            for (int i = 0; i < N; i++) {
                const double value = run->metric[m][(size_t)t * (size_t)N + (size_t)i];
                if (!isfinite(value)) continue;
                sum += value;
                count++;
            }
            run->mean[m][t] = count ? sum / count : NAN;
        }
    }
    return CGSV_OK;
}

double report_run_last(const struct report_run *run, enum report_metric metric, int agent)
{
    for (int t = run->rounds - 1; run->metric[metric] && t >= 0; t--) {
        const float value = run->metric[metric][(size_t)t * (size_t)run->agents + (size_t)agent];
        if (!isnan(value)) return value;
    }
    return NAN;
}

/* ---- server.csv ---- */

static cgsv_status take_server_rows(struct report_run *run, struct csv_reader *csv)
{
    const int round = csv_reader_column(csv, "round"), loss = csv_reader_column(csv, "loss"),
              accuracy = csv_reader_column(csv, "accuracy");
    for (int room = 0;;) {
        bool row;
        TRY(csv_reader_next(csv, &row));
        if (!row) return CGSV_OK;
        if (run->server_rows == room) {
            room = room ? 2 * room : 64;
            const size_t bytes = (size_t)room * sizeof(double);
            if (room > REPORT_MOST_VALUES || !grow((void **)&run->server_round, bytes) ||
                !grow((void **)&run->server_loss, bytes) || !grow((void **)&run->server_accuracy, bytes))
                return error_set(CGSV_ERROR_MEMORY, "no memory for the rows of '%s'", csv->path);
        }
        TRY(csv_reader_number(csv, round, &run->server_round[run->server_rows]));
        TRY(csv_reader_number(csv, loss, &run->server_loss[run->server_rows]));
        TRY(csv_reader_number(csv, accuracy, &run->server_accuracy[run->server_rows]));
        run->server_rows++;
    }
}

static cgsv_status read_server(struct report_run *run, const char *path)
{
    struct csv_reader csv;
    if (!file_exists(path)) return CGSV_OK;
    TRY(csv_reader_open(&csv, path));
    cgsv_status status = take_server_rows(run, &csv);
    csv_reader_close(&csv);
    return status;
}

/* ---- the folder ---- */

static cgsv_status read_config(struct report_run *run, const char *path)
{
    if (!file_exists(path))
        return error_set(CGSV_ERROR_DATA, "'%s' has no config.json; expected a folder that cgsv run --out wrote",
                         run->path);
    TRY(report_read_json(&run->config, path));
    return take_agents(run, path);
}

static cgsv_status read_table(struct report_run *run, const char *path)
{
    if (!file_exists(path))
        return error_set(CGSV_ERROR_DATA, "'%s' has no rounds.csv: no results of a run are there", run->path);
    TRY(read_rounds(run, path));
    return find_means(run);
}

static cgsv_status read_summary(struct report_run *run, const char *path)
{
    return file_exists(path) ? report_read_json(&run->summary, path) : CGSV_OK;
}

cgsv_status report_run_read(struct report_run *run, const char *path)
{
    static const struct {
        const char *name;
        cgsv_status (*read)(struct report_run *run, const char *path);
    } files[] = {
        {"config.json", read_config}, {"rounds.csv", read_table}, {"server.csv", read_server},
        {"summary.json", read_summary},
    };
    *run = (struct report_run){.path = strdup(path)};
    if (!run->path) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *file;
        TRY(file_join(&file, path, files[i].name));
        cgsv_status status = files[i].read(run, file);
        free(file);
        TRY(status);
    }
    return CGSV_OK;
}

void report_run_drop_agents(struct report_run *run)
{
    for (int m = 0; m < REPORT_METRICS; m++) {
        free(run->metric[m]);
        run->metric[m] = NULL;
    }
}

void report_run_free(struct report_run *run)
{
    report_run_drop_agents(run);
    for (int m = 0; m < REPORT_METRICS; m++) free(run->mean[m]);
    free(run->round);
    free(run->server_round);
    free(run->server_loss);
    free(run->server_accuracy);
    free(run->path);
    cJSON_Delete(run->config);
    cJSON_Delete(run->summary);
    *run = (struct report_run){0};
}
