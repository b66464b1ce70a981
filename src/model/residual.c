/* Residual networks: their table of layers, and the passes of the layers that only they have. */
#include "model/residual.h"

#include <assert.h>

enum { MOST_STAGES = 3 };

/* The output's pixels along a side of `size`. */
static int halved(int size) { return (size - 1) / 2 + 1; }

static void add_conv3(struct model *model, const char *name, struct layer input, int filters, int stride)
{
    const int height = stride == 2 ? halved(input.height) : input.height;
    const int width = stride == 2 ? halved(input.width) : input.width;
    model_add_layer(model, (struct layer){.kind = LAYER_CONV3, .name = name, .channels = input.channels,
                                          .height = input.height, .width = input.width, .units = filters,
                                          .kernel = 3, .stride = stride, .pixels = height * width});
}

/* `shortcut`: number of the layer whose output is added, or −1. */
static void add_norm(struct model *model, const char *name, struct layer input, int group, int shortcut)
{
    model_add_layer(model, (struct layer){.kind = LAYER_NORM, .name = name, .activation = ACTIVATION_RELU,
                                          .channels = input.channels, .height = input.height, .width = input.width,
                                          .units = input.channels, .pixels = input.height * input.width,
                                          .groups = input.channels / group, .shortcut = shortcut});
}

/* A block of two convolutions (He et al., 2016), with the shortcut that has no parameters:
 * every second pixel, and zeros for the new channels. */
static void add_block(struct model *model, const char *const name[4], struct layer input, int group)
{
    const int from = model->layers - 1;
    const struct layer out = {.channels = 2 * input.channels, .height = halved(input.height),
                              .width = halved(input.width)};
    add_conv3(model, name[0], input, out.channels, 2);
    add_norm(model, name[1], out, group, -1);
    add_conv3(model, name[2], out, out.channels, 1);
    add_norm(model, name[3], out, group, from);
}

void residual_layers(struct model *model, int filters, int stages, int group)
{
    static const char *const names[MOST_STAGES][4] = {
        {"layer1.0.conv1", "layer1.0.norm1", "layer1.0.conv2", "layer1.0.norm2"},
        {"layer2.0.conv1", "layer2.0.norm1", "layer2.0.conv2", "layer2.0.norm2"},
        {"layer3.0.conv1", "layer3.0.norm1", "layer3.0.conv2", "layer3.0.norm2"},
    };
    struct layer image = {.channels = model->channels, .height = model->height, .width = model->width};
    assert(stages <= MOST_STAGES && filters % group == 0);
    add_conv3(model, "stem", image, filters, 1);
    image.channels = filters;
    add_norm(model, "stem_norm", image, group, -1);
    for (int stage = 0; stage < stages; stage++) {
        add_block(model, names[stage], image, group);
        image = (struct layer){.channels = 2 * image.channels, .height = halved(image.height),
                               .width = halved(image.width)};
    }
    model_add_layer(model, (struct layer){.kind = LAYER_AVERAGE, .channels = image.channels, .height = image.height,
                                          .width = image.width, .units = image.channels, .pixels = 1});
}

/* ---- passes ---- */

static struct conv3_shape conv3_shape_of(const struct pass *pass, const struct layer *layer)
{
    return (struct conv3_shape){.rows = pass->rows, .channels = layer->channels, .height = layer->height,
                                .width = layer->width, .filters = layer->units, .stride = layer->stride,
                                .blocks = pass->ws->blocks, .slots = pass->ws->slots,
                                .precision = pass->model->precision};
}

static struct norm_shape norm_shape_of(const struct pass *pass, const struct layer *layer)
{
    return (struct norm_shape){.rows = pass->rows, .channels = layer->channels, .height = layer->height,
                               .width = layer->width, .groups = layer->groups, .blocks = pass->ws->blocks,
                               .slots = pass->ws->slots, .activation = layer->activation};
}

static struct norm norm_of(const struct pass *pass, int i, const float *x)
{
    const struct layer *layer = &pass->model->layer[i];
    struct norm norm = {.out = pass->ws->out[i], .statistic = pass->ws->statistic[i], .x = x,
                        .weight = pass->w + layer->weight, .bias = pass->w + layer->bias,
                        .w_stride = pass->w_stride};
    if (layer->shortcut >= 0) {
        const struct layer *from = &pass->model->layer[layer->shortcut];
        norm.shortcut = pass->ws->out[layer->shortcut];
        norm.shortcut_channels = from->units;
        norm.shortcut_height = from->height;
        norm.shortcut_width = from->width;
        norm.shortcut_stride = from->height == layer->height && from->width == layer->width ? 1 : 2;
    }
    return norm;
}

cgsv_status residual_forward(const struct pass *pass, int i, const float *x, int64_t x_stride)
{
    const struct layer *layer = &pass->model->layer[i];
    const struct kernels *k = pass->device->kernels;
    const struct workspace *ws = pass->ws;
    void *stream = pass->device->stream;
    const char *error;
    if (layer->kind == LAYER_CONV3)
        error = k->conv3_forward(stream, ws->out[i], x, x_stride, pass->w + layer->weight, pass->w_stride,
                                 conv3_shape_of(pass, layer));
    else if (layer->kind == LAYER_NORM)
        error = k->norm_forward(stream, norm_of(pass, i, x), norm_shape_of(pass, layer));
    else
        error = k->average_pool(stream, ws->out[i], x, layer->height * layer->width, layer->channels, pass->rows,
                                ws->blocks, ws->slots);
    return device_launched(pass->device, error);
}

static cgsv_status conv3_backward(const struct pass *pass, int i, const float *x, int64_t x_stride, float *gradient,
                                  struct deltas *deltas)
{
    const struct layer *layer = &pass->model->layer[i];
    const bool joined = i > 0 && deltas->origin == i - 1;
    const struct conv3_gradients gradients = {.weight_gradient = gradient + layer->weight,
                                              .x_gradient = i > 0 ? deltas->next : NULL, .delta = deltas->delta,
                                              .x = x, .weight = pass->w + layer->weight,
                                              .shortcut = joined ? deltas->third : NULL, .x_stride = x_stride,
                                              .w_stride = pass->w_stride};
    if (joined) deltas->origin = -1;
    return device_launched(pass->device, pass->device->kernels->conv3_gradients(pass->device->stream, gradients,
                                                                                conv3_shape_of(pass, layer)));
}

/* The gradient that goes two ways stays where it is until the block's first layer. */
static cgsv_status norm_backward(const struct pass *pass, int i, const float *x, float *gradient,
                                 struct deltas *deltas)
{
    const struct layer *layer = &pass->model->layer[i];
    const struct norm_gradients gradients = {.weight_gradient = gradient + layer->weight,
                                             .bias_gradient = gradient + layer->bias, .x_gradient = deltas->next,
                                             .delta = deltas->delta, .sums = pass->ws->norm_sums};
    LAUNCHED(pass->device, pass->device->kernels->norm_backward(pass->device->stream, norm_of(pass, i, x), gradients,
                                                                norm_shape_of(pass, layer)));
    if (layer->shortcut < 0) return CGSV_OK;
    float *kept = deltas->delta;
    deltas->delta = deltas->third;
    deltas->third = kept;
    deltas->origin = layer->shortcut;
    return CGSV_OK;
}

cgsv_status residual_backward(const struct pass *pass, int i, const float *x, int64_t x_stride, float *gradient,
                              struct deltas *deltas)
{
    const struct layer *layer = &pass->model->layer[i];
    if (layer->kind == LAYER_CONV3) return conv3_backward(pass, i, x, x_stride, gradient, deltas);
    if (layer->kind == LAYER_NORM) return norm_backward(pass, i, x, gradient, deltas);
    return device_launched(pass->device, pass->device->kernels->average_pool_backward(
                                             pass->device->stream, deltas->next, deltas->delta,
                                             layer->height * layer->width, layer->channels, pass->rows,
                                             pass->ws->blocks, pass->ws->slots));
}
