#include "reference_valuation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t d = 0; d < n; d++) sum += a[d] * b[d];
    return sum;
}

/* u_S into u[dimension]; returns the length of its longest member. */
static double sum_of_members(double *u, const double *rows, const double *weight, int agents, int64_t dimension,
                             uint64_t members)
{
    double longest = 0;
    memset(u, 0, (size_t)dimension * sizeof *u);
    for (int i = 0; i < agents; i++) {
        if (!(members >> i & 1)) continue;
        const double *row = rows + i * dimension;
        for (int64_t d = 0; d < dimension; d++) u[d] += weight[i] * row[d];
        longest = fmax(longest, weight[i] * sqrt(dot(row, row, dimension)));
    }
    return longest;
}

double reference_coalition(const double *rows, const double *weight, int agents, int64_t dimension, uint64_t members)
{
    double *u = malloc((size_t)dimension * sizeof *u), *all = malloc((size_t)dimension * sizeof *all);
    const double longest = sum_of_members(u, rows, weight, agents, dimension, members);
    const double longest_of_all = sum_of_members(all, rows, weight, agents, dimension, (UINT64_C(1) << agents) - 1);
    const double length = sqrt(dot(u, u, dimension)), length_of_all = sqrt(dot(all, all, dimension));
    const int vanishes = length <= 1e-6 * longest || length_of_all <= 1e-6 * longest_of_all;
    const double value = vanishes ? 0.0 : dot(u, all, dimension) / length / length_of_all;
    free(u);
    free(all);
    return value;
}

static double factorial(int n) { return tgamma(n + 1.0); }

void reference_shapley(double *shapley, const double *rows, const double *weight, int agents, int64_t dimension)
{
    const uint64_t coalitions = UINT64_C(1) << agents;
    double *value = malloc(coalitions * sizeof *value);
    for (uint64_t s = 0; s < coalitions; s++) value[s] = reference_coalition(rows, weight, agents, dimension, s);
    for (int i = 0; i < agents; i++) {
        shapley[i] = 0;
        for (uint64_t s = 0; s < coalitions; s++) {
            if (s >> i & 1) continue;
            int size = 0;
            for (int j = 0; j < agents; j++) size += (int)(s >> j & 1);
            shapley[i] += factorial(size) * factorial(agents - size - 1) / factorial(agents) *
                          (value[s | UINT64_C(1) << i] - value[s]);
        }
    }
    free(value);
}

/* Goes through all orders of the agents that are not in `members` yet. */
static void continue_orders(double *shapley, const double *value, int agents, uint64_t members, double share)
{
    int left = 0;
    for (int i = 0; i < agents; i++) left += !(members >> i & 1);
    for (int i = 0; i < agents; i++) {
        const uint64_t with = members | UINT64_C(1) << i;
        if (with == members) continue;
        shapley[i] += share / left * (value[with] - value[members]);
        continue_orders(shapley, value, agents, with, share / left);
    }
}

void reference_shapley_orders(double *shapley, const double *rows, const double *weight, int agents, int64_t dimension)
{
    const uint64_t coalitions = UINT64_C(1) << agents;
    double *value = malloc(coalitions * sizeof *value);
    for (uint64_t s = 0; s < coalitions; s++) value[s] = reference_coalition(rows, weight, agents, dimension, s);
    memset(shapley, 0, (size_t)agents * sizeof *shapley);
    continue_orders(shapley, value, agents, 0, 1);
    free(value);
}

void reference_gram(double *gram, const double *rows, int agents, int64_t dimension)
{
    for (int i = 0; i < agents; i++)
        for (int j = 0; j < agents; j++)
            gram[i * agents + j] = dot(rows + i * dimension, rows + j * dimension, dimension);
}
