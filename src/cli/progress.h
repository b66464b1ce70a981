/* The line that tells how far a run is, on standard error. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

struct progress {
    bool quiet;
    bool in_place; /* a terminal: each line replaces the last */
    bool color;
    bool open; /* a line stands that is to be replaced */
    int rounds, first; /* of the run; done before the start */
    double start; /* seconds, monotonic */
};

void progress_begin(struct progress *progress, int rounds, int first, bool quiet);

/* Accuracies are NaN where the round was not evaluated. */
void progress_round(struct progress *progress, int round, double mean_accuracy, double server_accuracy);

/* Ends the standing line, so that something else may be printed. */
void progress_end(struct progress *progress);

#endif
