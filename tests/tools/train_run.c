/* train_run.c - a run of training without the program around it, for tests/train/matrix.sh:
 *
 *   train_run RECIPE FOLDER THREADS [STEPS]
 *
 * makes the run, or goes on with the one that the folder holds, up to STEPS or to its end. */
#include "glass/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    glass_run *run;
    glass_run_report p;
    glass_status status;
    char path[4096];
    if (argc < 4) {
        fprintf(stderr, "train_run RECIPE FOLDER THREADS [STEPS]\n");
        return 2;
    }
    const glass_run_options o = {.folder = argv[2],
                                 .n_threads = (int)strtol(argv[3], NULL, 10)};
    long steps = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    snprintf(path, sizeof path, "%s/run.json", argv[2]);
    if (access(path, F_OK) == 0)
        status = glass_run_resume(&run, argv[2], &o);
    else
        status = glass_run_create(&run, argv[1], &o);
    while (status == GLASS_OK && (steps == 0 || glass_run_n_done(run) < steps))
        status = glass_run_step(run, &p);
    if (status != GLASS_OK && status != GLASS_NEGATIVE)
        fprintf(stderr, "train_run: %s\n", glass_error());
    glass_run_close(run);
    return status == GLASS_OK || status == GLASS_NEGATIVE ? 0 : (int)status;
}
