/* What the kernels of the server step share. */
#ifndef KERNELS_SERVER_H
#define KERNELS_SERVER_H

#include "kernels/portable.h"

/* Partial sums per agent and chunk that server_norms leaves. */
enum { NORM_SQUARE, NORM_FAULTY, NORM_MOVED_DOT, NORM_MOVED_SQUARE, NORM_SUMS };

/* Partial sums per chunk and model that server_download leaves: ‖v_i‖² and
 * ‖w_i − w_server‖²; in the server's row ‖g‖² and ‖w_server‖². */
enum { DOWNLOAD_KEPT, DOWNLOAD_DISTANCE, DOWNLOAD_SUMS };

/* The 31 bits of |g|, which order as |g| does. */
DEVICE uint32_t key_of(float g) { return bits_of(g) & 0x7fffffffu; }

/* Above every finite key. */
#define KEY_INFINITE 0x7f800000u

/* The segment of the selection that a parameter tensor belongs to. */
DEVICE int64_t segment_of(struct server_step s, int32_t tensor) { return s.reward == CGSV_REWARD_LAYER ? tensor : 0; }

#endif
