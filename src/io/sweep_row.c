#include "io/sweep_row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/printable.h"
#include "io/text_stream.h"

static const char *const number_names[SWEEP_NUMBERS] = {
    "rho_accuracy", "rho_loss",         "rho_samples",    "rho_local",          "server_accuracy",
    "server_loss",
    "accuracy_mean", "accuracy_max",    "accuracy_min",   "accuracy_spread",    "standalone_mean",
    "gain_mean",    "gain_spread",      "loss_mean",      "loss_spread",        "jain_index",
    "faults",       "seconds_training", "seconds_server", "seconds_evaluation",
};
static const char done[] = "done", failed[] = "failed";

void sweep_row_fail(struct sweep_row *row, int cell, const char *error)
{
    *row = (struct sweep_row){.cell = cell, .failed = true};
    snprintf(row->error, sizeof row->error, "%s", error);
    for (int i = 0; i < SWEEP_NUMBERS; i++) row->number[i] = NAN;
}

void sweep_row_fill(struct sweep_row *row, int cell, const struct run_results *r)
{
    *row = (struct sweep_row){.cell = cell,
                              .number = {[SWEEP_RHO_ACCURACY] = r->rho_accuracy,
                                         [SWEEP_RHO_LOSS] = r->rho_loss,
                                         [SWEEP_RHO_SAMPLES] = r->rho_samples,
                                         [SWEEP_RHO_LOCAL] = r->rho_local,
                                         [SWEEP_SERVER_ACCURACY] = r->server.accuracy,
                                         [SWEEP_SERVER_LOSS] = r->server.loss,
                                         [SWEEP_ACCURACY_MEAN] = r->accuracy_mean,
                                         [SWEEP_ACCURACY_MAX] = r->accuracy_max,
                                         [SWEEP_ACCURACY_MIN] = r->accuracy_min,
                                         [SWEEP_ACCURACY_SPREAD] = r->accuracy_spread,
                                         [SWEEP_STANDALONE_MEAN] = r->standalone_mean,
                                         [SWEEP_GAIN_MEAN] = r->gain_mean,
                                         [SWEEP_GAIN_SPREAD] = r->gain_spread,
                                         [SWEEP_LOSS_MEAN] = r->loss_mean,
                                         [SWEEP_LOSS_SPREAD] = r->loss_spread,
                                         [SWEEP_JAIN_INDEX] = r->jain_index,
                                         [SWEEP_SECONDS_TRAINING] = r->seconds.training,
                                         [SWEEP_SECONDS_SERVER] = r->seconds.server,
                                         [SWEEP_SECONDS_EVALUATION] = r->seconds.evaluation}};
    for (int i = 0; i < r->agents; i++)
        for (int kind = 0; kind < FAULT_KINDS; kind++) row->number[SWEEP_FAULTS] += r->agent[i].faults[kind].rounds;
}

cgsv_status sweep_row_header(char **header, const char *axes)
{
    struct text_stream text;
    *header = NULL;
    if (!text_stream_open(&text)) return error_set(CGSV_ERROR_MEMORY, "no memory for the header of a sweep");
    fprintf(text.to, "cell,%sstatus", axes);
    for (int i = 0; i < SWEEP_NUMBERS; i++) fprintf(text.to, ",%s", number_names[i]);
    fprintf(text.to, ",error");
    *header = text_stream_close(&text);
    return *header ? CGSV_OK : error_set(CGSV_ERROR_MEMORY, "no memory for the header of a sweep");
}

void sweep_row_write(struct csv *csv, const struct sweep_row *row, const char *const *axis_values, int axes)
{
    csv_integer(csv, row->cell);
    for (int i = 0; i < axes; i++) csv_text(csv, axis_values[i]);
    csv_text(csv, row->failed ? failed : done);
    for (int i = 0; i < SWEEP_NUMBERS; i++) csv_number(csv, row->number[i]);
    csv_quoted(csv, row->error);
    csv_end_row(csv);
}

/* The field at *at, up to the next comma, which is skipped; NULL when there is none. */
static const char *next_field(const char **at, size_t *length)
{
    const char *field = *at;
    *length = strcspn(field, ",");
    if (field[*length] != ',') return NULL;
    *at = field + *length + 1;
    return field;
}

/* Text between quotes, doubled ones once. */
static void read_quoted(char *text, size_t size, const char *from)
{
    size_t used = 0;
    if (*from == '"') from++;
    for (; *from && used + 1 < size; from++) {
        if (*from == '"' && *++from != '"') break;
        text[used++] = *from;
    }
    text[used] = '\0';
    printable_make(text); /* it goes to the terminal */
}

bool sweep_row_read(struct sweep_row *row, const char *line, int axes)
{
    const char *at = line, *field;
    char *end;
    size_t length;
    *row = (struct sweep_row){0};
    if (!(field = next_field(&at, &length))) return false;
    const long cell = strtol(field, &end, 10);
    if (end != field + length || length == 0 || cell < 0 || cell > INT32_MAX) return false;
    row->cell = (int)cell;
    for (int i = 0; i < axes; i++)
        if (!next_field(&at, &length)) return false;
    if (!(field = next_field(&at, &length))) return false;
    row->failed = length == strlen(failed) && memcmp(field, failed, length) == 0;
    if (!row->failed && !(length == strlen(done) && memcmp(field, done, length) == 0)) return false;
    for (int i = 0; i < SWEEP_NUMBERS; i++) {
        if (!(field = next_field(&at, &length))) return false;
        row->number[i] = length ? strtod(field, &end) : NAN;
        if (length && end != field + length) return false;
    }
    read_quoted(row->error, sizeof row->error, at);
    return true;
}
