/* bits.c DIR [--way W] [--threads N] [--chunk N] [--only TEXT] - the SHA-256 of long
 * outputs of the models in DIR: logits of every position of a prompt, then tokens, their
 * logits and their text. One line for each case; tests/bits/golden.txt holds what they must
 * be, whatever the options, the compiler and the machine.
 *
 *   --way at-once     the prompt in calls of --chunk tokens (all in one by default)
 *         truncated   wrong tokens are fed now and then, and taken back
 *         reloaded    the session is saved now and then, and goes on in a new one
 *         batch       two other sessions share every pass
 *
 * bits --isas: what GLASS_ISA may be here, a line each.
 * bits --files: the models that the cases need, as "NAME FAMILY GROW TYPE" for bits_model.
 * bits --file MODEL IDS N [...]: one case, N tokens after the ids in the file IDS. */
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "glass/glass.h"
#include "math/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_CTX = 640 };

struct test_case {
    const char *family;
    int grow;
    glass_dtype type, cache;
    int n_prompt, n_new;
    bool sampled; /* else greedy */
};

/* Prompts of more than 256 tokens cross a block of attention; grown models have heads of
 * 64, which a q8_0 cache needs, and rows of 256 and 512, which blocks of 256 need. */
static const struct test_case cases[] = {
    {"llama", 1, GLASS_F32, GLASS_F32, 300, 220, false},
    {"llama", 1, GLASS_F32, GLASS_F16, 300, 220, true},
    {"llama-tied", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"mistral", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"qwen2", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"qwen3", 1, GLASS_F32, GLASS_F32, 300, 220, false},
    {"olmo", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"olmo2", 1, GLASS_F32, GLASS_F32, 300, 220, false},
    {"gpt2", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"gptneo", 1, GLASS_F32, GLASS_F32, 300, 220, false},
    {"gptneox", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"gptneox-sequential", 1, GLASS_F32, GLASS_F32, 300, 220, true},
    {"llama", 8, GLASS_F32, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_F16, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_BF16, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q4_0, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q4_1, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q5_0, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q5_1, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q8_0, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_IQ4_NL, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q2_K, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q3_K, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q4_K, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q5_K, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q6_K, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_IQ4_XS, GLASS_F32, 40, 204, true},
    {"llama", 8, GLASS_Q4_0, GLASS_F16, 270, 24, true},
    {"mistral", 8, GLASS_Q4_K, GLASS_Q8_0, 270, 24, true},
    {"qwen3", 8, GLASS_Q8_0, GLASS_Q8_0, 270, 24, true},
    {"gptj", 1, GLASS_F32, GLASS_F32, 270, 40, true},
    {"olmo3", 1, GLASS_F32, GLASS_F32, 270, 40, true},
    {"gemma2", 1, GLASS_F32, GLASS_F32, 270, 40, true},
    {"gemma3", 1, GLASS_F32, GLASS_F16, 270, 40, true},
    {"apertus", 1, GLASS_F32, GLASS_F32, 270, 40, true},
    {"phi3", 1, GLASS_F32, GLASS_F32, 270, 40, true},
};
enum { N_CASES = sizeof cases / sizeof *cases };

enum way { AT_ONCE, TRUNCATED, RELOADED, BATCH, N_WAYS };
static const char *const way_names[] = {"at-once", "truncated", "reloaded", "batch"};

struct options {
    enum way way;
    int threads;
    int64_t chunk; /* 0 = everything */
    glass_dtype cache;
    const char *only;
};

static void name_of(char out[64], const struct test_case *c) {
    snprintf(out, 64, "%s-%d-%s", c->family, c->grow, glass_dtype_name(c->type));
}

/* ---- one session, and what befalls it ---- */

struct run {
    const struct options *o;
    const glass_model *model;
    glass_session *session, *strangers[2];
    int64_t n_vocab, n_ctx, fed;
};

static glass_status open_session(glass_session **out, const struct run *r,
                                 int64_t n_batch) {
    glass_session_options o = {.n_ctx = r->n_ctx,
                               .n_batch = n_batch,
                               .n_threads = r->o->threads,
                               .cache_type = r->o->cache};
    return glass_session_create(out, r->model, &o);
}

/* Feeds up to 11 wrong tokens and takes them back. */
static glass_status stray(struct run *r) {
    int32_t wrong[11];
    int64_t n = r->n_ctx - r->fed < 11 ? r->n_ctx - r->fed : 11;
    for (int64_t i = 0; i < n; i++)
        wrong[i] = (int32_t)((r->fed * 5 + i * 3 + 1) % r->n_vocab);
    TRY(glass_session_eval(r->session, wrong, n, NULL));
    return glass_session_truncate(r->session, r->fed);
}

/* Goes on in a new session, with another size of passes. */
static glass_status reload(struct run *r) {
    char path[] = "/tmp/glass-bits-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return fail_errno("mkstemp");
    close(fd);
    glass_status status = glass_session_save(r->session, path);
    if (status == GLASS_OK) {
        glass_session_free(r->session);
        r->session = NULL;
        status = open_session(&r->session, r, 1 + r->fed % 40);
    }
    if (status == GLASS_OK) status = glass_session_load(r->session, path);
    unlink(path);
    return status;
}

/* One pass that strangers share, before and after; they start over when they are full. */
static glass_status feed_among_strangers(struct run *r, const int32_t *ids, int64_t n,
                                         float *logits) {
    int32_t others[2][9];
    int64_t n_others[2];
    for (int i = 0; i < 2; i++) {
        int64_t at;
        n_others[i] = 1 + (r->fed + 4 * i) % 9;
        glass_session_tokens(r->strangers[i], &at);
        if (at + n_others[i] > r->n_ctx) TRY(glass_session_truncate(r->strangers[i], i));
        for (int64_t j = 0; j < n_others[i]; j++)
            others[i][j] = (int32_t)((at * 7 + j + 2 + i) % r->n_vocab);
    }
    glass_batch_item items[3] = {
        {r->strangers[0], others[0], n_others[0], NULL, false, NULL},
        {r->session, ids, n, logits, true, NULL},
        {r->strangers[1], others[1], n_others[1], NULL, false, NULL}};
    return glass_batch_eval(items, 3);
}

/* logits (n, n_vocab) of n more tokens. */
static glass_status feed(struct run *r, const int32_t *ids, int64_t n, float *logits) {
    int64_t chunk = r->o->chunk > 0 ? r->o->chunk : n;
    for (int64_t i = 0; i < n; i += chunk) {
        int64_t here = n - i < chunk ? n - i : chunk;
        float *out = logits + i * r->n_vocab;
        bool now = r->fed > 0 && r->fed % 50 < here;
        if (r->o->way == TRUNCATED && now) TRY(stray(r));
        if (r->o->way == RELOADED && now) TRY(reload(r));
        if (r->o->way == BATCH) {
            TRY(feed_among_strangers(r, ids + i, here, out));
        } else {
            TRY(glass_session_eval_all(r->session, ids + i, here, out));
        }
        r->fed += here;
    }
    /* A model that says nothing proves nothing. */
    for (int64_t i = 0; i < n * r->n_vocab; i++)
        if (!(logits[i] - logits[i] == 0))
            return fail(GLASS_BAD_INPUT, "a logit after token %lld is not finite",
                        (long long)r->fed);
    return GLASS_OK;
}

/* ---- one case ---- */

static glass_status start_sampler(glass_sampler **out, const glass_model *model,
                                  bool sampled) {
    glass_sampler_options o;
    glass_sampler_defaults(&o);
    o.seed = 2024;
    o.repeat_penalty = sampled ? 1.1f : 1;
    if (!sampled) o.temperature = 0;
    return glass_sampler_create(out, glass_model_tokenizer(model), &o);
}

/* Tokens one by one, each into the digest with its logits; then their text. */
static glass_status generate(struct run *r, struct sha256 *digest, glass_sampler *sampler,
                             float *logits, int32_t *ids, int64_t n) {
    char *text;
    size_t n_bytes;
    for (int64_t i = 0; i < n; i++) {
        TRY(glass_sampler_next(sampler, &ids[i], logits, r->n_vocab));
        TRY(sha256_update(digest, &ids[i], sizeof ids[i]));
        TRY(feed(r, &ids[i], 1, logits));
        TRY(sha256_update(digest, logits, (size_t)r->n_vocab * sizeof *logits));
    }
    TRY(glass_tokenizer_decode(glass_model_tokenizer(r->model), &text, &n_bytes, ids, n,
                               0));
    TRY(sha256_update(digest, text, n_bytes));
    glass_free(text);
    return GLASS_OK;
}

/* prompt has room for n_new more. The line: name, cache, digest. */
static glass_status run_model(const char *name, const char *path, int32_t *prompt,
                              int64_t n_prompt, int64_t n_new, bool sampled,
                              const struct options *o) {
    struct run r = {.o = o};
    glass_model *model;
    glass_model_info info;
    glass_sampler *sampler;
    struct sha256 *digest;
    float *logits;
    uint8_t bytes[32];
    char text[65];
    TRY(glass_model_open(&model, path, NULL));
    glass_model_get_info(model, &info);
    r.model = model;
    r.n_vocab = info.n_vocab;
    r.n_ctx = info.n_ctx < N_CTX ? info.n_ctx : N_CTX;
    for (int64_t i = 0; i < n_prompt; i++) prompt[i] %= (int32_t)r.n_vocab;
    TRY(open_session(&r.session, &r, 0));
    for (int i = 0; i < 2; i++) TRY(open_session(&r.strangers[i], &r, 0));
    TRY(start_sampler(&sampler, model, sampled));
    TRY(sha256_create(&digest));
    TRY(mem_alloc(&logits, (size_t)(n_prompt * r.n_vocab), sizeof *logits));
    TRY(feed(&r, prompt, n_prompt, logits));
    TRY(sha256_update(digest, logits, (size_t)(n_prompt * r.n_vocab) * sizeof *logits));
    memmove(logits, logits + (n_prompt - 1) * r.n_vocab,
            (size_t)r.n_vocab * sizeof *logits);
    TRY(generate(&r, digest, sampler, logits, prompt + n_prompt, n_new));
    TRY(sha256_finish(digest, bytes));
    sha256_hex(text, bytes);
    printf("%s %s %lld+%lld %s %s\n", name, glass_dtype_name(o->cache), (long long)n_prompt,
           (long long)n_new, sampled ? "sampled" : "greedy", text);
    fflush(stdout);
    mem_free(logits);
    glass_sampler_free(sampler);
    for (int i = 0; i < 2; i++) glass_session_free(r.strangers[i]);
    glass_session_free(r.session);
    glass_model_close(model);
    return GLASS_OK;
}

static glass_status run_cases(const char *dir, struct options *o) {
    int32_t prompt[N_CTX];
    for (int i = 0; i < N_CASES; i++) {
        const struct test_case *c = &cases[i];
        char name[64], path[512];
        name_of(name, c);
        if (o->only != NULL && strstr(name, o->only) == NULL) continue;
        snprintf(path, sizeof path, "%s/%s.gguf", dir, name);
        for (int j = 0; j < c->n_prompt; j++) prompt[j] = (7 * j + j * j / 5 + 3) % 4099;
        o->cache = c->cache;
        TRY(run_model(name, path, prompt, c->n_prompt, c->n_new, c->sampled, o));
    }
    return GLASS_OK;
}

/* A model and ids of the caller's, with each cache type that it allows. */
static glass_status run_file(char **argv, struct options *o) {
    static const glass_dtype caches[] = {GLASS_F32, GLASS_F16, GLASS_Q8_0};
    struct buf text = {0};
    int32_t prompt[N_CTX];
    int64_t n = 0, n_new = strtol(argv[4], NULL, 10);
    TRY(path_read_whole(&text, argv[3], 1 << 20));
    for (char *p = text.data, *next; n + n_new < N_CTX; p = next, n++) {
        prompt[n] = (int32_t)strtol(p, &next, 10);
        if (next == p) break;
    }
    buf_free(&text);
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        o->cache = caches[i];
        TRY(run_model("file", argv[2], prompt, n, n_new, true, o));
    }
    return GLASS_OK;
}

static void list_files(void) {
    char name[64], earlier[64];
    for (int i = 0; i < N_CASES; i++) {
        bool known = false;
        name_of(name, &cases[i]);
        for (int j = 0; j < i && !known; j++) {
            name_of(earlier, &cases[j]);
            known = strcmp(name, earlier) == 0;
        }
        if (!known)
            printf("%s %s %d %s\n", name, cases[i].family, cases[i].grow,
                   glass_dtype_name(cases[i].type));
    }
}

static int usage(void) {
    fprintf(stderr, "usage: bits DIR [--way W] [--threads N] [--chunk N] [--only TEXT]\n"
                    "       bits --files | --isas\n"
                    "       bits --file MODEL IDS N [OPTIONS]\n");
    return 2;
}

int main(int argc, char **argv) {
    struct options o = {.threads = 1};
    bool file = argc > 1 && strcmp(argv[1], "--file") == 0;
    int first = file ? 5 : 2;
    if (argc == 2 && strcmp(argv[1], "--files") == 0) return list_files(), 0;
    if (argc == 2 && strcmp(argv[1], "--isas") == 0) {
        for (int i = 0; i < math_n_isas(); i++) puts(math_isa_name(i));
        return 0;
    }
    if (argc < first || (argc - first) % 2 != 0) return usage();
    for (int i = first; i < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--threads")) {
            o.threads = (int)strtol(value, NULL, 10);
        } else if (!strcmp(argv[i], "--chunk")) {
            o.chunk = strtol(value, NULL, 10);
        } else if (!strcmp(argv[i], "--only")) {
            o.only = value;
        } else if (!strcmp(argv[i], "--way")) {
            int way = 0;
            while (way < N_WAYS && strcmp(way_names[way], value) != 0) way++;
            if (way == N_WAYS) return usage();
            o.way = (enum way)way;
        } else {
            return usage();
        }
    }
    glass_status status = file ? run_file(argv, &o) : run_cases(argv[1], &o);
    if (status == GLASS_OK) return 0;
    fprintf(stderr, "bits: %s\n", glass_error());
    return glass_status_exit_code(status);
}
