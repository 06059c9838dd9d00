/* verify_without.h - glass verify RUN --without DOC…: what a run would have been without some
 * documents, for cmd_verify.c. */
#ifndef CLI_VERIFY_WITHOUT_H
#define CLI_VERIFY_WITHOUT_H

#include "cli/cli.h"

struct verify_without {
    struct opt_list documents; /* DOC, or @FILE with one a line */
    const char *answer, *file, *prompt, *out, *texts;
    bool json, quiet, full;
    int n_threads;
    glass_processes *processes;
};

/* words: more documents, that stand behind the run (n_words). */
glass_status verify_without(const struct verify_without *v, const char *run,
                            const char *const *words, int n_words);

#endif
