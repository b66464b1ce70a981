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

extern const char *const activation_name[];

/* The cases of each part, in tests/op_cases_PART.c, and the digests of some. */
void adversary_cases(void);
void batch_cases(void);
void coalition_cases(void);
void conv_cases(void);
void dense_cases(void);
void loss_cases(void);
void optimizer_cases(void);
void residual_cases(void);
void scheme_cases(void);
void server_cases(void);
void store_cases(void);
void text_cases(void);
void valuation_cases(void);
uint64_t conv_digest(uint64_t hash);
uint64_t residual_digest(uint64_t hash);
uint64_t server_digest(uint64_t hash);
uint64_t text_digest(uint64_t hash);
uint64_t valuation_digest(uint64_t hash);

#endif
