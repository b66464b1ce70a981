/* Every launcher of a table of kernels against tests/reference.h. Independent of a test
 * framework. */
#ifndef TESTS_OP_CASES_H
#define TESTS_OP_CASES_H

#include "kernels/kernels.h"

/* Set to leave out the larger sizes (ThreadSanitizer is slow). */
extern int op_cases_small;

/* Memory that kernels and host both reach, and the wait after a launch. Host memory and no
 * wait unless set: what the CPU and threads builds need. */
struct op_memory {
    void *(*take)(size_t bytes);
    void (*give)(void *memory);
    const char *(*wait)(void); /* NULL, or what went wrong */
};
extern struct op_memory op_memory;

/* Reports every case; returns how many failed. */
int op_cases_run(const struct kernels *k, void *stream, void (*report)(const char *name, int ok, const char *detail));

/* Hash of every bit that a convolution, its gradients and two server rounds give, to
 * compare two streams with. */
uint64_t op_cases_digest(const struct kernels *k, void *stream);

#endif
