/* cmd_verify.c - glass verify: a run of training, replayed. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool show(void *context, int64_t step, int64_t last) {
    double *shown = context;
    if (isatty(STDERR_FILENO) && (cli_now() - *shown > 0.2 || step == last)) {
        *shown = cli_now();
        fprintf(stderr, "\rstep %lld of %lld%s\x1b[K", (long long)step, (long long)last,
                step == last ? "\r" : "");
    }
    return !cli_interrupted;
}

/* "A..B" */
static glass_status parse_steps(int64_t *first, int64_t *last, const char *text) {
    char *end, *last_end;
    *first = strtoll(text, &end, 10);
    bool good = end != text && end[0] == '.' && end[1] == '.';
    if (good) *last = strtoll(end + 2, &last_end, 10);
    if (good && last_end != end + 2 && *last_end == '\0' && *first >= 1 && *last >= *first)
        return GLASS_OK;
    return fail(GLASS_USAGE, "--steps %.40s: A..B is wanted, from 1 on", text);
}

int cmd_verify(int argc, char **argv) {
    const char *steps = NULL, *words[1] = {NULL};
    int64_t n_threads = 0, first = 0, last = 0;
    int32_t threads = 0;
    double shown = 0;
    const struct opt options[] = {
        {"steps", 0, OPT_TEXT, &steps, "A..B", "these steps only (default: all)"},
        {"threads", 't', OPT_INT, &n_threads, "N", "threads (default: the recipe's)"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass verify RUN [options]",
        "Computes a run's steps again, from the newest checkpoint before them or from the\n"
        "start, and compares each with the ledger: exit code 0 if all are the same to the "
        "bit,\n1 if not, with the first difference.",
        "  glass verify shakespeare.run\n"
        "  glass verify shakespeare.run --steps 401..410\n",
        options,
        1,
        1,
        false};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    cli_catch_interrupt();
    glass_status status = cli_narrow(&threads, n_threads, "threads");
    if (status == GLASS_OK && steps != NULL) status = parse_steps(&first, &last, steps);
    if (status == GLASS_OK)
        status = glass_run_verify(words[0], first, last, threads, show, &shown);
    if (status != GLASS_OK) return cli_fail(status);
    printf("%s: the same to the bit\n", words[0]);
    return 0;
}
