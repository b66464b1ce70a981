/* Sizes that follow from the shape of a 3×3 convolution. */
#ifndef KERNELS_CONV3_H
#define KERNELS_CONV3_H

#include "kernels/portable.h"

#define OUT_HEIGHT(s) (((s).height - 1) / (s).stride + 1)
#define OUT_WIDTH(s) (((s).width - 1) / (s).stride + 1)

enum {
    SIDE = 3,         /* of the kernel */
    TAPS = SIDE * SIDE,
    TILE_PIXELS = 4,  /* neighbours in a row that a warp computes together, */
    TILE_FILTERS = LANES >= 16 ? 4 : 2, /* for as many filters: what registers hold */
    BAND_TILES = 8    /* tiles of pixels of a block; their input stays in cache for all filters */
};

/* Blocks along x of a kernel whose blocks take a tile of `filters` and a band of an image, the
 * filters of a band one after the other. */
HOST_AND_DEVICE int64_t bands_of(int64_t height, int64_t width)
{
    const int64_t tiles = height * ((width + TILE_PIXELS - 1) / TILE_PIXELS);
    return (tiles + BAND_TILES - 1) / BAND_TILES;
}

#endif
