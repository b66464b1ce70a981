/* The tables that `cgsv paper` reads back. The first byte of the input chooses the file that the rest becomes,
 * see data_set.h, and its highest bit for what experiment sweep.csv is. */
#include <stdlib.h>
#include <string.h>

#include "cli/paper_cells.h"
#include "cli/paper_study.h"
#include "cli/paper_table.h"
#include "fuzz.h"
#include "report_pages.h"

/* A text that goes to a terminal, or into a page of Markdown, in which < and ` would be markup. */
static void check_text(FILE *stream, char **text, const size_t *size, const char *without)
{
    FUZZ_CHECK(fclose(stream) == 0 && strlen(*text) == *size && strcspn(*text, without) == *size);
    for (const char *at = *text; *at; at++) FUZZ_CHECK((unsigned char)*at >= 0x20 || *at == '\n');
    free(*text);
}

static void show_table(const struct paper_table *table)
{
    for (int markdown = 0; markdown < 2; markdown++) {
        char *text;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        FUZZ_CHECK(stream);
        (markdown ? paper_table_markdown : paper_table_print)(stream, table);
        check_text(stream, &text, &size, "<`[");
    }
}

static cgsv_status read_sweep(const char *folder, enum paper_part part)
{
    const struct paper_sweep sweep = {.part = part, .data_set = "mnist", .agents = 5, .config = {.rounds = 2}};
    struct paper_cells cells = {0};
    const cgsv_status status = paper_cells_read(&cells, &sweep, folder);
    for (int k = 0; k < PAPER_KINDS && status == CGSV_OK && cells.count <= 64; k++) {
        struct paper_table table;
        FUZZ_CHECK(paper_table_make(&table, &paper_kinds[k], &cells) == CGSV_OK);
        show_table(&table);
        paper_table_free(&table);
    }
    paper_cells_free(&cells);
    return status;
}

static cgsv_status read_study(const char *folder, bool markdown)
{
    struct paper_study study;
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    FUZZ_CHECK(stream);
    snprintf(study.folder, sizeof study.folder, "%s", folder);
    const cgsv_status status = paper_study_print(stream, &study, markdown);
    check_text(stream, &text, &size, "<`[");
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char sweep[] = "partition,scheme,beta,status,rho_accuracy,rho_local,accuracy_mean,accuracy_max,"
                                "accuracy_min,loss_spread,seconds_server,seconds_training\n"
                                "uniform,cgsv,1,done,0.5,,0.5,0.5,0.5,0.25,1,2\n";
    static const char study[] = "N,D,method,l1_mean,l1_deviation,l2_mean,l2_deviation,pearson_mean,pearson_deviation,"
                                "seconds\n5,1000,cosine,0.01,0.001,0.01,0.001,0.9,0.01,0.1\n";
    static const struct data_set_file good[] = {FILE_OF("sweep.csv", sweep), FILE_OF("study.csv", study)};
    const char *folder = data_set_folder(good, 2, data, size);
    if (!folder) return 0;
    const bool other = data[0] & 0x80;
    fuzz_count(data[0] % 2 == 0 ? read_sweep(folder, other ? PAPER_BETA : PAPER_FAIRNESS) : read_study(folder, other));
    return 0;
}
