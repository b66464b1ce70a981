/* The emulated GPU sees the mistakes of kernels that it is there for, and none where there is none. */
#include <criterion/criterion.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulator/machine.h"
#include "fake_memory.h"
#include "temporary.h"

enum { ENTRIES = 256 };

/* A process that is forked has no threads but the one that forked it. */
static void one_thread(void) { omp_set_num_threads(1); }

TestSuite(emulator, .init = one_thread, .timeout = 60);

static const struct machine_kernel *kernel(const char *name)
{
    const struct machine_kernel *k = machine_kernels;
    while (k->name && strcmp(k->name, name) != 0) k++;
    cr_assert_not_null(k->name, "no kernel %s", name);
    return k;
}

/* memory[i] = i before. */
static int *launch(const char *name)
{
    int *memory = fake_memory_take(ENTRIES * sizeof *memory, true);
    for (int i = 0; i < ENTRIES; i++) memory[i] = i;
    machine_launch(kernel(name), (struct machine_place){1, 1, 1}, (void *[]){&memory});
    return memory;
}

/* What a process of its own says that ends by a signal. */
static void stopped(void (*work)(const char *), const char *name, const char *word)
{
    char said[512] = "";
    int end[2], status;
    cr_assert_eq(pipe(end), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(end[1], STDERR_FILENO);
        machine_explain_signals();
        work(name);
        _exit(0);
    }
    close(end[1]);
    FILE *from = fdopen(end[0], "r");
    cr_assert_not_null(from);
    (void)!fread(said, 1, sizeof said - 1, from);
    fclose(from);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFSIGNALED(status), "%s: nothing is seen", name);
    cr_expect(strstr(said, word), "%s: no '%s' in: %s", name, word, said);
    cr_expect(strstr(said, name), "%s is not named in: %s", name, said);
}

static void launch_only(const char *name) { launch(name); }
static void faulty(const char *name, const char *word) { stopped(launch_only, name, word); }

Test(emulator, shared_memory_needs_barriers)
{
    const char *const orders[] = {"ascending", "descending", "1", "2"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        setenv("CGSV_EMULATOR_ORDER", orders[i], 1);
        faulty("fault_no_barrier", "no barrier since thread");
        faulty("fault_barrier_of_warps_only", "no barrier since thread");
        faulty("fault_no_barrier_of_warps", "no barrier since thread");
        faulty("fault_exchange_for_a_barrier", "no barrier since thread");
        faulty("fault_written_while_read", "no barrier since thread");
        faulty("fault_read_beside_atomics", "no barrier since thread");
        const int *passed = launch("sound_barrier"), *in_warp = launch("sound_barrier_of_warps"),
                  *sum = launch("sound_atomics");
        for (int j = 0; j < ENTRIES; j++) {
            cr_expect_eq(passed[j], (j + 1) % ENTRIES);
            cr_expect_eq(in_warp[j], j / 32 * 32 + (j + 1) % 32);
            cr_expect_eq(sum[j], ENTRIES * (ENTRIES - 1) / 2);
        }
    }
}

Test(emulator, copies_are_waited_for)
{
    faulty("fault_copy_not_waited_for", "asynchronous copies");
    faulty("fault_copy_of_another_group", "asynchronous copies");
    const int *copied = launch("sound_copy");
    for (int j = 0; j < ENTRIES; j++) cr_expect_eq(copied[j], (j + 1) % ENTRIES);
}

Test(emulator, threads_must_come)
{
    faulty("fault_barrier_for_some", "threads have ended");
    faulty("fault_exchange_of_some", "threads of its warp that do not come");
}

Test(emulator, accesses_stay_inside)
{
    faulty("fault_not_aligned", "not aligned");
    faulty("fault_beyond_memory", "leaves an allocation of 1024 bytes");
    faulty("fault_beyond_shared", "outside of all shared variables");
    const int *nothing = launch("sound_shared_begins_as_nan");
    for (int j = 0; j < ENTRIES; j++) cr_expect_eq(nothing[j], 1);
}

/* The line of a kernel's traffic, from its number of launches on. */
static void traffic_is(const char *table, const char *name, const char *want)
{
    const char *line = strstr(table, name);
    cr_assert_not_null(line, "no line of %s in: %s", name, table);
    line += strlen(name) + 1;
    /* Instructions are an estimate. */
    char counts[256];
    int launches, blocks, instructions;
    cr_assert_eq(sscanf(line, "%d,%d,%d,%255s", &launches, &blocks, &instructions, counts), 4);
    cr_expect_eq(launches, 1);
    cr_expect_eq(blocks, 1);
    cr_expect(instructions >= 8 * 3 && instructions < 8 * 60, "%s: %d instructions", name, instructions);
    cr_expect_str_eq(counts, want, "%s: %s, not %s", name, counts, want);
}

Test(emulator, counts_traffic)
{
    char table[2048] = "";
    temporary_make();
    machine_count_traffic();
    launch("traffic_in_rows");
    launch("traffic_apart");
    launch("traffic_in_one_bank");
    cr_assert_eq(machine_write_traffic(temporary_path("traffic.csv")), 0);
    FILE *file = fopen(temporary_path("traffic.csv"), "r");
    cr_assert_not_null(file);
    cr_assert_gt(fread(table, 1, sizeof table - 1, file), 0);
    fclose(file);
    temporary_remove();
    traffic_is(table, "traffic_in_rows", "8,1024,1024,1024,8,1024,1024,1024,0,0");
    traffic_is(table, "traffic_apart", "0,0,0,0,8,1024,4096,512,0,0");
    traffic_is(table, "traffic_in_one_bank", "8,1024,256,32,0,0,0,0,16,512");
}

static void read_by_host(const char *name)
{
    const volatile int *memory = fake_memory_take(ENTRIES * sizeof *memory, false);
    fprintf(stderr, "%s: ", name);
    (void)memory[3];
}

Test(emulator, memory_is_the_devices) { stopped(read_by_host, "host", "the host touches the device's memory"); }
