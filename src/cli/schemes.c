/* cgsv schemes: the named reward schemes. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/scheme_options.h"

static void print_help(void)
{
    puts("usage: cgsv schemes\n\n"
         "Lists the reward schemes that cgsv run --scheme knows, and where they come from.\n"
         "For the setting of a scheme's stages: cgsv run --scheme NAME --help\n\n"
         "Exit codes: 0 done, 2 wrong usage");
}

int command_schemes(int argc, char **argv)
{
    bool help;
    cgsv_status status = options_parse(NULL, 0, argc, argv, &help);
    if (status != CGSV_OK) return report_status(status);
    if (help)
        print_help();
    else
        scheme_print_list(stdout);
    return EXIT_DONE;
}
