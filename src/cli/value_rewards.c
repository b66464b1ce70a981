/* The rewards of a round, as a file that an agent's training can go on from. */
#include "cli/value_rewards.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/file.h"
#include "io/safetensors.h"

cgsv_status value_rewards_path(char **path, const struct value_options *options, int round)
{
    char name[48] = "rewards.safetensors";
    if (options->rounds > 1) snprintf(name, sizeof name, "rewards_%d.safetensors", round + 1);
    return file_join(path, options->out, name);
}

/* The tensors of a file in the making: a vector of each agent, or first the indices of all
 * and then the values of all, so that wider numbers come first and all are aligned. */
struct rewards {
    bool dense;
    int agents, tensors;
    int64_t dimension;
    struct safetensors_tensor *tensor; /* [tensors], of agent number mod agents, with names of their own */
    int64_t *count, most;              /* [agents] entries of each, and of the longest */
    int64_t *index;                    /* [most] */
    float *value;                      /* [most] */
    float *vector;                     /* [dimension], if dense */
};

static void rewards_free(struct rewards *r)
{
    for (int t = 0; r->tensor && t < r->tensors; t++) free((char *)r->tensor[t].name);
    free(r->tensor);
    free(r->count);
    free(r->index);
    free(r->value);
    free(r->vector);
}

static cgsv_status no_memory(const struct rewards *r)
{
    return error_set(CGSV_ERROR_MEMORY, "no memory for a reward of %lld entries", (long long)r->most);
}

/* One tensor of `count` numbers; false when memory runs out. */
static bool describe(struct safetensors_tensor *tensor, const char *label, const char *suffix,
                     enum safetensors_type type, int64_t count)
{
    char *name;
    if (asprintf(&name, "%s%s", label, suffix) < 0) return false;
    *tensor = (struct safetensors_tensor){.name = name, .type = type, .dimensions = 1, .shape = {count}};
    return true;
}

static cgsv_status describe_all(struct rewards *r, cgsv_server *server, const struct value_results *results)
{
    r->count = calloc((size_t)r->agents, sizeof *r->count);
    r->tensor = calloc((size_t)r->tensors, sizeof *r->tensor);
    bool complete = r->count && r->tensor;
    for (int i = 0; complete && i < r->agents; i++) {
        char text[24];
        const char *label = value_agent_label(text, results, i);
        TRY(cgsv_server_reward(server, i, 0, NULL, NULL, &r->count[i]));
        if (r->count[i] > r->most) r->most = r->count[i];
        complete = r->dense ? describe(&r->tensor[i], label, "", SAFETENSORS_F32, r->dimension)
                            : describe(&r->tensor[i], label, ".index", SAFETENSORS_I64, r->count[i]) &&
                                  describe(&r->tensor[r->agents + i], label, ".value", SAFETENSORS_F32, r->count[i]);
    }
    if (complete) {
        r->index = calloc((size_t)r->most + 1, sizeof *r->index);
        r->value = calloc((size_t)r->most + 1, sizeof *r->value);
        if (r->dense) r->vector = calloc((size_t)r->dimension, sizeof *r->vector);
    }
    return complete && r->index && r->value && (!r->dense || r->vector) ? CGSV_OK : no_memory(r);
}

/* What tensor number `at` holds. */
static cgsv_status write_tensor(struct file_writer *writer, struct rewards *r, cgsv_server *server, int at)
{
    int64_t count;
    cgsv_status status = cgsv_server_reward(server, at % r->agents, r->most, r->index, r->value, &count);
    if (status != CGSV_OK) {
        file_abort(writer);
        return status;
    }
    if (!r->dense && at < r->agents) return file_write(writer, r->index, (size_t)count * sizeof *r->index);
    if (!r->dense) return file_write(writer, r->value, (size_t)count * sizeof *r->value);
    memset(r->vector, 0, (size_t)r->dimension * sizeof *r->vector);
    for (int64_t k = 0; k < count; k++) r->vector[r->index[k]] = r->value[k];
    return file_write(writer, r->vector, (size_t)r->dimension * sizeof *r->vector);
}

static cgsv_status write_all(struct rewards *r, cgsv_server *server, const char *path, const char *source, int round)
{
    char dimension[24], number[24];
    struct file_writer writer;
    snprintf(dimension, sizeof dimension, "%" PRId64, r->dimension);
    snprintf(number, sizeof number, "%d", round + 1);
    const struct safetensors_metadata metadata[] = {{"dimension", dimension}, {"round", number}, {"file", source}};
    TRY(safetensors_begin(&writer, path, r->tensor, r->tensors, metadata, 3));
    for (int t = 0; t < r->tensors; t++) TRY(write_tensor(&writer, r, server, t));
    return file_commit(&writer);
}

cgsv_status value_rewards_write(cgsv_server *server, const struct value_results *results, int round)
{
    const struct value_options *options = results->options;
    struct rewards r = {.dense = options->dense_rewards, .agents = results->agents, .dimension = results->dimension,
                        .tensors = results->agents * (options->dense_rewards ? 1 : 2)};
    char *path;
    TRY(value_rewards_path(&path, options, round));
    cgsv_status status = describe_all(&r, server, results);
    if (status == CGSV_OK) status = write_all(&r, server, path, options->files[round], round);
    rewards_free(&r);
    free(path);
    return status;
}
