/* Checks that tests of data sets share. */
#ifndef TESTS_DATA_CHECKS_H
#define TESTS_DATA_CHECKS_H

#include <stdint.h>

#include "cgsv/dataset.h"

/* A failure as expected, whose message is one line that holds `part`. */
void expect_error(cgsv_status status, cgsv_status expected, const char *part);
/* The same, of loading that set from the temporary folder. */
void expect_load_error(const char *set, cgsv_status expected, const char *part);

/* Mean 0 and deviation 1 over all samples of so many values. */
void expect_standardised(const cgsv_split *split, int64_t values);

/* The folder of real data sets, NULL without it. */
const char *shared_data(void);

#endif
