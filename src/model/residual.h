/* The layers of a residual network: 3×3 convolutions, group normalisation with shortcut and
 * activation, global average pooling. */
#ifndef MODEL_RESIDUAL_H
#define MODEL_RESIDUAL_H

#include "model/model.h"

/* Adds the layers of such a network up to its dense one, for the model's pictures: a stem of
 * `filters` filters, then `stages` residual blocks (at most 3), each of which halves the
 * picture and doubles the filters; groups of `group` channels. */
void residual_layers(struct model *model, int filters, int stages, int group);

static inline bool residual_layer(const struct layer *layer)
{
    return layer->kind == LAYER_CONV3 || layer->kind == LAYER_NORM || layer->kind == LAYER_AVERAGE;
}

/* What a pass over all rows works on. */
struct pass {
    const struct model *model;
    cgsv_device *device;
    struct workspace *ws;
    const float *w;
    int64_t w_stride, input_stride;
    int rows;
};

/* Output of layer i from x, whose rows are x_stride apart. */
cgsv_status residual_forward(const struct pass *pass, int i, const float *x, int64_t x_stride);

/* Gradients on their way back through a model. */
struct deltas {
    float *delta;  /* of the output of the layer at work */
    float *next;   /* to be written: of its input */
    float *third;  /* free, or of the output of layer `origin`, by a shortcut */
    int origin;    /* −1: free */
};

/* Gradients of layer i's parameters and, for all but the first layer, of its input in
 * deltas->next. May exchange the three. */
cgsv_status residual_backward(const struct pass *pass, int i, const float *x, int64_t x_stride, float *gradient,
                              struct deltas *deltas);

#endif
