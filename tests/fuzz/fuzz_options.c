/* The command line of `cgsv run`: one argument per line of the input. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_options.h"
#include "fuzz.h"

enum { ARGUMENTS = 64 };

/* Whatever was taken can be shown, as help and as --dry-run do. */
static void show(struct run_options *options)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    FUZZ_CHECK(stream);
    if (options->help)
        run_options_print_help(stream, options);
    else
        run_options_print_values(stream, options);
    FUZZ_CHECK(fclose(stream) == 0 && length > 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *argv[ARGUMENTS + 1] = {NULL};
    FUZZ_CHECK(text);
    for (size_t i = 0; i < size; i++) /* control characters that a user types come back to that user alone */
        text[i] = data[i] == '\n' ? '\0' : (char)(data[i] < 0x20 || data[i] == 0x7f ? '?' : data[i]);
    text[size] = '\0';
    int argc = 0;
    for (size_t at = 0; at < size && argc < ARGUMENTS; at += strlen(text + at) + 1) argv[argc++] = text + at;

    struct run_options options;
    const cgsv_status status = run_options_parse(&options, argc, argv);
    fuzz_count(status);
    if (status == CGSV_OK) {
        const cgsv_config *c = &options.config;
        FUZZ_CHECK(c->agents >= 1 && c->rounds >= 1 && c->batch >= 1 && isfinite(c->lr) && c->lr > 0);
        FUZZ_CHECK(c->beta > 0 && c->alpha >= 0 && c->alpha < 1 && run_data_set(&options));
        show(&options);
    }
    free(text);
    return 0;
}
