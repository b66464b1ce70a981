/* The page that compares the runs of a sweep's folder, of which the input replaces one file; see data_set.h. */
#include "fuzz.h"
#include "report_pages.h"

#define CONFIG(beta) "{\"command_line\": [\"cgsv\", \"run\"], \"config\": {\"agents\": 2, \"beta\": " beta "}}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char rounds[] = "round,agent,importance,test_accuracy\n1,0,0.4,0.5\n1,1,0.6,0.25\n";
    static const char summary[] = "{\"rho_accuracy\": 0.9, \"server\": {\"accuracy\": 0.5}, \"accuracy_mean\": 0.375}";
    static const char table[] = "cell,beta,status,rho_accuracy,error\n0,0.5,done,0.9,\n1,2,failed,,\"no memory\"\n";
    static const struct data_set_file good[] = {
        FILE_OF("sweep.csv", table), FILE_OF("cells/000/config.json", CONFIG("0.5")),
        FILE_OF("cells/000/rounds.csv", rounds), FILE_OF("cells/000/summary.json", summary),
        FILE_OF("cells/001/config.json", CONFIG("2")), FILE_OF("cells/001/rounds.csv", rounds),
        FILE_OF("cells/001/summary.json", summary), FILE_OF("config.json", CONFIG("[0.5, 2]"))};
    report_pages_check(good, sizeof good / sizeof *good, data, size);
    return 0;
}
