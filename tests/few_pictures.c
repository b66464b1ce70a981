#include "few_pictures.h"

#include <assert.h>

enum { PIXELS = FEW_SIDE * FEW_SIDE, CLASSES = 3 };

cgsv_status few_pictures(cgsv_dataset **data, int samples)
{
    float x[FEW_MOST * PIXELS];
    int32_t y[FEW_MOST];
    assert(samples <= FEW_MOST);
    for (int i = 0; i < samples; i++) {
        y[i] = i * 7 / 3 % CLASSES;
        for (int j = 0; j < PIXELS; j++)
            x[i * PIXELS + j] = (float)((i * 31 + j * 17) % 29) / 29 + (float)(j % CLASSES == y[i]);
    }
    return cgsv_dataset_create(data, "pictures", 1, FEW_SIDE, FEW_SIDE, CLASSES, samples, x, y, samples, x, y);
}
