/* Products on the CPU whose inputs are rounded. */
#ifndef DEVICE_ROUNDED_PRODUCT_H
#define DEVICE_ROUNDED_PRODUCT_H

#include "device/device.h"

/* c[m][n] = op(a) · op(b) (+ c), one matrix of a product, with the product's lengths of rows. */
void rounded_product(const struct product *product, float *c, const float *a, const float *b, int m, int n);

#endif
