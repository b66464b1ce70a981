/* What the kernels of the server step take; letters as in kernels.h. */
#ifndef KERNELS_SERVER_ARGS_H
#define KERNELS_SERVER_ARGS_H

#include <stdint.h>

#include "cgsv/federation.h"
#include "cgsv/storage.h"

/* Which entries of a parameter vector a block of a server kernel works on. */
struct chunk {
    int64_t begin, end;
    int32_t tensor;
};
enum { CHUNK_COLUMNS = 4096 };

/* Sums per agent and piece of CHUNK_COLUMNS columns: ‖Δw‖²; and of what float32 leaves of
 * the update once it is added to the model, m = fl(w + Δw) − w: <m, Δw> and ‖m‖². */
enum { NORM_SQUARE, NORM_MOVED_DOT, NORM_MOVED_SQUARE, NORM_SUMS };

/* Sums per chunk and model that server_download leaves: ‖v_i‖² and ‖w_i − w_server‖²; in
 * the server's row ‖g‖² and ‖w_server‖². */
enum { DOWNLOAD_KEPT, DOWNLOAD_DISTANCE, DOWNLOAD_SUMS };
/* And of all chunks: these, and the distance within the last layer. */
enum { DOWNLOAD_LAST_DISTANCE = DOWNLOAD_SUMS, DOWNLOAD_TOTALS };

/* Settings of one federation's mechanism. */
struct mechanism {
    double gamma, alpha, beta;
    struct cgsv_scheme scheme;
    uint64_t seed;       /* of what is random in it */
    double lr, lr_decay; /* before any decay, and the factor of a round: for 1 / lr as a Lipschitz constant */
    int rounds;          /* T; 0: unknown */
    int alone;           /* local training leaves its result in the models: nothing is left to be added */
};

/* Bits of |g| that one pass of the selection looks at. */
enum { SELECT_PASSES = 3, SELECT_BINS = 2048 };

/* So few agents have the entries near their thresholds listed first. */
enum { LISTED_AGENTS = 32, BOUNDS_MOST = 2 * LISTED_AGENTS };

/* So many cells of their windows (kernels/select_cells.h) are counted as a group of ranks is. */
enum { GROUP_CELLS = 16 };

/* Its last pass notes the runs of MET_COLUMNS columns of a span in which it met entries that
 * may equal a threshold; those that do are counted by parts of TIE_COLUMNS columns. */
enum { MET_COLUMNS = 32, TIE_COLUMNS = 2048, TIE_RUNS = TIE_COLUMNS / MET_COLUMNS };

/* Where the selection of one rank (entries that one agent keeps of one segment) stands. */
struct rank_state {
    uint32_t prefix;   /* leading bits of the threshold's key found so far */
    uint32_t threshold;/* key: entries above it are kept */
    int32_t group;     /* ranks with the same prefix share a histogram; -1 when done */
    int32_t window;    /* that the threshold is expected in */
    int64_t wanted;    /* entries to keep among those that are read and share the prefix */
    int64_t tie_end;   /* entries equal to the threshold are kept when their column is below this */
    int64_t kept;      /* entries kept of the segment */
};

/* Everything the server step reads and writes; all pointers on the device. P = chunks,
 * Q = ⌈D / CHUNK_COLUMNS⌉ pieces, S = spans, G = segments that entries are selected
 * within: the tensors, or the whole vector. */
struct server_step {
    int federations, agents, rounds;
    int64_t dimension;
    int tensors, chunks, pieces, spans, segments;
    int span_parts;                    /* K, parts of TIE_COLUMNS columns in the longest span */
    enum cgsv_reward reward;
    int norms_given;                   /* norm_partial is the optimizer's, where raw updates are uploaded */
    const struct chunk *chunk;         /* [P] */
    const struct chunk *span;          /* [S] pieces of segments; `tensor` is the segment */
    const int32_t *segment_span;       /* [G + 1] first span of a segment */
    const int64_t *segment_begin;      /* [G + 1] */
    const struct mechanism *mechanism; /* [F] */
    const double *data_share;          /* [F][N] n_i / Σ n_j */
    const void *update;                /* U: agent i of federation f in row f N + i; float or uint16_t, by storage */
    int64_t update_stride;             /* entries from one row of U to the next */
    enum cgsv_storage storage;
    float *model;                      /* w_i of federation f at model + f model_block + i model_stride; NULL: none */
    int64_t model_stride, model_block;
    float *server_model;               /* w_server of federation f at server_model + f model_block; NULL: none */
    float *aggregate;                  /* [F][ld] g */
    int64_t ld;
    int *round;                        /* rounds done */
    double *importance;                /* [F][N] r */
    double *norm;                      /* [F][N] ‖Δw_i‖ */
    double *coefficient;               /* [F][N] of each raw update in g; NaN for a faulty one */
    double *contribution;              /* [F][N] ψ, or what the scheme takes for it */
    int32_t *removed;                  /* [F][N] agents that the scheme has excluded */
    double *own_share;                 /* [F][N] κ: part of its upload that an agent gives away */
    const double *score;               /* [F][N] contributions measured on samples kept aside; or NULL */
    const double *local_loss;          /* [F][N] agents' losses before training; or NULL */
    const double *exact;               /* [F][N] Shapley values; or NULL */
    const void *raw;                   /* raw updates, where `update` holds what is uploaded of them; else `update` */
    int64_t raw_stride;
    enum cgsv_storage raw_storage;
    const float *key;                  /* [F][ld] entries are selected by its magnitudes: the aggregate, or random */
    double *keep_ratio;                /* [F][N] q */
    int32_t *order;                    /* [F][N] agents by q, most first; ties by number */
    struct rank_state *rank;           /* [F][G][N] in that order */
    int32_t *groups;                   /* [F][G] groups of ranks in the next pass */
    uint32_t *group_prefix;            /* [F][G][N] descending */
    float *list;                       /* [F][ld] a sample from a segment's first column on, then from a span's what is
                                          in windows; NULL: none */
    int sampled;                       /* the aggregate's pass takes the sample */
    int *listed;                       /* [F][S] how many they are */
    int32_t *windows;                  /* [F][G]; 0: nothing is listed of the segment */
    int32_t *cells;                    /* [F][G] of all windows; 0: the passes do without */
    int *bound;                        /* [F][G][BOUNDS_MOST] leading 16 bits of magnitudes */
    int *above;                        /* [F][G][BOUNDS_MOST] entries from each bound on */
    int *histogram;                    /* [F][G][N][SELECT_BINS], zero between passes */
    uint8_t *met;                      /* [F][S][K][TIE_RUNS] */
    int *ties;                         /* [F][N][S] entries equal to the threshold of a rank that seeks its end */
    double *norm_partial;              /* [F N][Q][NORM_SUMS] */
    double *dot_partial;               /* [F][P][N + 1] */
    double *download_partial;          /* [F][P][N + 1][DOWNLOAD_SUMS] */
    double *dot;                       /* [F][N + 1] <Δw_i, g>; ‖g‖² */
    double *download;                  /* [F][N + 1][DOWNLOAD_TOTALS] */
    const double *train_loss;          /* [F][N] or NULL: copied to the record */
    struct cgsv_round_record *record;  /* [rounds][F][N]; past the last round it begins anew */
    struct server_stages *stages;      /* the host's, of stages that only some schemes have; NULL: none */
};

#endif
