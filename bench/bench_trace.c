/* bench_trace.c - the trace index at a large scale: corpora to build it of, how fast it answers,
 * and that it finds what a search through the tokens finds.
 *
 *   bench_trace shard OUT.safetensors VOCABULARY [TEXT-FILE ...]
 *       tokens of texts, whose documents begin with lines "<doc …>"; no file: standard input
 *   bench_trace mix OUT.safetensors MILLIONS SEED SHARD
 *       that many million tokens of documents that are put together from pieces of the shard's
 *       documents, of 1 to 12 tokens: no text, but as rich in its short stretches
 *   bench_trace ask INDEX [TEXT-FILE] [RUNS]
 *       milliseconds for answers of 458 tokens, documents fetched and ranked: pieces of the text,
 *       or stretches of 2 to 20 tokens from the index itself with a random token between
 *   bench_trace prove INDEX N SEED SHARD ...
 *       N random stretches of the shards, which the index is of in this order, and as many with
 *       one token changed: all their places, by the index and by comparing at every token */
#include "base/clock.h"
#include "base/path.h"
#include "base/team.h"
#include "glass/trace.h"
#include "train/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER = 458 };

static void check(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "bench_trace: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static uint64_t state;
static uint64_t draw(uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint64_t)((unsigned __int128)(state ^ state >> 33) * below >> 64);
}

/* ---- corpora ---- */

struct corpus {
    struct buf tokens, starts;
    int64_t n, n_documents, n_bytes;
};

static void put_token(struct corpus *c, int32_t id) {
    check(buf_append(&c->tokens, &id, 2));
    c->n++;
}

static void put_start(struct corpus *c) {
    check(buf_append(&c->starts, &c->n, sizeof c->n));
    c->n_documents++;
}

static void write_corpus(struct corpus *c, const char *path) {
    check(buf_append(&c->starts, &c->n, sizeof c->n));
    struct shard s = {.tokens = (const uint8_t *)c->tokens.data,
                      .starts = (const uint8_t *)c->starts.data,
                      .token_bytes = 2,
                      .n_tokens = c->n,
                      .n_documents = c->n_documents,
                      .n_bytes = c->n_bytes};
    check(shard_write(&s, path));
    printf("%s: %lld tokens, %lld documents\n", path, (long long)c->n,
           (long long)c->n_documents);
    buf_free(&c->tokens);
    buf_free(&c->starts);
}

static void put_document(struct corpus *c, const glass_tokenizer *t, const char *text,
                         size_t n_bytes) {
    int32_t *ids, eos = glass_tokenizer_eos(t);
    int64_t n;
    if (eos < 0) eos = glass_tokenizer_find(t, "<|endoftext|>", 13);
    if (eos < 0) check(fail(GLASS_BAD_INPUT, "the vocabulary has no EOS"));
    check(glass_tokenizer_encode(t, &ids, &n, text, n_bytes, 0));
    put_start(c);
    put_token(c, eos);
    for (int64_t i = 0; i < n; i++) put_token(c, ids[i]);
    put_token(c, eos);
    c->n_bytes += (int64_t)n_bytes;
    glass_free(ids);
}

static void put_file(struct corpus *c, const glass_tokenizer *t, FILE *file) {
    struct buf text = {0};
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, file)) >= 0;) {
        bool header = strncmp(line, "<doc ", 5) == 0;
        if (header && text.len > 0) {
            put_document(c, t, text.data, text.len);
            buf_clear(&text);
        }
        if (!header && strncmp(line, "</doc>", 6) != 0)
            check(buf_append(&text, line, (size_t)n));
    }
    if (text.len > 0) put_document(c, t, text.data, text.len);
    free(line);
    buf_free(&text);
}

static void make_shard(const char *out, const char *vocabulary, char **files, int n_files) {
    struct corpus c = {0};
    glass_tokenizer *t;
    check(glass_tokenizer_open(&t, vocabulary));
    if (n_files == 0) put_file(&c, t, stdin);
    for (int i = 0; i < n_files; i++) {
        FILE *file = fopen(files[i], "re");
        if (file == NULL) check(fail_errno("%s", files[i]));
        put_file(&c, t, file);
        fclose(file);
    }
    write_corpus(&c, out);
    glass_tokenizer_close(t);
}

static void open_shard(struct shard *s, const char *path) {
    check(shard_open(s, path, NULL));
    if (s->token_bytes != 2) check(fail(GLASS_BAD_INPUT, "%s: not of 16 bits", path));
}

static void mix(const char *out, int64_t n, const char *path) {
    struct corpus c = {0};
    struct shard s;
    open_shard(&s, path);
    check(buf_reserve(&c.tokens, 2 * (size_t)n + 65536));
    int32_t end = shard_token(&s, 0);
    while (c.n < n) {
        int64_t length = 50 + (int64_t)draw(1500), from = c.n;
        put_start(&c);
        put_token(&c, end);
        while (c.n - from < length) {
            int64_t take = 1 + (int64_t)draw(12), at = (int64_t)draw((uint64_t)s.n_tokens);
            for (; take > 0 && at < s.n_tokens && shard_token(&s, at) != end; take--, at++)
                put_token(&c, shard_token(&s, at));
        }
        put_token(&c, end);
    }
    write_corpus(&c, out);
    shard_clear(&s);
}

/* ---- speed ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* An answer's text: of the ids where they are given, else made of the index's own stretches. */
static void make_answer(struct buf *out, const glass_trace *trace, const int32_t *ids,
                        int64_t n_ids) {
    const glass_tokenizer *t = glass_trace_tokenizer(trace);
    int32_t made[ANSWER];
    char *text;
    size_t n_bytes;
    if (ids == NULL) {
        int64_t n = 0;
        glass_trace_next *list = NULL;
        int64_t n_list, n_vocab = glass_tokenizer_n_vocab(t);
        while (n < ANSWER) { /* a walk: each token one that followed the ones before */
            int64_t depth = 2 + (int64_t)draw(4), length = 2 + (int64_t)draw(19);
            made[n++] = (int32_t)draw((uint64_t)n_vocab);
            for (int64_t i = 0; i < length && n < ANSWER; i++) {
                int64_t known = i + 1 < depth ? i + 1 : depth;
                check(
                    glass_trace_following(trace, &list, &n_list, made + n - known, known));
                int32_t next = n_list > 0 ? list[draw((uint64_t)n_list)].id : -1;
                glass_free(list);
                if (next < 0) break;
                made[n++] = next;
            }
        }
        ids = made;
        n_ids = n;
    }
    check(glass_tokenizer_decode(t, &text, &n_bytes, ids, n_ids, GLASS_CONTINUE));
    buf_clear(out);
    check(buf_append(out, text, n_bytes));
    glass_free(text);
}

static void ask(const char *index, const char *file, int runs) {
    glass_trace *trace;
    struct buf text = {0}, answer = {0};
    int32_t *ids = NULL;
    int64_t n_ids = 0, spans = 0, places = 0, tokens = 0, all = 0;
    double *times;
    check(glass_trace_open(&trace, index));
    check(mem_alloc(&times, (size_t)runs, sizeof *times));
    if (file != NULL) {
        check(path_read_whole(&text, file, (size_t)1 << 30));
        check(glass_tokenizer_encode(glass_trace_tokenizer(trace), &ids, &n_ids, text.data,
                                     text.len, 0));
        if (n_ids < ANSWER) check(fail(GLASS_USAGE, "%s: too short", file));
    }
    for (int i = 0; i < runs; i++) {
        glass_trace_result *r;
        int64_t at = ids == NULL ? 0 : (int64_t)draw((uint64_t)(n_ids - ANSWER + 1));
        make_answer(&answer, trace, ids == NULL ? NULL : ids + at, ANSWER);
        /* Once for the pages of the file, then for the clock. */
        check(glass_trace_text(&r, trace, answer.data, answer.len, NULL));
        glass_trace_result_free(r);
        double start = clock_now();
        check(glass_trace_text(&r, trace, answer.data, answer.len, NULL));
        times[i] = 1e3 * (clock_now() - start);
        tokens += r->n_tokens;
        all += r->n_spans_all;
        spans += r->n_spans;
        for (int64_t s = 0; s < r->n_spans; s++) places += r->spans[s].n_places;
        glass_trace_result_free(r);
    }
    qsort(times, (size_t)runs, sizeof *times, by_value);
    glass_trace_info info;
    glass_trace_get_info(trace, &info);
    printf("%lld tokens in %lld segments: answers of %.0f tokens, %.0f maximal spans, %.0f "
           "told with %.0f places: median %.2f ms, 95%% within %.2f, most %.2f\n",
           (long long)info.n_tokens, (long long)info.n_segments, (double)tokens / runs,
           (double)all / runs, (double)spans / runs, (double)places / runs, times[runs / 2],
           times[runs * 95 / 100], times[runs - 1]);
    glass_free(ids);
    mem_free(times);
    buf_free(&text);
    buf_free(&answer);
    glass_trace_close(trace);
}

/* ---- proof ---- */

enum { LONGEST = 64 };

struct wanted {
    uint16_t tokens[LONGEST];
    int64_t n;
    int64_t count;
    uint64_t sum; /* of a hash of each place: the same set gives the same sum */
    int64_t next; /* of those whose first two tokens have the same key */
};

enum { SHARDS = 64 };

struct proof {
    struct shard shards[SHARDS];
    int n_shards;
    const struct shard *now; /* that is being compared */
    int64_t document;        /* its first, counted through all */
    struct wanted *list;
    int64_t n;
    int64_t *first;           /* (65536) by key */
    struct wanted *found[64]; /* of each member, (n): its counts and sums */
};

/* Of a stretch's first two tokens. */
static uint32_t key_of(const uint8_t *tokens) {
    uint32_t pair;
    memcpy(&pair, tokens, sizeof pair);
    return pair * 2654435761u >> 16;
}

static uint64_t hash_place(int64_t document, int64_t offset) {
    uint64_t x = (uint64_t)document * 0x9e3779b97f4a7c15u ^ (uint64_t)offset;
    x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 29;
}

/* Compares every stretch at every token of this member's documents. */
static void compare_all(void *context, const struct member *me) {
    struct proof *p = context;
    const struct shard *s = p->now;
    int64_t begin, end;
    team_share(me, s->n_documents, 1, &begin, &end);
    for (int64_t d = begin; d < end; d++) {
        int64_t from = shard_start(s, d), to = shard_start(s, d + 1);
        for (int64_t i = from; i + 1 < to; i++) {
            const uint8_t *here = s->tokens + 2 * (size_t)i;
            for (int64_t w = p->first[key_of(here)]; w >= 0; w = p->list[w].next) {
                const struct wanted *x = &p->list[w];
                if (x->n > to - i || memcmp(here, x->tokens, 2 * (size_t)x->n) != 0)
                    continue;
                p->found[me->i][w].count++;
                p->found[me->i][w].sum += hash_place(p->document + d, i - from);
            }
        }
    }
}

static void choose(struct proof *p) {
    for (int64_t w = 0; w < p->n; w++) {
        const struct shard *s = &p->shards[draw((uint64_t)p->n_shards)];
        struct wanted *x = &p->list[w];
        int64_t d = (int64_t)draw((uint64_t)s->n_documents);
        int64_t from = shard_start(s, d), to = shard_start(s, d + 1);
        int64_t at = from + (int64_t)draw((uint64_t)(to - from - 1));
        x->n = 2 + (int64_t)draw(draw(2) == 0 ? 6 : LONGEST - 1);
        if (x->n > to - at) x->n = to - at;
        memcpy(x->tokens, s->tokens + 2 * (size_t)at, 2 * (size_t)x->n);
        if (w >=
            p->n / 2) /* to a token from elsewhere, so that some stand somewhere else */
            x->tokens[draw((uint64_t)x->n)] =
                (uint16_t)shard_token(s, (int64_t)draw((uint64_t)s->n_tokens));
        uint32_t key = key_of((const uint8_t *)x->tokens);
        x->next = p->first[key];
        p->first[key] = w;
    }
}

/* Whether the index gives exactly these places. */
static bool same_places(const glass_trace *trace, struct wanted *x, int64_t *n_places) {
    glass_trace_at *list;
    int32_t ids[LONGEST];
    int64_t count;
    uint64_t sum = 0;
    for (int64_t i = 0; i < x->n; i++) ids[i] = x->tokens[i];
    check(glass_trace_count(trace, &count, ids, x->n));
    check(glass_trace_find(trace, &list, n_places, ids, x->n, -1));
    for (int64_t i = 0; i < *n_places; i++)
        sum += hash_place(list[i].document, list[i].offset);
    glass_free(list);
    return count == x->count && *n_places == x->count && sum == x->sum;
}

static int prove(const char *index, int64_t n, char **shards, int n_shards) {
    struct proof p = {.n = 2 * n, .n_shards = n_shards};
    glass_trace *trace;
    int64_t wrong = 0, places = 0, none = 0;
    check(glass_trace_open(&trace, index));
    for (int i = 0; i < n_shards; i++) open_shard(&p.shards[i], shards[i]);
    check(mem_alloc_zero(&p.list, (size_t)p.n, sizeof *p.list));
    check(mem_alloc(&p.first, 65536, sizeof *p.first));
    for (int i = 0; i < 65536; i++) p.first[i] = -1;
    choose(&p);
    int n_threads = team_default_threads() < 64 ? team_default_threads() : 64;
    for (int i = 0; i < n_threads; i++)
        check(mem_alloc_zero(&p.found[i], (size_t)p.n, sizeof *p.found[i]));
    double start = clock_now();
    for (int i = 0; i < n_shards; i++) {
        p.now = &p.shards[i];
        team_run(n_threads, compare_all, &p);
        p.document += p.shards[i].n_documents;
    }
    double compared = clock_now() - start;
    for (int i = 0; i < n_threads; i++) {
        for (int64_t w = 0; w < p.n; w++) {
            p.list[w].count += p.found[i][w].count;
            p.list[w].sum += p.found[i][w].sum;
        }
        mem_free(p.found[i]);
    }
    start = clock_now();
    for (int64_t w = 0; w < p.n; w++) {
        int64_t n_places;
        wrong += !same_places(trace, &p.list[w], &n_places);
        places += n_places;
        none += p.list[w].count == 0;
    }
    printf(
        "%lld stretches and %lld changed ones: %lld places, %lld stand nowhere; %lld wrong "
        "(compared in %.1f s, found in %.1f s)\n",
        (long long)n, (long long)n, (long long)places, (long long)none, (long long)wrong,
        compared, clock_now() - start);
    glass_trace_close(trace);
    for (int i = 0; i < n_shards; i++) shard_clear(&p.shards[i]);
    mem_free(p.list);
    mem_free(p.first);
    return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    state = 1;
    if (strcmp(what, "shard") == 0 && argc >= 4) {
        make_shard(argv[2], argv[3], argv + 4, argc - 4);
    } else if (strcmp(what, "mix") == 0 && argc == 6) {
        state = strtoull(argv[4], NULL, 10);
        mix(argv[2], strtoll(argv[3], NULL, 10) * 1000000, argv[5]);
    } else if (strcmp(what, "ask") == 0 && argc >= 3) {
        ask(argv[2], argc > 3 && argv[3][0] != '\0' ? argv[3] : NULL,
            argc > 4 ? (int)strtol(argv[4], NULL, 10) : 100);
    } else if (strcmp(what, "prove") == 0 && argc >= 6 && argc - 5 <= SHARDS) {
        state = strtoull(argv[4], NULL, 10);
        return prove(argv[2], strtoll(argv[3], NULL, 10), argv + 5, argc - 5);
    } else {
        fprintf(stderr, "usage: bench_trace shard|mix|ask|prove …: see bench_trace.c\n");
        return 2;
    }
    return 0;
}
