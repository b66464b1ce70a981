#include "cli/profile.h"

#include <math.h>

#include "cli/bench_measure.h"

cgsv_status profile_begin(struct profile *profile, cgsv_device *device)
{
    *profile = (struct profile){0};
    TRY(bench_copy_bandwidth(&profile->copy_bandwidth, device));
    TRY(bench_product_rate(&profile->product_rate, device));
    device->profile = profile;
    return CGSV_OK;
}

#define LEAST_SHARE 1e-3 /* of all seconds, of a stage without work that is shown */

/* `x`, or a dash for nothing. */
static void print_number(FILE *stream, int width, double x)
{
    if (x > 0)
        fprintf(stream, " %*.3g", width, x);
    else
        fprintf(stream, " %*s", width, "-");
}

static void print_stage(FILE *stream, const char *name, const struct profile *profile, struct stage_sums sums,
                        double total)
{
    const double floor = profile_floor(profile, sums.work);
    fprintf(stream, "%-20s", name);
    print_number(stream, 9, sums.seconds);
    print_number(stream, 8, 100 * sums.seconds / total);
    print_number(stream, 9, 1e-9 * sums.work.bytes);
    print_number(stream, 9, 1e-9 * sums.work.flops);
    print_number(stream, 8, 1e-9 * sums.work.bytes / sums.seconds);
    print_number(stream, 8, 1e-9 * sums.work.flops / sums.seconds);
    print_number(stream, 9, floor);
    print_number(stream, 8, 100 * floor / sums.seconds);
    fputc('\n', stream);
}

void profile_print(FILE *stream, const struct profile *profile)
{
    double total = 0;
    for (int i = 0; i < STAGES; i++) total += profile->stage[i].seconds;
    fprintf(stream, "\n%-20s %9s %8s %9s %9s %8s %8s %9s %8s\n", "stage", "seconds", "% of all", "GB", "GFLOP", "GB/s",
            "GFLOP/s", "floor", "% of it");
    for (int i = 0; i < STAGES; i++)
        if (profile->stage[i].work.bytes > 0 || profile->stage[i].seconds > LEAST_SHARE * total)
            print_stage(stream, stage_names[i], profile, profile->stage[i], total);
    fprintf(stream,
            "\ncopy %.3g GB/s, products %.3g GFLOP/s. The floor: bytes at the rate of copies, or operations at that "
            "of\nproducts, the longer of the two. More than 100 %% of it: the bytes come from caches.\n",
            1e-9 * profile->copy_bandwidth, 1e-9 * profile->product_rate);
    const double convolutions = profile_convolutions(profile);
    if (!isnan(convolutions))
        fprintf(stream, "convolutions: %.3g %% of the rate of products, forward and gradients together\n",
                100 * convolutions);
}
