/* How a matrix of updates is stored. */
#ifndef CGSV_STORAGE_H
#define CGSV_STORAGE_H

#include "cgsv/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cgsv_storage {
    CGSV_STORAGE_FLOAT32,
    CGSV_STORAGE_BF16 /* bfloat16: a uint16_t with the upper half of a float's bits; range of a float, 8 bits of
                         precision */
} cgsv_storage;

/* "float32", "bf16". */
CGSV_API const char *cgsv_storage_name(cgsv_storage storage);
CGSV_API cgsv_status cgsv_storage_parse(cgsv_storage *storage, const char *name);

#ifdef __cplusplus
}
#endif

#endif
