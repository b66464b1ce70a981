/* The models: tables of layers, their parameter tensors, their initialisation. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "model/residual.h"

enum { ROW_MULTIPLE = 64, MLP_UNITS = 64, TEXT_CONVS = 3, TEXT_FILTERS = 128 };
enum { WORDS_STREAM = 8 }; /* of RANDOM_INIT, where layers have their number: sentences have fewer */
static const double text_dropout = 0.5;

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

static void add_weight(struct model *model, const struct layer *layer)
{
    if (layer->kind == LAYER_CONV_POOL || layer->kind == LAYER_CONV3)
        add_tensor(model, layer->name, "weight", 4,
                   (int64_t[4]){layer->units, layer->channels, layer->kernel, layer->kernel});
    else if (layer->kind == LAYER_NORM)
        add_tensor(model, layer->name, "weight", 1, (int64_t[4]){layer->units});
    else if (layer->kind == LAYER_DENSE)
        add_tensor(model, layer->name, "weight", 2, (int64_t[4]){layer->units, layer->channels});
}

void model_add_layer(struct model *model, struct layer layer)
{
    if (layer.kind == LAYER_CONV_POOL)
        layer.pixels = (layer.height - layer.kernel + 1) / 2 * ((layer.width - layer.kernel + 1) / 2);
    if (layer.kind == LAYER_DENSE) layer.pixels = 1;
    layer.weight = model->parameters;
    add_weight(model, &layer);
    layer.bias = model->parameters;
    if (layer.kind != LAYER_CONV3 && layer.kind != LAYER_AVERAGE)
        add_tensor(model, layer.name, "bias", 1, (int64_t[4]){layer.units});
    model->layer[model->layers++] = layer;
}

static void add_conv(struct model *model, const char *name, int channels, int size, int filters, int kernel,
                     enum activation activation)
{
    model_add_layer(model, (struct layer){.kind = LAYER_CONV_POOL, .name = name, .activation = activation,
                                          .channels = channels, .height = size, .width = size, .units = filters,
                                          .kernel = kernel});
}

static void add_dense(struct model *model, const char *name, int inputs, int units, enum activation activation)
{
    model_add_layer(model, (struct layer){.kind = LAYER_DENSE, .name = name, .activation = activation,
                                          .channels = inputs, .height = 1, .width = 1, .units = units});
}

/* convs1.0 to convs1.2: one layer of all their filters, whose weights lie together. */
static void add_text(struct model *model)
{
    struct layer layer = {.kind = LAYER_TEXT, .name = "convs1", .activation = ACTIVATION_RELU,
                          .channels = CGSV_WORD_VALUES, .height = 1, .width = 1, .units = TEXT_CONVS * TEXT_FILTERS,
                          .kernel = TEXT_KERNEL, .pixels = 1};
    model->text.embedding = model->parameters;
    add_tensor(model, "embed", "weight", 2, (int64_t[4]){model->text.vocabulary, CGSV_WORD_VALUES});
    static const char *const conv[TEXT_CONVS] = {"convs1.0", "convs1.1", "convs1.2"};
    layer.weight = model->parameters;
    for (int i = 0; i < TEXT_CONVS; i++)
        add_tensor(model, conv[i], "weight", 4, (int64_t[4]){TEXT_FILTERS, 1, TEXT_KERNEL, CGSV_WORD_VALUES});
    layer.bias = model->parameters;
    for (int i = 0; i < TEXT_CONVS; i++) add_tensor(model, conv[i], "bias", 1, (int64_t[4]){TEXT_FILTERS});
    model->layer[model->layers++] = layer;
}

static void finish(struct model *model)
{
    model->row_stride = (model->parameters + ROW_MULTIPLE - 1) / ROW_MULTIPLE * ROW_MULTIPLE;
}

cgsv_status model_create_text(struct model *model, int vocabulary, int row_words, const int most_words[2], int classes)
{
    memset(model, 0, sizeof *model);
    model->classes = classes;
    model->text = (struct text_shape){.vocabulary = vocabulary, .row_words = row_words, .dropout = text_dropout,
                                      .most_words = {most_words[0], most_words[1]}};
    add_text(model);
    add_dense(model, "fc1", TEXT_CONVS * TEXT_FILTERS, classes, ACTIVATION_NONE);
    finish(model);
    return CGSV_OK;
}

/* Different words that `batch` of the sentences may have: as many as the longest of them hold,
 * padding, and no more than there are. */
static int words_in(const cgsv_dataset *data, const cgsv_split *split, int batch)
{
    int64_t count = 1, left = batch;
    for (int length = data->width; length > 0 && left > 0; length--) {
        int64_t sentences = 0;
        for (int64_t i = 0; i < split->samples; i++) sentences += split->length[i] == length;
        sentences = sentences < left ? sentences : left;
        count += sentences * length;
        left -= sentences;
    }
    return (int)(count < data->vocabulary ? count : data->vocabulary);
}

cgsv_status model_create_for(struct model *model, cgsv_model kind, const cgsv_dataset *data, int evaluation_batch,
                             int batch)
{
    if ((kind == CGSV_MODEL_TEXT_CNN) != (data->vocabulary > 0))
        return error_set(CGSV_ERROR_ARGUMENT, "model %s takes %s; the data set %s has %s. Take %s",
                         cgsv_model_name(kind), data->vocabulary > 0 ? "pictures" : "sentences", data->name,
                         data->vocabulary > 0 ? "sentences" : "pictures", data->vocabulary > 0 ? "text_cnn" : "mlp");
    if (data->vocabulary == 0)
        return model_create(model, kind, data->channels, data->height, data->width, data->classes);
    /* Test samples are evaluated, and validation samples of either split. */
    const cgsv_split *const evaluated[] = {&data->test, &data->validation, &data->train};
    int most_words[2] = {0, words_in(data, &data->train, batch)};
    for (int i = 0; i < 3; i++) {
        const int words = words_in(data, evaluated[i], evaluation_batch);
        if (words > most_words[0]) most_words[0] = words;
    }
    return model_create_text(model, data->vocabulary, data->width, most_words, data->classes);
}

void model_set_vectors(const struct model *model, float *w, const cgsv_dataset *data)
{
    for (int v = 0; data->word_vector && v < model->text.vocabulary; v++)
        if (data->has_vector[v])
            memcpy(w + model->text.embedding + (int64_t)v * CGSV_WORD_VALUES,
                   data->word_vector + (int64_t)v * CGSV_WORD_VALUES, CGSV_WORD_VALUES * sizeof *w);
}

cgsv_status model_create(struct model *model, cgsv_model kind, int channels, int height, int width, int classes)
{
    memset(model, 0, sizeof *model);
    model->features = (int64_t)channels * height * width;
    model->channels = channels;
    model->height = height;
    model->width = width;
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
    case CGSV_MODEL_CIFAR_RESNET:
        residual_layers(model, 32, 3, 8);
        add_dense(model, "fc", 256, classes, ACTIVATION_NONE);
        break;
    default: return error_set(CGSV_ERROR_ARGUMENT, "unknown model %d", (int)kind);
    }
    finish(model);
    return CGSV_OK;
}

/* Box and Muller, a pair at a time. */
static void fill_normal(float *x, int64_t n, uint64_t seed, uint64_t stream)
{
    struct random_stream random;
    random_start(&random, seed, RANDOM_INIT, stream);
    for (int64_t i = 0; i < n; i += 2) {
        const double radius = sqrt(-2 * log(1 - (double)random_uniform(&random)));
        const double angle = 6.283185307179586 * (double)random_uniform(&random);
        x[i] = (float)(radius * cos(angle));
        if (i + 1 < n) x[i + 1] = (float)(radius * sin(angle));
    }
}

void model_initialise(const struct model *model, float *w, uint64_t seed)
{
    for (int i = 0; i < model->layers; i++) {
        const struct layer *layer = &model->layer[i];
        const bool square = layer->kind == LAYER_CONV_POOL || layer->kind == LAYER_CONV3;
        const int64_t taps = square ? layer->kernel * layer->kernel : layer->kind == LAYER_TEXT ? layer->kernel : 1;
        const int64_t fan_in = layer->channels * taps;
        const float bound = 1.0f / sqrtf((float)fan_in);
        const int64_t end = i + 1 < model->layers ? model->layer[i + 1].weight : model->parameters;
        struct random_stream stream;
        random_start(&stream, seed, RANDOM_INIT, (uint64_t)i);
        for (int64_t j = layer->weight; j < end; j++)
            w[j] = layer->kind == LAYER_NORM ? (j < layer->bias ? 1.0f : 0.0f)
                                             : (2.0f * random_uniform(&stream) - 1.0f) * bound;
    }
    fill_normal(w + model->text.embedding, (int64_t)model->text.vocabulary * CGSV_WORD_VALUES, seed, WORDS_STREAM);
}
