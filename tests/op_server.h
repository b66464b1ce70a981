/* A server step's arrays for op cases. */
#ifndef TESTS_OP_SERVER_H
#define TESTS_OP_SERVER_H

#include "kernels/kernels.h"

enum { RECORD_ROUNDS = 4 };

struct server {
    struct server_step s;
    int64_t tensor_begin[16];
    float *update;
    uint16_t *narrow; /* the same as bfloat16; NULL: the step reads `update` */
    double *data_share, *loss;
    struct mechanism *mechanism;
};

struct server server_make(int federations, int agents, const int64_t *tensor, int tensors, enum cgsv_reward reward);

/* Has the step read updates stored as bfloat16, which must lose nothing. */
void server_narrow(struct server *v);

/* Of agent i, or the server's for i = N. */
float *model_of(const struct server_step *s, int64_t f, int64_t i);

enum updates { HONEST, FAULTY, ALL_FAULTY, QUANTISED, NARROW }; /* the last: quantised, to be narrowed */
void fill_updates(struct server *v, int round, enum updates kind);

void server_select(struct server_step s);

/* All of a step. */
void server_run(struct server_step s);

#endif
