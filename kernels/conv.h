/* Sizes that follow from a convolution's shape. */
#ifndef KERNELS_CONV_H
#define KERNELS_CONV_H

#include "kernels/portable.h"

#define POOLED_HEIGHT(s) (((s).height - (s).kernel + 1) / 2)
#define POOLED_WIDTH(s) (((s).width - (s).kernel + 1) / 2)
#define WINDOWS(s) ((int64_t)POOLED_HEIGHT(s) * POOLED_WIDTH(s))

HOST_AND_DEVICE int64_t tiles_of(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

#endif
