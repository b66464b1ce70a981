/* What `cgsv value` found out, and its three forms. */
#ifndef CLI_VALUE_RESULTS_H
#define CLI_VALUE_RESULTS_H

#include "cgsv/checks.h"
#include "cli/value_options.h"

enum value_fault { VALUE_SOUND, VALUE_ZERO, VALUE_NOT_FINITE };

struct value_agent {
    double weight;         /* w_i, or the importance before the round; 0 of a faulty agent */
    double coefficient;    /* what its update is multiplied by */
    double norm;           /* of its update */
    double value;
    double standard_error; /* NaN: none */
    double psi;            /* cosine with the aggregate */
    double importance, keep_ratio, kept; /* with --round; else NaN */
    int fault;             /* enum value_fault */
    int not_finite;        /* entries */
};

struct value_round {
    struct value_agent *agent; /* [agents] */
    double sum;                /* of values */
    bool no_aggregate;         /* the aggregate is zero */
    bool precise;
    double seconds; /* of the valuation */
};

struct value_results {
    const struct value_options *options;
    const cgsv_device_info *device;
    cgsv_valuation_cost cost;
    int agents;
    int64_t dimension;
    const char **name; /* [agents], NULL where agents have numbers alone */
    struct value_round *round; /* [options->rounds] */
    double reading, gram;      /* seconds */
    cgsv_checks checks;
};

/* value / sum of values; NaN where that is 0. */
double value_share(const struct value_round *round, int agent);

/* Mean over the rounds. */
double value_mean(const struct value_results *results, int agent);

/* The agent's name, or "agent_3" written into text. */
const char *value_agent_label(char text[24], const struct value_results *results, int agent);

/* The table of the last round, for people. */
void value_print_table(FILE *stream, const struct value_results *results);

/* The caller frees the texts. */
cgsv_status value_results_json(char **text, const struct value_results *results);
cgsv_status value_results_csv(char **text, const struct value_results *results);

#endif
