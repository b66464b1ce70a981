/* What the op cases share: random numbers, guarded memory, one case at a time. */
#ifndef TESTS_OP_FRAME_H
#define TESTS_OP_FRAME_H

#include <stdint.h>

#include "kernels/kernels.h"

enum { OP_SEED = 20211206 };

/* The table of kernels at work, and its stream. */
extern const struct kernels *k;
extern void *stream;
extern int op_failures;

void frame_begin(const struct kernels *kernels, void *on, void (*to)(const char *name, int ok, const char *detail));

uint64_t random_bits(void);
double uniform(void);
int below(int n);

/* Memory until the end of the case, filled with 0xff, which reads as NaN or −1, between two
 * guards. */
void *take(size_t bytes);
#define TAKE(type, count) ((type *)take(sizeof(type) * (size_t)(count)))
float *take_random(int64_t n, double scale);

void case_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void case_end(void);

/* The first failure of a case is reported. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void error_free(const char *error);
void near(const char *what, int64_t i, double got, double want, double bound);
void same(const char *what, int64_t i, double got, double want);
/* Nothing written in n floats from p on. */
void untouched(const char *what, const void *p, int64_t n);

double float_bound(int64_t terms, double size);
uint64_t hashed(uint64_t hash, const void *bytes, size_t count);

/* The kernels of adversaries: tests/op_cases_adversary.c. */
void adversary_cases(void);

/* The kernels of residual networks: tests/op_cases_residual.c. */
void residual_cases(void);
uint64_t residual_digest(uint64_t hash);

/* The kernels of the valuation: tests/op_cases_valuation.c. */
void valuation_cases(void);
uint64_t valuation_digest(uint64_t hash);
/* The kernels of the contribution index: tests/op_cases_coalition.c. */
void coalition_cases(void);
/* The server step of schemes other than CGSV: tests/op_cases_schemes.c. */
void scheme_cases(void);

/* The kernels of sentences: tests/op_cases_text.c. */
void text_cases(void);
uint64_t text_digest(uint64_t hash);

#endif
