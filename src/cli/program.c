#include "cli/program.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int program_run(const char *folder, const char *const *argv)
{
    int status;
    fflush(NULL); /* the child must not print what is pending here */
    const pid_t child = fork();
    if (child == 0) {
        if (!folder || chdir(folder) == 0) execvp(argv[0], (char *const *)argv); /* which changes none of them */
        _exit(errno == ENOENT ? PROGRAM_NOT_FOUND : PROGRAM_NOT_FOUND - 1);
    }
    if (child < 0) return -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
