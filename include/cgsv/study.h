/* How far estimates of contributions are from the exact ones, over a batch of games: the study of
 * the paper's section on efficient approximation. See cgsv/valuation.h for games and methods. */
#ifndef CGSV_STUDY_H
#define CGSV_STUDY_H

#include <stdbool.h>

#include "cgsv/valuation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mean and sample deviation over the trials where a number is defined; NaN where there are none,
 * the deviation also of a single one. */
typedef struct cgsv_spread {
    double mean, deviation;
} cgsv_spread;

typedef struct cgsv_study_row {
    cgsv_method method;
    cgsv_spread l1, l2, cosine, pearson; /* see cgsv_comparison */
    cgsv_spread inverse_i, bound;        /* see cgsv_theorem1; the same for all methods */
    int undefined;  /* trials without a distance: the values of one side sum up to 0 */
    double seconds; /* of the valuation of one game, without its Gram matrix: least time of a batch over its games */
} cgsv_study_row;

typedef struct cgsv_study_options {
    const cgsv_method *methods; /* [method_count] */
    int method_count;
    cgsv_valuation_options valuation; /* budget, epsilon, delta, seed and first_game; the rest is ignored */
    bool normalise;                   /* every update to length 1 first; else vectors as they are, as published */
} cgsv_study_options;

/* Values `games` games of `agents` agents with equal weights 1/N by every method and compares with
 * the exact values, where both are scaled to sum 1. gram[games][N][N].
 * rows[1 + method_count]: of the exact values, then of methods[0], methods[1] …
 * Errors: those of cgsv_value. */
CGSV_API cgsv_status cgsv_study(cgsv_study_row *rows, cgsv_device *device, const double *gram, int games, int agents,
                                const cgsv_study_options *options);

#ifdef __cplusplus
}
#endif
#endif
