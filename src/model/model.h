/* Models as tables of layers, and their forward and backward passes over all rows. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "cgsv/federation.h"
#include "device/device.h"

enum { MAX_LAYERS = 8, MAX_TENSORS = 2 * MAX_LAYERS };

enum layer_kind { LAYER_CONV_POOL, LAYER_DENSE };

/* A convolution with pooling, or a dense layer; both end in an activation. */
struct layer {
    enum layer_kind kind;
    const char *name;
    enum activation activation;
    int channels, height, width; /* of the input; a dense layer's is channels × 1 × 1 */
    int units, kernel;           /* filters or units; kernel of a convolution */
    int pixels;                  /* of the output, after pooling */
    int64_t weight, bias;        /* offsets of its two tensors */
};

struct model {
    int layers;
    struct layer layer[MAX_LAYERS];
    int tensors;
    cgsv_tensor tensor[MAX_TENSORS];
    char tensor_name[MAX_TENSORS][32];
    int64_t parameters; /* D */
    int64_t row_stride; /* ld */
    int64_t features;   /* of an input */
    int classes;
};

/* Lays out `kind` for the data set's pictures, or fails with CGSV_ERROR_ARGUMENT when it
 * cannot take them. */
cgsv_status model_create(struct model *model, cgsv_model kind, int channels, int height, int width, int classes);

/* PyTorch's default initialisation: uniform in ±1/√fan_in, weights and biases alike. */
void model_initialise(const struct model *model, float *w, uint64_t seed);

/* Activations and gradients of `rows` models, each with a batch of B blocks of S samples;
 * all on the device. */
struct workspace {
    int blocks, slots;            /* B, S */
    float *input;                 /* [rows, or 1][B][features][S] */
    int32_t *label, *sample, *count;
    float *out[MAX_LAYERS];       /* [rows][B][units][pixels][S] */
    uint8_t *winner[MAX_LAYERS];  /* likewise, for pooling; NULL without training */
    float *delta[2];              /* gradients of two neighbouring layers' outputs; NULL without training */
    struct conv_scratch conv;
};

/* Room for batches of up to `batch` samples. input_rows: `rows`, or 1 for one input shared by all. */
cgsv_status workspace_create(struct workspace *workspace, cgsv_device *device, const struct model *model, int rows,
                             int input_rows, int batch, bool training);

/* Bytes that this will take. */
size_t workspace_bytes(const cgsv_device *device, const struct model *model, int rows, int input_rows, int batch,
                       bool training);
void workspace_free(struct workspace *workspace, cgsv_device *device);

/* Logits of the first `rows` rows. Parameters: row r's begin at w + r · w_stride;
 * input_stride: floats from one row's input to the next, 0 for one input shared by all. */
cgsv_status model_forward(const struct model *model, cgsv_device *device, struct workspace *workspace,
                          const float *w, int64_t w_stride, int64_t input_stride, int rows);

/* Gradients of all parameters from delta[0], the gradient of the logits. */
cgsv_status model_backward(const struct model *model, cgsv_device *device, struct workspace *workspace,
                           float *gradient, const float *w, int64_t w_stride, int64_t input_stride, int rows);

#endif
