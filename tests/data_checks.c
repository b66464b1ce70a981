#include "data_checks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "temporary.h"

void expect_error(cgsv_status status, cgsv_status expected, const char *part)
{
    cr_expect_eq(status, expected, "status %d, expected %d: %s", (int)status, (int)expected, cgsv_last_error());
    cr_expect_not_null(strstr(cgsv_last_error(), part), "'%s' does not name '%s'", cgsv_last_error(), part);
    cr_expect_null(strchr(cgsv_last_error(), '\n'), "more than one line: %s", cgsv_last_error());
}

void expect_load_error(const char *set, cgsv_status expected, const char *part)
{
    cgsv_dataset *dataset = (cgsv_dataset *)temporary_folder();
    expect_error(cgsv_dataset_load(&dataset, set, temporary_folder()), expected, part);
    cr_expect_null(dataset);
}

void expect_standardised(const cgsv_split *split, int64_t values)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < split->samples * values; i++) {
        sum += (double)split->x[i];
        squares += (double)split->x[i] * (double)split->x[i];
    }
    const double n = (double)(split->samples * values);
    cr_expect(fabs(sum / n) < 1e-5, "mean %g", sum / n);
    cr_expect(fabs(squares / n - 1) < 1e-4, "mean square %g", squares / n);
}

const char *shared_data(void)
{
    static char path[512];
    const char *const places[] = {getenv("CGSV_SHARED"), "../shared", "../../shared"};
    for (int k = 0; k < 3; k++) {
        if (!places[k]) continue;
        snprintf(path, sizeof path, "%s/data", places[k]);
        if (access(path, R_OK) == 0) return path;
    }
    return NULL;
}
