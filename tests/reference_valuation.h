/* Valuation in float64 straight from the vectors and the definitions: nothing here is clever, or
 * shares code with a kernel. */
#ifndef TESTS_REFERENCE_VALUATION_H
#define TESTS_REFERENCE_VALUATION_H

#include <stdint.h>

/* ν(S) = cos(u_S, u_N), u_S = Σ_{i∈S} weight[i] row_i, members as bits; 0 where a vector is shorter
 * than 1e-6 of its longest member. rows[agents][dimension]. */
double reference_coalition(const double *rows, const double *weight, int agents, int64_t dimension, uint64_t members);

/* shapley[agents], from the sum over coalitions. */
void reference_shapley(double *shapley, const double *rows, const double *weight, int agents, int64_t dimension);

/* shapley[agents], the mean marginal contribution over all agents! orders. */
void reference_shapley_orders(double *shapley, const double *rows, const double *weight, int agents,
                              int64_t dimension);

/* gram[agents][agents] */
void reference_gram(double *gram, const double *rows, int agents, int64_t dimension);

#endif
