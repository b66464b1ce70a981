#include "golden.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cgsv/status.h"

struct safetensors *golden_open(const char *name)
{
    const char *shared = getenv("CGSV_SHARED");
    char path[1024];
    struct safetensors *file;
    snprintf(path, sizeof path, "%s/golden/%s", shared ? shared : "../shared", name);
    if (access(path, R_OK)) cr_skip_test("%s is not there", path);
    cr_assert_eq(safetensors_open(&file, path), CGSV_OK, "%s", cgsv_last_error());
    return file;
}

const struct safetensors_tensor *golden_get(const struct safetensors *file, const char *format, ...)
{
    char name[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    cr_assert_not_null(tensor, "no tensor %s", name);
    return tensor;
}

double golden_at(const struct safetensors_tensor *t, int64_t i)
{
    if (t->type == SAFETENSORS_F32) return ((const float *)t->data)[i];
    if (t->type == SAFETENSORS_F64) return ((const double *)t->data)[i];
    return (double)((const int64_t *)t->data)[i];
}
