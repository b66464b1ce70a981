/* The models: tables of layers, their parameter tensors, their initialisation. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/random.h"

enum { ROW_MULTIPLE = 64, MLP_UNITS = 64 };

static void add_tensor(struct model *model, const char *layer, const char *part, int dimensions,
                       const int64_t shape[4])
{
    cgsv_tensor *t = &model->tensor[model->tensors];
    char *name = model->tensor_name[model->tensors];
    snprintf(name, sizeof model->tensor_name[0], "%s.%s", layer, part);
    t->name = name;
    t->dimensions = dimensions;
    t->size = 1;
    for (int i = 0; i < dimensions; i++) {
        t->shape[i] = shape[i];
        t->size *= shape[i];
    }
    t->offset = model->parameters;
    model->parameters += t->size;
    model->tensors++;
}

/* Adds a layer behind the last one, whose output it takes. */
static void add_layer(struct model *model, struct layer layer)
{
    layer.weight = model->parameters;
    if (layer.kind == LAYER_CONV_POOL) {
        layer.pixels = (layer.height - layer.kernel + 1) / 2 * ((layer.width - layer.kernel + 1) / 2);
        add_tensor(model, layer.name, "weight", 4,
                   (int64_t[4]){layer.units, layer.channels, layer.kernel, layer.kernel});
    } else {
        layer.pixels = 1;
        add_tensor(model, layer.name, "weight", 2, (int64_t[4]){layer.units, layer.channels});
    }
    layer.bias = model->parameters;
    add_tensor(model, layer.name, "bias", 1, (int64_t[4]){layer.units});
    model->layer[model->layers++] = layer;
}

static void add_conv(struct model *model, const char *name, int channels, int size, int filters, int kernel,
                     enum activation activation)
{
    add_layer(model, (struct layer){.kind = LAYER_CONV_POOL, .name = name, .activation = activation,
                                    .channels = channels, .height = size, .width = size, .units = filters,
                                    .kernel = kernel});
}

static void add_dense(struct model *model, const char *name, int inputs, int units, enum activation activation)
{
    add_layer(model, (struct layer){.kind = LAYER_DENSE, .name = name, .activation = activation, .channels = inputs,
                                    .height = 1, .width = 1, .units = units});
}

cgsv_status model_create(struct model *model, cgsv_model kind, int channels, int height, int width, int classes)
{
    memset(model, 0, sizeof *model);
    model->features = (int64_t)channels * height * width;
    model->classes = classes;
    int wanted = kind == CGSV_MODEL_MNIST_CNN ? 1 : 3;
    if (kind != CGSV_MODEL_MLP && (channels != wanted || height != 32 || width != 32))
        return error_set(CGSV_ERROR_ARGUMENT, "model %s takes %d×32×32 pictures; the data set has %d×%d×%d. Take mlp",
                         cgsv_model_name(kind), wanted, channels, height, width);
    switch (kind) {
    case CGSV_MODEL_MLP:
        add_dense(model, "fc1", (int)model->features, MLP_UNITS, ACTIVATION_TANH);
        add_dense(model, "fc2", MLP_UNITS, classes, ACTIVATION_NONE);
        break;
    case CGSV_MODEL_MNIST_CNN:
        add_conv(model, "conv1", 1, 32, 64, 3, ACTIVATION_TANH);
        add_conv(model, "conv2", 64, 15, 16, 7, ACTIVATION_TANH);
        add_dense(model, "fc1", 256, 200, ACTIVATION_TANH);
        add_dense(model, "fc2", 200, classes, ACTIVATION_NONE);
        break;
    case CGSV_MODEL_CIFAR_CNN:
        add_conv(model, "conv1", 3, 32, 16, 5, ACTIVATION_RELU);
        add_conv(model, "conv2", 16, 14, 32, 5, ACTIVATION_RELU);
        add_dense(model, "fc1", 800, 120, ACTIVATION_RELU);
        add_dense(model, "fc2", 120, 84, ACTIVATION_RELU);
        add_dense(model, "fc3", 84, classes, ACTIVATION_NONE);
        break;
    default: return error_set(CGSV_ERROR_ARGUMENT, "unknown model %d", (int)kind);
    }
    model->row_stride = (model->parameters + ROW_MULTIPLE - 1) / ROW_MULTIPLE * ROW_MULTIPLE;
    return CGSV_OK;
}

void model_initialise(const struct model *model, float *w, uint64_t seed)
{
    for (int i = 0; i < model->layers; i++) {
        const struct layer *layer = &model->layer[i];
        const int64_t fan_in = (int64_t)layer->channels * (layer->kernel ? layer->kernel * layer->kernel : 1);
        const float bound = 1.0f / sqrtf((float)fan_in);
        const int64_t end = layer->bias + layer->units;
        struct random_stream stream;
        random_start(&stream, seed, RANDOM_INIT, (uint64_t)i);
        for (int64_t j = layer->weight; j < end; j++) w[j] = (2.0f * random_uniform(&stream) - 1.0f) * bound;
    }
}
