/* Numbers of four formats to float and double, one plain loop each. */
#include "io/elements.h"

#include "io/half.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read from files as they lie there");

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [ELEMENT_BFLOAT16] = {"bfloat16", 2},
    [ELEMENT_FLOAT16] = {"float16", 2},
    [ELEMENT_FLOAT32] = {"float32", sizeof(float)},
    [ELEMENT_FLOAT64] = {"float64", sizeof(double)},
};

size_t element_size(enum element type) { return types[type].size; }
const char *element_name(enum element type) { return types[type].name; }

#define SAME(x) (x)
#define CONVERT(target, source, function)                                        \
    do {                                                                         \
        const source *values = from;                                             \
        for (int64_t i = 0; i < count; i++) to[i] = (target)function(values[i]); \
    } while (0)

#define DEFINE_CONVERSION(name, target)                                                         \
    void name(target *restrict to, const void *restrict from, enum element type, int64_t count) \
    {                                                                                           \
        switch (type) {                                                                         \
        case ELEMENT_BFLOAT16: CONVERT(target, uint16_t, float_from_bfloat16); break;           \
        case ELEMENT_FLOAT16: CONVERT(target, uint16_t, float_from_half); break;                \
        case ELEMENT_FLOAT32: CONVERT(target, float, SAME); break;                              \
        case ELEMENT_FLOAT64: CONVERT(target, double, SAME); break;                             \
        }                                                                                       \
    }

DEFINE_CONVERSION(elements_to_float, float)
DEFINE_CONVERSION(elements_to_double, double)
