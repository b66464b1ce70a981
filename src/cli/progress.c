/* The line that tells how far a run is. On a terminal it is replaced in place;
 * elsewhere (a pipe, a log file, TERM=dumb) it is one plain line each time.
 * NO_COLOR (no-color.org) turns colour off. */
#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/format.h"
#include "core/clock.h"

void progress_begin(struct progress *progress, int rounds, int first, bool quiet)
{
    const char *terminal = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool in_place = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    *progress = (struct progress){
        .quiet = quiet,
        .in_place = in_place,
        .color = in_place && !(no_color && *no_color),
        .rounds = rounds,
        .first = first,
        .start = clock_seconds(),
    };
}

void progress_round(struct progress *progress, int round, double mean_accuracy, double server_accuracy)
{
    if (progress->quiet) return;
    char left[FORMAT_SIZE], digits[FORMAT_SIZE];
    int width = snprintf(digits, sizeof digits, "%d", progress->rounds);
    const double elapsed = clock_seconds() - progress->start, per_round = elapsed / (round - progress->first);
    fprintf(stderr, "%sround %s%*d/%d%s", progress->in_place ? "\r\033[K" : "", progress->color ? "\033[1m" : "", width,
            round, progress->rounds, progress->color ? "\033[0m" : "");
    if (!isnan(mean_accuracy))
        fprintf(stderr, "  mean accuracy %.4f  server %.4f", mean_accuracy, server_accuracy);
    if (round < progress->rounds)
        fprintf(stderr, "  %s left", format_time(left, per_round * (progress->rounds - round)));
    else
        fprintf(stderr, "  took %s", format_time(left, elapsed));
    if (!progress->in_place) fputc('\n', stderr);
    progress->open = progress->in_place;
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->open) fputc('\n', stderr);
    progress->open = false;
}
