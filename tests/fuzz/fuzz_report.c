/* The page of a run of which the input replaces one file; see data_set.h. */
#include "fuzz.h"
#include "report_pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] =
        "{\"cgsv_version\": \"0\", \"command_line\": [\"cgsv\", \"run\"], \"config\": {\"agents\": 2, \"beta\": 1}}";
    static const char rounds[] = "round,agent,importance,test_accuracy,standalone_accuracy\n"
                                 "1,0,0.4,,\n1,1,0.6,,\n2,0,0.3,0.5,0.2\n2,1,0.7,0.6,0.4\n";
    static const char server[] = "round,loss,accuracy\n2,1.5,0.7\n";
    static const char summary[] =
        "{\"rho_accuracy\": 0.9, \"agents\": [{\"agent\": 0, \"kind\": \"a\"}, {\"agent\": 1}]}";
    static const struct data_set_file good[] = {FILE_OF("config.json", config), FILE_OF("rounds.csv", rounds),
                                                FILE_OF("server.csv", server), FILE_OF("summary.json", summary)};
    report_pages_check(good, sizeof good / sizeof *good, data, size);
    return 0;
}
