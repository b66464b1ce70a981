/* cgsv: fair collaborative learning on the command line. This file finds the
 * command; each command has its own file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cgsv/cgsv.h"
#include "cli/commands.h"
#include "core/names.h"

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "train agents that are rewarded by what they contribute", command_run},
    {"sweep", "train federations for all combinations of settings, many at once", command_sweep},
    {"value", "value agents by their updates, from files", command_value},
    {"study", "measure how far cheap estimates of contributions are from exact ones", command_study},
    {"paper", "repeat the experiments of the CGSV paper, and write their tables", command_paper},
    {"report", "write a page with the plots and tables of runs", command_report},
    {"bench", "time the server step, the valuation and the selection on this machine", command_bench},
    {"schemes", "list the reward schemes that runs can follow", command_schemes},
    {"devices", "list the devices that can be used, and why others cannot", command_devices},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

int report_status(cgsv_status status)
{
    if (status == CGSV_OK) return EXIT_DONE;
    fprintf(stderr, "cgsv: %s\n", cgsv_last_error());
    if (status == CGSV_ERROR_INTERRUPTED) return EXIT_STOPPED;
    return status == CGSV_ERROR_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

static void print_help(FILE *stream)
{
    fprintf(stream, "cgsv %s: fair collaborative learning with the cosine gradient Shapley value\n\n", cgsv_version());
    fprintf(stream, "usage: cgsv COMMAND [options]\n\ncommands:\n");
    for (int i = 0; i < COMMANDS; i++) fprintf(stream, "  %-9s %s\n", commands[i].name, commands[i].help);
    fprintf(stream, "  %-9s %s\n\n", "help", "this help, or with a command's name that command's");
    fprintf(stream, "  --version  the version\n");
    fprintf(stream, "\nexit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by a signal\n");
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS + 1] = {"help"};
    for (int i = 0; i < COMMANDS; i++) names[i + 1] = commands[i].name;
    const char *nearest = name_nearest(name, names, COMMANDS + 1);
    if (nearest)
        fprintf(stderr, "cgsv: unknown command '%s'; did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "cgsv: unknown command '%s'; see cgsv help\n", name);
    return EXIT_USAGE;
}

static int run_command(const char *name, int argc, char **argv)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc, argv);
    return unknown_command(name);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("cgsv %s\n", cgsv_version());
        return EXIT_DONE;
    }
    bool help = strcmp(name, "help") == 0;
    if (help && argc > 2) return run_command(argv[2], 1, (char *[]){"--help", NULL});
    if (help || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    return run_command(name, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    int code = dispatch(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE) {
        fprintf(stderr, "cgsv: cannot write the result to standard output: %s\n", strerror(errno));
        code = EXIT_FAILED;
    }
    return code;
}
