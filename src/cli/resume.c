#include "cli/resume.h"

#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "core/error.h"
#include "io/file.h"
#include "io/json.h"

enum { FILE_LIMIT = 64 << 20 };

/* ---- config.json ---- */

static cgsv_status read_file(char **text, const char *folder, const char *name)
{
    char *path;
    *text = NULL;
    TRY(file_join(&path, folder, name));
    const cgsv_status status = file_exists(path) ? file_read_text(text, path, FILE_LIMIT) : CGSV_OK;
    free(path);
    return status;
}

static cgsv_status read_record(struct resume *r, const char *folder)
{
    char *text;
    TRY(read_file(&text, folder, "config.json"));
    if (!text)
        return error_set(CGSV_ERROR_IO, "'%s' holds no config.json of a run, so there is nothing to go on with",
                         folder);
    const cgsv_status status = json_parse(&r->record, text, strlen(text), NULL, folder);
    free(text);
    TRY(status);
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(r->record, "command_line");
    const char *version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->record, "cgsv_version"));
    const char *command = cJSON_GetStringValue(cJSON_GetArrayItem(line, 1));
    if (!version || !command || strcmp(command, "run") != 0)
        return error_set(CGSV_ERROR_DATA, "'%s/config.json' is not the record of a cgsv run", folder);
    if (strcmp(version, cgsv_version()) != 0)
        return error_set(CGSV_ERROR_ARGUMENT, "'%s' holds a run of cgsv %.40s, and this is %s; go on with that version",
                         folder, version, cgsv_version());
    r->argv = calloc((size_t)cJSON_GetArraySize(line) + 1, sizeof *r->argv);
    if (!r->argv) return error_set(CGSV_ERROR_MEMORY, "no memory for the options of '%s'", folder);
    for (const cJSON *item = line->child->next->next; item; item = item->next) {
        if (!cJSON_IsString(item))
            return error_set(CGSV_ERROR_DATA, "'%s/config.json' has a command line that is none", folder);
        r->argv[r->argc++] = item->valuestring;
    }
    return CGSV_OK;
}

/* ---- options ---- */

/* Those that may be others than before. */
static bool is_free(const char *name)
{
    static const char *const names[] = {"data",         "word-vectors", "device", "threads",     "resume",
                                        "other-device", "quiet",        "format", "save-models", "checkpoint-every",
                                        "dry-run",      "profile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static cgsv_status check_option(const struct option *before, const struct option *now, const char *folder)
{
    char was[256], is[256];
    if (!now->given || is_free(now->name)) return CGSV_OK;
    if (strcmp(now->name, "out") == 0 || strcmp(now->name, "force") == 0)
        return error_set(CGSV_ERROR_ARGUMENT, "--resume goes on in its own folder; leave --%s out", now->name);
    options_show_value(was, sizeof was, before);
    options_show_value(is, sizeof is, now);
    if (strcmp(was, is) == 0) return CGSV_OK;
    return error_set(CGSV_ERROR_ARGUMENT, "the run in '%s' has %s %s, not %s, and can only go on with that; leave the "
                     "option out, or begin another run", folder, now->name, was, is);
}

/* Reads argv over the options that the run began with. */
static cgsv_status merge(struct run_options *merged, struct run_options *began, const char *folder, int argc,
                         char **argv)
{
    struct option before[RUN_OPTIONS], now[RUN_OPTIONS];
    bool help;
    *merged = *began;
    const int count = run_options_table(before, began);
    run_options_table(now, merged);
    TRY(options_parse(now, count, argc, argv, &help));
    for (int i = 0; i < count; i++) TRY(check_option(&before[i], &now[i], folder));
    return CGSV_OK;
}

cgsv_status resume_options(struct resume *r, struct run_options *options, int argc, char **argv)
{
    const char *folder = options->resume;
    struct run_options began;
    *r = (struct resume){0};
    TRY(read_record(r, folder));
    if (run_options_parse(&began, r->argc, r->argv) != CGSV_OK || began.help)
        return error_set(CGSV_ERROR_DATA, "'%s/config.json' has a command line that cannot be read: %s", folder,
                         cgsv_last_error());
    TRY(merge(options, &began, folder, argc, argv));
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(r->record, "data");
    if (!options->data) options->data = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "directory"));
    options->out = folder;
    options->force = true;
    return read_file(&r->summary, folder, "summary.json");
}

/* ---- settings and data as they turned out ---- */

static void show(char text[96], const cJSON *item)
{
    char *printed = item ? cJSON_PrintUnformatted(item) : NULL;
    snprintf(text, 96, "%s", printed ? printed : "(none)");
    cJSON_free(printed);
}

/* Where the data lie may change. */
static bool is_place(const char *key) { return strcmp(key, "directory") == 0 || strcmp(key, "word_vectors") == 0; }

static cgsv_status compare(const cJSON *before, const cJSON *now, const char *folder)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, now) {
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, item->string);
        char was[96], is[96];
        if (is_place(item->string) || cJSON_Compare(old, item, true)) continue;
        show(was, old);
        show(is, item);
        return error_set(CGSV_ERROR_ARGUMENT, "'%s/config.json' is of a run with %s %s, and this one has %s", folder,
                         item->string, was, is);
    }
    return CGSV_OK;
}

cgsv_status resume_check_setup(const struct resume *r, const struct run_setup *setup, const char *folder)
{
    static const char *const parts[] = {"data", "config"};
    char *text;
    TRY(run_setup_json(&text, setup));
    cJSON *now;
    cgsv_status status = json_parse(&now, text, strlen(text), NULL, folder);
    free(text);
    for (int i = 0; i < 2 && status == CGSV_OK; i++)
        status = compare(cJSON_GetObjectItemCaseSensitive(r->record, parts[i]),
                         cJSON_GetObjectItemCaseSensitive(now, parts[i]), folder);
    cJSON_Delete(now);
    return status;
}

void resume_free(struct resume *r)
{
    cJSON_Delete(r->record);
    free(r->argv);
    free(r->summary);
    *r = (struct resume){0};
}
