/* The folder that a run leaves behind. Nothing of others is ever touched: only
 * files with a run's names are looked at, and they are replaced only by order and
 * only when the config.json beside them shows that a run wrote them. */
#include "io/run_folder.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "io/file.h"

/* config.json last: while others are removed it still says whose they are. */
static const char *const top_files[] = {"rounds.csv", "server.csv", "summary.json", "config.json"};
enum { TOP_FILES = sizeof top_files / sizeof *top_files, CONFIG_LIMIT = 64 << 20 };

static const char rounds_header[] =
    "round,agent,samples,update_norm,psi,importance,keep_ratio,kept,reward_cos,reward_error,distance,"
    "distance_last_layer,server_norm,train_loss,test_loss,test_accuracy,standalone_loss,standalone_accuracy,fault";

/* "server.safetensors", "agent_007.safetensors", "standalone_1234.safetensors" */
static bool is_model_name(const char *name)
{
    if (strcmp(name, "server.safetensors") == 0) return true;
    if (strncmp(name, "agent_", 6) == 0)
        name += 6;
    else if (strncmp(name, "standalone_", 11) == 0)
        name += 11;
    else
        return false;
    const char *digits = name;
    while (isdigit((unsigned char)*name)) name++;
    return name - digits >= 3 && strcmp(name, ".safetensors") == 0;
}

/* Calls for each model file of a run in models/; a folder that is not there has none. */
static cgsv_status each_model(const char *folder, cgsv_status (*visit)(const char *path, void *context), void *context)
{
    char *models;
    TRY(file_join(&models, folder, "models"));
    cgsv_status status = CGSV_OK;
    DIR *directory = opendir(models);
    if (!directory && errno != ENOENT)
        status = error_set(CGSV_ERROR_IO, "cannot read the folder '%s': %s", models, strerror(errno));
    for (struct dirent *entry; directory && status == CGSV_OK && (entry = readdir(directory));) {
        char *path = NULL;
        if (!is_model_name(entry->d_name)) continue;
        status = file_join(&path, models, entry->d_name);
        if (status == CGSV_OK) status = visit(path, context);
        free(path);
    }
    if (directory) closedir(directory);
    free(models);
    return status;
}

static cgsv_status note_model(const char *path, void *context)
{
    (void)path;
    *(const char **)context = "models";
    return CGSV_OK;
}

/* Names one result that the folder holds; NULL when it holds none. */
static cgsv_status find_result(const char **found, const char *folder)
{
    *found = NULL;
    TRY(each_model(folder, note_model, found));
    for (int i = 0; i < TOP_FILES; i++) {
        char *path;
        TRY(file_join(&path, folder, top_files[i]));
        if (file_exists(path)) *found = top_files[i];
        free(path);
    }
    return CGSV_OK;
}

static cgsv_status is_run(bool *ours, const char *folder)
{
    char *path, *text = NULL;
    TRY(file_join(&path, folder, "config.json"));
    cgsv_status status = file_read_text(&text, path, CONFIG_LIMIT);
    free(path);
    *ours = false;
    if (status == CGSV_ERROR_MEMORY) return status;
    cJSON *config = text ? cJSON_Parse(text) : NULL;
    *ours = cJSON_GetObjectItemCaseSensitive(config, "cgsv_version") != NULL;
    cJSON_Delete(config);
    free(text);
    return CGSV_OK;
}

cgsv_status run_folder_check(const char *path, bool force)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        if (errno == ENOENT) return CGSV_OK;
        return error_set(CGSV_ERROR_IO, "cannot use '%s' as the output folder: %s", path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode))
        return error_set(CGSV_ERROR_IO, "cannot use '%s' as the output folder: it is a file", path);

    const char *found;
    bool ours;
    TRY(find_result(&found, path));
    if (!found) return CGSV_OK;
    if (!force)
        return error_set(CGSV_ERROR_IO, "'%s' holds results already (%s); choose another folder or use --force", path,
                         found);
    TRY(is_run(&ours, path));
    if (ours) return CGSV_OK;
    return error_set(CGSV_ERROR_IO,
                     "'%s' holds %s but no config.json of a run, so even --force does not overwrite it; "
                     "choose another folder",
                     path, found);
}

cgsv_status run_folder_prepare(const char *path, bool force)
{
    TRY(run_folder_check(path, force));
    TRY(file_make_folder(path));
    char *probe;
    struct file_writer writer;
    TRY(file_join(&probe, path, "config.json"));
    cgsv_status status = file_begin(&writer, probe);
    if (status == CGSV_OK) file_abort(&writer);
    free(probe);
    return status;
}

static cgsv_status remove_file(const char *path, void *context)
{
    (void)context;
    if (unlink(path) == 0 || errno == ENOENT) return CGSV_OK;
    return error_set(CGSV_ERROR_IO, "cannot remove '%s': %s", path, strerror(errno));
}

static cgsv_status remove_old(const char *folder)
{
    TRY(each_model(folder, remove_file, NULL));
    for (int i = 0; i < TOP_FILES; i++) {
        char *path;
        TRY(file_join(&path, folder, top_files[i]));
        cgsv_status status = remove_file(path, NULL);
        free(path);
        TRY(status);
    }
    return CGSV_OK;
}

static cgsv_status write_json(const struct run_folder *folder, const char *name, const char *text)
{
    char *path;
    TRY(file_join(&path, folder->path, name));
    cgsv_status status = file_write_text(path, text);
    free(path);
    return status;
}

static cgsv_status create_table(struct csv *csv, const char *folder, const char *name, const char *header)
{
    char *path;
    TRY(file_join(&path, folder, name));
    cgsv_status status = csv_create(csv, path, header);
    free(path);
    return status;
}

cgsv_status run_folder_begin(struct run_folder *folder, const char *path, const struct run_setup *setup)
{
    *folder = (struct run_folder){.path = strdup(path)};
    if (!folder->path) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
    char *text;
    TRY(run_setup_json(&text, setup));
    cgsv_status status = remove_old(path);
    if (status == CGSV_OK) status = write_json(folder, "config.json", text);
    free(text);
    TRY(status);
    TRY(create_table(&folder->rounds, path, "rounds.csv", rounds_header));
    return create_table(&folder->server, path, "server.csv", "round,loss,accuracy");
}

void run_folder_add_round(struct run_folder *folder, int round, const struct run_setup *setup,
                          const cgsv_round_record *records, const cgsv_evaluation *agents,
                          const cgsv_evaluation *standalone)
{
    const cgsv_evaluation unknown = {.loss = NAN, .accuracy = NAN};
    struct csv *csv = &folder->rounds;
    for (int i = 0; i < setup->config->agents; i++) {
        const cgsv_round_record *record = &records[i];
        const cgsv_evaluation *test = agents ? &agents[i] : &unknown, *alone = standalone ? &standalone[i] : &unknown;
        csv_integer(csv, round);
        csv_integer(csv, i);
        csv_integer(csv, setup->samples[i]);
        csv_number(csv, record->update_norm);
        csv_number(csv, record->psi);
        csv_number(csv, record->importance);
        csv_number(csv, record->keep_ratio);
        csv_number(csv, record->kept);
        csv_number(csv, record->reward_cos);
        csv_number(csv, record->reward_error);
        csv_number(csv, record->distance);
        csv_number(csv, record->distance_last_layer);
        csv_number(csv, record->server_norm);
        csv_number(csv, record->train_loss);
        csv_number(csv, test->loss);
        csv_number(csv, test->accuracy);
        csv_number(csv, alone->loss);
        csv_number(csv, alone->accuracy);
        csv_number(csv, record->fault);
        csv_end_row(csv);
    }
}

void run_folder_add_server(struct run_folder *folder, int round, const cgsv_evaluation *server)
{
    csv_integer(&folder->server, round);
    csv_number(&folder->server, server->loss);
    csv_number(&folder->server, server->accuracy);
    csv_end_row(&folder->server);
}

cgsv_status run_folder_flush(struct run_folder *folder)
{
    TRY(csv_flush(&folder->rounds));
    return csv_flush(&folder->server);
}

static cgsv_status save_model(const char *models, const char *name, cgsv_federation *federation, cgsv_who who,
                              int agent)
{
    char *path;
    TRY(file_join(&path, models, name));
    cgsv_status status = cgsv_federation_save_model(federation, who, agent, path);
    free(path);
    return status;
}

cgsv_status run_folder_save_models(const struct run_folder *folder, cgsv_federation *federation,
                                   const cgsv_config *config)
{
    char *models, name[64];
    TRY(file_join(&models, folder->path, "models"));
    cgsv_status status = file_make_folder(models);
    if (status == CGSV_OK) status = save_model(models, "server.safetensors", federation, CGSV_SERVER, 0);
    for (int i = 0; status == CGSV_OK && i < config->agents; i++) {
        snprintf(name, sizeof name, "agent_%03d.safetensors", i);
        status = save_model(models, name, federation, CGSV_AGENT, i);
        snprintf(name, sizeof name, "standalone_%03d.safetensors", i);
        if (status == CGSV_OK && config->standalone)
            status = save_model(models, name, federation, CGSV_STANDALONE, i);
    }
    free(models);
    return status;
}

cgsv_status run_folder_finish(struct run_folder *folder, const struct run_results *results)
{
    char *text;
    TRY(csv_close(&folder->rounds));
    TRY(csv_close(&folder->server));
    TRY(run_results_json(&text, results));
    cgsv_status status = write_json(folder, "summary.json", text);
    free(text);
    return status;
}

void run_folder_free(struct run_folder *folder)
{
    csv_free(&folder->rounds);
    csv_free(&folder->server);
    free(folder->path);
    *folder = (struct run_folder){0};
}
