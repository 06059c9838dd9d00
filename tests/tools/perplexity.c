/* perplexity.c MODEL TEXT [--chunks N] [--ctx N] [--threads N] - the perplexity of a text,
 * as llama-perplexity computes it, for comparison with it: the whole text is encoded once
 * and cut into chunks of ctx (512) tokens; each is fed to an empty context (its first token
 * replaced by BOS where the model wants one), and the tokens of its second half are scored.
 * What is left at the end is dropped. Prints the running value after each chunk. */
#include "base/path.h"
#include "glass/glass.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    glass_model *model;
    glass_session *session;
    const glass_tokenizer *tokenizer;
    int32_t *ids;
    float *logits; /* (ctx/2, n_vocab) */
    int64_t n_ids, n_vocab, ctx, chunks;
    double sum, squares;
    int64_t count;
};

/* -ln p of the token. */
static double surprise(const float *logits, int64_t n, int32_t id) {
    float most = logits[0];
    double z = 0;
    for (int64_t i = 1; i < n; i++) most = logits[i] > most ? logits[i] : most;
    for (int64_t i = 0; i < n; i++) z += exp((double)logits[i] - (double)most);
    return log(z) - ((double)logits[id] - (double)most);
}

static glass_status do_chunk(struct job *j, int32_t *ids) {
    int64_t half = j->ctx / 2, n = j->ctx - half;
    int32_t first = ids[0];
    double sum = 0, squares = 0;
    if (glass_tokenizer_adds_bos(j->tokenizer)) ids[0] = glass_tokenizer_bos(j->tokenizer);
    TRY(glass_session_truncate(j->session, 0));
    TRY(glass_session_eval(j->session, ids, half, NULL));
    TRY(glass_session_eval_all(j->session, ids + half, n, j->logits));
    ids[0] = first;
#pragma omp parallel for reduction(+ : sum, squares)
    for (int64_t i = 0; i < n - 1; i++) {
        double s = surprise(j->logits + i * j->n_vocab, j->n_vocab, ids[half + i + 1]);
        sum += s;
        squares += s * s;
    }
    j->sum += sum;
    j->squares += squares;
    j->count += n - 1;
    return GLASS_OK;
}

static glass_status open_job(struct job *j, char **argv, int threads) {
    struct buf text = {0};
    glass_model_info info;
    TRY(glass_model_open(&j->model, argv[1], NULL));
    glass_model_get_info(j->model, &info);
    j->n_vocab = info.n_vocab;
    j->tokenizer = glass_model_tokenizer(j->model);
    if (j->tokenizer == NULL) return fail(GLASS_BAD_INPUT, "%s: no tokenizer", argv[1]);
    TRY(path_read_whole(&text, argv[2], (size_t)1 << 30));
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    TRY(glass_tokenizer_encode(j->tokenizer, &j->ids, &j->n_ids, (const char *)text.data,
                               text.len, GLASS_ADD_SPECIAL));
    buf_free(&text);
    glass_session_options o = {.n_ctx = j->ctx, .n_threads = threads};
    TRY(glass_session_create(&j->session, j->model, &o));
    return mem_alloc(&j->logits, (size_t)((j->ctx - j->ctx / 2) * j->n_vocab),
                     sizeof *j->logits);
}

static glass_status run(struct job *j, char **argv, int threads) {
    TRY(open_job(j, argv, threads));
    if (j->n_ids < 2 * j->ctx)
        return fail(GLASS_BAD_INPUT, "%s: %lld tokens; %lld are needed", argv[2],
                    (long long)j->n_ids, (long long)(2 * j->ctx));
    int64_t n = j->n_ids / j->ctx;
    if (j->chunks > 0 && j->chunks < n) n = j->chunks;
    printf("%lld tokens, %lld chunks of %lld\n", (long long)j->n_ids, (long long)n,
           (long long)j->ctx);
    for (int64_t i = 0; i < n; i++) {
        TRY(do_chunk(j, j->ids + i * j->ctx));
        printf("[%lld]%.4f,", (long long)i + 1, exp(j->sum / (double)j->count));
        fflush(stdout);
    }
    double mean = j->sum / (double)j->count, value = exp(mean);
    double variance =
        (j->squares / (double)j->count - mean * mean) / (double)(j->count - 1);
    printf("\nPPL = %.5f +/- %.5f\n", value, value * sqrt(variance));
    return GLASS_OK;
}

int main(int argc, char **argv) {
    struct job j = {.ctx = 512};
    int threads = 0;
    if (argc < 3) {
        fprintf(stderr,
                "usage: perplexity MODEL TEXT [--chunks N] [--ctx N] [--threads N]\n");
        return 2;
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--chunks")) j.chunks = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--ctx")) j.ctx = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--threads")) threads = (int)strtol(argv[i + 1], NULL, 10);
    }
    if (j.ctx < 4) j.ctx = 4;
    glass_status status = run(&j, argv, threads);
    if (status != GLASS_OK) fprintf(stderr, "perplexity: %s\n", glass_error());
    glass_session_free(j.session);
    glass_model_close(j.model);
    glass_free(j.ids);
    mem_free(j.logits);
    return status == GLASS_OK ? 0 : glass_status_exit_code(status);
}
