/* The plot of a study. study.gp is self-contained, so that anybody can change it and draw again. */
#include "cli/study_plot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/program.h"
#include "core/error.h"
#include "io/output_folder.h"
#include "study_script.h" /* study_script[]: the text of src/cli/study.gp, made by CMake */

static cgsv_status write_script(const struct study_plot *p)
{
    char *text;
    if (asprintf(&text,
                 "#!/usr/bin/env gnuplot\n"
                 "# Draws study.svg and study.png from study.csv. In this folder: gnuplot study.gp\n"
                 "vectors = \"%s\"\ntrials = %d\nagents = %d\ndimensions = %d\nagents_dimension = %" PRId64
                 "\ndimensions_agents = %d\npublished_agents = %d\npublished_dimensions = %d\n\n%s",
                 p->vectors, p->trials, p->agents, p->dimensions, p->agents_dimension, p->dimensions_agents,
                 p->published_agents, p->published_dimensions, study_script) < 0)
        return error_set(CGSV_ERROR_MEMORY, "no memory for study.gp");
    cgsv_status status = output_write_text(p->folder, "study.gp", text);
    free(text);
    return status;
}

cgsv_status study_plot_draw(bool *drawn, const struct study_plot *plot)
{
    *drawn = false;
    TRY(write_script(plot));
    const int code = program_run(plot->folder, (const char *const[]){"gnuplot", "study.gp", NULL});
    *drawn = code == 0;
    if (code == PROGRAM_NOT_FOUND)
        fprintf(stderr, "cgsv: warning: no plot: gnuplot is not installed; once it is, 'gnuplot study.gp' in '%s' "
                        "draws it\n", plot->folder);
    else if (code != 0)
        fprintf(stderr, "cgsv: warning: no plot: gnuplot failed (%d) on '%s/study.gp'\n", code, plot->folder);
    return CGSV_OK;
}
