/* A random game for a test, on the CPU with two threads. */
#ifndef TESTS_VALUATION_GAME_H
#define TESTS_VALUATION_GAME_H

#include "cgsv/cgsv.h"

enum { SEED = 20211206 };

extern cgsv_device *device;
void open_device(void);
void close_device(void);

/* Fails the test unless all is well. */
void check(cgsv_status status);
void *take(size_t bytes);

/* Its rows as floats and, the same numbers, as doubles. */
struct game {
    int agents;
    int64_t dimension;
    float *row;
    double *exact_row, *weight;
};

struct game make_game(int agents, int64_t dimension, cgsv_vectors kind, uint64_t seed);
void free_game(struct game game);

/* matrix[games][agents][agents] of rows without gaps. */
void gram_of(double *matrix, const float *row, int games, int agents, int64_t dimension, bool precise);

/* The defaults but for these. */
cgsv_valuation_options options_of(cgsv_method method, int64_t budget, uint64_t seed);

#endif
