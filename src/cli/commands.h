/* The commands of cgsv, each in a file of its own. argv begins behind the
 * command's name; the result is the exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdio.h>

#include "cgsv/status.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

int command_run(int argc, char **argv);
int command_value(int argc, char **argv);
int command_sweep(int argc, char **argv);
int command_study(int argc, char **argv);
int command_paper(int argc, char **argv);
int command_report(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_schemes(int argc, char **argv);
int command_devices(int argc, char **argv);

/* What command_study does, for other commands: its table goes to `table` (NULL: none), an error is not printed. */
cgsv_status study_run(int argc, char **argv, FILE *table);

/* Prints the last error in one line and gives its exit code; EXIT_DONE when there
 * was none. */
int report_status(cgsv_status status);

#endif
