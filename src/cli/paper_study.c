#include "cli/paper_study.h"

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/study_options.h"
#include "core/error.h"
#include "io/csv_read.h"
#include "io/file.h"

static void add(struct paper_study *s, const char *name, const char *value)
{
    if (!value) return;
    s->argument[s->arguments++] = (char *)name; /* options are only read */
    s->argument[s->arguments++] = (char *)value;
}

cgsv_status paper_study_plan(struct paper_study *s, const struct paper_options *o)
{
    struct study_options read;
    *s = (struct paper_study){.arguments = 0};
    const int length = snprintf(s->folder, sizeof s->folder, "%s/study", o->out ? o->out : ".");
    if (length < 0 || (size_t)length >= sizeof s->folder)
        return error_set(CGSV_ERROR_ARGUMENT, "--out: the name is longer than %zu bytes", sizeof s->folder - 8);
    if (o->quick) {
        add(s, "--agents", "5..8");
        add(s, "--dimensions", "2^10..2^12");
    }
    add(s, "--device", o->device);
    add(s, "--threads", o->threads);
    add(s, "--out", s->folder);
    return study_options_parse(&read, s->arguments, s->argument);
}

static cgsv_status table_path(char **path, const struct paper_study *s)
{
    return file_join(path, s->folder, "study.csv");
}

static cgsv_status count_rows(int *rows, const struct paper_study *s)
{
    struct csv_reader reader = {0};
    bool row = true;
    char *path;
    *rows = 0;
    TRY(table_path(&path, s));
    cgsv_status status = file_exists(path) ? csv_reader_open(&reader, path) : CGSV_OK;
    while (status == CGSV_OK && row && reader.stream) {
        status = csv_reader_next(&reader, &row);
        *rows += row;
    }
    csv_reader_close(&reader);
    free(path);
    return status;
}

cgsv_status paper_study_run(struct paper_study *s, const struct paper_options *o, FILE *table)
{
    struct study_options read;
    char *arguments[PAPER_STUDY_ARGUMENTS + 2];
    int count = s->arguments, rows = 0;
    TRY(study_options_parse(&read, s->arguments, s->argument));
    const int expected = (read.agents.count + read.dimensions.count) * (1 + read.methods.count);
    if (!o->force && count_rows(&rows, s) == CGSV_OK && rows == expected) return CGSV_OK;
    memcpy(arguments, s->argument, (size_t)count * sizeof *arguments);
    arguments[count++] = "--force";
    if (o->quiet) arguments[count++] = "--quiet";
    return study_run(count, arguments, table);
}

/* ---- its table ---- */

static const struct column {
    const char *name, *deviation, *title;
    int digits; /* 0: as it stands */
    int width;
} columns[] = {
    {"N", NULL, "N", 0, 5},
    {"D", NULL, "D", 0, 8},
    {"method", NULL, "method", 0, 14},
    {"l1_mean", "l1_deviation", "L1", 3, 22},
    {"l2_mean", "l2_deviation", "L2", 3, 22},
    {"pearson_mean", "pearson_deviation", "Pearson", 5, 20},
    {"seconds", NULL, "seconds", 3, 10},
};
enum { COLUMNS = sizeof columns / sizeof *columns, FIELD_TEXT = 64 };

static cgsv_status field_text(char text[FIELD_TEXT], const struct csv_reader *reader, const struct column *c)
{
    double value, deviation;
    TRY(csv_reader_name(reader, c->name, text, FIELD_TEXT));
    if (c->digits == 0) return CGSV_OK;
    TRY(csv_reader_number(reader, csv_reader_column(reader, c->name), &value));
    snprintf(text, FIELD_TEXT, "%.*g", c->digits, value);
    if (!c->deviation) return CGSV_OK;
    TRY(csv_reader_number(reader, csv_reader_column(reader, c->deviation), &deviation));
    snprintf(text, FIELD_TEXT, "%.*g ± %.2g", c->digits, value, deviation);
    return CGSV_OK;
}

static void print_text(FILE *stream, const char *text, int width, bool markdown)
{
    const int hidden = strstr(text, "±") ? 1 : 0; /* the letter has two bytes */
    if (markdown)
        fprintf(stream, " %s |", text);
    else
        fprintf(stream, "%-*s", width + hidden, text);
}

static cgsv_status print_rows(FILE *stream, struct csv_reader *reader, bool markdown)
{
    char text[FIELD_TEXT];
    for (bool row = true;;) {
        TRY(csv_reader_next(reader, &row));
        if (!row) return CGSV_OK;
        if (markdown) fputc('|', stream);
        for (int k = 0; k < COLUMNS; k++) {
            TRY(field_text(text, reader, &columns[k]));
            print_text(stream, text, columns[k].width, markdown);
        }
        fputc('\n', stream);
    }
}

cgsv_status paper_study_print(FILE *stream, const struct paper_study *s, bool markdown)
{
    struct csv_reader reader = {0};
    char *path;
    TRY(table_path(&path, s));
    if (markdown) fputc('|', stream);
    for (int k = 0; k < COLUMNS; k++) print_text(stream, columns[k].title, columns[k].width, markdown);
    fputc('\n', stream);
    if (markdown) fputs("| --- | --- | --- | --- | --- | --- | --- |\n", stream);
    cgsv_status status = csv_reader_open(&reader, path);
    if (status == CGSV_OK) status = print_rows(stream, &reader, markdown);
    csv_reader_close(&reader);
    free(path);
    return status;
}
