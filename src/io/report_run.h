/* A folder of `cgsv run`, read for a report. */
#ifndef IO_REPORT_RUN_H
#define IO_REPORT_RUN_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "cgsv/status.h"

enum report_metric {
    REPORT_IMPORTANCE,
    REPORT_KEEP_RATIO,
    REPORT_PSI,
    REPORT_DISTANCE,
    REPORT_TRAIN_LOSS,
    REPORT_TEST_LOSS,
    REPORT_ACCURACY,
    REPORT_ALONE_LOSS,
    REPORT_ALONE_ACCURACY,
    REPORT_SAMPLES,
    REPORT_FAULT,
    REPORT_METRICS
};

enum { REPORT_MOST_AGENTS = 1000000, REPORT_MOST_VALUES = 20000000 };

struct report_run {
    char *path;
    cJSON *config;  /* config.json as a whole */
    cJSON *summary; /* summary.json; NULL where the run was not finished */
    int agents, rounds; /* rounds: how many rounds.csv has */
    double *round;      /* [rounds] */
    float *metric[REPORT_METRICS]; /* [rounds][agents]; NULL: no such column; NaN: unknown */
    double *mean[REPORT_METRICS];  /* [rounds] over the agents that have a value; NULL with the metric */
    int server_rows;               /* of server.csv, 0 where there is none */
    double *server_round, *server_loss, *server_accuracy; /* [server_rows] */
};

/* Reads config.json and rounds.csv, and where they are there summary.json and server.csv. Columns
 * are found by name; those that are missing or unknown are passed over. What is wrong in a file is
 * CGSV_ERROR_DATA and names file and line, or says what a run's folder holds. At most
 * REPORT_MOST_VALUES rounds times agents. */
cgsv_status report_run_read(struct report_run *run, const char *path);

/* Forgets the metrics of single agents, which are most of the memory; means stay. */
void report_run_drop_agents(struct report_run *run);

/* A zeroed run is fine. */
void report_run_free(struct report_run *run);

/* Member of the object "config" in config.json, NULL when there is none. */
const cJSON *report_run_setting(const struct report_run *run, const char *key);

/* Number of an object, NaN when there is none. NULL is fine. */
double report_number(const cJSON *object, const char *key);

/* An agent's last known value of a metric, NaN when there is none. */
double report_run_last(const struct report_run *run, enum report_metric metric, int agent);

/* Reads a JSON file whose root is an object; errors name file and line. */
cgsv_status report_read_json(cJSON **object, const char *path);

#endif
