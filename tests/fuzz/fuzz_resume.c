/* The options that a run goes on with, from config.json, which is the input behind its first byte: that one says what
 * is on the command line beside --resume. Whatever the file says, the folder stays the one that was named. */
#include <math.h>
#include <string.h>

#include "cli/resume.h"
#include "cli/run_options.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const more[] = {"--quiet", "--threads=2", "--beta=2", "--data=elsewhere", "--rounds=5"};
    char resume_text[FUZZ_PATH], other[32];
    if (size == 0) return 0;
    fuzz_put("config.json", data + 1, size - 1);
    snprintf(resume_text, sizeof resume_text, "--resume=%s", fuzz_folder());
    snprintf(other, sizeof other, "%s", more[(data[0] >> 1) % (sizeof more / sizeof *more)]);
    char *argv[] = {resume_text, other, NULL};
    const int argc = 1 + data[0] % 2;

    struct run_options options;
    struct resume resume;
    FUZZ_CHECK(run_options_parse(&options, argc, argv) == CGSV_OK);
    const cgsv_status status = resume_options(&resume, &options, argc, argv);
    fuzz_count(status);
    if (status == CGSV_OK) {
        const cgsv_config *c = &options.config;
        FUZZ_CHECK(strcmp(options.out, fuzz_folder()) == 0 && strcmp(options.resume, fuzz_folder()) == 0);
        FUZZ_CHECK(c->agents >= 1 && c->rounds >= 1 && c->batch >= 1 && isfinite(c->lr) && c->lr > 0);
    }
    resume_free(&resume);
    return 0;
}
