/* The folder that a run leaves behind:
 *
 *   config.json    all that is needed to repeat it
 *   rounds.csv     one row per round (from 1) and agent; test columns are empty
 *                  where the round was not evaluated
 *   server.csv     one row per evaluation: round, loss, accuracy
 *   summary.json   results per agent, fairness, seconds
 *   models/        agent_000.safetensors …, standalone_000.safetensors …,
 *                  server.safetensors; words.txt beside models of sentences: the vocabulary,
 *                  a word a line, the first is number 0
 *   updates/       round_0001.safetensors …, of recorded rounds: "updates", agents x parameters
 *   checkpoints/   round_000040.safetensors …, the latest two */
#ifndef IO_RUN_FOLDER_H
#define IO_RUN_FOLDER_H

#include <stdbool.h>

#include "io/csv.h"
#include "io/run_record.h"

struct run_folder {
    char *path;
    struct csv rounds, server;
};

/* Whether a run may write to `path`: it is no file, and holds no results unless
 * `force` is set and they are those of an earlier run. Changes nothing. */
cgsv_status run_folder_check(const char *path, bool force);

/* The same, and makes the folder and tries to write to it, so that a run fails
 * before its training rather than after. Old results stay. */
cgsv_status run_folder_prepare(const char *path, bool force);

/* Locks the folder, as output_lock does; again once its config.json is new. */
cgsv_status run_folder_lock(const char *path, int *descriptor);

/* Removes an earlier run's files, and the folder where nothing else is in it. */
cgsv_status run_folder_remove(const char *path);

/* Removes an earlier run's files, writes config.json, begins both tables. */
cgsv_status run_folder_begin(struct run_folder *folder, const char *path, const struct run_setup *setup);

/* How far a run's tables are to be kept, in rows. */
struct run_rows {
    int64_t rounds, server;
};

/* CGSV_ERROR_DATA where the tables have fewer rows. Changes nothing. */
cgsv_status run_folder_check_rows(const char *path, struct run_rows rows);

/* Opens the tables of a run that was stopped, without what lies behind these rows. */
cgsv_status run_folder_continue(struct run_folder *folder, const char *path, struct run_rows rows);

/* Evaluations of a round, [agents] each; NULL when it was not evaluated. */
struct round_evaluations {
    const cgsv_evaluation *agents, *local, *standalone; /* after and before the download; the twins' */
};

/* Adds round `round` (from 1): records[agents]. */
void run_folder_add_round(struct run_folder *folder, int round, const struct run_setup *setup,
                          const cgsv_round_record *records, struct round_evaluations evaluations);
void run_folder_add_server(struct run_folder *folder, int round, const cgsv_evaluation *server);

/* Brings what was added to the files; or also waits until it is on the disk. */
cgsv_status run_folder_flush(struct run_folder *folder);
cgsv_status run_folder_sync(struct run_folder *folder);

/* Writes the raw updates[agents][parameters] of round `round` (from 1). */
cgsv_status run_folder_save_updates(const struct run_folder *folder, int round, const struct run_setup *setup,
                                    const float *updates);

cgsv_status run_folder_save_models(const struct run_folder *folder, cgsv_federation *federation,
                                   const struct run_setup *setup);

/* Closes the tables and writes summary.json, whose presence means that the run is
 * complete. */
cgsv_status run_folder_finish(struct run_folder *folder, const struct run_results *results);

/* A zeroed folder is fine. */
void run_folder_free(struct run_folder *folder);

#endif
