#include "op_cases.h"

#include <stdio.h>

#include "op_frame.h"

int op_cases_run(const struct kernels *kernels, void *on, void (*to)(const char *name, int ok, const char *detail))
{
    frame_begin(kernels, on, to);
    printf("kernels %s, seed %d\n", k->name, OP_SEED);
    conv_cases();
    dense_cases();
    loss_cases();
    optimizer_cases();
    batch_cases();
    text_cases();
    adversary_cases();
    store_cases();
    server_cases();
    residual_cases();
    valuation_cases();
    coalition_cases();
    scheme_cases();
    return op_failures;
}

static void ignore(const char *name, int ok, const char *detail) { (void)name, (void)ok, (void)detail; }

uint64_t op_cases_digest(const struct kernels *kernels, void *on)
{
    frame_begin(kernels, on, ignore);
    uint64_t hash = 0xCBF29CE484222325u;
    hash = server_digest(conv_digest(hash));
    return valuation_digest(text_digest(residual_digest(hash)));
}
