/* Every kernel against float64 oracles, for each instruction set that this CPU has. */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "op_cases.h"

TestSuite(ops, .timeout = 300);

static void report(const char *name, int ok, const char *detail)
{
    cr_expect(ok, "%s: %s", name, detail);
}

static void run_all(const struct kernels *kernels)
{
    cr_expect_eq(op_cases_run(kernels, &(struct cpu_stream){2}, report), 0);
}

static void same_with_any_threads(const struct kernels *kernels)
{
    const uint64_t one = op_cases_digest(kernels, &(struct cpu_stream){1});
    cr_expect_eq(op_cases_digest(kernels, &(struct cpu_stream){1}), one, "%s: differs when run again", kernels->name);
    cr_expect_eq(op_cases_digest(kernels, &(struct cpu_stream){2}), one, "%s: 2 threads differ from 1", kernels->name);
    cr_expect_eq(op_cases_digest(kernels, &(struct cpu_stream){3}), one, "%s: 3 threads differ from 1", kernels->name);
}

Test(ops, every_cpu) { run_all(&kernels_cpu); }

Test(ops, every_cpu_same_with_any_threads) { same_with_any_threads(&kernels_cpu); }

#if defined(CGSV_X86_LEVELS)
Test(ops, x86_64_v3)
{
    if (!__builtin_cpu_supports("x86-64-v3")) cr_skip_test("this CPU is not x86-64-v3");
    run_all(&kernels_cpu_v3);
    same_with_any_threads(&kernels_cpu_v3);
}

Test(ops, x86_64_v4)
{
    if (!__builtin_cpu_supports("x86-64-v4")) cr_skip_test("this CPU is not x86-64-v4");
    run_all(&kernels_cpu_v4);
    same_with_any_threads(&kernels_cpu_v4);
}
#endif
