#include "cli/paper_statistics.h"

#include <math.h>
#include <stdio.h>

struct statistic statistic_of(const double *value, const bool *failed, int count)
{
    struct statistic s = {.mean = NAN, .deviation = NAN};
    double sum = 0, squares = 0;
    for (int k = 0; k < count; k++) {
        const bool defined = !failed[k] && !isnan(value[k]);
        s.failed += failed[k];
        s.defined += defined;
        s.undefined += !failed[k] && !defined;
        if (defined) sum += value[k];
    }
    if (s.defined > 0) s.mean = sum / s.defined;
    for (int k = 0; k < count; k++)
        if (!failed[k] && !isnan(value[k])) squares += (value[k] - s.mean) * (value[k] - s.mean);
    if (s.defined > 1) s.deviation = sqrt(squares / (s.defined - 1));
    return s;
}

struct margin statistic_margin(const struct statistic *a, const struct statistic *b)
{
    return (struct margin){a->mean - b->mean, hypot(a->deviation, b->deviation)};
}

/* With that many decimals, or if they are below 0 significant digits. */
static void number_text(char *text, size_t size, const char *before, double value, int decimals)
{
    if (decimals < 0)
        snprintf(text, size, "%s%.*g", before, -decimals, value);
    else
        snprintf(text, size, "%s%.*f", before, decimals, value);
}

void statistic_text(char text[STATISTIC_TEXT], const struct statistic *s, double scale, int decimals)
{
    const int all = s->defined + s->undefined + s->failed;
    char mean[STATISTIC_TEXT / 3], deviation[STATISTIC_TEXT / 3] = "", share[2 * STATISTIC_TEXT] = "";
    if (s->defined == 0) {
        snprintf(text, STATISTIC_TEXT, s->failed > 0 && s->undefined == 0 ? "failed" : "-");
        return;
    }
    number_text(mean, sizeof mean, "", scale * s->mean, decimals);
    if (!isnan(s->deviation))
        number_text(deviation, sizeof deviation, " ± ", scale * s->deviation, decimals < 0 ? -2 : decimals);
    if (s->defined < all) snprintf(share, sizeof share, " (%d of %d)", s->defined, all);
    snprintf(text, STATISTIC_TEXT, "%s%s%.16s", mean, deviation, share);
}
