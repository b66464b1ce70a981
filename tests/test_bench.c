/* What `cgsv bench` rests on: copies, statistics of times, and a check of selections that finds every
 * mistake of one entry. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_check.h"
#include "cli/bench_measure.h"

Test(bench, times)
{
    double one[] = {3}, odd[] = {5, 1, 4}, even[] = {8, 2, 4, 1};
    struct bench_times t = bench_times_of(one, 1);
    cr_assert(t.median == 3 && t.least == 3 && t.most == 3);
    t = bench_times_of(odd, 3);
    cr_assert(t.median == 4 && t.least == 1 && t.most == 5);
    t = bench_times_of(even, 4);
    cr_assert(t.median == 3 && t.least == 1 && t.most == 8);
}

struct counted {
    int calls, fail_at;
};

static cgsv_status count_call(void *context)
{
    struct counted *c = context;
    return ++c->calls == c->fail_at ? error_set(CGSV_ERROR_DATA, "call %d", c->calls) : CGSV_OK;
}

Test(bench, measures_after_a_warm_up)
{
    cgsv_device *device;
    struct bench_times times;
    struct counted counted = {0}, failing = {.fail_at = 3}, hurried = {0};
    const struct bench_effort five = {.repeat = 5}, no_time = {.repeat = 5, .seconds = 1e-12, .flush = true};
    cr_assert_eq(cgsv_device_open(&device, "cpu", 1), CGSV_OK);
    cr_assert_eq(bench_measure(&times, device, five, count_call, &counted), CGSV_OK);
    cr_assert_eq(counted.calls, 6);
    cr_assert(times.least >= 0 && times.least <= times.median && times.median <= times.most);
    cr_assert(times.least <= times.lower && times.lower <= times.median && times.median <= times.upper);
    cr_assert_eq(times.count, 5);
    cr_assert_eq(bench_measure(&times, device, no_time, count_call, &hurried), CGSV_OK);
    cr_assert_eq(hurried.calls, 1 + BENCH_LEAST_REPEATS);
    cr_assert_eq(bench_measure(&times, device, five, count_call, &failing), CGSV_ERROR_DATA);
    cr_assert_eq(failing.calls, 3);
    cgsv_device_close(device);
}

/* Every byte, and none past the end, for any number of threads. */
Test(bench, copies_within_the_device)
{
    enum { GUARD = 64, MOST = 300000 };
    static const size_t sizes[] = {0, 1, 63, 64, 65, 127, 128, 129, 4096, 100003, MOST};
    static unsigned char from[MOST], to[MOST + GUARD];
    for (size_t i = 0; i < MOST; i++) from[i] = (unsigned char)(i * 31 + i / 256);
    for (int threads = 1; threads <= 5; threads += 2) {
        cgsv_device *device;
        cr_assert_eq(cgsv_device_open(&device, "cpu", threads), CGSV_OK);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            memset(to, 0xee, sizeof to);
            cr_assert_eq(device->backend->copy(device, to, from, sizes[k]), CGSV_OK);
            cr_assert_eq(memcmp(to, from, sizes[k]), 0, "%zu bytes, %d threads", sizes[k], threads);
            for (int i = 0; i < GUARD; i++) cr_assert_eq(to[sizes[k] + (size_t)i], 0xee);
        }
        cgsv_device_close(device);
    }
}

Test(bench, tensors_cover_the_vector)
{
    static const int64_t dimensions[] = {1, 2, 999, 1000, 1001, 62006, INT32_MAX};
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++) {
        int64_t begin[BENCH_TENSORS + 1];
        const int tensors = bench_tensors(begin, dimensions[i]);
        cr_assert_eq(begin[0], 0);
        cr_assert_eq(begin[tensors], dimensions[i]);
        for (int t = 0; t < tensors; t++) cr_assert_lt(begin[t], begin[t + 1]);
    }
}

/* The formulas ⌈q n⌉ and ⌊q n⌋ in float64, where that cannot be off by one. */
Test(bench, kept_entries)
{
    for (int agents = 1; agents <= 40; agents++)
        for (int i = 0; i < agents; i++)
            for (int64_t n = 1; n <= 3000; n += 37) {
                const double count = bench_keep_ratio(i, agents) * (double)n;
                cr_assert(bench_keep_ratio(i, agents) > 0 && bench_keep_ratio(i, agents) < 1);
                cr_assert_eq(bench_kept(i, agents, n, CGSV_REWARD_LAYER), (int64_t)ceil(count - 1e-9));
                cr_assert_eq(bench_kept(i, agents, n, CGSV_REWARD_GLOBAL), (int64_t)floor(count + 1e-9));
            }
}

enum { COLUMNS = 24, RANKS = 3, SEGMENTS = 2 };
static const int64_t segment_begin[SEGMENTS + 1] = {0, 8, COLUMNS};

static uint32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

static int descending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

/* The selection by sorting. */
static struct rank_state select_by_sorting(const float *g, int64_t begin, int64_t end, int64_t kept)
{
    uint32_t key[COLUMNS];
    struct rank_state rank = {.group = -1, .kept = kept};
    for (int64_t d = begin; d < end; d++) key[d - begin] = key_of(g[d]);
    qsort(key, (size_t)(end - begin), sizeof *key, descending);
    rank.threshold = key[kept - 1];
    int64_t ties = 0;
    for (int64_t k = 0; k < kept; k++) ties += key[k] == rank.threshold;
    for (rank.tie_end = begin; ties > 0; rank.tie_end++) ties -= key_of(g[rank.tie_end]) == rank.threshold;
    return rank;
}

static cgsv_status check_with(const float *g, const struct rank_state *rank, cgsv_reward reward)
{
    return bench_check_selection(g, rank, segment_begin, SEGMENTS, RANKS, reward);
}

Test(bench, finds_wrong_selections)
{
    float g[COLUMNS];
    for (int d = 0; d < COLUMNS; d++) g[d] = (float)((d * 7) % 5 + 1) * (d % 2 ? -0.5f : 0.5f); /* many ties */
    for (cgsv_reward reward = CGSV_REWARD_LAYER; reward <= CGSV_REWARD_GLOBAL; reward++) {
        struct rank_state right[SEGMENTS * RANKS];
        for (int s = 0; s < SEGMENTS; s++)
            for (int i = 0; i < RANKS; i++)
                right[s * RANKS + i] = select_by_sorting(
                    g, segment_begin[s], segment_begin[s + 1],
                    bench_kept(i, RANKS, segment_begin[s + 1] - segment_begin[s], reward));
        cr_assert_eq(check_with(g, right, reward), CGSV_OK, "%s", cgsv_last_error());

        for (int k = 0; k < SEGMENTS * RANKS; k++) {
            struct rank_state wrong[SEGMENTS * RANKS];
            for (int mistake = 0; mistake < 4; mistake++) {
                memcpy(wrong, right, sizeof wrong);
                if (mistake == 0) wrong[k].kept++;
                if (mistake == 1) wrong[k].threshold++;
                if (mistake == 2) wrong[k].tie_end--; /* the column before it holds a tie */
                if (mistake == 3) wrong[k].threshold = key_of(0.5f), wrong[k].tie_end = COLUMNS; /* keeps all */
                cr_assert_eq(check_with(g, wrong, reward), CGSV_ERROR_DEVICE, "mistake %d at %d", mistake, k);
            }
        }
    }
}

/* A reward of more entries than there are others than zero is filled up with zeros. */
Test(bench, zeros_fill_a_selection_up)
{
    float g[COLUMNS] = {1, -2, 3};
    struct rank_state rank[SEGMENTS * RANKS];
    for (int k = 0; k < SEGMENTS * RANKS; k++) {
        const int64_t n = segment_begin[k / RANKS + 1] - segment_begin[k / RANKS];
        rank[k] = (struct rank_state){.tie_end = COLUMNS, .kept = bench_kept(k % RANKS, RANKS, n, CGSV_REWARD_LAYER)};
    }
    rank[2].threshold = key_of(2), rank[2].tie_end = 2; /* two of eight */
    cr_assert_eq(check_with(g, rank, CGSV_REWARD_LAYER), CGSV_OK, "%s", cgsv_last_error());
    rank[2].threshold = 0; /* three */
    cr_assert_eq(check_with(g, rank, CGSV_REWARD_LAYER), CGSV_ERROR_DEVICE);
}
