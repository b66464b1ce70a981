/* Numbers for people. */
#include "cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *format_count(char text[FORMAT_SIZE], int64_t count)
{
    char digits[FORMAT_SIZE];
    snprintf(digits, sizeof digits, "%" PRId64, count);
    size_t length = strlen(digits), used = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

char *format_bytes(char text[FORMAT_SIZE], size_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    snprintf(text, FORMAT_SIZE, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

char *format_time(char text[FORMAT_SIZE], double seconds)
{
    int64_t whole = (int64_t)(seconds + 0.5), hours = whole / 3600, minutes = whole / 60 % 60;
    if (hours > 0)
        snprintf(text, FORMAT_SIZE, "%" PRId64 ":%02" PRId64 ":%02" PRId64, hours, minutes, whole % 60);
    else
        snprintf(text, FORMAT_SIZE, "%02" PRId64 ":%02" PRId64, minutes, whole % 60);
    return text;
}

char *format_checks(char text[FORMAT_CHECKS_SIZE], const cgsv_checks *checks)
{
    char made[FORMAT_SIZE], failed[FORMAT_SIZE];
    snprintf(text, FORMAT_CHECKS_SIZE, "%s made, %s failed", format_count(made, checks->made),
             checks->failed > 0 ? format_count(failed, checks->failed) : "none");
    return text;
}
