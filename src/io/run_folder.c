/* The folder that a run leaves behind. */
#include "io/run_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "io/checkpoint_folder.h"
#include "io/file.h"
#include "io/output_folder.h"
#include "io/safetensors.h"

static const char rounds_header[] =
    "round,agent,samples,update_norm,psi,importance,keep_ratio,kept,reward_cos,reward_error,distance,"
    "distance_last_layer,server_norm,train_loss,test_loss,test_accuracy,standalone_loss,standalone_accuracy,fault,"
    "local_loss,local_accuracy,adversary";
static const char server_header[] = "round,loss,accuracy";

/* "server.safetensors", "agent_007.safetensors", "standalone_1234.safetensors", "words.txt" */
static bool is_model_name(const char *name)
{
    return strcmp(name, "server.safetensors") == 0 || strcmp(name, "words.txt") == 0 ||
           output_is_numbered(name, "agent_") || output_is_numbered(name, "standalone_");
}

static bool is_updates_name(const char *name) { return output_is_numbered(name, "round_"); }

static const char *const top_files[] = {"rounds.csv", "server.csv", "summary.json", "config.json"};
static const struct output_subfolder subfolders[] = {
    {"models", is_model_name}, {"updates", is_updates_name}, {"checkpoints", checkpoint_folder_owns}};
static const struct output_files files = {"run", top_files, 4, subfolders, 3};

cgsv_status run_folder_check(const char *path, bool force) { return output_check(&files, path, force); }

cgsv_status run_folder_prepare(const char *path, bool force) { return output_prepare(&files, path, force); }

cgsv_status run_folder_lock(const char *path, int *descriptor) { return output_lock(&files, path, descriptor); }

cgsv_status run_folder_remove(const char *path)
{
    TRY(output_check(&files, path, true));
    TRY(output_clear(&files, path));
    for (int i = 0; i < files.folder_count; i++) {
        char *inner;
        TRY(file_join(&inner, path, files.folders[i].name));
        rmdir(inner); /* not there, or with files of others in it: left alone */
        free(inner);
    }
    rmdir(path);
    return CGSV_OK;
}

static cgsv_status make_updates_folder(const char *path)
{
    char *updates;
    TRY(file_join(&updates, path, "updates"));
    cgsv_status status = file_make_folder(updates);
    free(updates);
    return status;
}

/* First of all: what it says is complete will not be so any more. */
static cgsv_status remove_summary(const char *path)
{
    char *summary;
    TRY(file_join(&summary, path, "summary.json"));
    unlink(summary);
    free(summary);
    return CGSV_OK;
}

cgsv_status run_folder_begin(struct run_folder *folder, const char *path, const struct run_setup *setup)
{
    *folder = (struct run_folder){.path = strdup(path)};
    if (!folder->path) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
    char *text;
    TRY(remove_summary(path));
    TRY(run_setup_json(&text, setup));
    cgsv_status status = output_clear(&files, path);
    if (status == CGSV_OK) status = output_write_text(path, "config.json", text);
    free(text);
    TRY(status);
    if (setup->record_every > 0) TRY(make_updates_folder(path));
    TRY(output_create_table(&folder->rounds, path, "rounds.csv", rounds_header));
    return output_create_table(&folder->server, path, "server.csv", server_header);
}

/* ---- a run that was stopped ---- */

/* Where both tables end. */
struct table_ends {
    int64_t rounds, server;
};

static cgsv_status find_end(int64_t *end, const char *folder, const char *name, const char *header, int64_t rows)
{
    char *path;
    TRY(file_join(&path, folder, name));
    const cgsv_status status = csv_find_end(end, path, header, rows);
    free(path);
    return status;
}

static cgsv_status find_ends(struct table_ends *ends, const char *path, struct run_rows rows)
{
    TRY(find_end(&ends->rounds, path, "rounds.csv", rounds_header, rows.rounds));
    return find_end(&ends->server, path, "server.csv", server_header, rows.server);
}

cgsv_status run_folder_check_rows(const char *path, struct run_rows rows)
{
    struct table_ends ends;
    return find_ends(&ends, path, rows);
}

static cgsv_status continue_table(struct csv *csv, const char *folder, const char *name, const char *header,
                                  int64_t end)
{
    char *path;
    TRY(file_join(&path, folder, name));
    const cgsv_status status = csv_continue(csv, path, header, end);
    free(path);
    return status;
}

cgsv_status run_folder_continue(struct run_folder *folder, const char *path, struct run_rows rows)
{
    struct table_ends ends;
    *folder = (struct run_folder){.path = strdup(path)};
    if (!folder->path) return error_set(CGSV_ERROR_MEMORY, "no memory for the path '%s'", path);
    TRY(find_ends(&ends, path, rows));
    TRY(remove_summary(path));
    TRY(continue_table(&folder->rounds, path, "rounds.csv", rounds_header, ends.rounds));
    return continue_table(&folder->server, path, "server.csv", server_header, ends.server);
}

/* ---- rounds ---- */

static void add_evaluation(struct csv *csv, const cgsv_evaluation *evaluations, int agent)
{
    csv_number(csv, evaluations ? evaluations[agent].loss : NAN);
    csv_number(csv, evaluations ? evaluations[agent].accuracy : NAN);
}

void run_folder_add_round(struct run_folder *folder, int round, const struct run_setup *setup,
                          const cgsv_round_record *records, struct round_evaluations evaluations)
{
    struct csv *csv = &folder->rounds;
    for (int i = 0; i < setup->config->agents; i++) {
        const cgsv_round_record *record = &records[i];
        const cgsv_adversary kind = cgsv_adversary_of(&setup->config->adversaries, i);
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
        add_evaluation(csv, evaluations.agents, i);
        add_evaluation(csv, evaluations.standalone, i);
        csv_number(csv, record->fault);
        add_evaluation(csv, evaluations.local, i);
        csv_text(csv, kind == CGSV_HONEST ? "" : cgsv_adversary_name(kind));
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

cgsv_status run_folder_sync(struct run_folder *folder)
{
    TRY(csv_sync(&folder->rounds));
    return csv_sync(&folder->server);
}

cgsv_status run_folder_save_updates(const struct run_folder *folder, int round, const struct run_setup *setup,
                                    const float *updates)
{
    char *path, name[64], number[16];
    snprintf(name, sizeof name, "updates/round_%04d.safetensors", round);
    snprintf(number, sizeof number, "%d", round);
    const struct safetensors_metadata metadata[] = {
        {"round", number}, {"data_set", setup->dataset->name}, {"model", cgsv_model_name(setup->config->model)}};
    const struct safetensors_tensor tensor = {
        .name = "updates",
        .type = SAFETENSORS_F32,
        .dimensions = 2,
        .shape = {setup->config->agents, setup->plan->parameters},
        .data = updates,
    };
    TRY(file_join(&path, folder->path, name));
    cgsv_status status = safetensors_write(path, &tensor, 1, metadata, 3);
    free(path);
    return status;
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

static cgsv_status save_words(const char *models, const cgsv_dataset *dataset)
{
    struct file_writer file;
    char *path;
    TRY(file_join(&path, models, "words.txt"));
    cgsv_status status = file_begin(&file, path);
    free(path);
    for (int i = 0; i < dataset->vocabulary && status == CGSV_OK; i++) {
        status = file_write(&file, dataset->word[i], strlen(dataset->word[i]));
        if (status == CGSV_OK) status = file_write(&file, "\n", 1);
    }
    return status == CGSV_OK ? file_commit(&file) : status;
}

cgsv_status run_folder_save_models(const struct run_folder *folder, cgsv_federation *federation,
                                   const struct run_setup *setup)
{
    const cgsv_config *config = setup->config;
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
    if (status == CGSV_OK && setup->dataset->vocabulary > 0) status = save_words(models, setup->dataset);
    free(models);
    return status;
}

cgsv_status run_folder_finish(struct run_folder *folder, const struct run_results *results)
{
    char *text;
    TRY(csv_close(&folder->rounds));
    TRY(csv_close(&folder->server));
    TRY(run_results_json(&text, results));
    cgsv_status status = output_write_text(folder->path, "summary.json", text);
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
