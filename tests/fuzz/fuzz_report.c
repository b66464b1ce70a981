/* The page of a run of which the input replaces one file; see data_set.h. */
#include <stdlib.h>
#include <string.h>

#include "data_set.h"
#include "fuzz.h"
#include "io/report.h"

static const char config[] =
    "{\"cgsv_version\": \"0\", \"command_line\": [\"cgsv\", \"run\"], \"config\": {\"agents\": 2, \"beta\": 1}}";
static const char rounds[] = "round,agent,importance,test_accuracy,standalone_accuracy\n"
                             "1,0,0.4,,\n1,1,0.6,,\n2,0,0.3,0.5,0.2\n2,1,0.7,0.6,0.4\n";
static const char server[] = "round,loss,accuracy\n2,1.5,0.7\n";
static const char summary[] = "{\"rho_accuracy\": 0.9, \"agents\": [{\"agent\": 0, \"kind\": \"a\"}, {\"agent\": 1}]}";

#define FILE_OF(name, text) {name, (const uint8_t *)(text), sizeof(text) - 1}
static const struct data_set_file good[] = {
    FILE_OF("config.json", config), FILE_OF("rounds.csv", rounds), FILE_OF("server.csv", server),
    FILE_OF("summary.json", summary)};

/* Every tag is one of ours: a letter or / or ! behind each <, and no control characters. */
static void check_page(const struct report *report)
{
    for (size_t i = 0; i < report->length; i++) {
        const unsigned char c = (unsigned char)report->html[i];
        FUZZ_CHECK(c >= 0x20 || c == '\n' || c == '\t');
    }
    FUZZ_CHECK(!strstr(report->html, "<script") && !strstr(report->html, "<img") && !strstr(report->html, "=\"nan") &&
               !strstr(report->html, "inf\""));
    FUZZ_CHECK(strcmp(report->html + report->length - 8, "</html>\n") == 0);
    FUZZ_CHECK(report->length < (64 << 20));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report_input input;
    struct report report;
    const char *folder = data_set_folder(good, 4, data, size);
    if (!folder) return 0;
    cgsv_status status = report_input_read(&input, &folder, 1);
    if (status == CGSV_OK) {
        status = report_make(&report, &input);
        FUZZ_CHECK(status == CGSV_OK);
        check_page(&report);
        report_free(&report);
    }
    fuzz_count(status);
    report_input_free(&input);
    return 0;
}
