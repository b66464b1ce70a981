/* op_main [small]: every kernel of the threads build, to run under ThreadSanitizer. */
#include <stdio.h>
#include <string.h>

#include "op_cases.h"

static int passed;

static void report(const char *name, int ok, const char *detail)
{
    passed += ok;
    if (!ok) printf("FAIL: %s: %s\n", name, detail);
}

int main(int argc, char **argv)
{
    op_cases_small = argc > 1 && strcmp(argv[1], "small") == 0;
    const int failed = op_cases_run(&kernels_threads, NULL, report);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
