/* A small set of pictures, 1×4×4 in 3 classes, that is learnt in no time; trained and tested on the same. */
#ifndef TESTS_FEW_PICTURES_H
#define TESTS_FEW_PICTURES_H

#include "cgsv/dataset.h"

enum { FEW_SIDE = 4, FEW_MOST = 64 /* samples */ };

cgsv_status few_pictures(cgsv_dataset **data, int samples);

#endif
