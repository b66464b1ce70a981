#include "model/work.h"

#define FLOATS(n) (4.0 * (double)(n))

/* ---- layers ---- */

static int64_t inputs(const struct layer *layer) { return (int64_t)layer->channels * layer->height * layer->width; }
static int64_t outputs(const struct layer *layer) { return (int64_t)layer->units * layer->pixels; }

/* Parameters of layer i, without words' vectors. */
static int64_t parameters(const struct model *model, int i)
{
    const int64_t end = i + 1 < model->layers ? model->layer[i + 1].weight : model->parameters;
    return end - model->layer[i].weight;
}

/* Multiply-adds of one output. */
static double products(const struct layer *layer)
{
    switch (layer->kind) {
    case LAYER_CONV_POOL:
    case LAYER_CONV3: return (double)layer->channels * layer->kernel * layer->kernel;
    case LAYER_DENSE: return layer->channels;
    case LAYER_TEXT: return (double)layer->channels * layer->kernel;
    default: return 0;
    }
}

/* A word goes through each of a filter's places once, whatever number of windows it is in. */
static struct work text_forward(const struct model *model, const struct layer *layer, struct work_size z)
{
    const double words = (double)z.rows * z.words, part = (double)layer->kernel * layer->units;
    const double bytes = FLOATS(words * layer->channels * 2) + FLOATS(words * part * 2) +
                         FLOATS(z.rows * parameters(model, 0)) + FLOATS(z.samples * outputs(layer));
    return (struct work){bytes, 2 * words * part * layer->channels};
}

struct work work_forward(const struct model *model, int i, struct work_size z)
{
    const struct layer *layer = &model->layer[i];
    const int64_t in = inputs(layer), out = outputs(layer), given = parameters(model, i);
    const double bytes = FLOATS(z.samples * (in + out) + z.rows * given), flops = 2 * (double)z.samples * (double)out;
    switch (layer->kind) {
    case LAYER_CONV_POOL: /* of four pixels the largest, and which it is */
        return (struct work){bytes + (double)(z.samples * out), 4 * flops * products(layer)};
    case LAYER_TEXT: return text_forward(model, layer, z);
    case LAYER_NORM: /* mean, deviation, scale and shift; a shortcut is read as well */
        return (struct work){bytes + (layer->shortcut >= 0 ? FLOATS(z.samples * out) : 0), 4 * flops};
    case LAYER_AVERAGE: return (struct work){bytes, (double)(z.samples * in)};
    default: return (struct work){bytes, flops * products(layer)};
    }
}

struct work work_backward(const struct model *model, int i, struct work_size z)
{
    const struct layer *layer = &model->layer[i];
    const int64_t in = inputs(layer), out = outputs(layer), given = parameters(model, i);
    const int gradients = i > 0 ? 2 : 1; /* of the parameters, and of the input */
    const double flops = 2 * (double)z.samples * (double)out;
    /* Output and its gradient; input and its gradient; parameters and theirs. */
    const double bytes = FLOATS(z.samples * (2 * out + gradients * in) + (int64_t)z.rows * gradients * given);
    switch (layer->kind) {
    case LAYER_CONV_POOL:
        return (struct work){bytes + (double)(z.samples * out), gradients * flops * products(layer)};
    case LAYER_TEXT: /* the windows that gave the maximum: gradients of the filters and of the words */
        return (struct work){FLOATS(2 * z.samples * out +
                                    2 * (int64_t)z.rows * ((int64_t)z.words * layer->channels + given)),
                             2 * flops * products(layer)};
    case LAYER_NORM: return (struct work){bytes + FLOATS(z.samples * out), 6 * flops};
    case LAYER_AVERAGE: return (struct work){FLOATS(z.samples * (in + out)), (double)(z.samples * in)};
    default: return (struct work){bytes, gradients * flops * products(layer)};
    }
}

/* ---- the rest of training ---- */

struct work work_gather(const struct model *model, int64_t samples)
{
    const int64_t entries = model->text.vocabulary > 0 ? model->text.row_words : model->features;
    return (struct work){2 * FLOATS(samples * (entries + 1)), 0};
}

/* Maximum, exponential, sum, logarithm and gradient of every class. */
struct work work_loss(const struct model *model, int64_t samples)
{
    return (struct work){2 * FLOATS(samples * model->classes), 5.0 * (double)(samples * model->classes)};
}

struct work work_begin(const struct model *model, int rows, int agents)
{
    return (struct work){FLOATS((2 * rows + agents) * model->parameters), 0};
}

/* The gradient is read, the model in training written; for a twin that is read as well, for an agent
 * the model that the round began with, and the update, which is also written. */
struct work work_optimizer(const struct model *model, struct work_size z, int agents, int moments)
{
    static const double flops[] = {2, 4, 12};
    const int64_t others = model->parameters - (int64_t)model->text.vocabulary * CGSV_WORD_VALUES;
    const int64_t touched = others + (int64_t)z.words * CGSV_WORD_VALUES;
    const int64_t arrays = 5 * agents + 3 * (z.rows - agents) + 2 * z.rows * moments;
    return (struct work){FLOATS(touched * arrays),
                         flops[moments] * (double)(touched * z.rows) + (double)(touched * agents)};
}

/* ---- the server step ---- */

struct work work_norms(int federations, int agents, int64_t dimension)
{
    const double entries = (double)federations * agents * (double)dimension;
    return (struct work){FLOATS(entries), 2 * entries};
}

/* g = Σ c_i Δw_i, then the products ⟨Δw_i, g⟩ and ‖g‖² from what is still in a cache. */
struct work work_aggregate(int federations, int agents, int64_t dimension)
{
    const double row = (double)federations * (double)dimension;
    return (struct work){FLOATS(row * (agents + 1)), row * (4 * agents + 2)};
}

/* Sums of the partial products, in float64. */
struct work work_contribution(int federations, int agents, int64_t dimension)
{
    const int64_t pieces = (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    const double partial = (double)federations * (agents + 1) * (double)pieces;
    return (struct work){8 * partial, partial};
}

/* Histograms of |g|: comparisons, no products. */
struct work work_select(int federations, int64_t dimension)
{
    return (struct work){FLOATS(SELECT_PASSES * (double)federations * (double)dimension), 0};
}

/* g is read, every model, the server's too, read and written. */
struct work work_download(int federations, int agents, int64_t dimension)
{
    const double row = (double)federations * (double)dimension;
    return (struct work){FLOATS(row * (2 * agents + 3)), row * (agents + 1)};
}
