/* Workspaces, and the forward and backward passes of all rows, layer by layer. */
#include <string.h>

#include "model/model.h"
#include "model/residual.h"
#include "model/work.h"

static int64_t output_size(const struct layer *layer) { return (int64_t)layer->units * layer->pixels; }

/* Slots of a batch. */
static int64_t slots_of(const struct workspace *ws) { return (int64_t)ws->blocks * ws->slots; }

/* Cuts a batch into blocks of the width that the device likes, or one block. */
static void cut_batch(struct workspace *ws, const cgsv_device *device, int batch)
{
    const int all = (batch + SLOT_MULTIPLE - 1) / SLOT_MULTIPLE * SLOT_MULTIPLE, width = device->backend->block_slots;
    ws->slots = width && width < all ? width : all;
    ws->blocks = (all + ws->slots - 1) / ws->slots;
}

static struct conv_shape conv_shape_of(const struct layer *layer, int rows, const struct workspace *ws)
{
    return (struct conv_shape){.rows = rows, .channels = layer->channels, .height = layer->height,
                               .width = layer->width, .filters = layer->units, .kernel = layer->kernel,
                               .blocks = ws->blocks, .slots = ws->slots, .activation = layer->activation};
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* One walk over a workspace's arrays serves to count and to allocate them. */
struct layout {
    cgsv_device *device; /* NULL: count only */
    size_t bytes;
    cgsv_status status;
};

static void place(struct layout *layout, void **memory, int64_t count, size_t size)
{
    size_t bytes = (size_t)count * size;
    layout->bytes += bytes;
    if (layout->device && layout->status == CGSV_OK)
        layout->status = layout->device->backend->allocate(layout->device, memory, bytes);
}

static void place_list(struct layout *layout, struct conv_list *list, int64_t count)
{
    place(layout, (void **)&list->value, count, sizeof(float));
    place(layout, (void **)&list->place, count, sizeof(int32_t));
}

static void place_text(struct layout *layout, struct workspace *ws, const struct model *model, int rows,
                       int input_rows, bool training)
{
    const struct text_shape *t = &model->text;
    const int64_t all = rows * slots_of(ws), filters = model->layer[0].units;
    ws->text.vocabulary = t->vocabulary;
    ws->text.row_words = t->row_words;
    ws->text.longest = (int)larger(t->row_words, TEXT_KERNEL);
    ws->text.most_words = t->most_words[training];
    ws->text.one_batch = input_rows == 1;
    ws->text.blocks = ws->blocks;
    ws->text.slots = ws->slots;
    const int64_t words = (int64_t)rows * ws->text.most_words;
    place(layout, (void **)&ws->text.word, (int64_t)input_rows * ws->text.most_words, sizeof(int32_t));
    place(layout, (void **)&ws->text.words, input_rows, sizeof(int32_t));
    place(layout, (void **)&ws->text.place, input_rows * slots_of(ws) * ws->text.longest, sizeof(int32_t));
    place(layout, (void **)&ws->text.width, input_rows, sizeof(int32_t));
    place(layout, (void **)&ws->text.mark, (int64_t)input_rows * t->vocabulary, sizeof(int32_t));
    place(layout, (void **)&ws->scratch.vector, words * CGSV_WORD_VALUES, sizeof(float));
    place(layout, (void **)&ws->scratch.part, words * TEXT_KERNEL * filters, sizeof(float));
    if (!training) return;
    place(layout, (void **)&ws->scratch.winner, all * filters, sizeof(int32_t));
    place(layout, (void **)&ws->scratch.position, all * ws->text.longest * CGSV_WORD_VALUES, sizeof(float));
}

static void walk(struct layout *layout, struct workspace *ws, const struct model *model, int rows, int input_rows,
                 bool training)
{
    const int64_t all = rows * slots_of(ws), slots = (int64_t)rows * ws->slots, inputs = input_rows * slots_of(ws);
    int64_t widest = 0, samples = 0, taps = 0, lists = 0, filters = 0, terms = 0, pixels = 0, normalised = 0;
    place(layout, (void **)&ws->input, inputs * model->features, sizeof(float));
    place(layout, (void **)&ws->label, inputs, sizeof(int32_t));
    place(layout, (void **)&ws->sample, inputs, sizeof(int32_t));
    place(layout, (void **)&ws->count, input_rows, sizeof(int32_t));
    if (model->text.vocabulary > 0) place_text(layout, ws, model, rows, input_rows, training);
    for (int i = 0; i < model->layers; i++) {
        const struct layer *layer = &model->layer[i];
        const int64_t size = output_size(layer);
        place(layout, (void **)&ws->out[i], all * size, sizeof(float));
        widest = larger(widest, size);
        if (layer->kind == LAYER_NORM) {
            place(layout, (void **)&ws->statistic[i], all * layer->groups * 2, sizeof(float));
            normalised = larger(normalised, layer->units);
        }
        if (layer->kind == LAYER_CONV_POOL) {
            if (training) place(layout, (void **)&ws->winner[i], all * size, 1);
            const struct conv_shape shape = conv_shape_of(layer, rows, ws);
            samples = larger(samples, CONV_SAMPLE(shape));
            taps = larger(taps, (int64_t)layer->units * layer->kernel * CONV_RUN(shape));
            lists = larger(lists, layer->units * CONV_LIST(shape));
            filters = larger(filters, layer->units);
            if (i > 0) {
                terms = larger(terms, size);
                pixels = larger(pixels, layer->pixels);
            }
        }
    }
    if (!training) return;
    place(layout, (void **)&ws->delta[0], all * widest, sizeof(float));
    place(layout, (void **)&ws->delta[1], all * widest, sizeof(float));
    if (normalised > 0) {
        place(layout, (void **)&ws->delta[2], all * widest, sizeof(float));
        place(layout, (void **)&ws->norm_sums, all * normalised * 2, sizeof(float));
    }
    if (filters == 0) return;
    place(layout, (void **)&ws->conv.samples, all * samples + SLOT_MULTIPLE, sizeof(float));
    place(layout, (void **)&ws->conv.taps, rows * taps, sizeof(float));
    place_list(layout, &ws->conv.filter, slots * lists);
    place(layout, (void **)&ws->conv.count, slots * filters, sizeof(int32_t));
    place_list(layout, &ws->conv.window, all * terms + CONV_AHEAD);
    place(layout, (void **)&ws->conv.end, 4 * all * pixels, sizeof(int32_t));
}

size_t workspace_bytes(const cgsv_device *device, const struct model *model, int rows, int input_rows, int batch,
                       bool training)
{
    struct workspace unused;
    struct layout layout = {NULL, 0, CGSV_OK};
    cut_batch(&unused, device, batch);
    walk(&layout, &unused, model, rows, input_rows, training);
    return layout.bytes;
}

cgsv_status workspace_create(struct workspace *workspace, cgsv_device *device, const struct model *model, int rows,
                             int input_rows, int batch, bool training)
{
    struct layout layout = {device, 0, CGSV_OK};
    memset(workspace, 0, sizeof *workspace);
    cut_batch(workspace, device, batch);
    walk(&layout, workspace, model, rows, input_rows, training);
    if (layout.status != CGSV_OK) workspace_free(workspace, device);
    return layout.status;
}

void workspace_free(struct workspace *ws, cgsv_device *device)
{
    void *all[] = {ws->input,        ws->label,     ws->sample,     ws->count,      ws->delta[0],  ws->delta[1],
                   ws->conv.samples, ws->conv.taps, ws->conv.count, ws->conv.end,
                   ws->conv.filter.value, ws->conv.filter.place, ws->conv.window.value, ws->conv.window.place,
                   ws->text.word,    ws->text.words, ws->text.place, ws->text.width, ws->text.mark,
                   ws->scratch.vector, ws->scratch.part, ws->scratch.winner, ws->scratch.position,
                   ws->delta[2],    ws->norm_sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) device->backend->release(device, all[i]);
    for (int i = 0; i < MAX_LAYERS; i++) {
        device->backend->release(device, ws->out[i]);
        device->backend->release(device, ws->winner[i]);
        device->backend->release(device, ws->statistic[i]);
    }
    memset(ws, 0, sizeof *ws);
}

/* Input of layer i, and the stride of its rows. */
static const float *input_of(const struct pass *pass, int i, int64_t *stride)
{
    *stride = i == 0 ? pass->input_stride : output_size(&pass->model->layer[i - 1]) * slots_of(pass->ws);
    return i == 0 ? pass->ws->input : pass->ws->out[i - 1];
}

cgsv_status workspace_gather(const struct model *model, cgsv_device *device, struct workspace *ws,
                             struct samples from, int batches)
{
    const struct kernels *k = device->kernels;
    if (model->text.vocabulary > 0)
        return device_launched(device, k->text_gather(device->stream, ws->text, ws->label, from.token, from.length,
                                                      from.label, ws->sample, batches));
    return device_launched(device, k->batch_gather(device->stream, ws->input, ws->label, from.x, from.label,
                                                   ws->sample, model->features, batches * ws->blocks, ws->slots));
}

/* Different words in the largest of the batches, or a bound where the host cannot see them. */
static int words_of(const cgsv_device *device, const struct workspace *ws, int batches)
{
    if (!device->backend->shares_memory) return ws->text.most_words;
    int most = 1;
    for (int i = 0; i < batches; i++) most = (int)larger(most, ws->text.words[i]);
    return most;
}

/* A row's products must not depend on the rows beside it, and BLAS may sum up in another way for another size. */
static const int32_t *words_of_each(const cgsv_device *device, const struct workspace *ws)
{
    return device->backend->shares_memory && !ws->text.one_batch ? ws->text.words : NULL;
}

/* See kernels/text.cu. */
static cgsv_status forward_text(const struct pass *pass)
{
    cgsv_device *device = pass->device;
    const struct kernels *k = device->kernels;
    struct workspace *ws = pass->ws;
    const struct layer *layer = &pass->model->layer[0];
    const int E = layer->channels, words = words_of(device, ws, ws->text.one_batch ? 1 : pass->rows);
    const int64_t tap = (int64_t)ws->text.most_words * layer->units;
    LAUNCHED(device, k->word_gather(device->stream, ws->scratch.vector, pass->w + pass->model->text.embedding,
                                    pass->w_stride, ws->text, E, pass->rows, words));
    for (int i = 0; i < layer->kernel; i++)
        TRY(device->backend->multiply(
            device, &(struct product){.c = ws->scratch.part + i * tap, .a = ws->scratch.vector,
                                      .b = pass->w + layer->weight + (ptrdiff_t)i * E, .transpose_b = true, .m = words,
                                      .n = layer->units, .k = E, .lda = E, .ldb = (int64_t)layer->kernel * E,
                                      .ldc = layer->units, .stride_a = (int64_t)ws->text.most_words * E,
                                      .stride_b = pass->w_stride, .stride_c = layer->kernel * tap,
                                      .batch = pass->rows, .precision = pass->model->precision,
                                      .each_m = words_of_each(device, ws)}));
    LAUNCHED(device, k->max_over_time(device->stream, ws->out[0], ws->scratch.winner, ws->scratch.part,
                                      pass->w + layer->bias, pass->w_stride, ws->text, layer->units, pass->rows));
    if (!ws->dropout.row) return CGSV_OK;
    return device_launched(device, k->dropout(device->stream, ws->out[0], ws->dropout, layer->units, pass->rows,
                                              ws->blocks, ws->slots));
}

static cgsv_status forward_conv_pool(const struct pass *pass, int i, const float *x, int64_t x_stride)
{
    const struct layer *layer = &pass->model->layer[i];
    const struct workspace *ws = pass->ws;
    return device_launched(pass->device, pass->device->kernels->conv_pool_forward(
                                             pass->device->stream, ws->out[i], ws->winner[i], x, x_stride,
                                             pass->w + layer->weight, pass->w + layer->bias, pass->w_stride,
                                             conv_shape_of(layer, pass->rows, ws)));
}

static cgsv_status forward_dense(const struct pass *pass, int i, const float *x, int64_t x_stride)
{
    cgsv_device *device = pass->device;
    const struct layer *layer = &pass->model->layer[i];
    const struct workspace *ws = pass->ws;
    const int S = ws->slots;
    for (int64_t b = 0; b < ws->blocks; b++)
        TRY(device->backend->multiply(
            device, &(struct product){.c = ws->out[i] + b * layer->units * S, .a = pass->w + layer->weight,
                                      .b = x + b * layer->channels * S, .m = layer->units, .n = S,
                                      .k = layer->channels, .lda = layer->channels, .ldb = S, .ldc = S,
                                      .stride_a = pass->w_stride, .stride_b = x_stride,
                                      .stride_c = layer->units * slots_of(ws), .batch = pass->rows,
                                      .precision = pass->model->precision}));
    return device_launched(device, device->kernels->bias_activation(device->stream, ws->out[i], pass->w + layer->bias,
                                                                    pass->w_stride, layer->activation, layer->units,
                                                                    pass->rows, ws->blocks, S));
}

static cgsv_status forward_layer(const struct pass *pass, int i)
{
    int64_t stride;
    const float *x = input_of(pass, i, &stride);
    switch (pass->model->layer[i].kind) {
    case LAYER_TEXT: return forward_text(pass);
    case LAYER_CONV_POOL: return forward_conv_pool(pass, i, x, stride);
    case LAYER_DENSE: return forward_dense(pass, i, x, stride);
    default: return residual_forward(pass, i, x, stride);
    }
}

_Static_assert(LAYER_AVERAGE + 1 == STAGE_LAYERS, "every kind of layer has its stages");

static struct work_size work_size_of(const struct pass *pass)
{
    const struct workspace *ws = pass->ws;
    struct work_size size = {.rows = pass->rows, .samples = ws->filled};
    if (pass->model->text.vocabulary > 0)
        size.words = words_of(pass->device, ws, ws->text.one_batch ? 1 : pass->rows);
    return size;
}

cgsv_status model_forward(const struct model *model, cgsv_device *device, struct workspace *ws, const float *w,
                          int64_t w_stride, int64_t input_stride, int rows)
{
    const struct pass pass = {model, device, ws, w, w_stride, input_stride, rows};
    for (int i = 0; i < model->layers; i++) {
        PROFILE(device, STAGE_FORWARD + model->layer[i].kind, work_forward(model, i, work_size_of(&pass)));
        TRY(forward_layer(&pass, i));
    }
    return CGSV_OK;
}

/* The backward functions take `delta`, the gradient before the activation, and leave the gradient of a
 * layer's parameters and, in `next` for all but the first layer, of its input. */

static cgsv_status backward_text(const struct pass *pass, float *gradient, const float *delta)
{
    const struct workspace *ws = pass->ws;
    const struct layer *layer = &pass->model->layer[0];
    const struct text_gradients gradients = {.weight_gradient = gradient + layer->weight,
                                             .embedding_gradient = gradient + pass->model->text.embedding,
                                             .position = ws->scratch.position, .delta = delta,
                                             .winner = ws->scratch.winner, .vector = ws->scratch.vector,
                                             .weight = pass->w + layer->weight, .w_stride = pass->w_stride,
                                             .filters = layer->units, .values = layer->channels};
    return device_launched(pass->device, pass->device->kernels->text_gradients(pass->device->stream, gradients,
                                                                               ws->text, pass->rows));
}

static cgsv_status backward_conv_pool(const struct pass *pass, int i, float *gradient, const float *delta, float *next)
{
    const struct workspace *ws = pass->ws;
    const struct layer *layer = &pass->model->layer[i];
    int64_t stride;
    const float *x = input_of(pass, i, &stride);
    const struct conv_gradients gradients = {.weight_gradient = gradient + layer->weight,
                                             .x_gradient = i == 0 ? NULL : next, .delta = delta,
                                             .winner = ws->winner[i], .x = x, .weight = pass->w + layer->weight,
                                             .x_stride = stride, .w_stride = pass->w_stride, .scratch = ws->conv};
    return device_launched(pass->device, pass->device->kernels->conv_gradients(pass->device->stream, gradients,
                                                                               conv_shape_of(layer, pass->rows, ws)));
}

static cgsv_status backward_dense(const struct pass *pass, int i, float *gradient, const float *delta, float *next)
{
    cgsv_device *device = pass->device;
    const struct layer *layer = &pass->model->layer[i];
    const struct workspace *ws = pass->ws;
    const int S = ws->slots;
    const int64_t delta_stride = layer->units * slots_of(ws);
    int64_t stride;
    const float *x = input_of(pass, i, &stride);
    for (int64_t b = 0; b < ws->blocks; b++) {
        const float *delta_b = delta + b * layer->units * S, *x_b = x + b * layer->channels * S;
        TRY(device->backend->multiply(
            device, &(struct product){.c = gradient + layer->weight, .a = delta_b, .b = x_b, .transpose_b = true,
                                      .accumulate = b > 0, .m = layer->units, .n = layer->channels, .k = S,
                                      .lda = S, .ldb = S, .ldc = layer->channels, .stride_a = delta_stride,
                                      .stride_b = stride, .stride_c = pass->w_stride, .batch = pass->rows,
                                      .precision = pass->model->precision}));
        if (i == 0) continue;
        TRY(device->backend->multiply(
            device, &(struct product){.c = next + b * layer->channels * S, .a = pass->w + layer->weight, .b = delta_b,
                                      .transpose_a = true, .m = layer->channels, .n = S, .k = layer->units,
                                      .lda = layer->channels, .ldb = S, .ldc = S, .stride_a = pass->w_stride,
                                      .stride_b = delta_stride, .stride_c = layer->channels * slots_of(ws),
                                      .batch = pass->rows, .precision = pass->model->precision}));
    }
    return CGSV_OK;
}

/* A layer that ends in bias and activation. */
static cgsv_status backward_layer(const struct pass *pass, int i, float *gradient, float *delta, float *next)
{
    cgsv_device *device = pass->device;
    const struct kernels *k = device->kernels;
    const struct layer *layer = &pass->model->layer[i];
    const struct workspace *ws = pass->ws;
    if (layer->kind == LAYER_TEXT && ws->dropout.row)
        LAUNCHED(device, k->dropout(device->stream, delta, ws->dropout, layer->units, pass->rows, ws->blocks,
                                    ws->slots));
    LAUNCHED(device, k->activation_backward(device->stream, delta, gradient + layer->bias, pass->w_stride, ws->out[i],
                                            layer->activation, layer->units, layer->pixels, pass->rows, ws->blocks,
                                            ws->slots));
    if (layer->kind == LAYER_TEXT) return backward_text(pass, gradient, delta);
    if (layer->kind == LAYER_CONV_POOL) return backward_conv_pool(pass, i, gradient, delta, next);
    return backward_dense(pass, i, gradient, delta, next);
}

cgsv_status model_backward(const struct model *model, cgsv_device *device, struct workspace *ws, float *gradient,
                           const float *w, int64_t w_stride, int64_t input_stride, int rows)
{
    const struct pass pass = {model, device, ws, w, w_stride, input_stride, rows};
    struct deltas deltas = {ws->delta[0], ws->delta[1], ws->delta[2], -1};
    for (int i = model->layers - 1; i >= 0; i--) {
        PROFILE(device, STAGE_BACKWARD + model->layer[i].kind, work_backward(model, i, work_size_of(&pass)));
        if (residual_layer(&model->layer[i])) {
            int64_t stride;
            const float *x = input_of(&pass, i, &stride);
            TRY(residual_backward(&pass, i, x, stride, gradient, &deltas));
        } else {
            TRY(backward_layer(&pass, i, gradient, deltas.delta, deltas.next));
        }
        float *swapped = deltas.delta;
        deltas.delta = deltas.next;
        deltas.next = swapped;
    }
    return CGSV_OK;
}
