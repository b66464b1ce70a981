/* Other programs that a command may use where they are installed. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

enum { PROGRAM_NOT_FOUND = 127 }; /* as a shell's exit code */

/* Runs argv[0] of the PATH in `folder`, NULL for the present one, and waits for its end. Its exit code;
 * PROGRAM_NOT_FOUND when there is no such program, −1 when it could not be started or was killed. */
int program_run(const char *folder, const char *const *argv);

#endif
