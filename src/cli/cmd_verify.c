/* cmd_verify.c - glass verify: a run of training, replayed, or two of them compared. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

struct verify {
    const char *steps;
    int64_t n_threads, sample, seed;
    bool full, bisect;
    glass_processes *processes;
    double shown; /* when the line was drawn last */
};

static bool show(void *context, int64_t step, int64_t last) {
    struct verify *v = context;
    if (glass_processes_rank(v->processes) == 0 && isatty(STDERR_FILENO) &&
        (cli_now() - v->shown > 0.2 || step == last)) {
        v->shown = cli_now();
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

static glass_status choose_seed(struct verify *v) {
    uint32_t seed;
    if (v->seed >= 0) return GLASS_OK;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return fail_errno("no random number for a seed: give --seed");
    v->seed = seed;
    return GLASS_OK;
}

static void print_drawn(const struct verify *v, const glass_verify_report *r) {
    printf("drawn with seed %lld: step", (long long)v->seed);
    for (int64_t i = 0; i < r->n_picked; i++) printf(" %lld", (long long)r->picked[i]);
    printf("\n");
    fflush(stdout);
}

static glass_status verify_run(struct verify *v, const char *folder) {
    glass_verify_options o = {.n_sample = v->sample,
                              .full = v->full,
                              .progress = show,
                              .context = v,
                              .processes = v->processes};
    bool speaks = glass_processes_rank(v->processes) == 0;
    glass_verify_report r;
    TRY(cli_narrow(&o.n_threads, v->n_threads, "threads"));
    if (v->steps != NULL) TRY(parse_steps(&o.first, &o.last, v->steps));
    if (v->sample < 0) return fail(GLASS_USAGE, "--sample: no negative number");
    TRY(choose_seed(v));
    o.seed = (uint64_t)v->seed;
    glass_status status = glass_run_verify(folder, &o, &r);
    if (r.n_picked > 0 && speaks) print_drawn(v, &r);
    glass_free(r.picked);
    if (status == GLASS_OK && speaks)
        printf("%s: the same to the bit (%lld steps computed again%s)\n", folder,
               (long long)r.n_replayed, v->full ? ", from the texts" : "");
    return status;
}

static glass_status compare_runs(struct verify *v, const char *a, const char *b) {
    glass_verify_options o = {.progress = show, .context = v};
    int64_t n;
    TRY(cli_narrow(&o.n_threads, v->n_threads, "threads"));
    TRY(glass_run_bisect(&n, a, b, &o));
    printf("%s and %s: the same to the bit, up to step %lld\n", a, b, (long long)n);
    return GLASS_OK;
}

static glass_status work(struct verify *v, const char *const words[2], int n_words) {
    int ways = (v->steps != NULL || v->sample != 0) + v->full + v->bisect;
    if (ways > 1)
        return fail(GLASS_USAGE,
                    "one of --full, --bisect, and --steps or --sample can be wanted");
    if (n_words != (v->bisect ? 2 : 1))
        return fail(GLASS_USAGE,
                    v->bisect ? "--bisect takes two runs" : "one RUN is wanted");
    TRY(glass_processes_join(&v->processes));
    if (glass_processes_size(v->processes) == 1) cli_catch_interrupt();
    if (!v->bisect) return verify_run(v, words[0]);
    return glass_processes_rank(v->processes) > 0 ? GLASS_OK
                                                  : compare_runs(v, words[0], words[1]);
}

int cmd_verify(int argc, char **argv) {
    struct verify v = {.seed = -1};
    const char *words[2] = {NULL};
    const struct opt options[] = {
        {"steps", 0, OPT_TEXT, &v.steps, "A..B", "these steps only (default: all)"},
        {"sample", 0, OPT_INT, &v.sample, "N",
         "N steps drawn at random, of all or of --steps"},
        {"seed", 's', OPT_INT, &v.seed, "N",
         "what draws them (default: a random one; it is said)"},
        {"full", 0, OPT_FLAG, &v.full, NULL,
         "from the texts: shards, steps and checkpoints"},
        {"bisect", 0, OPT_FLAG, &v.bisect, NULL,
         "where do two runs part, and which is right?"},
        {"threads", 't', OPT_INT, &v.n_threads, "N", "threads (default: the recipe's)"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass verify RUN [RUN] [options]",
        "Computes a run's steps again, each from the newest checkpoint before it or from "
        "the\n"
        "start, and compares every step on the way with the ledger: exit code 0 if all are "
        "the\n"
        "same to the bit, 1 if not, with the first difference: step, tensor, block. Who "
        "ran "
        "it\n"
        "does not matter, nor by how many processes; mpirun's share the work here too.",
        "  glass verify shakespeare.run\n"
        "  glass verify shakespeare.run --steps 401..410\n"
        "  glass verify shakespeare.run --sample 5\n"
        "  glass verify shakespeare.run --full\n"
        "  glass verify --bisect mine.run theirs.run\n",
        options,
        1,
        2,
        false};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = work(&v, words, n_words);
    code = status == GLASS_OK ? 0 : cli_fail_one(v.processes, status);
    glass_processes_leave(v.processes, status);
    return code;
}
