/* Models as tables of layers, and their forward and backward passes over all rows. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "cgsv/federation.h"
#include "device/device.h"

enum { MAX_LAYERS = 16, MAX_TENSORS = 2 * MAX_LAYERS };

enum layer_kind { LAYER_CONV_POOL, LAYER_DENSE, LAYER_TEXT, LAYER_CONV3, LAYER_NORM, LAYER_AVERAGE };

/* A convolution with pooling, a dense layer, or words' vectors with convolutions over
 * sentences and the maximum over time; all end in an activation. The filters of several
 * convolutions over sentences lie one after the other, and so do their
 * biases. The other kinds are those of residual networks (model/residual.h). */
struct layer {
    enum layer_kind kind;
    const char *name;
    enum activation activation;
    int channels, height, width; /* of the input; a dense layer's is channels × 1 × 1 */
    int units, kernel;           /* filters or units; kernel of a convolution */
    int pixels;                  /* of the output, after pooling */
    int stride;                  /* of a 3×3 convolution */
    int groups, shortcut;        /* of a normalisation; the layer whose output is added, or -1 */
    int64_t weight, bias;        /* offsets of its tensors, where it has them; all of them follow `weight` */
};

/* What sentences ask for: all 0 in a model of pictures. */
struct text_shape {
    int vocabulary;
    int row_words;     /* words of the longest sentence */
    int most_words[2]; /* different words of a batch at most: in evaluation, in training */
    int64_t embedding; /* offset of the words' vectors [vocabulary][CGSV_WORD_VALUES] */
    double dropout;    /* on the first layer's output, in training */
};

struct model {
    int layers;
    struct layer layer[MAX_LAYERS];
    int tensors;
    cgsv_tensor tensor[MAX_TENSORS];
    char tensor_name[MAX_TENSORS][32];
    int64_t parameters; /* D */
    int64_t row_stride; /* ld */
    int64_t features;   /* of an input; 0 for sentences */
    int channels, height, width; /* of a picture */
    int classes;
    cgsv_precision precision; /* of its products' inputs */
    struct text_shape text;
};

/* Lays out `kind` for the data set's pictures, or fails with CGSV_ERROR_ARGUMENT when it
 * cannot take them. */
cgsv_status model_create(struct model *model, cgsv_model kind, int channels, int height, int width, int classes);

/* Adds a layer behind the last one, whose output it takes, with its tensors. */
void model_add_layer(struct model *model, struct layer layer);

/* The same for text_cnn, V = vocabulary. most_words: of a batch in evaluation and in training. */
cgsv_status model_create_text(struct model *model, int vocabulary, int row_words, const int most_words[2], int classes);

/* Either, for a data set; `batch` samples in training, CGSV_ERROR_ARGUMENT when pictures meet
 * sentences. */
cgsv_status model_create_for(struct model *model, cgsv_model kind, const cgsv_dataset *dataset, int evaluation_batch,
                             int batch);

/* Takes the data set's word vectors, where it has some, as start. */
void model_set_vectors(const struct model *model, float *w, const cgsv_dataset *dataset);

/* PyTorch's default initialisation: uniform in ±1/√fan_in, weights and biases alike;
 * words' vectors N(0, 1); 1 and 0 for a normalisation's. */
void model_initialise(const struct model *model, float *w, uint64_t seed);

/* Activations and gradients of `rows` models, each with a batch of B blocks of S samples;
 * all on the device. */
struct workspace {
    int blocks, slots;            /* B, S */
    int64_t filled;               /* slots of all rows that hold a sample; only a profile asks */
    float *input;                 /* [rows, or 1][B][features][S] */
    int32_t *label, *sample, *count;
    float *out[MAX_LAYERS];       /* [rows][B][units][pixels][S] */
    uint8_t *winner[MAX_LAYERS];  /* likewise, for pooling; NULL without training */
    float *delta[3];              /* gradients of two neighbouring layers' outputs, and of one that a shortcut
                                     starts from, if there are any; NULL without training */
    float *statistic[MAX_LAYERS]; /* [rows][B][groups][2][S], for normalisation */
    float *norm_sums;             /* [rows][B][units][2][S] scratch; NULL without training */
    struct conv_scratch conv;
    struct text_batch text;
    struct text_scratch {
        float *vector;   /* [rows][most_words][CGSV_WORD_VALUES] of the batch's words */
        float *part;     /* [rows][TEXT_KERNEL][most_words][filters] */
        int32_t *winner; /* [rows][B][S][filters]; NULL without training */
        float *position; /* [rows][B][S][longest][CGSV_WORD_VALUES]; NULL without training */
    } scratch;
    struct dropout_step dropout; /* `row` NULL: none */
};

/* Samples on the device, pictures or sentences. */
struct samples {
    const float *x;
    const int32_t *token, *length, *label;
};

/* Room for batches of up to `batch` samples. input_rows: `rows`, or 1 for one input shared by all. */
cgsv_status workspace_create(struct workspace *workspace, cgsv_device *device, const struct model *model, int rows,
                             int input_rows, int batch, bool training);

/* Bytes that this will take. */
size_t workspace_bytes(const cgsv_device *device, const struct model *model, int rows, int input_rows, int batch,
                       bool training);
void workspace_free(struct workspace *workspace, cgsv_device *device);

/* Brings the samples that ws->sample names into the workspace, `batches` rows of them. */
cgsv_status workspace_gather(const struct model *model, cgsv_device *device, struct workspace *workspace,
                             struct samples samples, int batches);

/* Logits of the first `rows` rows. Parameters: row r's begin at w + r · w_stride;
 * input_stride: floats from one row's input to the next, 0 for one input shared by all. */
cgsv_status model_forward(const struct model *model, cgsv_device *device, struct workspace *workspace,
                          const float *w, int64_t w_stride, int64_t input_stride, int rows);

/* Gradients of all parameters from delta[0], the gradient of the logits. Those of words that
 * are not in the batch, which are zero, are not written. */
cgsv_status model_backward(const struct model *model, cgsv_device *device, struct workspace *workspace,
                           float *gradient, const float *w, int64_t w_stride, int64_t input_stride, int rows);

#endif
