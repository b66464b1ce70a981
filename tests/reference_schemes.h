/* What a scheme's server step should compute, in float64 and written from the methods' formulas
 * (include/cgsv/scheme.h names the sources): nothing here is clever, or shares code with a kernel. */
#ifndef TESTS_REFERENCE_SCHEMES_H
#define TESTS_REFERENCE_SCHEMES_H

#include "cgsv/scheme.h"

enum { SCHEME_AGENTS = 8 };

/* One round of N agents' updates of D entries. */
struct scheme_round {
    cgsv_scheme scheme;
    double gamma, alpha, beta;
    int agents, dimension, rounds, round;
    const float *update;           /* [N][D] raw */
    const double *share;           /* [N] */
    const double *score, *loss;    /* [N] */
    const double *drawn;           /* [N] what a random contribution or quota has drawn */
    const float *aggregate;        /* [D] the float32 g that contributions are taken with */
    double importance[SCHEME_AGENTS]; /* in and out */
    int removed[SCHEME_AGENTS];       /* in and out */
    /* out */
    float *upload;                 /* [N][D] */
    double weight[SCHEME_AGENTS];  /* of the upload in g */
    double norm[SCHEME_AGENTS], contribution[SCHEME_AGENTS], keep_ratio[SCHEME_AGENTS], own_share[SCHEME_AGENTS];
    int faulty[SCHEME_AGENTS];
    double *g, *g_size;            /* [D] and the sum of its terms' magnitudes */
};
void reference_scheme_round(struct scheme_round *r);

/* An entry of a raw update as the scheme keeps it. */
float reference_clipped(const cgsv_scheme *scheme, float x);

#endif
