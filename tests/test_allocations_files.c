/* Every allocation in turn fails while data sets and updates are read from files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "core/error.h"
#include "data/readers.h"
#include "in_turn.h"
#include "io/updates.h"
#include "temporary.h"
#include "text_files.h"
#include "updates_files.h"

TestSuite(allocations_files, .init = temporary_make, .fini = temporary_remove, .timeout = 300);

static const char *set_name;

static cgsv_status load(void)
{
    cgsv_dataset *set = NULL;
    cgsv_status status = cgsv_dataset_load(&set, set_name, temporary_folder());
    if (status == CGSV_OK && set->vocabulary > 0)
        status = cgsv_dataset_read_vectors(set, temporary_path("vectors.txt.gz"), NULL);
    if (status == CGSV_OK) {
        const size_t samples = (size_t)set->train.samples, width = (size_t)set->width;
        take_in(set->train.y, samples * sizeof *set->train.y);
        if (set->vocabulary > 0)
            take_in(set->word_vector, (size_t)set->vocabulary * CGSV_WORD_VALUES * sizeof *set->word_vector);
        else
            take_in(set->train.x, samples * width * (size_t)(set->height * set->channels) * sizeof *set->train.x);
    }
    cgsv_dataset_free(set);
    return status;
}

static void put_idx(const char *name, int dimensions)
{
    unsigned char bytes[16 + 12 * 28 * 28] = {0, 0, 8, (unsigned char)dimensions, 0, 0, 0, 12, 0, 0, 0, 28,
                                              0, 0, 0, 28};
    const size_t head = 4 + 4 * (size_t)dimensions, body = dimensions == 1 ? 12 : 12 * 28 * 28;
    for (size_t i = 0; i < body; i++) bytes[head + i] = (unsigned char)(i * 7 % 10);
    temporary_put(name, (const char *)bytes, head + body);
}

enum { RECORDS = 3 }; /* of a file of CIFAR-10's, in the test */

static cgsv_status load_cifar(void)
{
    cgsv_dataset *set = calloc(1, sizeof *set);
    if (!set) return error_set(CGSV_ERROR_MEMORY, "no memory");
    cgsv_status status = cifar_load(set, temporary_folder(), RECORDS);
    if (status == CGSV_OK) take_in(set->train.x, 5 * RECORDS * 3 * 32 * 32 * sizeof *set->train.x);
    cgsv_dataset_free(set);
    return status;
}

static void put_cifar(const char *name)
{
    char bytes[RECORDS][1 + 3 * 32 * 32];
    for (int i = 0; i < RECORDS; i++) memset(bytes[i], i, sizeof bytes[i]);
    temporary_put(name, bytes[0], sizeof bytes);
}

static void put_vectors(void)
{
    char line[2 * CGSV_WORD_VALUES + 32] = "", *at = line;
    at += sprintf(at, "good");
    for (int i = 0; i < CGSV_WORD_VALUES; i++) at += sprintf(at, " %d", i % 3);
    at += sprintf(at, "\n");
    temporary_put("vectors.txt.gz", line, (size_t)(at - line));
}

Test(allocations_files, of_data_sets)
{
    static const char trees[] = "(3 (2 it) (4 (2 is) (4 good)))\n(1 (2 it) (0 (2 is) (0 bad)))\n";
    static const char *const parts[] = {"train.txt", "dev.txt", "test.txt"};
    put_idx("train-images-idx3-ubyte", 3);
    put_idx("train-labels-idx1-ubyte.gz", 1);
    put_idx("t10k-images-idx3-ubyte.gz", 3);
    put_idx("t10k-labels-idx1-ubyte", 1);
    put_vectors();
    text_put_reviews(20);
    for (int i = 0; i < 3; i++) temporary_put(parts[i], trees, sizeof trees - 1);
    static const char *const sets[] = {"mnist", "mr", "sst"};
    for (int i = 0; i < 3; i++) {
        set_name = sets[i];
        turn_by_turn(set_name, load);
    }
    for (char name[] = "data_batch_1.bin"; name[11] <= '5'; name[11]++) put_cifar(name);
    put_cifar("test_batch.bin");
    turn_by_turn("cifar10", load_cifar);
    set_name = "synthetic";
    each_in_turn(set_name, load, FAIL_ONE);
    report("data sets");
}

static const char *update_file;

static cgsv_status read_updates(void)
{
    struct updates *u;
    float numbers[24];
    TRY(updates_open(&u, &update_file, 1, NULL));
    cgsv_status status = updates_columns(u, 0, 0, 4, numbers, 4);
    if (status == CGSV_OK) take_in(numbers, (size_t)updates_agents(u) * 4 * sizeof *numbers);
    updates_close(u);
    return status;
}

Test(allocations_files, of_updates)
{
    static const char *const names[] = {"agent_0", "agent_10", "agent_2"};
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
    const int64_t shape[] = {4};
    float numbers[12];
    fill(numbers, ELEMENT_FLOAT32, 12);
    update_file = put_npy("updates.npy", 1, header, numbers, sizeof numbers);
    turn_by_turn("a .npy file", read_updates);
    update_file = put_tensors("updates.safetensors", names, 3, 1, shape);
    turn_by_turn("a .safetensors file", read_updates);
    report("updates");
}
