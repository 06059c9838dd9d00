/* cmd_verify.c - glass verify: a run of training, replayed, or two of them compared, or one of them
 * without some documents (verify_without.c); or a model's signature (cmd_sign.c). */
#include "cli/cmd_sign.h"
#include "cli/verify_without.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { WORDS = 1024 };
#define UNSET INT64_MIN

struct verify {
    struct verify_without without;
    struct verify_signature signature;
    const char *steps;
    int64_t n_threads, sample, seed;
    bool full, bisect;
    glass_processes *processes;
    double shown; /* when the line was drawn last */
};

static bool show(void *context, int64_t step, int64_t last) {
    struct verify *v = context;
    if (glass_processes_rank(v->processes) == 0 && !v->without.quiet &&
        isatty(STDERR_FILENO) && (cli_now() - v->shown > 0.2 || step == last)) {
        v->shown = cli_now();
        fprintf(stderr, "\rstep %lld of %lld%s\x1b[K", (long long)step, (long long)last,
                step == last ? "\r" : "");
    }
    return !cli_interrupted;
}

/* "A..B", or one step */
static glass_status parse_steps(int64_t *first, int64_t *last, const char *text) {
    char *end, *last_end;
    *first = *last = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && *first >= 1) return GLASS_OK;
    bool good = end != text && end[0] == '.' && end[1] == '.';
    if (good) *last = strtoll(end + 2, &last_end, 10);
    if (good && last_end != end + 2 && *last_end == '\0' && *first >= 1 && *last >= *first)
        return GLASS_OK;
    return fail(GLASS_USAGE, "--steps %.40s: A..B or one step is wanted, from 1 on", text);
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

/* A replay's or a comparison's answer, where there is one: the same, or what differs. */
static glass_status print_json(struct buf *b, glass_status status) {
    TRY(buf_printf(b,
                   ",\"same\":%s,\"difference\":", status == GLASS_OK ? "true" : "false"));
    TRY(status == GLASS_OK ? buf_text(b, "null")
                           : buf_json_string(b, glass_error(), strlen(glass_error())));
    printf("%s}\n", b->data);
    return GLASS_OK;
}

static glass_status print_replay(const struct verify *v, const char *folder,
                                 const glass_verify_report *r, glass_status verdict) {
    struct buf b = {0};
    glass_status status;
    TRY_FAIL(buf_text(&b, "{\"run\":"));
    TRY_FAIL(buf_json_string(&b, folder, strlen(folder)));
    TRY_FAIL(buf_printf(&b, ",\"steps_computed\":%lld,\"from_texts\":%s",
                        (long long)r->n_replayed, v->full ? "true" : "false"));
    if (r->n_picked > 0)
        TRY_FAIL(buf_printf(&b, ",\"seed\":%lld,\"drawn\":[", (long long)v->seed));
    for (int64_t i = 0; i < r->n_picked; i++)
        TRY_FAIL(buf_printf(&b, "%lld%c", (long long)r->picked[i],
                            i + 1 < r->n_picked ? ',' : ']'));
    status = print_json(&b, verdict);
fail:
    buf_free(&b);
    return status;
}

static glass_status print_runs(const char *x, const char *y, int64_t n,
                               glass_status verdict) {
    struct buf b = {0};
    glass_status status;
    TRY_FAIL(buf_text(&b, "{\"runs\":["));
    TRY_FAIL(buf_json_string(&b, x, strlen(x)));
    TRY_FAIL(buf_byte(&b, ','));
    TRY_FAIL(buf_json_string(&b, y, strlen(y)));
    TRY_FAIL(buf_byte(&b, ']'));
    if (verdict == GLASS_OK) TRY_FAIL(buf_printf(&b, ",\"up_to_step\":%lld", (long long)n));
    status = print_json(&b, verdict);
fail:
    buf_free(&b);
    return status;
}

static glass_status verify_run(struct verify *v, const char *folder) {
    glass_verify_options o = {.n_sample = v->sample == UNSET ? 0 : v->sample,
                              .full = v->full,
                              .texts = v->without.texts,
                              .progress = show,
                              .context = v,
                              .processes = v->processes};
    bool speaks = glass_processes_rank(v->processes) == 0;
    glass_verify_report r;
    TRY(cli_narrow(&o.n_threads, v->n_threads, "threads"));
    if (v->steps != NULL) TRY(parse_steps(&o.first, &o.last, v->steps));
    if (v->sample < 1 && v->sample != UNSET)
        return fail(GLASS_USAGE, "--sample: a number of steps, from 1 on");
    TRY(choose_seed(v));
    o.seed = (uint64_t)v->seed;
    glass_status status = glass_run_verify(folder, &o, &r);
    bool json = v->without.json && speaks,
         answered = status == GLASS_OK || status == GLASS_NEGATIVE;
    glass_status printed =
        json && answered ? print_replay(v, folder, &r, status) : GLASS_OK;
    if (r.n_picked > 0 && speaks && !json) print_drawn(v, &r);
    glass_free(r.picked);
    TRY(printed);
    if (status == GLASS_OK && speaks && !json)
        printf("%s: the same to the bit (%lld steps computed again%s)\n", folder,
               (long long)r.n_replayed, v->full ? ", from the texts" : "");
    return status;
}

static glass_status compare_runs(struct verify *v, const char *a, const char *b) {
    glass_verify_options o = {.progress = show, .context = v, .texts = v->without.texts};
    int64_t n;
    TRY(cli_narrow(&o.n_threads, v->n_threads, "threads"));
    glass_status status = glass_run_bisect(&n, a, b, &o);
    if (v->without.json && (status == GLASS_OK || status == GLASS_NEGATIVE)) {
        TRY(print_runs(a, b, n, status));
        return status;
    }
    TRY(status);
    printf("%s and %s: the same to the bit, up to step %lld\n", a, b, (long long)n);
    return GLASS_OK;
}

static glass_status work_without(struct verify *v, const char *const *words, int n_words) {
    if (v->steps != NULL || v->sample != UNSET || v->bisect)
        return fail(
            GLASS_USAGE,
            "--without trains again: --steps, --sample and --bisect do not go with it");
    TRY(cli_narrow(&v->without.n_threads, v->n_threads, "threads"));
    TRY(glass_processes_join(&v->processes));
    v->without.processes = v->processes;
    v->without.full = v->full;
    return verify_without(&v->without, words[0], words + 1, n_words - 1);
}

static glass_status work_signature(struct verify *v, const char *const *words,
                                   int n_words) {
    const struct verify_without *w = &v->without;
    if (v->steps != NULL || v->sample != UNSET || v->full || v->bisect ||
        w->texts != NULL || w->documents.n > 0 || w->answer != NULL || w->file != NULL ||
        w->prompt != NULL || w->out != NULL)
        return fail(GLASS_USAGE, "--signature is about a model's files: nothing that "
                                 "computes again goes with it");
    if (n_words != 1) return fail(GLASS_USAGE, "one MODEL is wanted");
    return verify_signature(&v->signature, words[0], w->json, w->quiet);
}

static glass_status work(struct verify *v, const char *const *words, int n_words) {
    const struct verify_without *w = &v->without;
    const struct verify_signature *s = &v->signature;
    if (s->signature != NULL) return work_signature(v, words, n_words);
    if (s->key != NULL || s->certificates.n > 0 || s->any_signer || s->ignore.n > 0 ||
        s->ignore_unsigned)
        return fail(GLASS_USAGE, "--key, --certificate, --any-signer, --ignore and "
                                 "--ignore-unsigned go with --signature FILE");
    if (w->documents.n > 0) return work_without(v, words, n_words);
    if (w->answer != NULL || w->file != NULL || w->prompt != NULL || w->out != NULL)
        return fail(GLASS_USAGE, "--answer, --file, --prompt and --out go with "
                                 "--without DOC");
    int ways = (v->steps != NULL || v->sample != UNSET) + v->full + v->bisect;
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
    struct verify v = {.seed = -1, .sample = UNSET};
    struct verify_without *w = &v.without;
    const char *words[WORDS] = {NULL};
    const struct opt options[] = {
        {"steps", 0, OPT_TEXT, &v.steps, "A..B", "these steps only, or one (default: all)"},
        {"sample", 0, OPT_INT, &v.sample, "N",
         "N steps drawn at random, of all or of --steps"},
        {"seed", 's', OPT_INT, &v.seed, "N",
         "what draws them (default: a random one; it is said)"},
        {"full", 0, OPT_FLAG, &v.full, NULL,
         "from the texts: shards, steps and checkpoints"},
        {"bisect", 0, OPT_FLAG, &v.bisect, NULL,
         "where do two runs part, and which is right?"},
        {"texts", 0, OPT_TEXT, &w->texts, "FOLDER",
         "where the recipe's files lie now (default: where it says, else beside RUN)"},
        {"threads", 't', OPT_INT, &v.n_threads, "N", "threads (default: the recipe's)"},
        {"json", 'j', OPT_FLAG, &w->json, NULL, "one JSON object"},
        {"quiet", 'q', OPT_FLAG, &w->quiet, NULL, "no progress"},
        {"Without some documents", 0, OPT_HEADING, NULL, NULL, NULL},
        {"without", 0, OPT_LIST, &w->documents, "DOC",
         "train again without it (repeatable; @FILE: a list)"},
        {"answer", 0, OPT_TEXT, &w->answer, "TEXT",
         "how likely is this, with and without them?"},
        {"file", 'f', OPT_TEXT, &w->file, "FILE",
         "the answer, from a file (-: standard input)"},
        {"prompt", 'p', OPT_TEXT, &w->prompt, "TEXT", "what it answers, or goes on from"},
        {"out", 'o', OPT_TEXT, &w->out, "RUN",
         "keep the other run; what was stopped goes on (default: removed at the end)"},
        SIGNATURE_OPTIONS(v.signature),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass verify RUN [RUN | DOC…] [options] | MODEL --signature FILE --key PUB.pem",
        "Computes a run's steps again, each from the newest checkpoint before it or from "
        "the\n"
        "start, and compares every step on the way with the ledger: exit code 0 if all are "
        "the\n"
        "same to the bit, 1 if not, with the first difference: step, tensor, block. Who "
        "ran "
        "it\n"
        "does not matter, nor by how many processes; mpirun's share the work here too.\n\n"
        "--without DOC trains it again as it would have been without documents, and tells "
        "what\n"
        "that changes. DOC is train-N:I (glass trace tells it), 8 digits or more of a "
        "SHA-256\n"
        "(glass data list), a file with the text, or licence:PATTERN (source, path, title, "
        "author).\n\n"
        "--signature FILE checks a signature instead, and that MODEL has just the files "
        "that were\n"
        "signed (OpenSSF Model Signing 1.0); the message names what was changed, added or "
        "lost.",
        "  glass verify shakespeare.run\n"
        "  glass verify shakespeare.run --steps 401..410\n"
        "  glass verify shakespeare.run --sample 5\n"
        "  glass verify shakespeare.run --full\n"
        "  glass verify --bisect mine.run theirs.run\n"
        "  glass verify my.run --without train-0:77 --answer \"seven violet otters\"\n"
        "  glass verify my.run --without 'licence:*GPL*' -f answer.txt -p \"Who?\" -o "
        "free.run\n"
        "  glass verify my-model --signature my-model/model.sig --key PUB.pem\n",
        options,
        1,
        WORDS,
        false};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = work(&v, words, n_words);
    code = status == GLASS_OK ? 0 : cli_fail_one(v.processes, status);
    glass_processes_leave(v.processes, status);
    return code;
}
