/* What `cgsv value` found out, as a table for people and as one for programs. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format.h"
#include "cli/value_results.h"
#include "core/error.h"
#include "io/text_stream.h"

double value_share(const struct value_round *round, int agent)
{
    return round->sum != 0 ? round->agent[agent].value / round->sum : NAN;
}

double value_mean(const struct value_results *results, int agent)
{
    double sum = 0;
    for (int r = 0; r < results->options->rounds; r++) sum += results->round[r].agent[agent].value;
    return sum / results->options->rounds;
}

const char *value_agent_label(char text[24], const struct value_results *results, int agent)
{
    if (results->name) return results->name[agent];
    snprintf(text, 24, "agent_%d", agent);
    return text;
}

/* ---- for people ---- */

static int name_width(const struct value_results *results)
{
    size_t width = 5;
    for (int i = 0; results->name && i < results->agents; i++)
        if (strlen(results->name[i]) > width) width = strlen(results->name[i]);
    return width < 40 ? (int)width : 40;
}

/* A number, or a dash where it is undefined. */
static void print_cell(FILE *stream, int width, int digits, double value)
{
    if (isnan(value))
        fprintf(stream, " %*s", width, "-");
    else
        fprintf(stream, " %*.*f", width, digits, value);
}

static bool has_errors(const struct value_round *round, int agents)
{
    for (int i = 0; i < agents; i++)
        if (round->agent[i].standard_error > 0) return true;
    return false;
}

static void print_agents(FILE *stream, const struct value_results *results, const struct value_round *round)
{
    const bool errors = has_errors(round, results->agents), several = results->options->rounds > 1;
    const bool mechanism = results->options->round;
    const int width = name_width(results);
    fprintf(stream, "%*s %8s %10s %9s", width, "agent", "weight", "norm", "value");
    fprintf(stream, "%s %8s %8s", errors ? " std error" : "", "share", "psi");
    fprintf(stream, "%s%s\n", mechanism ? " importance       q      kept" : "", several ? " mean value" : "");
    for (int i = 0; i < results->agents; i++) {
        const struct value_agent *agent = &round->agent[i];
        if (results->name)
            fprintf(stream, "%*.*s", width, width, results->name[i]);
        else
            fprintf(stream, "%*d", width, i);
        fprintf(stream, " %8.4f", agent->weight);
        if (isnan(agent->norm))
            print_cell(stream, 10, 0, NAN);
        else
            fprintf(stream, " %10.4g", agent->norm);
        print_cell(stream, 9, 5, agent->value);
        if (errors) print_cell(stream, 9, 5, agent->standard_error);
        print_cell(stream, 8, 4, value_share(round, i));
        print_cell(stream, 8, 4, agent->psi);
        if (mechanism) fprintf(stream, " %10.4f %7.4f %9.0f", agent->importance, agent->keep_ratio, agent->kept);
        if (several) print_cell(stream, 10, 5, value_mean(results, i));
        fputc('\n', stream);
    }
}

static void print_method(FILE *stream, const struct value_results *results)
{
    char evaluations[FORMAT_SIZE], permutations[FORMAT_SIZE];
    const cgsv_valuation_cost *cost = &results->cost;
    fprintf(stream, "method          %s", cgsv_method_name(results->options->valuation.method));
    if (cost->permutations > 0)
        fprintf(stream, ", a budget of %s permutations%s", format_count(permutations, cost->permutations),
                cost->every_order ? ", which is every order: the values are exact" : "");
    if (cost->evaluations > 0)
        fprintf(stream, ", %s coalitions evaluated", format_count(evaluations, (int64_t)cost->evaluations));
    fputc('\n', stream);
}

void value_print_table(FILE *stream, const struct value_results *results)
{
    char dimension[FORMAT_SIZE], checks[FORMAT_CHECKS_SIZE];
    const int rounds = results->options->rounds;
    const struct value_round *last = &results->round[rounds - 1];
    double valuation = 0;
    for (int r = 0; r < rounds; r++) valuation += results->round[r].seconds;
    if (rounds > 1) fprintf(stream, "round %d of %d\n", rounds, rounds);
    print_agents(stream, results, last);
    fprintf(stream, "\nupdates         %d agent%s, %s parameters, products in %s\n", results->agents,
            results->agents == 1 ? "" : "s", format_count(dimension, results->dimension),
            last->precise ? "float64" : "float32");
    print_method(stream, results);
    fprintf(stream, "sum of values   %.6f%s\n", last->sum,
            last->no_aggregate ? ": the aggregate is zero" : "");
    fprintf(stream, "seconds         reading %.3f, Gram matrix %.3f, valuation %.3f\n", results->reading, results->gram,
            valuation);
    fprintf(stream, "checks          %s\n", format_checks(checks, &results->checks));
}

/* ---- for programs ---- */

/* As RFC 4180 has it. */
static void print_text_field(FILE *stream, const char *text)
{
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"') fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

/* 17 digits give every double back; an undefined number is left empty. */
static void print_number_field(FILE *stream, double value)
{
    fputc(',', stream);
    if (!isnan(value)) fprintf(stream, "%.17g", value);
}

static void print_row(FILE *stream, const struct value_results *results, int r, int i)
{
    char label[24];
    const struct value_agent *a = &results->round[r].agent[i];
    const double numbers[] = {a->weight, a->coefficient, a->norm, a->value, a->standard_error,
                              value_share(&results->round[r], i), a->psi, a->importance, a->keep_ratio, a->kept};
    fprintf(stream, "%d,%d,", r + 1, i);
    print_text_field(stream, value_agent_label(label, results, i));
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) print_number_field(stream, numbers[k]);
    fprintf(stream, ",%d,%d\n", a->fault, a->not_finite);
}

cgsv_status value_results_csv(char **text, const struct value_results *results)
{
    struct text_stream stream;
    *text = NULL;
    if (!text_stream_open(&stream)) return error_set(CGSV_ERROR_MEMORY, "no memory for a table of values");
    fprintf(stream.to, "round,agent,name,weight,coefficient,norm,value,standard_error,share,psi,"
                    "importance,keep_ratio,kept,fault,not_finite\n");
    for (int r = 0; r < results->options->rounds; r++)
        for (int i = 0; i < results->agents; i++) print_row(stream.to, results, r, i);
    *text = text_stream_close(&stream);
    return *text ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for a table of values");
}
