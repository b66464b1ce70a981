/* What an experiment's repetitions over seeds say: means with their deviations. A number that is undefined,
 * or whose cell failed, is counted and never taken for 0. */
#ifndef CLI_PAPER_STATISTICS_H
#define CLI_PAPER_STATISTICS_H

#include <stdbool.h>

struct statistic {
    double mean;      /* of the defined values; NaN where there are none */
    double deviation; /* their sample deviation, sqrt(Σ (x − mean)² / (n − 1)); NaN below two of them */
    int defined, undefined, failed;
};

/* Of value[count]: NaN is undefined, failed[k] says that the cell has no values at all. */
struct statistic statistic_of(const double *value, const bool *failed, int count);

/* The difference of two means, and its deviation as that of a difference of independent values,
 * sqrt(s_a² + s_b²). NaN where a side is undefined. */
struct margin {
    double difference, deviation;
};
struct margin statistic_margin(const struct statistic *a, const struct statistic *b);

/* "98.1 ± 0.5", times `scale`, with that many decimals or, below 0, significant digits; without deviation
 * where there is none; "-" where undefined. "(2 of 3)" tells that not all values are defined, "failed" that
 * none is because of failures. */
enum { STATISTIC_TEXT = 64 };
void statistic_text(char text[STATISTIC_TEXT], const struct statistic *statistic, double scale, int decimals);

#endif
